/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics other than time: bounds of quantiles, contrasts of processes, verdicts of both.
 */
#include "gate/metrics.h"
#include "stats/binomial.h"
#include "stats/contrast.h"
#include "stats/quantile.h"

#include "seed.h"
#include "traces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "near.h"

/* Ranks by qbinom of R: the table of harness/tests/r. */
static void ranks_of_bounds(void **state)
{
    (void)state;
    static double x[1000];
    static const struct row {
        size_t n;
        double q, alpha, inflation, low, high;
    } rows[] = {
        {1000, 0.99, 0.01, 1, 982, 998},   {1000, 0.5, 0.025, 1, 469, 532}, {100, 0.5, 0.025, 1, 40, 61},
        {100, 0.99, 0.01, 1, 96, INFINITY}, {458, 0.99, 0.01, 1, 448, INFINITY}, {459, 0.99, 0.01, 1, 449, 459},
        {10, 0.01, 0.01, 1, 0, 2},          {1000, 0.5, 0.025, 10, 391, 610}, {1, 0.5, 0.4, 1, 0, INFINITY},
    };
    for (size_t i = 0; i < 1000; i++)
        x[i] = (double)(i + 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double low, high;
        quantile_bounds(x, rows[i].n, rows[i].q, rows[i].alpha, rows[i].inflation, &low, &high);
        if (low != rows[i].low || high != rows[i].high)
            fail_msg("row %zu: %g .. %g, expected %g .. %g", i, low, high, rows[i].low, rows[i].high);
    }
}

static void bounds_cover(void **state)
{
    (void)state;
    enum { N = 500, TRIALS = 4000 };
    struct traces_random r = traces_seed(seed_of_test("metrics"));
    double truth = log(10), x[N];  /* P90 of an exponential */
    int above = 0, below = 0;
    for (int t = 0; t < TRIALS; t++) {
        double low, high;
        for (int i = 0; i < N; i++)
            x[i] = -log(traces_uniform(&r));
        for (int i = 1; i < N; i++)
            for (int j = i; j > 0 && x[j - 1] > x[j]; j--) {
                double keep = x[j];
                x[j] = x[j - 1];
                x[j - 1] = keep;
            }
        quantile_bounds(x, N, 0.9, 0.05, 1, &low, &high);
        above += low > truth;
        below += high < truth;
    }
    assert_true(above < TRIALS * 0.06 && below < TRIALS * 0.06);
    assert_true(above > TRIALS * 0.025 && below > TRIALS * 0.025);
}

static void contrasts(void **state)
{
    (void)state;
    const double base[] = {1, 2, 4}, base2[] = {1.2, 2, 3.8}, head[] = {1.5, 2.3, 4.4};
    struct stored_estimate e = contrast_estimate(base, base2, head, 3);
    assert_near(e.centre, 0.4, 1e-12);                   /* 0.4, 0.3, 0.5 */
    assert_near(e.df, 5, 0);
    assert_near(e.error, sqrt(1.5 * (0.04 + 0.02 / 1.5) / 5 / 3), 1e-12);
    e = contrast_estimate(base, base, base, 1);
    assert_near(e.centre, 0, 0);
    assert_near(e.error, 1e-9, 0);
}

static void values_are_judged(void **state)
{
    (void)state;
    static const double base[] = {100, 101, 99, 100, 100.5}, base2[] = {100.2, 100.1, 99.9, 100, 99.8};
    static const struct row {
        const char *metric;
        double factor, tolerance;
        size_t tests;
        enum decision wanted;
    } rows[] = {
        {"memory", 1, 0.05, 1, DECISION_PASS},          {"memory", 1.2, 0.05, 1, DECISION_REGRESSION}, {"memory", 0.8, 0.05, 1, DECISION_IMPROVED},
        {"memory", 1.05, 0.05, 1, DECISION_INCONCLUSIVE}, {"memory", 1.2, 0.30, 1, DECISION_PASS},      {"throughput", 0.8, 0.05, 1, DECISION_REGRESSION},
        {"throughput", 1.2, 0.05, 1, DECISION_IMPROVED}, {"throughput", 1, 0.05, 1, DECISION_PASS},     {"energy", 1.2, 0.10, 1, DECISION_REGRESSION},
        {"energy", 1.06, 0.05, 1, DECISION_REGRESSION}, {"energy", 1.06, 0.05, 100000, DECISION_INCONCLUSIVE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double head[5];
        for (int g = 0; g < 5; g++)
            head[g] = rows[i].factor * (base[g] + base2[(g + 2) % 5]) / 2;
        struct decide_verdict v = metrics_judge(metrics_find(rows[i].metric), &(struct metrics_values){5, {base, base2, head}}, rows[i].tolerance, rows[i].tests);
        if (v.decision != rows[i].wanted)
            fail_msg("row %zu: %s, expected %s", i, decide_word(v.decision), decide_word(rows[i].wanted));
        assert_near(v.ratio, rows[i].factor, 0.01);
        assert_true(v.low < v.ratio && v.ratio < v.high && v.smallest_visible > rows[i].tolerance);
        assert_int_equal(v.generations, 5);
        assert_true((v.reason != NULL) == (v.decision == DECISION_INCONCLUSIVE));
    }
    assert_null(metrics_find("joy"));
    assert_int_equal(metrics_judge(metrics_find("memory"), &(struct metrics_values){0, {base, base2, base}}, 0.05, 1).decision, DECISION_INCONCLUSIVE);
    assert_int_equal(metrics_judge(metrics_find("memory"), &(struct metrics_values){1, {base, base, base}}, 0.05, 1).decision, DECISION_PASS);
}

/* With as good as infinitely many degrees of freedom the bounds are the normal's: qnorm of R at 1 %, 5 %, 0.01 %. */
static void bounds_are_those_of_the_rates(void **state)
{
    (void)state;
    static const struct row {
        double centre, error, tolerance;
        size_t tests;
        int worse;
        double red;  /* the least centre that is red: in errors beyond the tolerance, or beyond 0 */
        enum decision wanted;
    } rows[] = {
        {0.02, 0.01, 0.05, 1, 1, 0.04879016 + 0.02326348, DECISION_PASS},            {0.02, 0.1, 0.05, 1, 1, 0.3719016, DECISION_INCONCLUSIVE},
        {0.01, 0.01, 0.05, 50, 1, 0.04879016 + 0.03090232, DECISION_PASS},           {-0.08, 0.01, 0.05, 1, 1, 0.04879016 + 0.02326348, DECISION_IMPROVED},
        {0.0721, 0.01, 0.05, 1, 1, 0.04879016 + 0.02326348, DECISION_REGRESSION},    {0.0719, 0.01, 0.05, 1, 1, 0.04879016 + 0.02326348, DECISION_INCONCLUSIVE},
        {-0.0721, 0.01, 0.05, 1, -1, 0.04879016 + 0.02326348, DECISION_REGRESSION},  {0.3718, 0.1, 0.05, 1, 1, 0.3719016, DECISION_INCONCLUSIVE},
        {0.3720, 0.1, 0.05, 1, 1, 0.3719016, DECISION_REGRESSION},                   {0.0255, 0.01, 0.05, 1, 1, 0.04879016 + 0.02326348, DECISION_PASS},
        {0.0256, 0.01, 0.05, 1, 1, 0.04879016 + 0.02326348, DECISION_INCONCLUSIVE},  {-0.0721, 0.01, 0.05, 1, 1, 0.04879016 + 0.02326348, DECISION_IMPROVED},
        {-0.0720, 0.01, 0.05, 1, 1, 0.04879016 + 0.02326348, DECISION_PASS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct decide_verdict v = metrics_decide(&(struct stored_estimate){r->centre, r->error, 1e9}, r->worse, r->tolerance, r->tests);
        if (v.decision != r->wanted)
            fail_msg("row %zu: %s, expected %s", i, decide_word(v.decision), decide_word(r->wanted));
        assert_near(v.ratio, exp(r->centre), 1e-12);
        assert_near(log(v.low), r->centre - 2.326348 * r->error, 1e-6 * r->error + 1e-9);
        assert_near(log(v.high), r->centre + 2.326348 * r->error, 1e-6 * r->error + 1e-9);
        assert_near(log1p(v.smallest_visible), r->red + 1.644854 * r->error, 1e-6 * r->error + 1e-7);
    }
}

/* Latencies: exponential, in `bunches` equal ones each, head's times `factor`. */
static struct decide_verdict stream(double factor, double base2, size_t n, size_t bunches, uint64_t seed)
{
    enum { G = 5 };
    struct traces_random r = traces_seed(seed);
    size_t length[G];
    double *lane[N_LANES];
    const double scale[N_LANES] = {[LANE_BASE] = 1, [LANE_BASE2] = base2, [LANE_HEAD] = factor};
    for (size_t l = 0; l < N_LANES; l++) {
        double value = 1;
        lane[l] = calloc(G * n + 1, sizeof(double));
        for (size_t i = 0; i < G * n; i++) {
            if (i % bunches == 0)
                value = 1e6 * (1 - log(traces_uniform(&r)));
            lane[l][i] = scale[l] * value;
        }
    }
    for (size_t g = 0; g < G; g++)
        length[g] = n;
    struct decide_verdict v = metrics_judge_p99(&(struct metrics_stream){G, length, {lane[0], lane[1], lane[2]}}, 0.10, 1);
    for (size_t l = 0; l < N_LANES; l++)
        free(lane[l]);
    return v;
}

static void p99_is_judged(void **state)
{
    (void)state;
    uint64_t seed = seed_of_test("metrics") + 3;
    assert_int_equal(stream(1, 1, 8000, 1, seed).decision, DECISION_PASS);
    assert_int_equal(stream(1.5, 1, 8000, 1, seed).decision, DECISION_REGRESSION);
    assert_int_equal(stream(0.6, 1, 8000, 1, seed).decision, DECISION_IMPROVED);
    assert_int_equal(stream(1, 2, 8000, 1, seed).decision, DECISION_UNFIT);
    assert_string_equal(stream(1, 2, 8000, 1, seed).reason, "base's P99 disagrees with its own");
    struct decide_verdict pass = stream(1, 1, 8000, 1, seed);
    assert_null(pass.reason);
    assert_near(pass.smallest_visible, 1.10 * pass.ratio / pass.low - 1, 1e-12);
    assert_near(pass.ratio, 1, 0.05);
    assert_near(pass.null_ratio, 1, 0.05);
    assert_near(stream(1.2, 1, 8000, 1, seed).ratio, 1.2, 0.06);
    assert_near(stream(1, 1.2, 8000, 1, seed).null_ratio, 1.2, 0.06);
    assert_string_equal(stream(1, 1, 200, 1, seed).reason, "too few requests, or too unlike, to bound the P99");
    struct decide_verdict few = stream(1.5, 1, 20, 1, seed), none = stream(1, 1, 0, 1, seed);
    assert_int_equal(few.decision, DECISION_INCONCLUSIVE);
    assert_true(isinf(few.high));
    assert_int_equal(none.decision, DECISION_INCONCLUSIVE);
    /* A hundred equal requests in a row are no hundred requests. */
    struct decide_verdict bunched = stream(1, 1, 8000, 100, seed), loose = stream(1, 1, 8000, 1, seed);
    assert_true(bunched.inflation > 10 && loose.inflation < 3);
    assert_true(bunched.high / bunched.low > loose.high / loose.low);
}

/* 1000 requests: 5 of 30, `slow - 5` of `high`, `mid` of `middle`, the rest of `low`, evenly mixed. */
static void fill_coarse(double *x, double low, double middle, double high, size_t slow)
{
    for (size_t i = 0; i < 1000; i++)
        x[i] = i % 20 == 1 ? middle : low;
    for (size_t i = 0; i < slow; i++)
        x[i < 5 ? 200 * i : (1000 * (i - 5) / (slow - 5) + 107) % 1000] = i < 5 ? 30 : high;
}

/*
 * A coarse clock: bounds fall on equal latencies, and touching is not beyond. Base's P99 and all its bounds are 10. Of head's 5000
 * requests the 70th from the top bounds the P99 from below at 0.5 %, the 81st at 0.005 %, the 33rd from above at 0.5 % (pbinom of R).
 */
static void touching_is_not_beyond(void **state)
{
    (void)state;
    enum { G = 5, N = 1000 };
    static const struct row {
        double low, high;
        size_t slow;  /* of a thousand; from 11 on they are a process's P99 */
        double tolerance;
        enum decision wanted;
        const char *why;
    } rows[] = {
        {10, 20, 20, 0.10, DECISION_REGRESSION, "both bounds at 20"},
        {10, 20, 15, 0.10, DECISION_INCONCLUSIVE, "the bound for identical code at 10"},
        {11, 13, 12, 0.10, DECISION_INCONCLUSIVE, "the lower bound at the tolerance"},
        {10.5, 13, 12, 0.10, DECISION_INCONCLUSIVE, "the lower bound within the tolerance"},
        {10, 11, 8, 0.10, DECISION_INCONCLUSIVE, "the upper bound at the tolerance"},
        {10, 11, 6, 0.10, DECISION_PASS, "the upper bound at 10"},
        {6, 8, 8, 0.25, DECISION_PASS, "the upper bound at the tolerance's inverse"},
        {6, 9, 8, 0.25, DECISION_PASS, "the upper bound above the tolerance's inverse"},
        {6, 7, 8, 0.25, DECISION_IMPROVED, "the upper bound below the tolerance's inverse"},
        {10, 10, 8, 0.10, DECISION_PASS, "all bounds at 10"},
    };
    static double base[G * N], head[G * N];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        for (size_t g = 0; g < G; g++) {
            fill_coarse(base + g * N, 9, 10, 10, 8);
            fill_coarse(head + g * N, r->low, r->low, r->high, r->slow);
        }
        const size_t length[G] = {N, N, N, N, N};
        struct decide_verdict v = metrics_judge_p99(&(struct metrics_stream){G, length, {base, base, head}}, r->tolerance, 1);
        if (v.decision != r->wanted)
            fail_msg("%s: %s, expected %s (%.3f .. %.3f, inflation %.2f)", r->why, decide_word(v.decision), decide_word(r->wanted), v.low, v.high, v.inflation);
        assert_true(v.inflation < 1.15);  /* the ranks above, or one off */
    }
    /* A process without a request has no P99 of its own. */
    const size_t gap[G] = {2 * N, N, 0, N, N};
    struct decide_verdict v = metrics_judge_p99(&(struct metrics_stream){G, gap, {base, base, base}}, 0.10, 1);
    assert_int_equal(v.decision, DECISION_INCONCLUSIVE);
    assert_int_equal(v.rounds, G * N);
}

/* What all requests together say needs the processes' agreement: head is `factor` times as slow in one process of five only. */
static enum decision one_process(double factor, double others, uint64_t seed)
{
    enum { G = 5, N = 4000 };
    struct traces_random r = traces_seed(seed);
    static double lane[N_LANES][G * N];
    const size_t length[G] = {N, N, N, N, N};
    for (size_t l = 0; l < N_LANES; l++)
        for (size_t i = 0; i < G * N; i++) {
            double is_head = l == LANE_HEAD ? i / N == 2 ? factor : others : 1;
            lane[l][i] = is_head * 1e6 * (1 - log(traces_uniform(&r)));
        }
    return metrics_judge_p99(&(struct metrics_stream){G, length, {lane[0], lane[1], lane[2]}}, 0.10, 1).decision;
}

static void processes_have_to_agree(void **state)
{
    (void)state;
    uint64_t seed = seed_of_test("metrics") + 50;
    assert_int_equal(one_process(1.6, 1.6, seed), DECISION_REGRESSION);
    assert_int_equal(one_process(6, 1, seed), DECISION_INCONCLUSIVE);      /* a red by one process */
    assert_int_equal(one_process(0.6, 0.6, seed), DECISION_IMPROVED);
    assert_int_equal(one_process(0.01, 1, seed), DECISION_INCONCLUSIVE);  /* a pass by the rest */
    assert_int_equal(one_process(1, 1, seed), DECISION_PASS);
}

/* Identical streams are not red, dependent ones neither. */
static void identical_streams_are_not_red(void **state)
{
    (void)state;
    uint64_t seed = seed_of_test("metrics") + 100;
    for (uint64_t t = 0; t < 120; t++) {
        struct decide_verdict v = stream(1, 1, 1000, t % 2 ? 20 : 1, seed + t);
        if (v.decision == DECISION_REGRESSION || v.decision == DECISION_IMPROVED)
            fail_msg("stream %d: %s, ratio %.3f", (int)t, decide_word(v.decision), v.ratio);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranks_of_bounds), cmocka_unit_test(bounds_cover), cmocka_unit_test(contrasts), cmocka_unit_test(values_are_judged), cmocka_unit_test(bounds_are_those_of_the_rates), cmocka_unit_test(processes_have_to_agree), cmocka_unit_test(touching_is_not_beyond),
                                       cmocka_unit_test(p99_is_judged), cmocka_unit_test(identical_streams_are_not_red)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
