/* SPDX-License-Identifier: Apache-2.0
 * The store under kills, crowds and damage. TERNMARK_TEST_FULL=1: a thousand kills, 2,000 runs by eight writers, a thousand flips. */
#include "tests/seed.h"
#include "tests/store_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char url[96], path[80];
static uint64_t state;

static uint64_t any(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static int full_or(int full, int quick)
{
    return getenv("TERNMARK_TEST_FULL") ? full : quick;
}

static struct made small_run(uint64_t number)
{
    return (struct made){.run = number, .started = 1700000000 + (int64_t)number, .n_cells = 2, .n_samples = 6, .factor = 1};
}

static bool record(struct store *store, uint64_t number, struct fault *fault)
{
    const struct made m = small_run(number);
    struct store_counts counts = {0};
    json_t *run = fixture_run(&m);
    bool ok = store_import(store, run, &counts, fault);
    json_decref(run);
    return ok;
}

/* A child's whole life: records from `first` on, and says each number once the commit is acknowledged. */
static void record_for_ever(const char *where, uint64_t first, uint64_t n, int said)
{
    struct fault fault = {0};
    struct store *store = store_open(where, STORE_WRITE, &fault);
    bool ok = store != NULL;
    for (uint64_t i = first; ok && i < first + n; i++) {
        ok = record(store, i, &fault);
        if (ok && write(said, &i, sizeof i) != sizeof i)
            break;
    }
    if (!ok)
        fprintf(stderr, "child: %s\n", fault.text);
    _exit(ok ? 0 : 1);
}

static pid_t start_child(const char *where, uint64_t first, uint64_t n, int *said)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        record_for_ever(where, first, n, ends[1]);
    }
    close(ends[1]);
    *said = ends[0];
    return pid;
}

static int64_t count_runs(const char *where, bool deep)
{
    struct fault fault = {0};
    struct store_totals totals = {0};
    struct store *store = store_open(where, STORE_READ, &fault);
    if (!store || (deep && !store_check(store, &fault)) || !store_totals(store, &totals, &fault))
        print_error("%s\n", fault.text);
    assert_string_equal(fault.text, "");
    store_close(store);
    assert_int_equal(totals.points, totals.runs * 4);
    assert_int_equal(totals.sample_sets, totals.runs * 2);
    return totals.runs;
}

/* How many of the numbers were said; each is in the store or the test fails. */
static uint64_t last_said(int said, uint64_t next)
{
    uint64_t number;
    while (read(said, &number, sizeof number) == sizeof number)
        next = number + 1;
    close(said);
    return next;
}

static void no_acknowledged_run_is_lost_to_a_kill(void **unused)
{
    (void)unused;
    uint64_t next = 0;
    int kills = full_or(1000, 40);
    unlink(path);
    for (int k = 0; k < kills; k++) {
        int said;
        pid_t pid = start_child(url, next, 1000000, &said);
        usleep((useconds_t)(2000 + any(60000)));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        next = last_said(said, next);
        if (access(path, F_OK) != 0)
            continue;  /* killed before there was a file */
        struct fault fault = {0};
        struct store *store = store_open(url, STORE_WRITE, &fault);  /* rolls back what was half done */
        assert_string_equal(fault.text, "");
        store_close(store);
        int64_t runs = count_runs(url, k % 10 == 0 || k + 1 == kills);
        assert_true(runs >= (int64_t)next && runs <= (int64_t)next + 1);
        next = (uint64_t)runs;  /* a commit whose word did not come through */
    }
    print_message("# %d kills, %llu runs recorded\n", kills, (unsigned long long)next);
    assert_true(next > 10);
}

static void eight_writers_share_one_file(void **unused)
{
    (void)unused;
    enum { WRITERS = 8 };
    pid_t pids[WRITERS];
    int said[WRITERS], each = full_or(250, 12);
    time_t begin = time(NULL);
    unlink(path);
    for (uint64_t w = 0; w < WRITERS; w++)
        pids[w] = start_child(url, w * 1000, (uint64_t)each, &said[w]);
    for (int w = 0; w < WRITERS; w++) {
        int status;
        last_said(said[w], 0);
        assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
        assert_int_equal(status, 0);
    }
    print_message("# %d writers x %d runs: %ld s\n", WRITERS, each, (long)(time(NULL) - begin));
    assert_int_equal(count_runs(url, true), WRITERS * each);
}

/* Reads everything; whatever is wrong must come as a fault. Returns its code. */
static enum exit_code read_all(void)
{
    struct fault fault = {0};
    struct store_series_list list = {0};
    struct store_totals totals;
    struct store *store = store_open(url, STORE_READ, &fault);
    bool ok = store && store_list(store, &(struct store_filter){0}, &list, &fault) && store_totals(store, &totals, &fault);
    for (size_t i = 0; ok && i < list.n; i++) {
        struct store_points points;
        ok = store_points_of(store, &list.items[i], 0, &points, &fault);
        for (size_t k = 0; ok && k < points.n; k++) {
            double *samples = NULL;
            size_t n;
            ok = store_samples_of(store, &list.items[i], &points.items[k], &samples, &n, &fault);
            free(samples);
        }
        free(points.items);
    }
    store_list_clear(&list);
    store_close(store);
    return ok ? EXIT_CODE_PASS : fault.code;
}

static void write_bytes(const char *bytes, size_t n)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

static void damage_is_named_and_never_repaired_in_silence(void **unused)
{
    (void)unused;
    struct fault fault = {0};
    struct stat st;
    unlink(path);
    struct store *store = store_open(url, STORE_WRITE, &fault);
    for (uint64_t i = 0; i < 40; i++)
        assert_true(record(store, i, &fault));
    store_close(store);
    assert_int_equal(stat(path, &st), 0);
    size_t n = (size_t)st.st_size;
    char *good = malloc(n), *bad = malloc(n);
    FILE *in = fopen(path, "rb");
    assert_true(good && bad && in && fread(good, 1, n, in) == n);
    fclose(in);
    int flips = full_or(1000, 150), refused = 0;
    for (int k = 0; k < flips + 100; k++) {
        memcpy(bad, good, n);
        if (k < 100)
            bad[k] = (char)(bad[k] ^ 0xff);  /* the header, byte by byte */
        else
            for (int b = 0; b < 16; b++)
                bad[any(n)] = (char)any(256);
        write_bytes(bad, n);
        enum exit_code code = read_all();
        assert_true(code == EXIT_CODE_PASS || code == EXIT_CODE_INVALID || code == EXIT_CODE_USAGE);
        refused += code == EXIT_CODE_INVALID;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, n);
    }
    for (size_t cut = 0; cut < n; cut += 1 + n / 40) {  /* a copy that was cut short */
        write_bytes(good, cut);
        enum exit_code code = read_all();
        if (code != EXIT_CODE_INVALID)
            print_error("cut to %zu of %zu bytes: %d\n", cut, n, (int)code);
        assert_int_equal(code, EXIT_CODE_INVALID);
    }
    print_message("# %d of %d damaged files refused, the others still read whole\n", refused, flips + 100);
    assert_true(refused > flips / 2);
    free(good);
    free(bad);
}

static void a_server_that_dies_loses_nothing_and_doubles_nothing(void **unused)
{
    (void)unused;
    enum { RUNS = 400 };
    const char *why, *server = fixture_postgres(&why);
    if (!server) {
        print_message("# skipped: %s\n", why);
        skip();
    }
    uint64_t next = 0;
    int deaths = full_or(10, 2);
    for (int k = 0; k < deaths; k++) {
        int said;
        pid_t pid = start_child(server, next, RUNS, &said);
        usleep((useconds_t)(60000 + any(150000)));
        assert_true(fixture_server("stop"));  /* immediate: no one gets to finish */
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        next = last_said(said, next);
        assert_true(fixture_server("start"));
        int64_t runs = next ? count_runs(server, false) : 0;
        assert_true(runs >= (int64_t)next && runs <= (int64_t)next + 1);
    }
    struct fault fault = {0};
    struct store *store = store_open(server, STORE_WRITE, &fault);
    for (uint64_t i = 0; i < next + 3; i++)
        assert_true(record(store, i, &fault));  /* all of it again */
    store_close(store);
    assert_int_equal(count_runs(server, false), next + 3);
    print_message("# %d deaths of the server, %llu runs\n", deaths, (unsigned long long)next);
}

static int open_folder(void **unused)
{
    (void)unused;
    signal(SIGPIPE, SIG_IGN);
    state = seed_of_test("store_crash_test");
    fixture_open();
    snprintf(path, sizeof path, "%s/h.db", fixture_folder);
    snprintf(url, sizeof url, "sqlite:%s", path);
    return 0;
}

static int close_folder(void **unused)
{
    (void)unused;
    fixture_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_acknowledged_run_is_lost_to_a_kill), cmocka_unit_test(eight_writers_share_one_file),
        cmocka_unit_test(damage_is_named_and_never_repaired_in_silence), cmocka_unit_test(a_server_that_dies_loses_nothing_and_doubles_nothing),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
