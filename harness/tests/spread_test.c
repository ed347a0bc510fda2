/* SPDX-License-Identifier: Apache-2.0
 *
 * The spread between processes, and between runs of other days.
 */
#include "stats/spread.h"
#include "stats/stored.h"

#include "seed.h"
#include "traces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include "near.h"

static void spread_learns_from_neighbours(void **state)
{
    (void)state;
    enum { CELLS = 40, G = 4 };
    struct traces_random r = traces_seed(seed_of_test("spread"));
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
            cells[c] = (struct spread_cell){G, head[c], variance[c], null[c], variance[c], NULL, 0};
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
    enum { LONG = 200 };  /* a likelihood far above 1 */
    double head[LONG], null[LONG], variance[LONG];
    for (size_t g = 0; g < LONG; g++) {
        head[g] = 0.02 * sqrt(1.5) * traces_normal(&r);
        null[g] = 0.02 * sqrt(2) * traces_normal(&r);
        variance[g] = 1e-8;
    }
    const struct spread_cell many = {LONG, head, variance, null, variance, NULL, 0}, *many_one = &many;
    assert_near(spread_fit(&many_one, 1, spread_pool_start()).centre, log(0.02), 1);
    const struct spread_cell nothing = {0}, *one = &nothing;
    assert_near(spread_fit(&one, 1, spread_pool_start()).centre, spread_pool_start().centre, 0.15);
}

/* The promised tail is the real one: how often the truth lies beyond the 2 % quantile, one cell alone and a prior that fits. */
static void spread_is_calibrated(void **state)
{
    (void)state;
    enum { G = 4, TRIALS = 3000 };
    struct traces_random r = traces_seed(seed_of_test("spread") + 1);
    int beyond = 0;
    for (int t = 0; t < TRIALS; t++) {
        double head[G], null[G], variance[G], s = exp(log(0.0035) + 0.6 * traces_normal(&r));
        for (size_t g = 0; g < G; g++) {
            double base = s * traces_normal(&r), base2 = s * traces_normal(&r);
            variance[g] = 4e-6;
            head[g] = s * traces_normal(&r) - 0.5 * (base + base2) + 0.002 * traces_normal(&r);
            null[g] = base2 - base + 0.002 * traces_normal(&r);
        }
        struct spread_cell cell = {G, head, variance, null, variance, NULL, 0};
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
    const struct spread_cell cell = {3, head, head_variance, null, null_variance, NULL, 0}, *one = &cell;
    struct spread_posterior p;
    spread_judge(&cell, spread_pool_start(), 1e9, &p);
    assert_near(spread_below(&p, 0.01), 0.0709163647799641, 1e-6);
    assert_near(spread_above(&p, 0.01), 1 - 0.0709163647799641, 1e-6);
    assert_near(spread_mean(&p), 0.0144216062899843, 1e-9);
    assert_near(spread_error(&p), 0.00314402300945331, 1e-9);
    assert_near(p.s, 0.00305140494912162, 1e-9);
    assert_near(spread_quantile(&p, 0.1), 0.0105974892641427, 1e-7);
    assert_near(spread_fit(&one, 1, spread_pool_start()).centre, -5.87894066296352, 1e-9);
    double history[SPREAD_GRID];
    spread_history(&cell, history);
    assert_near(history[0], 4.81182039509416, 1e-9);
    assert_near(history[23], 23.4756485778074, 1e-9);
    assert_near(history[SPREAD_GRID - 1], -1.64820243024803, 1e-9);
}

/* As wide as the grid reaches, also by R: there a prior is cut off, and weighs by what is left of it. */
static void a_pool_at_the_edge_agrees_with_r(void **state)
{
    (void)state;
    const double head[] = {0.5, -0.9, 0.7, -0.4}, null[] = {0.9, -0.6, 0.8, 1.1}, variance[] = {1e-6, 1e-6, 1e-6, 1e-6};
    const struct spread_cell cell = {4, head, variance, null, variance, NULL, 0}, *cells[20];
    for (size_t i = 0; i < 20; i++)
        cells[i] = &cell;
    assert_near(spread_fit(cells, 20, spread_pool_start()).centre, -0.391929377530902, 1e-9);
}

static void far_processes_agree_with_r(void **state)
{
    (void)state;
    static const struct row {
        size_t far, processes, n;
        double chance;
    } rows[] = {{0, 20, 5, 4.63191699604743e-06}, {0, 260, 3, 1.04256640147114e-07}, {12, 260, 3, 0.000136054915391983}, {30, 120, 9, 9.07851706690229e-06}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_near(spread_all_far((struct spread_pool){.processes = rows[i].processes, .far = rows[i].far}, rows[i].n) / rows[i].chance, 1, 1e-9);
}

/* 0.3 at 1e8 + 1/3, the rest two above, each with error 1: variance 1 within and 0.3 * 0.7 * 2^2 between, wherever the centre lies. */
static void error_does_not_depend_on_the_place(void **state)
{
    (void)state;
    struct spread_posterior p = {.weight = {0.3, 0.7}, .centre = {1e8 + 1.0 / 3, 1e8 + 7.0 / 3}, .error = {1, 1}, .df = 10};
    assert_near(spread_error(&p), sqrt(1.84), 1e-6);
}

static double typical(const struct spread_cell *cell)
{
    struct spread_posterior p;
    spread_judge(cell, spread_pool_start(), 50, &p);
    return p.s;
}

/* A narrow run of a cell that was wide on other days is taken to be wider than it looks; a history alone moves the pool. */
static void recorded_days_count(void **state)
{
    (void)state;
    double head[30], null[30], variance[30], history[SPREAD_GRID];
    for (int g = 0; g < 30; g++) {
        head[g] = g % 2 ? 0.03 : -0.03;
        null[g] = g % 3 ? 0.04 : -0.03;
        variance[g] = 1e-6;
    }
    spread_history(&(struct spread_cell){30, head, variance, null, variance, NULL, 0}, history);
    double close[2] = {0.001, -0.001}, small[2] = {1e-6, 1e-6};
    struct spread_cell run = {2, close, small, close, small, NULL, 0};
    double before = typical(&run);
    run.history = history;
    assert_true(typical(&run) > 3 * before);
    assert_near(typical(&(struct spread_cell){30, head, variance, null, variance, NULL, 0}), typical(&(struct spread_cell){.history = history}), 0.008);
    const struct spread_cell only = {.history = history}, *one = &only;
    assert_true(spread_fit(&one, 1, spread_pool_start()).centre > spread_pool_start().centre + 0.3);
    /* However much was recorded, it is worth 20 generations. */
    double capped[SPREAD_GRID], twice[SPREAD_GRID];
    spread_history(&(struct spread_cell){20, head, variance, null, variance, NULL, 0}, twice);
    spread_history(&(struct spread_cell){30, head, variance, null, variance, NULL, 0}, capped);
    for (size_t i = 0; i < SPREAD_GRID; i++)
        assert_near((capped[i] - capped[0]) / (twice[i] - twice[0] + (i == 0)), i ? 1 : 0, 0.05);
}

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
    const double near[] = {1, 2, 4}, far[] = {1e8 + 1, 1e8 + 2, 1e8 + 4};  /* where a level lies does not matter */
    assert_near(stored_fit(&(struct stored_cell){near, 3, 0, 0}, 1, 1, 1).squares, 14.0 / 3, 1e-12);
    assert_near(stored_fit(&(struct stored_cell){far, 3, 0, 0}, 1, 1, 1).squares, 14.0 / 3, 1e-6);
    struct stored_pool alone = stored_fit(cells, 1, 1, 2);
    assert_near(alone.floor, 0.1, 1e-12);
    assert_true(stored_judge(&cells[0], &alone).error > 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spread_learns_from_neighbours), cmocka_unit_test(spread_is_calibrated), cmocka_unit_test(spread_agrees_with_r), cmocka_unit_test(a_pool_at_the_edge_agrees_with_r), cmocka_unit_test(far_processes_agree_with_r), cmocka_unit_test(error_does_not_depend_on_the_place), cmocka_unit_test(recorded_days_count), cmocka_unit_test(stored_levels), cmocka_unit_test(stored_agrees_with_r)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
