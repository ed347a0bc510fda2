/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the change-point finder against R's lm.wfit, optimize and optim over all places: harness/tests/r/changepoint.R.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "changepoint_fixture.h"
#include "near.h"

enum { R_POINTS = 100 };
#define LIST(...) {__VA_ARGS__}

static struct model *model_of_r(const double *y, const double *weight, const double *sound, size_t n)
{
    struct model *m = model_of(y, n);
    memcpy(m->weight, weight, n * sizeof *weight);
    memcpy(m->sound, sound, n * sizeof *sound);
    return m;
}

static void a_judged_step_agrees_with_r(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n, min_points;
        double y[R_POINTS], weight[R_POINTS], sound[R_POINTS], slope, slope_variance, dof, exists;
        size_t at, first, last;
        double delta, variance;
    } rows[] = {
#define JUDGE(name, ...) {#name, __VA_ARGS__},
#include "r/changepoint.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model *m = model_of_r(rows[i].y, rows[i].weight, rows[i].sound, rows[i].n);
        m->slope = rows[i].slope;
        m->slope_variance = rows[i].slope_variance;
        m->dof = rows[i].dof;
        changepoint_judge_prepare(m);
        struct judged j = changepoint_judge_step(m, 0, m->n, rows[i].min_points);
        print_message("# %s: %g at %zu\n", rows[i].name, j.exists, j.at);
        assert_near(j.exists, rows[i].exists, 1e-9);
        assert_int_equal(j.at, rows[i].at);
        assert_int_equal(j.first, rows[i].first);
        assert_int_equal(j.last, rows[i].last);
        assert_near(j.delta, rows[i].delta, 1e-12);
        assert_near(j.variance, rows[i].variance, 1e-9 * rows[i].variance);
        clear(m);
    }
}

/* The likeliest spreads are what the finder's few rounds go towards: here they go on until they are there. */
static void spreads_agree_with_r(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        double residual[R_POINTS], quiet, loud, weight[R_POINTS], sound[R_POINTS];
    } rows[] = {
#define SPREADS(name, ...) {#name, __VA_ARGS__},
#include "r/changepoint.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model *m = model_of(rows[i].residual, rows[i].n);
        m->spread[0] = m->spread[1] = 0;
        m->dof = (double)m->n;
        for (size_t round = 0; round < 300; round++)
            changepoint_spread_fit(m);
        print_message("# %s: %g and %g\n", rows[i].name, m->spread[0], m->spread[1]);
        assert_near(m->spread[0], rows[i].quiet, 1e-5 * rows[i].quiet);
        assert_near(m->spread[1], rows[i].loud, 1e-5 * rows[i].loud);
        for (size_t k = 0; k < m->n; k++) {
            assert_near(m->weight[k], rows[i].weight[k], 1e-4 * rows[i].weight[k]);
            assert_near(m->sound[k], rows[i].sound[k], 1e-4);
        }
        clear(m);
    }
}

static void ramps_agree_with_r(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        double y[R_POINTS], weight[R_POINTS], sound[R_POINTS];
        size_t begin, end;
        double before, after, variance;
    } rows[] = {
#define RAMP(name, ...) {#name, __VA_ARGS__},
#include "r/changepoint.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model *m = model_of_r(rows[i].y, rows[i].weight, rows[i].sound, rows[i].n);
        struct ramp ramp;
        m->n_cut = 2;
        m->cut[0] = m->n / 3;
        m->cut[1] = 2 * m->n / 3;
        changepoint_level_refit(m, false);
        assert_true(changepoint_ramp_instead(m, 0, 2, &ramp));
        print_message("# %s: %zu to %zu\n", rows[i].name, ramp.begin, ramp.end);
        assert_int_equal(ramp.begin, rows[i].begin);
        assert_int_equal(ramp.end, rows[i].end);
        assert_near(ramp.before, rows[i].before, 1e-9);
        assert_near(ramp.after, rows[i].after, 1e-9);
        assert_near(ramp.variance, rows[i].variance, 1e-9 * rows[i].variance);
        clear(m);
    }
}

static void levels_and_slope_agree_with_r(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        double y[R_POINTS], weight[R_POINTS], sound[R_POINTS];
        size_t n_cut, cut[2];
        double slope, slope_variance, residual[R_POINTS];
    } rows[] = {
#define REFIT(name, ...) {#name, __VA_ARGS__},
#include "r/changepoint.def"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct model *m = model_of_r(rows[i].y, rows[i].weight, rows[i].sound, rows[i].n);
        m->n_cut = rows[i].n_cut;
        memcpy(m->cut, rows[i].cut, m->n_cut * sizeof *m->cut);
        changepoint_level_refit(m, true);
        assert_near(m->slope, rows[i].slope, 1e-12);
        assert_near(m->slope_variance, rows[i].slope_variance, 1e-9 * rows[i].slope_variance);
        for (size_t k = 0; k < m->n; k++)
            assert_near(m->residual[k], rows[i].residual[k], 1e-12);
        clear(m);
    }
}

/* The same by going through all ways to cut, in R: harness/tests/r/stats.R. */
static void the_cheapest_cuts_agree_with_r(void **state)
{
    (void)state;
    static const double y[24] = {-0.0096, -0.0029, 0.0026, -0.0115, 0.3, 3e-04, 9e-04, 0.0112, -0.0122, 0.0727, 0.0526, 0.0487, 0.0528, 0.0625, 0.0615, 0.0569, 0.0505, -0.0265, -0.0078, -0.018, -0.0258, -0.0294, -0.022, -0.0367};
    struct model *m = model_of(y, 24);
    assert_near(changepoint_level_fit(m, 0, 7), 29.0255875, 24 * 0.25 * 0.25 / 2);  /* levels lie on a grid of half a spread */
    assert_int_equal(m->n_cut, 2);
    assert_int_equal(m->cut[0], 9);
    assert_int_equal(m->cut[1], 17);
    clear(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_judged_step_agrees_with_r), cmocka_unit_test(spreads_agree_with_r), cmocka_unit_test(ramps_agree_with_r),
        cmocka_unit_test(levels_and_slope_agree_with_r), cmocka_unit_test(the_cheapest_cuts_agree_with_r),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
