/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands around the decision: exit codes of verdicts, levels of stored runs, recorded offsets, project files.
 */
#include "contest/judge.h"
#include "contest/levels.h"
#include "contest/offsets.h"
#include "contest/process.h"
#include "contest/project.h"
#include "stats/spread.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "near.h"

/* ---- verdicts */

static void words_have_codes(void **state)
{
    (void)state;
    static const struct row {
        const char *word;
        enum exit_code plain, strict, two_sided;
    } rows[] = {{"pass", 0, 0, 0}, {"improved", 0, 0, 1}, {"regression", 1, 1, 1}, {"inconclusive", 3, 3, 3}, {"unfit", 3, 3, 3},
                {"not_comparable", 3, 3, 3}, {"missing", 4, 4, 4}, {"failed", 4, 4, 4}, {"new", 0, 4, 0}, {"nonsense", 5, 5, 5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(judge_exit(rows[i].word, &(struct judge_rule){false, false, false}), rows[i].plain);
        assert_int_equal(judge_exit(rows[i].word, &(struct judge_rule){true, false, false}), rows[i].strict);
        assert_int_equal(judge_exit(rows[i].word, &(struct judge_rule){false, true, false}), rows[i].two_sided);
    }
}

static json_t *cell_with(const char *status, const char *paired, const char *stored)
{
    json_t *verdicts = json_array();
    if (paired)
        json_array_append_new(verdicts, judge_word("time", "paired", 0.05, paired, NULL, NULL));
    if (stored)
        json_array_append_new(verdicts, judge_word("time", "stored", 0.05, stored, NULL, NULL));
    return json_pack("{s:s,s:o}", "status", status, "verdicts", verdicts);
}

static void cells_add_up(void **state)
{
    (void)state;
    static const struct row {
        const char *status, *paired, *stored;
        enum exit_code code;
    } rows[] = {
        {"ok", "pass", NULL, 0},           {"ok", "pass", "inconclusive", 0}, {"ok", "pass", "not_comparable", 0}, {"ok", "pass", "regression", 1},
        {"ok", "regression", "pass", 1},   {"ok", "inconclusive", "pass", 3}, {"ok", NULL, "inconclusive", 3},    {"ok", "inconclusive", "inconclusive", 3},
        {"ok", "pass", "missing", 4},      {"failed", NULL, NULL, 4},         {"unfit", NULL, NULL, 3},           {"not selected", NULL, NULL, 3},
        {"ok", NULL, NULL, 0},             {"skipped", NULL, NULL, 3},        {"not selected", "missing", NULL, 4},
    };
    const struct judge_rule rule = {false, false, false};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *cells = json_pack("[o]", cell_with(rows[i].status, rows[i].paired, rows[i].stored));
        enum exit_code code = judge_cells(cells, &rule);
        if (code != rows[i].code)
            fail_msg("row %zu: exit %d, expected %d", i, code, rows[i].code);
        json_decref(cells);
    }
    json_t *none = json_array(), *stored = json_pack("[o]", cell_with("ok", NULL, "inconclusive"));
    assert_int_equal(judge_cells(none, &rule), EXIT_CODE_CANNOT_JUDGE);
    assert_int_equal(judge_cells(stored, &(struct judge_rule){.first_run = true}), EXIT_CODE_PASS);
    json_array_clear(stored);
    json_array_append_new(stored, cell_with("ok", NULL, "regression"));
    assert_int_equal(judge_cells(stored, &(struct judge_rule){.first_run = true}), EXIT_CODE_REGRESSION);
    json_decref(stored);
    json_decref(none);
}

static void level_of_a_run(void **state)
{
    (void)state;
    double error;
    json_t *run = json_pack("{s:[[f,f,f],[f,f,f]]}", "samples_ns", 90.0, 100.0, 110.0, 100.0, 100.0, 100.0), *empty = json_pack("{s:[]}", "samples_ns");
    assert_near(levels_of_run(run, &error), log(100), 1e-12);
    assert_near(error, 0.01 / sqrt(2), 1e-12);
    assert_true(isnan(levels_of_run(empty, NULL)) && isnan(levels_of_run(NULL, NULL)));
    json_decref(run);
    json_decref(empty);
}

static void another_workload_has_no_offsets(void **state)
{
    (void)state;
    double zero[3] = {0}, history[SPREAD_GRID];
    json_t *metrics = json_object();
    offsets_put(metrics, &(struct spread_cell){3, zero, zero, zero, zero, NULL, 0});
    json_t *baseline = json_pack("{s:[{s:s,s:s,s:o}]}", "cells", "id", "s/b", "workload_hash", "sha256:1", "metrics", metrics);
    static const struct {
        const char *id, *hash; /* of the cell that asks; hash may be NULL */
        bool wanted;
    } rows[] = {{"s/b", "sha256:1", true}, {"s/b", "sha256:2", false}, {"s/b", NULL, true}, {"s/c", "sha256:1", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *cell = json_pack("{s:s,s:s?}", "id", rows[i].id, "workload_hash", rows[i].hash);
        assert_int_equal(offsets_of(baseline, cell, history), rows[i].wanted);
        json_decref(cell);
    }
    assert_false(offsets_of(NULL, metrics, history));
    json_decref(baseline);
}

static void recorded_offsets_count(void **state)
{
    (void)state;
    double head[30], null[30], variance[30], history[SPREAD_GRID];
    for (int g = 0; g < 30; g++) {
        head[g] = g % 2 ? 0.03 : -0.03;
        null[g] = g % 3 ? 0.04 : -0.03;
        variance[g] = 1e-6;
    }
    json_t *first = json_object(), *second = json_object(), *both = json_object(), *none = json_object();
    offsets_put(first, &(struct spread_cell){30, head, variance, null, variance, NULL, 0});
    offsets_put(second, &(struct spread_cell){20, head + 10, variance, null, variance, NULL, 0});
    offsets_join(both, first, second);
    const json_t *series = json_object_get(json_object_get(both, "process_offsets"), "series");
    assert_int_equal(json_array_size(series), 2 * OFFSETS_GENERATIONS);
    assert_near(json_number_value(json_array_get(series, 0)), head[0], 0);
    assert_near(json_number_value(json_array_get(series, 1)), null[0], 0);
    assert_near(json_number_value(json_array_get(series, 60)), head[10], 0);
    assert_true(offsets_read(both, history) && offsets_read(first, history));
    offsets_join(none, NULL, NULL);
    assert_int_equal(json_object_size(none), 0);
    offsets_join(none, NULL, second);
    assert_true(json_equal(none, second));
    assert_false(offsets_read(NULL, history));
    json_object_set_new(json_object_get(none, "process_offset_errors"), "series", json_pack("[f]", 1.0));
    assert_false(offsets_read(none, history));
    json_decref(first);
    json_decref(second);
    json_decref(both);
    json_decref(none);
}

/* ---- project files */

static void write_file(const char *folder, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/ternmark.lua", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void project_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/ternmark-project-XXXXXX";
    struct project p;
    struct fault fault = {0};
    assert_non_null(mkdtemp(folder));
    assert_true(project_load(folder, &p, &fault));
    assert_false(p.is_there);
    assert_string_equal(p.suites, "suites");
    project_clear(&p);
    write_file(folder, "return { build = { 'make', '-j2' }, artifacts = { a = 'x/y.so' }, suites = 'bench' }");
    assert_true(project_load(folder, &p, &fault));
    assert_true(p.is_there && json_array_size(p.build) == 2);
    assert_string_equal(json_string_value(json_object_get(p.artifacts, "a")), "x/y.so");
    assert_string_equal(p.suites, "bench");
    project_clear(&p);
    static const char *const bad[] = {"return { builds = {} }", "return { build = 'make' }", "return { build = { '' } }", "return { artifacts = { a = '../x' } }",
                                      "return { artifacts = { a = 'x/../../y' } }", "return { artifacts = { a = 3 } }", "return { suites = '/abs' }", "return 3", "x =",
                                      "global = 1 return {}", "return { suites = '' }", "error 'no'", "return { artifacts = { 'x' } }"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(folder, bad[i]);
        fault = (struct fault){0};
        if (project_load(folder, &p, &fault))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(fault.code, EXIT_CODE_USAGE);
        assert_non_null(strstr(fault.text, "ternmark.lua"));
    }
    char text[40];
    assert_int_equal(process_capture((const char *const[]){"rm", "-r", folder, NULL}, NULL, text, sizeof text), 0);
}

static void processes(void **state)
{
    (void)state;
    char text[8];
    assert_int_equal(process_capture((const char *const[]){"echo", "hello", "world", NULL}, NULL, text, sizeof text), 0);
    assert_string_equal(text, "hello w");
    assert_int_equal(process_capture((const char *const[]){"false", NULL}, NULL, text, sizeof text), 1);
    assert_int_equal(process_capture((const char *const[]){"no-such-program-here", NULL}, NULL, text, sizeof text), 127);
    assert_int_equal(process_capture((const char *const[]){"true", NULL}, "/no/such/folder", text, sizeof text), 127);
    assert_int_equal(process_build((const char *const[]){"sh", "-c", "kill -9 $$", NULL}, NULL, NULL), 137);
    setenv("MAKEFLAGS", "-j9", 1);
    assert_int_equal(process_build((const char *const[]){"sh", "-c", "test -z \"$MAKEFLAGS\" && test \"$TERNMARK_NO_INSTALL\" = 1", NULL}, NULL, NULL), 0);
    unsetenv("MAKEFLAGS");
    assert_int_equal(process_build((const char *const[]){"true", NULL}, NULL, "/no/such/folder/log"), 127);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_have_codes), cmocka_unit_test(cells_add_up), cmocka_unit_test(level_of_a_run),
                                       cmocka_unit_test(recorded_offsets_count), cmocka_unit_test(another_workload_has_no_offsets), cmocka_unit_test(project_files), cmocka_unit_test(processes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
