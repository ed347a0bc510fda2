/* SPDX-License-Identifier: Apache-2.0
 * The store: the same tests on SQLite and on a PostgreSQL cluster of the test's own. */
#include "tests/store_fixture.h"

#include "store/store_inner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char sqlite_url[96];

/* The URL a test runs on, or skips. */
static const char *url_of(void **state)
{
    const char *why, *url = *state ? fixture_postgres(&why) : sqlite_url;
    if (!url) {
        print_message("# skipped: %s\n", why);
        skip();
    }
    if (*state) {
        char *argv[] = {"psql", "-q", "-d", (char *)(uintptr_t)url, "-c", "SET lock_timeout = 3000", "-c", "DROP SCHEMA IF EXISTS ternmark CASCADE", NULL};
        assert_int_equal(fixture_call(argv), 0);
    } else
        unlink(sqlite_url + strlen("sqlite:"));
    return url;
}

static struct store *open_store(const char *url)
{
    struct fault fault = {0};
    struct store *store = store_open(url, STORE_WRITE, &fault);
    if (!store)
        print_error("%s\n", fault.text);
    assert_non_null(store);
    return store;
}

static struct store_counts import_run(struct store *store, const struct made *m)
{
    struct fault fault = {0};
    struct store_counts counts = {0};
    json_t *run = fixture_run(m);
    if (!store_import(store, run, &counts, &fault))
        print_error("%s\n", fault.text);
    assert_string_equal(fault.text, "");
    json_decref(run);
    return counts;
}

static void what_is_made_is_a_result_file(void **state)
{
    (void)state;
    struct fault fault = {0};
    char path[96];
    snprintf(path, sizeof path, "%s/run.json", fixture_folder);
    json_t *run = fixture_run(&(struct made){.run = 1, .n_cells = 2, .n_samples = 9, .factor = 1});
    bool saved = runfile_save(path, run, &fault);
    assert_string_equal(fault.text, "");
    assert_true(saved);
    json_decref(run);
}

static void a_run_goes_in_once(void **state)
{
    struct store *store = open_store(url_of(state));
    const struct made m = {.run = 7, .started = 1700000000, .n_cells = 3, .n_samples = 30, .factor = 1};
    struct store_counts counts = import_run(store, &m);
    assert_int_equal(counts.runs, 1);
    assert_int_equal(counts.points, 6);
    for (int again = 0; again < 3; again++) {
        counts = import_run(store, &m);
        assert_int_equal(counts.runs, 0);
        assert_int_equal(counts.points, 0);
        assert_int_equal(counts.known, 1);
    }
    struct store_totals totals;
    struct fault fault = {0};
    assert_true(store_totals(store, &totals, &fault));
    assert_int_equal(totals.runs, 1);
    assert_int_equal(totals.cells, 3);
    assert_int_equal(totals.points, 6);
    assert_int_equal(totals.samples, 90);
    assert_int_equal(totals.first, 1700000000);
    store_close(store);
}

static void series_come_back_in_order(void **state)
{
    struct store *store = open_store(url_of(state));
    struct fault fault = {0};
    struct store_series_list list;
    struct store_points points;
    for (int i = 9; i >= 0; i--)
        for (int machine = 0; machine < 2; machine++)
            import_run(store, &(struct made){.run = (uint64_t)(10 * i + machine), .started = 1700000000 + 3600 * i, .machine = machine, .n_cells = 2, .n_samples = 30, .factor = 1});
    assert_true(store_list(store, &(struct store_filter){.cell = "n=1$", .hardware = "machine-1", .metric = "^time$"}, &list, &fault));
    assert_int_equal(list.n, 1);
    assert_string_equal(list.items[0].cell_name, "made/bench/n=1");
    assert_string_equal(list.items[0].unit, "ns");
    assert_int_equal(list.items[0].points, 10);
    assert_true(store_points_of(store, &list.items[0], 1700000000 + 3600, &points, &fault));
    assert_int_equal(points.n, 9);
    for (size_t i = 0; i < points.n; i++) {
        assert_int_equal(points.items[i].started, 1700000000 + 3600 * (int64_t)(i + 1));
        assert_true(points.items[i].value > 1100 && points.items[i].value < 1122 && points.items[i].spread > 0);
        assert_int_equal(points.items[i].n, 30);
        assert_int_equal(strlen(points.items[i].commit), 40);
    }
    free(points.items);
    store_list_clear(&list);
    assert_false(store_list(store, &(struct store_filter){.cell = "("}, &list, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    store_close(store);
}

static void samples_come_back_bit_for_bit(void **state)
{
    struct store *store = open_store(url_of(state));
    struct fault fault = {0};
    struct store_series_list list;
    struct store_points points;
    const struct made m = {.run = 3, .started = 1700000000, .n_cells = 1, .n_samples = 300, .factor = 1};
    import_run(store, &m);
    assert_true(store_list(store, &(struct store_filter){.metric = "^time$"}, &list, &fault));
    assert_true(store_points_of(store, &list.items[0], 0, &points, &fault));
    double *samples;
    size_t n, g, i, at = 0;
    assert_true(store_samples_of(store, &list.items[0], &points.items[0], &samples, &n, &fault));
    assert_int_equal(n, 300);
    json_t *run = fixture_run(&m), *generation, *sample;
    json_array_foreach(json_object_get(json_array_get(json_object_get(json_array_get(json_object_get(run, "cells"), 0), "runs"), 0), "samples_ns"), g, generation)
        json_array_foreach(generation, i, sample) assert_true(samples[at++] == json_real_value(sample));
    json_decref(run);
    free(samples);
    free(points.items);
    store_list_clear(&list);
    store_close(store);
}

/* The 60 names of hostile intent live elsewhere; here the ones that SQL, LIKE and format strings would take amiss. */
/* More sets than one block holds, and one that alone is larger than a block. */
static void many_samples_come_back_from_several_blocks(void **state)
{
    struct store *store = open_store(url_of(state));
    struct fault fault = {0};
    struct store_series_list list;
    const struct made m = {.run = 4, .started = 1700000000, .n_cells = 3, .n_samples = 240000, .factor = 1};
    import_run(store, &m);
    json_t *run = fixture_run(&m), *generation, *sample;
    assert_true(store_list(store, &(struct store_filter){.metric = "^time$"}, &list, &fault));
    assert_int_equal(list.n, 3);
    for (size_t c = 0; c < list.n; c++) {
        struct store_points points;
        double *samples;
        size_t n, g, i, at = 0;
        assert_true(store_points_of(store, &list.items[c], 0, &points, &fault));
        assert_true(store_samples_of(store, &list.items[c], &points.items[0], &samples, &n, &fault));
        assert_int_equal(n, m.n_samples);
        json_array_foreach(json_object_get(json_array_get(json_object_get(json_array_get(json_object_get(run, "cells"), c), "runs"), 0), "samples_ns"), g, generation)
            json_array_foreach(generation, i, sample) assert_true(samples[at++] == json_real_value(sample));
        free(samples);
        free(points.items);
    }
    json_decref(run);
    store_list_clear(&list);
    store_close(store);
}

static bool run_sql(struct store *store, const struct store_statement *statement, const struct store_value *parameters)
{
    struct fault fault = {0};
    bool ok = STORE_RUN(store, statement, parameters, NULL, NULL, &fault);
    if (!ok)
        print_error("%s\n", fault.text);
    return ok;
}

/* A store as version 1 left it: one run of one cell with 4 samples, and a point of another metric that has none. */
static void make_version_1(const char *url)
{
    static const struct store_statement rows[] = {
        {"INSERT INTO hardware (key, fields) VALUES ('old', '{}')", 0},
        {"INSERT INTO environment (hash, fields) VALUES ('h', '{}')", 0},
        {"INSERT INTO cell (name, workload, suite, bench) VALUES ('made/bench/n=0', 'w', 'made', 'bench')", 0},
        {"INSERT INTO metric (name, unit) VALUES ('time', 'ns')", 0},
        {"INSERT INTO metric (name, unit) VALUES ('memory_peak', 'B')", 0},
        {"INSERT INTO run (uuid, kind, started, imported, dirty, hardware, environment, ternmark, complete, fit, exit_code)"
         " VALUES ('u', 'run', 5, 6, 0, 1, 1, '0', 1, 1, 0)", 0},
        {"INSERT INTO point (cell, hardware, metric, started, run, value, spread, n) VALUES (1, 1, 1, 5, 1, 2.5, 0.5, 4)", 0},
        {"INSERT INTO point (cell, hardware, metric, started, run, value, spread, n) VALUES (1, 1, 2, 5, 1, 7.0, 0, 1)", 0},
    };
    static const struct store_statement add_set = {"INSERT INTO sample_set (run, cell, n, data) VALUES (1, 1, 4, $1)", 1};
    struct store old = {.driver = strncmp(url, "sqlite", 6) == 0 ? &sqlite_driver : &postgres_driver};
    struct fault fault = {0};
    json_t *generations = json_pack("[[f,f],[f,f]]", 1.0, 2.0, 3.0, 4.0);
    unsigned char *bytes;
    size_t n_bytes, n;
    assert_non_null(old.database = old.driver->open(url, true, &fault));
    assert_true(store_migrate(&old, 1, &fault));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(run_sql(&old, &rows[i], NULL));
    assert_true(store_samples_pack(generations, &bytes, &n_bytes, &n));
    assert_true(run_sql(&old, &add_set, (struct store_value[]){{.kind = STORE_BLOB, .bytes = bytes, .n = n_bytes}}));
    old.driver->close(old.database);
    free(bytes);
    json_decref(generations);
}

static void tables_of_an_older_version_are_brought_along(void **state)
{
    const char *url = url_of(state);
    struct fault fault = {0};
    struct store_series_list list;
    struct store_points points;
    struct store_totals totals;
    double *samples;
    size_t n;
    make_version_1(url);
    assert_null(store_open(url, STORE_READ, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    assert_non_null(strstr(fault.text, "history import"));
    struct store *store = open_store(url);
    assert_true(store_list(store, &(struct store_filter){.cell = "n=0"}, &list, &fault));
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[1].metric_name, "time");
    assert_true(store_points_of(store, &list.items[1], 0, &points, &fault));
    assert_true(store_samples_of(store, &list.items[1], &points.items[0], &samples, &n, &fault));
    assert_true(n == 4 && samples[0] == 1 && samples[3] == 4);
    free(samples);
    assert_true(store_samples_of(store, &list.items[0], &points.items[0], &samples, &n, &fault));
    assert_int_equal(n, 0);
    import_run(store, &(struct made){.run = 9, .started = 1700000000, .n_cells = 1, .n_samples = 30, .factor = 1});
    assert_true(store_totals(store, &totals, &fault));
    assert_true(totals.points == 4 && totals.sample_sets == 2 && totals.samples == 34);
    free(points.items);
    store_list_clear(&list);
    store_close(store);
}

/* The baseline says when it was made; the runs in it began before. */
static void a_baseline_made_later_adds_nothing_to_its_runs(void **state)
{
    struct store *store = open_store(url_of(state));
    struct fault fault = {0};
    struct store_counts counts = {0};
    struct store_totals totals;
    import_run(store, &(struct made){.run = 22, .started = 1700000000, .n_cells = 2, .n_samples = 9, .factor = 1});
    json_t *baseline = fixture_run(&(struct made){.run = 22, .started = 1700009000, .n_cells = 2, .n_samples = 9, .factor = 1});
    json_object_set_new(baseline, "kind", json_string("baseline"));
    assert_true(store_import(store, baseline, &counts, &fault));
    assert_true(counts.runs == 0 && counts.points == 0 && counts.known == 1);
    assert_true(store_totals(store, &totals, &fault));
    assert_true(totals.points == 4 && totals.sample_sets == 2);
    json_decref(baseline);
    store_close(store);
}

static void names_are_data(void **state)
{
    static const char *const names[] = {"'; DROP TABLE run; --", "%n%s%_", "\"quoted\"\\", "$1", "日本語 ☃ \xf0\x9f\x94\xa5", "a\nb\tc"};
    struct store *store = open_store(url_of(state));
    struct fault fault = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *run = fixture_run(&(struct made){.run = 100 + i, .started = 1700000000, .n_cells = 1, .n_samples = 9, .factor = 1});
        json_t *cell = json_array_get(json_object_get(run, "cells"), 0);
        struct store_counts counts = {0};
        json_object_set_new(cell, "id", json_string(names[i]));
        json_object_set_new(cell, "suite", json_string(names[i]));
        assert_true(store_import(store, run, &counts, &fault));
        json_decref(run);
    }
    struct store_series_list list;
    assert_true(store_list(store, &(struct store_filter){.metric = "^time$"}, &list, &fault));
    assert_int_equal(list.n, sizeof names / sizeof *names);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t found = 0;
        for (size_t k = 0; k < list.n; k++)
            found += strcmp(list.items[k].cell_name, names[i]) == 0;
        assert_int_equal(found, 1);
    }
    store_list_clear(&list);
    store_close(store);
}

static bool count_alert(void *to, const struct store_alert *alert)
{
    ++*(int *)to;
    assert_string_equal(alert->severity, "moderate");
    assert_true(fabs(alert->change - 0.2) < 1e-12);
    return true;
}

static void an_alert_is_kept_once(void **state)
{
    struct store *store = open_store(url_of(state));
    struct fault fault = {0};
    struct store_series_list list;
    struct store_points points;
    for (int i = 0; i < 12; i++)
        import_run(store, &(struct made){.run = (uint64_t)i, .started = 1700000000 + i, .n_cells = 1, .n_samples = 9, .factor = 1});
    assert_true(store_list(store, &(struct store_filter){.metric = "^time$"}, &list, &fault));
    assert_true(store_points_of(store, &list.items[0], 0, &points, &fault));
    for (size_t at = 5; at < 8; at++) {  /* the place moves a little, the change is the same */
        int64_t near[] = {points.items[at - 1].run, points.items[at].run, points.items[at + 1].run, points.items[5].run};
        struct store_alert a = {.cell = list.items[0].cell, .hardware = list.items[0].hardware, .metric = list.items[0].metric, .run = points.items[at].run,
                                .severity = "moderate", .kind = "step", .before = 1, .after = 1.2, .change = 0.2, .low = 0.1, .high = 0.3, .confidence = 0.9, .raised = 1700000100};
        bool is_new;
        assert_true(store_alert_add(store, &a, near, 4, &is_new, &fault));
        assert_int_equal(is_new, at == 5);
        assert_true(a.id > 0);
    }
    int n = 0;
    assert_true(store_alerts(store, count_alert, &n, &fault));
    assert_int_equal(n, 1);
    free(points.items);
    store_list_clear(&list);
    store_close(store);
}

static void notes_and_marks_stay(void **state)
{
    struct store *store = open_store(url_of(state));
    struct fault fault = {0};
    char reason[64];
    bool muted;
    int64_t points;
    const struct store_series s = {.cell = 4, .hardware = 5, .metric = 6};
    assert_true(store_note_add(store, STORE_MUTE, 0, "^made/", "rebuilding the machine", 2000, &fault));
    assert_true(store_muted(store, "made/bench/n=0", 1999, reason, sizeof reason, &muted, &fault));
    assert_true(muted);
    assert_string_equal(reason, "rebuilding the machine");
    assert_true(store_muted(store, "made/bench/n=0", 2000, reason, sizeof reason, &muted, &fault) && !muted);
    assert_true(store_muted(store, "other/bench", 1999, reason, sizeof reason, &muted, &fault) && !muted);
    assert_true(store_judged(store, &s, &points, &fault));
    assert_int_equal(points, 0);
    assert_true(store_judged_set(store, &s, 12, &fault) && store_judged_set(store, &s, 12, &fault) && store_judged_set(store, &s, 15, &fault));
    assert_true(store_judged(store, &s, &points, &fault));
    assert_int_equal(points, 15);
    store_close(store);
}

static void a_baseline_brings_each_of_its_runs(void **state)
{
    struct store *store = open_store(url_of(state));
    struct fault fault = {0};
    struct store_counts counts = {0};
    char uuid[40];
    json_t *baseline = fixture_run(&(struct made){.run = 20, .started = 1700000000, .n_cells = 2, .n_samples = 9, .factor = 1}), *cell;
    size_t i;
    json_object_set_new(baseline, "kind", json_string("baseline"));
    json_array_foreach(json_object_get(baseline, "cells"), i, cell) {
        json_t *more = json_deep_copy(json_array_get(json_object_get(cell, "runs"), 0));
        fixture_uuid(21, uuid);
        json_object_set_new(more, "run_id", json_string(uuid));
        json_array_append_new(json_object_get(cell, "runs"), more);
    }
    assert_true(store_import(store, baseline, &counts, &fault));
    assert_int_equal(counts.runs, 2);
    counts = import_run(store, &(struct made){.run = 21, .started = 1700000000, .n_cells = 3, .n_samples = 9, .factor = 1});
    assert_int_equal(counts.known, 1);
    struct store_totals totals;
    assert_true(store_totals(store, &totals, &fault));
    assert_int_equal(totals.runs, 2);
    assert_int_equal(totals.cells, 3);  /* the run's own file adds what the baseline left out */
    assert_int_equal(totals.sample_sets, 5);
    json_decref(baseline);
    store_close(store);
}

static void tables_of_a_newer_version_are_refused(void **state)
{
    const char *url = url_of(state);
    struct store *store = open_store(url);
    struct fault fault = {0};
    assert_true(store_begin(store, &fault) && store->driver->migrate(store->database, "SELECT 1", store_version + 1, &fault) && store_commit(store, &fault));
    store_close(store);
    assert_null(store_open(url, STORE_WRITE, &fault));
    assert_int_equal(fault.code, EXIT_CODE_INVALID);
    assert_non_null(strstr(fault.text, "newer"));
}

static void reading_makes_nothing(void **state)
{
    const char *url = url_of(state);
    struct fault fault = {0};
    assert_null(store_open(url, STORE_READ, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    if (!*state)
        assert_int_equal(access(url + strlen("sqlite:"), F_OK), -1);
}

static void other_urls_are_refused(void **state)
{
    static const char *const urls[] = {"", "history.db", "mysql://x", "sqlite:", "sqlitex:y", "postgresql"};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct fault fault = {0};
        assert_null(store_open(urls[i], STORE_WRITE, &fault));
        assert_int_equal(fault.code, EXIT_CODE_USAGE);
    }
}

static void sample_bytes_from_elsewhere_do_no_harm(void **state)
{
    (void)state;
    json_t *generations = json_pack("[[f,f,f],[f],[]]", 1.0, 2.5, 1e300, 4e-9);
    unsigned char *bytes;
    size_t n_bytes, n;
    double *samples;
    assert_true(store_samples_pack(generations, &bytes, &n_bytes, &n));
    assert_int_equal(n, 4);
    for (size_t cut = 0; cut < n_bytes; cut++) {
        unsigned char *copy = malloc(cut + 1);  /* its own block, so that a read beyond it shows */
        memcpy(copy, bytes, cut);
        assert_false(store_samples_unpack(copy, cut, &samples, &n));
        assert_null(samples);
        free(copy);
    }
    for (size_t at = 0; at < n_bytes; at++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (unsigned char)(1 << bit);
            if (store_samples_unpack(bytes, n_bytes, &samples, &n))
                free(samples);
            bytes[at] ^= (unsigned char)(1 << bit);
        }
    assert_true(store_samples_unpack(bytes, n_bytes, &samples, &n));
    assert_true(n == 4 && samples[2] == 1e300 && samples[3] == 4e-9);
    free(samples);
    free(bytes);
    json_decref(generations);
}

static int open_folder(void **state)
{
    (void)state;
    fixture_open();
    snprintf(sqlite_url, sizeof sqlite_url, "sqlite:%s/history.db", fixture_folder);
    return 0;
}

static int close_folder(void **state)
{
    (void)state;
    fixture_close();
    return 0;
}

#define BOTH(test) {#test " on SQLite", test, NULL, NULL, NULL}, {#test " on PostgreSQL", test, NULL, NULL, (void *)1}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_is_a_result_file),
        BOTH(a_run_goes_in_once),
        BOTH(series_come_back_in_order),
        BOTH(samples_come_back_bit_for_bit),
        BOTH(many_samples_come_back_from_several_blocks),
        BOTH(tables_of_an_older_version_are_brought_along),
        BOTH(a_baseline_made_later_adds_nothing_to_its_runs),
        BOTH(names_are_data),
        BOTH(an_alert_is_kept_once),
        BOTH(notes_and_marks_stay),
        BOTH(a_baseline_brings_each_of_its_runs),
        BOTH(tables_of_a_newer_version_are_refused),
        BOTH(reading_makes_nothing),
        cmocka_unit_test(other_urls_are_refused),
        cmocka_unit_test(sample_bytes_from_elsewhere_do_no_harm),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
