/* SPDX-License-Identifier: Apache-2.0
 *
 * tail, robust, series, spending, binomial: known values (from R, see tests/r/) and properties on seeded samples.
 */
#include "stats/binomial.h"
#include "stats/robust.h"
#include "stats/series.h"
#include "stats/spending.h"
#include "stats/tail.h"

#include "seed.h"
#include "traces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "near.h"

enum { MANY = 4000 };

/* R: pnorm(x, lower.tail = FALSE) */
static void normal_tail(void **state)
{
    (void)state;
    static const double rows[][2] = {{0, 0.5}, {1, 0.158655253931457}, {-1, 0.841344746068543}, {1.959963984540054, 0.025},
                                     {4.0556269811224, 2.5e-5}, {8, 6.22096057427178e-16}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_near(tail_normal(rows[i][0]), rows[i][1], 1e-10 * rows[i][1]);
        assert_near(tail_normal_inverse(rows[i][1]), rows[i][0], 1e-6);
    }
    for (double p = 1e-12; p < 0.99; p *= 3)
        assert_near(tail_normal(tail_normal_inverse(p)), p, 1e-9 * p);
}

/* R: pt(t, df, lower.tail = FALSE); Wallace's form is within 3 % and errs upwards far out. */
static void student_tail(void **state)
{
    (void)state;
    static const double rows[][3] = {{2, 10, 0.0366940173853702},  {-2, 10, 0.96330598261463},    {4, 10, 0.00125916631236835},
                                     {6, 15, 1.21632727555193e-05}, {3.5, 5, 0.00864221589264668}, {3, 200, 0.00152152355695295}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_near(tail_student(rows[i][0], rows[i][1]), rows[i][2], 0.03 * rows[i][2]);
    assert_near(tail_student(0, 4), 0.5, 1e-12);
    assert_true(tail_student(2, 5) > tail_student(2, 50));
    assert_near(tail_student(2, 1e9), tail_normal(2), 1e-6);
}

static void scale_of_normal_and_of_disturbed(void **state)
{
    (void)state;
    struct traces_random r = traces_seed(seed_of_test("stats"));
    static double x[MANY], work[MANY];
    for (size_t i = 0; i < MANY; i++)
        x[i] = 5 + 2 * traces_normal(&r);
    assert_near(robust_scale(x, MANY, work), 2, 0.12);
    for (size_t i = 0; i < MANY; i += 3)
        x[i] += i % 2 ? 60 : -60;
    assert_near(robust_scale(x, MANY, work), 2, 0.25);
    double equal[5] = {3, 3, 3, 3, 3}, most[5] = {3, 3, 3, 3, 8}, one[1] = {4};
    assert_near(robust_scale(equal, 5, work), 0, 0);
    assert_near(robust_scale(most, 5, work), sqrt(M_PI / 2), 1e-12);
    assert_near(robust_scale(one, 1, work), 0, 0);
}

/* By hand: a scale is 1.4826 times the median deviation of what lies within 3 of the scale before; values at exactly 3 scales stay. */
static void scale_is_clipped_at_three(void **state)
{
    (void)state;
    const double k = 1.4826, edge = 3 * k;
    const struct row {
        size_t n;
        double x[6], scale;
    } rows[] = {
        {5, {-edge, -1, 0, 0.2, edge}, k},              /* none falls out */
        {6, {-10, -1, -0.5, 0.5, 1, edge}, k},          /* the first falls out, the last stays */
        {5, {-5, -1, 0, 1, 1.5}, k},                    /* of 0, 1, 1, 1.5 the median is still 1 */
        {5, {-9, -1, 0, 0.3, 9}, 0.3 * k},              /* of 0, 0.3, 1 it is 0.3, and 1 stays */
        {6, {-50, 0, 0, 0, 0, 1}, sqrt(M_PI / 2) * 51 / 6},  /* most are equal: the mean deviation */
        {4, {-1, 0, 0, 100}, k / 2},                    /* of 0, 0, 1 the median is 0: the scale before stays */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double work[6];
        print_message("# row %zu\n", i);
        assert_near(robust_scale(rows[i].x, rows[i].n, work), rows[i].scale, 1e-12);
    }
}

static void location_is_equivariant_and_robust(void **state)
{
    (void)state;
    struct traces_random r = traces_seed(seed_of_test("stats") + 1);
    static double x[MANY], y[MANY], work[MANY], influence[MANY], other[MANY];
    for (size_t i = 0; i < MANY; i++)
        x[i] = traces_student(&r, 3);
    double scale = robust_scale(x, MANY, work), T = robust_location(x, MANY / 2, 2, scale, influence, work);
    assert_near(T, 0, 0.08);
    for (size_t i = 0; i < MANY; i++)
        y[i] = 10 - 3 * x[i];
    assert_near(robust_location(y, MANY / 2, 2, 3 * scale, other, work), 10 - 3 * T, 1e-6);
    double sum = 0;
    for (size_t i = 0; i < MANY / 2; i++) {
        assert_near(other[i], -3 * influence[i], 1e-5);
        sum += influence[i];
    }
    assert_near(sum, 0, 1e-3 * MANY * scale);
    for (size_t i = 0; i < MANY / 5; i++)
        x[i] += 1000;  /* a fifth is disturbed on one side: hardly moves */
    assert_near(robust_location(x, MANY / 2, 2, robust_scale(x, MANY, work), influence, work), 0, 0.15);
    double equal[4] = {2, 2, 2, 2};
    assert_near(robust_location(equal, 2, 2, 0, influence, work), 2, 0);
    assert_near(influence[0], 0, 0);
}

/* The spread that influences promise is the spread over many samples: t(3) noise, three lanes. */
static void influence_gives_the_standard_error(void **state)
{
    (void)state;
    struct traces_random r = traces_seed(seed_of_test("stats") + 2);
    enum { N = 60, TRIALS = 1500 };
    double x[2 * N], work[2 * N], influence[N], square = 0, promised = 0;
    for (int t = 0; t < TRIALS; t++) {
        for (size_t i = 0; i < N; i++) {
            double head = traces_student(&r, 3);
            x[2 * i] = head - traces_student(&r, 3);
            x[2 * i + 1] = head - traces_student(&r, 3);
        }
        double T = robust_location(x, N, 2, robust_scale(x, 2 * N, work), influence, work), sum = 0;
        for (size_t i = 0; i < N; i++)
            sum += influence[i] * influence[i];
        square += T * T / TRIALS;
        promised += sum / N / N / TRIALS;
    }
    assert_near(promised / square, 1, 0.15);
}

static void series_sees_dependence(void **state)
{
    (void)state;
    struct traces_random r = traces_seed(seed_of_test("stats") + 3);
    static double x[MANY];
    const size_t lengths[4] = {1000, 1000, 1000, 1000};
    const double rows[] = {0, 0.5, 0.8, -0.4};
    for (size_t k = 0; k < 4; k++) {
        double a = rows[k], before = 0;
        for (size_t i = 0; i < MANY; i++)
            x[i] = before = a * before + sqrt(1 - a * a) * traces_normal(&r);
        assert_near(series_autocorrelation(x, MANY, 1), a, 0.06);
        double inflation = series_inflation(x, lengths, 4), truth = fmax(1, (1 + a) / (1 - a));
        assert_true(inflation > 0.65 * truth && inflation < 1.6 * truth);
    }
    double constant[20] = {0};
    const size_t length = 20;
    assert_near(series_inflation(constant, &length, 1), 1, 0);
    assert_near(series_autocorrelation(constant, 20, 1), 0, 0);
    assert_near(series_autocorrelation(x, 5, 5), 0, 0);
    static const double pi[15] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9};  /* R: acf */
    assert_near(series_autocorrelation(pi, 15, 1), 0.259387430389817, 1e-12);
    assert_near(series_autocorrelation(pi, 15, 3), 0.233412887828162, 1e-12);
    double alternating[4] = {1, -1, 1, -1};
    assert_near(series_autocorrelation(alternating, 4, 1), -0.75, 1e-12);
    double far[15];  /* where the values lie does not matter, also far from 0 */
    for (size_t i = 0; i < 15; i++)
        far[i] = pi[i] + 1e9;
    assert_near(series_autocorrelation(far, 15, 1), 0.259387430389817, 1e-6);
}

/* By hand, for runs of two equal signs: blocks of 2 have sums of 2, mean square 4 / 2, twice that of one; blocks of 4 have sums of 0. */
static void inflation_by_blocks(void **state)
{
    (void)state;
    double x[50];
    for (size_t i = 0; i < 50; i++)
        x[i] = i / 2 % 2 ? -1 : 1;
    static const struct row {
        size_t n_pieces, length[3];
        double blocks;  /* of 2; 0: too few */
    } rows[] = {{1, {24}, 12}, {1, {23}, 0}, {1, {25}, 12}, {2, {12, 12}, 12}, {2, {14, 13}, 13}, {3, {10, 10, 2}, 0}, {1, {50}, 25}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double n = rows[i].blocks;
        print_message("# row %zu\n", i);
        assert_near(series_inflation(x, rows[i].length, rows[i].n_pieces), n > 0 ? 2 * (1 - sqrt(2 / n)) : 1, 1e-12);
    }
}

static void inflation_agrees_with_r(void **state)
{
    (void)state;
    static const double x[26] = {0.71, 0.86, 1.43, 1.46, 2.24, 1.51, 0.43, -0.25, -1.93, -2.44, -2.51, -2.26, -2.19, -3.71, -3.81, -1.14, -0.29, 1.76, 1.1, 0.79, 0.45, -0.84, -1.51, 0.86, 0.12, 1.37};
    assert_near(series_inflation(x, (const size_t[]){12, 14}, 2), 1.03210090016928, 1e-12);
}

static void shares_sum_to_one(void **state)
{
    (void)state;
    double sum = 0;
    for (size_t k = 0; k < 100000; k++)
        sum += spending_share(k);
    assert_true(sum <= 1 && sum > 0.999);
    static const size_t rounds[14] = {16, 24, 36, 54, 81, 122, 183, 274, 411, 616, 923, 1384, 2076, 3114};  /* by R */
    for (size_t k = 0; k < 14; k++) {
        assert_near(spending_share(k), k < 13 ? 0.0714285714285714 : 0.0238095238095238, 1e-15);
        assert_int_equal(spending_rounds(k), rounds[k]);
    }
    for (size_t k = 0; k < 20; k++)
        assert_true(spending_rounds(k + 1) > spending_rounds(k));
}

/* R: binom.test(k, n)$conf.int and pbinom(k - 1, n, p, lower.tail = FALSE) */
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
    static const struct tail {
        size_t k, n;
        double p, at_least;
    } tails[] = {{2, 3, 0.5, 0.5}, {3, 3, 0.5, 0.125}, {4, 3, 0.5, 0}, {0, 3, 0.5, 1}, {1, 3, 0, 0}, {3, 3, 1, 1}, {1, 3, 1, 1}, {9, 9, 1.0 / 3, 5.08052634252909e-05},
                 {500, 1000, 0.5, 0.51261250908918}, {501, 1000, 0.5, 0.48738749091082}, {40, 100000, 2e-4, 5.30965547962546e-05}, {1, 100000, 2e-4, 0.999999997942965}};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        assert_near(binomial_at_least(tails[i].k, tails[i].n, tails[i].p), tails[i].at_least, 1e-11);
    assert_near(binomial_low(0, 7, 0.025), 0, 0);
    assert_near(binomial_high(7, 7, 0.025), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_tail), cmocka_unit_test(student_tail), cmocka_unit_test(scale_of_normal_and_of_disturbed), cmocka_unit_test(scale_is_clipped_at_three),
        cmocka_unit_test(location_is_equivariant_and_robust), cmocka_unit_test(influence_gives_the_standard_error),
        cmocka_unit_test(series_sees_dependence), cmocka_unit_test(inflation_by_blocks), cmocka_unit_test(inflation_agrees_with_r), cmocka_unit_test(shares_sum_to_one), cmocka_unit_test(rates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
