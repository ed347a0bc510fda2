/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands around the decision: exit codes of verdicts, project files, levels of stored runs, rates, resampled runs, the
 * spread between processes.
 */
#include "contest/judge.h"
#include "contest/levels.h"
#include "contest/offsets.h"
#include "contest/process.h"
#include "contest/project.h"
#include "gate/neighbours.h"
#include "gate/resample.h"
#include "stats/binomial.h"
#include "stats/paired.h"
#include "stats/spread.h"
#include "stats/stored.h"

#include "seed.h"
#include "traces.h"
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

/* ---- stored levels */

static void stored_levels(void **state)
{
    (void)state;
    double base[5] = {0.01, -0.01, 0.005, -0.005, 0};
    struct stored_cell cell = {base, 5, 0.30, 0.004};
    struct stored_pool pool = stored_fit(&cell, 1, 1, 1);
    assert_near(pool.freedom, 4, 0);
    assert_near(pool.squares, 2.5e-4, 1e-12);
    assert_near(pool.floor, 0.05, 1e-12);
    struct stored_estimate e = stored_judge(&cell, &pool);
    assert_near(e.centre, 0.30, 1e-12);
    assert_near(e.df, 14, 1e-12);
    assert_near(e.error, sqrt(0.0025 * 1.2 + 0.000016), 1e-9);  /* the floor holds */
    assert_true(stored_below(&e, 0.05) < 1e-3 && stored_above(&e, 0.05) > 0.999);
    assert_near(stored_above(&e, 0.30), 0.5, 1e-12);
    struct stored_pool wide = stored_fit(&cell, 1, 1, 1.5), many = stored_fit(&cell, 1, 100, 1);
    assert_near(wide.floor, 0.075, 1e-12);
    assert_near(many.floor, 0.006, 1e-12);
    assert_true(stored_judge(&cell, &wide).error > e.error && stored_judge(&cell, &many).error < e.error);
    struct stored_cell two[2] = {cell, cell};  /* neighbours add freedom, as 0.3 of an observation each */
    pool = stored_fit(two, 2, 100, 1);
    assert_near(stored_judge(&two[0], &pool).df, 14 + 0.3 * 4, 1e-12);
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

/* ---- rates: R's binom.test(k, n)$conf.int */

static void rates(void **state)
{
    (void)state;
    static const struct row {
        size_t k, n;
        double low, high;
    } rows[] = {{0, 10, 0, 0.308497107819}, {3, 20, 0.0320709371854679, 0.3789268265453}, {10, 10, 0.691502892181, 1}, {1, 1000, 2.53174874913e-05, 0.00555892427983}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_near(binomial_low(rows[i].k, rows[i].n, 0.025), rows[i].low, 1e-9);
        assert_near(binomial_high(rows[i].k, rows[i].n, 0.025), rows[i].high, 1e-9);
    }
    assert_near(binomial_at_least(2, 3, 0.5), 0.5, 1e-12);
    assert_near(binomial_at_least(0, 3, 0.5), 1, 0);
    assert_near(binomial_at_least(1, 3, 0), 0, 0);
    assert_near(binomial_at_least(3, 3, 1), 1, 0);
}

/* ---- the spread between processes */

static void spread_learns_from_neighbours(void **state)
{
    (void)state;
    enum { CELLS = 40, G = 4 };
    struct traces_random r = traces_seed(seed_of_test("contest"));
    static const double truths[] = {0.002, 0.01, 0.03};
    for (size_t t = 0; t < 3; t++) {
        static double head[CELLS][G], null[CELLS][G], variance[CELLS][G];
        struct spread_cell cells[CELLS];
        for (size_t c = 0; c < CELLS; c++) {
            for (size_t g = 0; g < G; g++) {
                double base = truths[t] * traces_normal(&r), base2 = truths[t] * traces_normal(&r);
                variance[c][g] = 1e-6;
                head[c][g] = truths[t] * traces_normal(&r) - 0.5 * (base + base2) + 0.001 * traces_normal(&r);
                null[c][g] = base2 - base + 0.001 * traces_normal(&r);
            }
            cells[c] = (struct spread_cell){G, head[c], variance[c], null[c], variance[c], NULL};
        }
        const struct spread_cell *all[CELLS];
        for (size_t c = 0; c < CELLS; c++)
            all[c] = &cells[c];
        struct spread_pool pool = spread_fit(all, CELLS, spread_pool_start());
        assert_true(fabs(pool.centre - log(truths[t])) < 0.45);
        struct spread_posterior p;
        spread_judge(&cells[0], pool, 100, &p);
        assert_near(spread_above(&p, 0.01) + spread_below(&p, 0.01), 1, 1e-9);
        assert_true(spread_below(&p, spread_quantile(&p, 0.1)) > 0.09 && spread_below(&p, spread_quantile(&p, 0.1)) < 0.11);
        assert_true(spread_error(&p) > 0.25 * truths[t] && spread_error(&p) < 3 * truths[t]);
        double sum = 0;
        for (size_t i = 0; i < SPREAD_GRID; i++)
            sum += p.weight[i];
        assert_near(sum, 1, 1e-12);
    }
    const struct spread_cell nothing = {0}, *one = &nothing;
    assert_near(spread_fit(&one, 1, spread_pool_start()).centre, spread_pool_start().centre, 0.15);
}

/* The promised tail is the real one: how often the truth lies beyond the 2 % quantile, one cell alone and a prior that fits. */
static void spread_is_calibrated(void **state)
{
    (void)state;
    enum { G = 4, TRIALS = 3000 };
    struct traces_random r = traces_seed(seed_of_test("contest") + 1);
    int beyond = 0;
    for (int t = 0; t < TRIALS; t++) {
        double head[G], null[G], variance[G], s = exp(log(0.0035) + 0.6 * traces_normal(&r));
        for (size_t g = 0; g < G; g++) {
            double base = s * traces_normal(&r), base2 = s * traces_normal(&r);
            variance[g] = 4e-6;
            head[g] = s * traces_normal(&r) - 0.5 * (base + base2) + 0.002 * traces_normal(&r);
            null[g] = base2 - base + 0.002 * traces_normal(&r);
        }
        struct spread_cell cell = {G, head, variance, null, variance, NULL};
        struct spread_posterior p;
        spread_judge(&cell, spread_pool_start(), 1000, &p);
        beyond += spread_below(&p, 0) < 0.02;
    }
    assert_true(beyond > TRIALS * 0.010 && beyond < TRIALS * 0.030);
}

/* The same by R, on the same grid: harness/tests/r/stats.R. */
static void spread_agrees_with_r(void **state)
{
    (void)state;
    const double head[] = {0.01, 0.02, 0.015}, head_variance[] = {1e-5, 2e-5, 1e-5}, null[] = {-0.004, 0.006, 0.002}, null_variance[] = {2e-5, 1e-5, 3e-5};
    const struct spread_cell cell = {3, head, head_variance, null, null_variance, NULL}, *one = &cell;
    struct spread_posterior p;
    spread_judge(&cell, spread_pool_start(), 1e9, &p);
    assert_near(spread_below(&p, 0.01), 0.0709163647799641, 1e-6);
    assert_near(spread_above(&p, 0.01), 1 - 0.0709163647799641, 1e-6);
    assert_near(spread_mean(&p), 0.0144216062899843, 1e-9);
    assert_near(spread_error(&p), 0.00314402300945331, 1e-9);
    assert_near(p.s, 0.00305140494912162, 1e-9);
    assert_near(spread_quantile(&p, 0.1), 0.0105974892641427, 1e-7);
    assert_near(spread_fit(&one, 1, spread_pool_start()).centre, -5.87894066296352, 1e-9);
}

static void stored_agrees_with_r(void **state)
{
    (void)state;
    const double first[] = {1, 1.02, 0.99}, second[] = {2, 2.05};
    const struct stored_cell cells[] = {{first, 3, 1.1, 0.004}, {second, 2, 2.01, 0.01}};
    static const struct row {
        size_t occasions, cell;
        double centre, error, df;
    } rows[] = {{4, 0, 0.0966666666666667, 0.0291433239925259, 12.3}, {4, 1, -0.015, 0.0322102468168128, 11.6},
                {100, 0, 0.0966666666666667, 0.0187387304283627, 12.3}, {100, 1, -0.015, 0.0238891116446889, 11.6}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stored_pool pool = stored_fit(cells, 2, rows[i].occasions, 1);
        struct stored_estimate e = stored_judge(&cells[rows[i].cell], &pool);
        assert_near(e.centre, rows[i].centre, 1e-12);
        assert_near(e.error, rows[i].error, 1e-9);
        assert_near(e.df, rows[i].df, 1e-9);
        assert_near(stored_above(&e, e.centre + e.error) + stored_below(&e, e.centre + e.error), 1, 1e-12);
        assert_true(stored_below(&e, e.centre + e.error) > 0.8);
    }
    struct stored_pool alone = stored_fit(cells, 1, 1, 2);
    assert_near(alone.floor, 0.1, 1e-12);
    assert_true(stored_judge(&cells[0], &alone).error > 0.1);
}

/* ---- neighbours */

static void neighbours_by_id(void **state)
{
    (void)state;
    static const struct row {
        const char *a, *b;
        bool bench, axis;
    } rows[] = {
        {"s/b/x=1/y=2", "s/b/x=1/y=3", true, true},    {"s/b/x=1/y=2", "s/b/x=2/y=2", true, true},   {"s/b/x=1/y=2", "s/b/x=2/y=3", true, false},
        {"s/b/x=1", "s/b/x=1", true, false},           {"s/b/x=1", "s/c/x=2", false, false},         {"s/b", "s/b", false, false},
        {"s/b/x=1", "s/b/x=1/y=2", true, false},       {"s/b/x=1", "s/b/y=2", true, false},          {"s/b/x=1", "s/bb/x=1", false, false},
        {"7/s/b/x=a", "7/s/b/x=ab", true, true},       {"7/s/b/x=a", "8/s/b/x=b", false, false},     {"x=1", "x=2", false, false},
        {"s/b/x=1/y=2", "s/b/x=1", true, false},       {"s/b/x=12/y=2", "s/b/x=1/y=2", true, true},  {"", "", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (neighbours_same_bench(rows[i].a, rows[i].b) != rows[i].bench || neighbours_along_axis(rows[i].a, rows[i].b) != rows[i].axis)
            fail_msg("row %zu: %s, %s", i, rows[i].a, rows[i].b);
}

static const char *word_at(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

/* Two benches of unlike spread: each cell's pool is nearer to its own bench's than the run's is, and lone cells keep the run's. */
static void benches_have_pools(void **state)
{
    (void)state;
    enum { CELLS = 13, G = 6 };
    static const char *const ids[CELLS] = {"s/narrow/k=1", "s/wide/k=1", "s/narrow/k=2", "s/wide/k=2", "s/narrow/k=3", "s/wide/k=3", "s/narrow/k=4",
                                           "s/wide/k=4",   "s/alone",    "s/narrow/k=5", "s/wide/k=5", "s/narrow/k=6", "s/wide/k=6"};
    static double head[CELLS][G], null[CELLS][G], variance[CELLS][G];
    struct spread_cell cells[CELLS];
    struct spread_pool pools[CELLS];
    struct traces_random r = traces_seed(seed_of_test("contest") + 2);
    for (size_t c = 0; c < CELLS; c++) {
        double s = strstr(ids[c], "wide") ? 0.02 : 0.002;
        for (size_t g = 0; g < G; g++) {
            double base = s * traces_normal(&r), base2 = s * traces_normal(&r);
            variance[c][g] = 1e-7;
            head[c][g] = s * traces_normal(&r) - 0.5 * (base + base2);
            null[c][g] = base2 - base;
        }
        cells[c] = (struct spread_cell){G, head[c], variance[c], null[c], variance[c], NULL};
    }
    assert_true(neighbours_pools(cells, CELLS, word_at, ids, pools));
    for (size_t c = 0; c < CELLS; c++) {
        if (c == 8)
            continue;
        assert_near(pools[c].centre, log(strstr(ids[c], "wide") ? 0.02 : 0.002), 0.8);
        assert_true(strstr(ids[c], "wide") ? pools[c].centre > pools[8].centre : pools[c].centre < pools[8].centre);
        assert_near(pools[c].centre, pools[c % 2 && c != 9 && c != 11 ? 1 : strstr(ids[c], "wide") ? 1 : 0].centre, 0);
    }
}

/* ---- recorded offsets */

static double typical(const struct spread_cell *cell)
{
    struct spread_posterior p;
    spread_judge(cell, spread_pool_start(), 50, &p);
    return p.s;
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
    offsets_put(first, &(struct spread_cell){30, head, variance, null, variance, NULL});
    offsets_put(second, &(struct spread_cell){20, head + 10, variance, null, variance, NULL});
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

    /* A narrow run of a cell that was wide on other days is taken to be wider than it looks, a history alone moves the pool. */
    double close[2] = {0.001, -0.001}, small[2] = {1e-6, 1e-6};
    struct spread_cell run = {2, close, small, close, small, NULL};
    double before = typical(&run);
    run.history = history;
    assert_true(typical(&run) > 3 * before);
    assert_near(typical(&(struct spread_cell){30, head, variance, null, variance, NULL}), typical(&(struct spread_cell){.history = history}), 0.008);
    const struct spread_cell only = {.history = history}, *one = &only;
    assert_true(spread_fit(&one, 1, spread_pool_start()).centre > spread_pool_start().centre + 0.3);
    /* However much was recorded, it is worth 20 generations. */
    double capped[SPREAD_GRID], twice[SPREAD_GRID];
    spread_history(&(struct spread_cell){20, head, variance, null, variance, NULL}, twice);
    spread_history(&(struct spread_cell){30, head, variance, null, variance, NULL}, capped);
    for (size_t i = 0; i < SPREAD_GRID; i++)
        assert_near((capped[i] - capped[0]) / (twice[i] - twice[0] + (i == 0)), i ? 1 : 0, 0.05);
    json_decref(first);
    json_decref(second);
    json_decref(both);
    json_decref(none);
}

/* ---- resampled runs */

static void resampled_runs(void **state)
{
    (void)state;
    struct rounds recorded = {calloc(1, sizeof *recorded.cells), 1, 1}, run;
    struct rounds_cell *cell = &recorded.cells[0];
    *cell = (struct rounds_cell){strdup("s/b"), calloc(60, sizeof(struct decide_round)), 60, 60};
    for (int i = 0; i < 60; i++)
        cell->rounds[i] = (struct decide_round){.generation = i / 20, .round = i % 20, .ns = {1000 + i / 20, 2000 + i / 20, 3000 + i / 20}, .order = {2, 0, 1}};
    uint64_t random = seed_of_test("contest");
    size_t heads[3] = {0};
    assert_true(resample_run(&recorded, 30, &random, &run));
    for (size_t c = 0; c < run.n; c++) {
        assert_int_equal(run.cells[c].n, 60);
        for (size_t i = 0; i < 60; i++) {
            const struct decide_round *one = &run.cells[c].rounds[i];
            double sum = one->ns[0] + one->ns[1] + one->ns[2];
            assert_true(sum >= 6000 && sum <= 6006);
            assert_int_equal(one->generation, i / 20);
            assert_near(one->ns[one->order[0]], 3000, 2);  /* the lane that ran first still did */
            heads[(size_t)(one->ns[LANE_HEAD] / 1000) - 1]++;
        }
    }
    assert_true(heads[0] > 0 && heads[1] > 0 && heads[2] > 0);
    rounds_clear(&run);
    rounds_clear(&recorded);
    assert_false(resample_run(&recorded, 3, &random, &run));
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_have_codes), cmocka_unit_test(cells_add_up), cmocka_unit_test(stored_levels), cmocka_unit_test(level_of_a_run),
        cmocka_unit_test(rates), cmocka_unit_test(spread_learns_from_neighbours), cmocka_unit_test(spread_is_calibrated),
        cmocka_unit_test(spread_agrees_with_r), cmocka_unit_test(stored_agrees_with_r), cmocka_unit_test(neighbours_by_id), cmocka_unit_test(benches_have_pools), cmocka_unit_test(recorded_offsets_count),
        cmocka_unit_test(resampled_runs), cmocka_unit_test(project_files), cmocka_unit_test(processes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
