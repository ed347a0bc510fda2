/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the change-point finder one by one, with values by hand, or by going through all ways to cut.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "changepoint_fixture.h"
#include "near.h"

enum { MOST = 240 };

/* A level that rises by `height` every `run` points, with an even ripple of 0.01. */
static void make_stairs(double *y, size_t n, size_t run, double height)
{
    for (size_t i = 0; i < n; i++)
        y[i] = height * (double)(i / run) + (i % 2 ? 0.01 : -0.01);
}

static void every_part_keeps_to_its_arrays(void **state)
{
    (void)state;
    for (size_t n = 8; n <= 67; n++) {
        double y[67], change[67];
        make_stairs(y, n, n / 2, 0.5);
        struct model *m = model_of(y, n);
        const struct changepoint_options options = {.confidence = 0.42, .min_points = 2};
        struct ramp ramp;
        for (size_t i = 0; i < n; i++)
            m->residual[i] = i % 2 ? 0.01 : -0.01;
        changepoint_spread_fit(m);
        for (size_t round = 0; round < 2; round++) {
            changepoint_level_fit(m, 0, 7);
            changepoint_level_refit(m, round > 0);
            changepoint_spread_fit(m);
        }
        changepoint_judge_cuts(m, 0.6, options.min_points);
        double *exact = calloc(n, sizeof *exact);
        assert_non_null(exact);
        changepoint_posterior(m, options.min_points, exact);
        changepoint_choose_cuts(m, exact, &options);
        memcpy(change, exact, n * sizeof *change);
        free(exact);
        changepoint_level_refit(m, false);
        assert_in_range(m->n_cut, 1, 2);  /* of an odd number, the last point is a stair of its own */
        assert_int_equal(m->cut[0], n / 2);
        assert_in_range(changepoint_ramp_stairs(m, 0), 1, m->n_cut);
        changepoint_ramp_instead(m, 0, changepoint_ramp_stairs(m, 0), &ramp);
        clear(m);
    }
}

/* ---- the cuts that probabilities of a change make likely; segments are too short to be judged, so that nothing moves */

struct spike {
    size_t at;
    double probability;
};

static void cuts_are_the_likely_windows(void **state)
{
    (void)state;
    static const struct row {
        struct spike spikes[4];
        size_t n_cut;
        struct spike cuts[3];
    } rows[] = {
        {{{0}}, 0, {{0}}},
        {{{30, 0.9}}, 1, {{30, 0.9}}},
        {{{3, 0.9}}, 1, {{3, 0.9}}},
        {{{59, 0.9}}, 1, {{59, 0.9}}},
        {{{1, 0.9}}, 1, {{1, 0.9}}},
        {{{30, 0.5}}, 1, {{30, 0.5}}},                                  /* as likely as asked */
        {{{30, 0.4999}}, 0, {{0}}},
        {{{30, 0.3}, {35, 0.6}}, 1, {{35, 0.9}}},                       /* one window */
        {{{20, 0.6}, {40, 0.7}}, 2, {{20, 0.6}, {40, 0.7}}},            /* in order, whichever is surer */
        {{{20, 0.7}, {40, 0.6}, {55, 0.8}}, 3, {{20, 0.7}, {40, 0.6}, {55, 0.8}}},
        {{{20, 0.4}, {40, 0.7}}, 1, {{40, 0.7}}},
        {{{30, 0.7}, {32, 0.6}}, 1, {{30, 1}}},                         /* no more than sure */
        {{{25, 0.55}, {36, 0.55}}, 2, {{25, 0.55}, {36, 0.55}}},        /* 11 apart: no window holds both */
        {{{25, 0.5}, {35, 0.55}}, 1, {{30, 1}}},                        /* 10 apart: the window about 30 does */
        {{{20, 0.5}, {26, 0.505}, {31, 0.51}}, 2, {{20, 0.5}, {31, 1}}}, /* what one window held counts for no other */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum { N = 60 };
        double y[N] = {0}, change[N] = {0};
        const struct changepoint_options options = {.confidence = 0.5, .min_points = N};
        struct model *m = model_of(y, N);
        for (size_t k = 0; k < N; k++) {  /* of an earlier choice */
            m->cut[k] = k;
            m->probability[k] = 1;
        }
        for (size_t k = 0; k < 4; k++)
            change[rows[i].spikes[k].at] += rows[i].spikes[k].probability;
        print_message("# row %zu\n", i);
        changepoint_choose_cuts(m, change, &options);
        assert_int_equal(m->n_cut, rows[i].n_cut);
        for (size_t k = 0; k < m->n_cut; k++) {
            assert_int_equal(m->cut[k], rows[i].cuts[k].at);
            assert_near(m->probability[k], rows[i].cuts[k].probability > 1 ? 1 : rows[i].cuts[k].probability, 1e-9);
        }
        clear(m);
    }
}

/* ---- one step among the places of a stretch */

static struct judged judge(const double *y, size_t n, size_t from, size_t to, size_t min_points, double stale)
{
    struct model *m = model_of(y, n);
    for (size_t i = 0; i <= n; i++)
        m->evidence[i] = stale;
    changepoint_judge_prepare(m);
    struct judged j = changepoint_judge_step(m, from, to, min_points);
    clear(m);
    return j;
}

static void a_step_is_judged_by_its_stretch_alone(void **state)
{
    (void)state;
    double y[40];
    make_stairs(y, 40, 20, 0.2);
    for (size_t to = 25; to <= 40; to++) {
        struct judged j = judge(y, 40, 8, to, 3, 0), again = judge(y, 40, 8, to, 3, 1e9);
        assert_memory_equal(&j, &again, sizeof j);
        assert_int_equal(j.at, 20);
        assert_true(j.exists > 0.99);
        assert_in_range(20, j.first, j.last);
        double left = 0, right = 0;
        for (size_t i = 8; i < 20; i++)
            left += y[i] / 12;
        for (size_t i = 20; i < to; i++)
            right += y[i] / (double)(to - 20);
        assert_near(j.delta, right - left, 1e-12);
        assert_near(j.variance, 1e-4 / 12 + 1e-4 / (double)(to - 20), 1e-12);
    }
}

/* Nor do places count whose window would reach beyond the stretch: it has one to five of them. */
static void short_stretches_are_judged_by_themselves(void **state)
{
    (void)state;
    double y[40];
    make_stairs(y, 40, 20, 0.2);
    for (size_t to = 23; to <= 27; to++) {
        struct judged j = judge(y, 40, 17, to, 3, 0), again = judge(y, 40, 17, to, 3, 1e9);
        assert_memory_equal(&j, &again, sizeof j);
        assert_int_equal(j.at, 20);
    }
}

/* The probability by the formulas of changepoint_judge.c, for a stretch in which one place only can be cut: 3 points on either side. */
static void the_evidence_of_one_place(void **state)
{
    (void)state;
    static const double heights[] = {0, 0.02, 0.04, 0.1, 1};
    for (size_t i = 0; i < sizeof heights / sizeof *heights; i++) {
        double d = heights[i], y[6] = {0, 0, 0, d, d, d}, v = 2e-4 / 3, prior = 0.01, dof = 5;
        double evidence = -0.5 * log(1 + prior / v) + 0.5 * (dof + 1) * log(1 + d * d / v / dof) * prior / (prior + v);
        struct judged j = judge(y, 6, 0, 6, 3, 0);
        assert_near(j.exists, 1 / (1 + 150 * exp(-evidence)), 1e-6);
        assert_int_equal(j.at, 3);
        assert_int_equal(j.first, 3);
        assert_int_equal(j.last, 3);
    }
}

static void short_stretches_hold_no_step(void **state)
{
    (void)state;
    double y[40];
    make_stairs(y, 40, 23, 1);
    assert_true(judge(y, 40, 20, 25, 3, 0).exists == 0);  /* 5 points: not 3 on either side */
    assert_true(judge(y, 40, 20, 26, 3, 0).exists > 0.9);
    assert_int_equal(judge(y, 40, 20, 25, 3, 0).at, 20);
    struct judged late = judge(y, 40, 0, 25, 3, 0);  /* the step is a place too near to the end */
    assert_int_equal(late.at, 22);
    assert_int_equal(late.last, 22);
}

/* All ways to remove and to add, from a cut at every place and from none. */
static void cuts_that_are_no_steps_go(void **state)
{
    (void)state;
    for (size_t n = 4; n < 16; n++)
        for (size_t run = 1; run <= n; run++)
            for (size_t n_cut = 0; n_cut < n; n_cut += n - 1) {
                double y[16];
                make_stairs(y, n, run, 0.3);
                struct model *m = model_of(y, n);
                for (size_t k = 0; k < n_cut; k++)
                    m->cut[m->n_cut++] = k + 1;
                changepoint_judge_cuts(m, 0.6, 2);
                for (size_t k = 0; k < m->n_cut; k++)
                    assert_true(m->cut[k] >= (k ? m->cut[k - 1] : 0) + 2 && m->cut[k] + 2 <= n);
                if (run == n)
                    assert_int_equal(m->n_cut, 0);
                clear(m);
            }
}

static void no_more_than_twelve_are_added(void **state)
{
    (void)state;
    double y[MOST];
    make_stairs(y, MOST, 12, 1);
    struct model *m = model_of(y, MOST);
    changepoint_judge_cuts(m, 0.6, 3);
    assert_int_equal(m->n_cut, 12);
    clear(m);
}

/* ---- levels */

/* A range of more levels than the grid has: it is coarser then, and no larger. */
static void a_wide_range_has_a_coarse_grid(void **state)
{
    (void)state;
    for (double height = 1; height < 6; height *= 1.1) {
        double y[40];
        make_stairs(y, 40, 10, height);
        struct model *m = model_of(y, 40);
        changepoint_level_fit(m, 0, 7);
        assert_int_equal(m->n_cut, 3);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(m->cut[k], 10 * (k + 1));
        clear(m);
    }
}

/* Costs of a fit in half squared scores: on the level nothing, a cut its price, an outlier what it costs at most. */
static void the_cost_of_a_fit(void **state)
{
    (void)state;
    double flat[30] = {0}, step[30] = {0}, outlier[30] = {0};
    for (size_t i = 15; i < 30; i++)
        step[i] = 1;
    outlier[12] = 1;
    const struct {
        const double *y;
        double cost;
        size_t n_cut;
    } rows[] = {{flat, 0, 0}, {step, 7, 1}, {outlier, 8, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model *m = model_of(rows[i].y, 30);
        assert_near(changepoint_level_fit(m, 0, 7), rows[i].cost, 0.1);  /* levels lie on a grid of half a spread */
        assert_int_equal(m->n_cut, rows[i].n_cut);
        clear(m);
    }
}

/* y = level + 0.02 x without noise: the slope comes out, and its variance is 1 / sum w (x - mean)^2 within the segments. */
static void levels_and_slope_by_hand(void **state)
{
    (void)state;
    double y[20];
    for (size_t i = 0; i < 20; i++)
        y[i] = 0.02 * ((double)i - 9.5) + (i < 8 ? 1 : 3);
    struct model *m = model_of(y, 20);
    m->n_cut = 1;
    m->cut[0] = 8;
    changepoint_level_refit(m, true);
    assert_near(m->slope, 0.02, 1e-12);
    assert_near(m->slope_variance, 1 / (1e4 * (8 * 63 + 12 * 143) / 12.0), 1e-12);
    assert_near(m->dof, 20 - 1 - 1 - 1, 0);
    for (size_t i = 0; i < 20; i++)
        assert_near(m->residual[i], 0, 1e-12);
    changepoint_level_refit(m, false);
    assert_near(m->slope, 0, 0);
    assert_near(m->dof, 18, 0);
    for (size_t i = 0; i < 20; i++)
        assert_near(m->residual[i], 0.02 * (i < 8 ? (double)i - 3.5 : (double)i - 13.5), 1e-12);
    m->n_cut = 19;  /* every point a segment: nothing is left to tell a slope by */
    for (size_t k = 0; k < 19; k++)
        m->cut[k] = k + 1;
    changepoint_level_refit(m, true);
    assert_near(m->slope, 0, 0);
    assert_near(m->slope_variance, 0, 0);
    assert_near(m->dof, 1, 0);
    clear(m);
}

/* ---- stairs that are a ramp */

/* 0 before `begin`, 0.6 from `end` on, even in between; a cut a third and two thirds up. */
static struct model *model_of_ramp(size_t n, size_t begin, size_t end)
{
    double y[MOST];
    for (size_t i = 0; i < n; i++)
        y[i] = i < begin ? 0 : 0.6 * fmin(1, (double)(i - begin + 1) / (double)(end - begin + 1));
    struct model *m = model_of(y, n);
    m->n_cut = 2;
    m->cut[0] = begin + (end - begin) / 3;
    m->cut[1] = begin + 2 * (end - begin) / 3 + 1;
    changepoint_level_refit(m, false);
    return m;
}

static void a_ramp_is_where_it_is(void **state)
{
    (void)state;
    for (size_t begin = 2; begin < 60; begin++)
        for (size_t end = begin + 36; end < 98; end += 5) {
            struct model *m = model_of_ramp(100, begin, end);
            struct ramp ramp;
            assert_int_equal(changepoint_ramp_stairs(m, 0), 2);
            assert_true(changepoint_ramp_instead(m, 0, 2, &ramp));
            assert_int_equal(ramp.begin, begin);
            assert_int_equal(ramp.end, end);
            assert_near(ramp.before, 0, 1e-9);
            assert_near(ramp.after, 0.6, 1e-9);
            clear(m);
        }
}

/* Two stairs in 8 points may be a ramp, in 7 not, wherever they are; a single one never. */
static void few_points_are_no_ramp(void **state)
{
    (void)state;
    for (size_t from = 0; from <= 20; from += 20)
        for (size_t n = 7; n <= 8; n++) {
            double y[28] = {0};
            for (size_t i = 0; i < n; i++)
                y[from + i] = 3 * fmin(1, fmax(0, ((double)i - 1) / 4));
            struct model *m = model_of(y, from + n);
            struct ramp ramp;
            const size_t cuts[] = {from, from + 3, from + 5};
            m->n_cut = from ? 3 : 2;
            memcpy(m->cut, from ? cuts : cuts + 1, m->n_cut * sizeof *cuts);
            changepoint_level_refit(m, false);
            assert_int_equal(changepoint_ramp_instead(m, from ? 1 : 0, 2, &ramp), n == 8);
            assert_false(changepoint_ramp_instead(m, from ? 1 : 0, 1, &ramp));
            clear(m);
        }
}

/* ---- spreads */

/* Even noise of `quiet`, from point 200 to 260 of `loud`; an outlier at 100. */
static void two_spreads_are_told_apart(void **state)
{
    (void)state;
    static const double rows[][2] = {{0.001, 0.006}, {0.01, 0.06}, {2, 5}};  /* products of densities beyond double's range either way */
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        enum { N = 460 };
        double y[N];
        for (size_t i = 0; i < N; i++)
            y[i] = (i >= 200 && i < 260 ? rows[r][1] : rows[r][0]) * (i % 2 ? 1 : -1);
        y[100] = 1000;
        struct model *m = model_of(y, N);
        m->spread[0] = m->spread[1] = 0;
        for (size_t round = 0; round < 3; round++)
            changepoint_spread_fit(m);
        print_message("# %g and %g: %g and %g\n", rows[r][0], rows[r][1], m->spread[0], m->spread[1]);
        assert_near(m->spread[0], rows[r][0], 0.1 * rows[r][0]);
        assert_near(m->spread[1], rows[r][1], 0.1 * rows[r][1]);
        assert_near(m->weight[50], 1 / (rows[r][0] * rows[r][0]), 0.2 / (rows[r][0] * rows[r][0]));
        assert_near(m->weight[230], 1 / (rows[r][1] * rows[r][1]), 0.2 / (rows[r][1] * rows[r][1]));
        assert_true(m->sound[50] > 0.9 && m->sound[100] < 1e-6);
        clear(m);
    }
}

/* ---- all ways to cut */

/* ln evidence of points from..to about 0 on one level that is normal with spread 0.1, weights 1e4. */
static double segment_evidence(const double *y, size_t from, size_t to)
{
    double w = 1e4 * (double)(to - from), b = 0, d = 0;
    for (size_t i = from; i < to; i++) {
        b += 1e4 * y[i];
        d += 1e4 * y[i] * y[i];
    }
    return 0.5 * b * b / (w + 100) - 0.5 * d - 0.5 * log(1 + 0.01 * w);
}

/* One after another, with 1/150 for each cut: a bit of `cuts` a place. -INFINITY where a segment is shorter than min_points. */
static double evidence_of(const double *y, size_t n, unsigned cuts, size_t min_points)
{
    double sum = 0;
    size_t from = 0;
    for (size_t at = 1; at <= n; at++)
        if (at == n || cuts >> at & 1) {
            if (at - from < min_points)
                return -INFINITY;
            sum += segment_evidence(y, from, at) + (at < n ? log(1.0 / 150) : 0);
            from = at;
        }
    return sum;
}

static void all_ways_to_cut(void **state)
{
    (void)state;
    enum { N = 11 };
    static const double rows[][N] = {
        {-0.005, 0.01, -0.01, 0, 0.005, 0.03, 0.04, 0.025, 0.03, 0.035, 0.03},
        {0.02, 0.02, 0.01, -0.02, -0.01, -0.03, 0.01, 0.03, 0.02, 0.015, 0.02},
        {0, 0.001, 0, -0.001, 0, 0.002, 0, 0, 0.001, -0.001, 0},
    };
    static const double r_of_two_points[][N] = {  /* what R says of stretches of two points and more: harness/tests/r/stats.R */
        {0, 0, 0.000689929063042971, 0.00260065181445758, 0.0530916302216254, 0.919802106811893, 0.022295374899714, 0.000833516226069659, 0.000635161176992018, 0.000607739263266878, 0},
        {0, 0, 0.0344296038438239, 0.561926936208079, 0.00413074930344921, 0.000424478990827898, 0.604890099995549, 0.0766729824015099, 0.00186734025857315, 0.000975765678370511, 0},
        {0, 0, 0.000520094087442996, 0.000450246871464982, 0.000417333097422112, 0.000403473405917616, 0.000403469337674049, 0.000417330802430204, 0.00045033932393109, 0.000522399335606231, 0},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t min_points = 1; min_points <= 3; min_points++) {
            double y[N], mean = 0, all = 0, expected[N] = {0}, change[N];
            for (size_t i = 0; i < N; i++)
                mean += rows[r][i] / N;
            for (size_t i = 0; i < N; i++)
                y[i] = rows[r][i] - mean;
            for (unsigned cuts = 0; cuts < 1u << N; cuts += 2) {
                double p = exp(evidence_of(y, N, cuts, min_points));
                all += p;
                for (size_t i = 1; i < N; i++)
                    expected[i] += cuts >> i & 1 ? p : 0;
            }
            struct model *m = model_of(rows[r], N);
            m->dof = 1e12;      /* the spread is known: weights count in full */
            m->n_cut = 3;       /* with these every place is looked at */
            memcpy(m->cut, (const size_t[]){2, 5, 8}, 3 * sizeof *m->cut);
            print_message("# row %zu, %zu points\n", r, min_points);
            assert_near(changepoint_posterior(m, min_points, change), log(all), 1e-3);
            for (size_t i = 0; i < N; i++) {
                assert_near(change[i], expected[i] / all, 1e-3);
                if (min_points == 2)
                    assert_near(expected[i] / all, r_of_two_points[r][i], 1e-9);
            }
            clear(m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_keeps_to_its_arrays), cmocka_unit_test(cuts_are_the_likely_windows), cmocka_unit_test(a_step_is_judged_by_its_stretch_alone),
        cmocka_unit_test(short_stretches_are_judged_by_themselves), cmocka_unit_test(the_evidence_of_one_place), cmocka_unit_test(short_stretches_hold_no_step), cmocka_unit_test(cuts_that_are_no_steps_go),
        cmocka_unit_test(no_more_than_twelve_are_added), cmocka_unit_test(a_wide_range_has_a_coarse_grid), cmocka_unit_test(the_cost_of_a_fit),
        cmocka_unit_test(levels_and_slope_by_hand), cmocka_unit_test(a_ramp_is_where_it_is), cmocka_unit_test(few_points_are_no_ramp), cmocka_unit_test(two_spreads_are_told_apart), cmocka_unit_test(all_ways_to_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
