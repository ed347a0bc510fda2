/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/summary.h"

#include "seed.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "near.h"

#define NEAR(a, b) assert_near(a, b, 1e-12)

/* Expected values are R 4's median, mad(constant = 1) and quantile(type = 7). */
static void known_samples(void **state)
{
    (void)state;
    static const struct row {
        size_t n;
        double x[8];
        struct summary s;
    } rows[] = {
        {1, {7}, {7, 0, 7, 7, 7, 7, 7}},
        {2, {3, 1}, {2, 1, 2, 2.9, 2.98, 1, 3}},
        {5, {5, 1, 4, 2, 3}, {3, 1, 3, 4.8, 4.96, 1, 5}},
        {6, {10, 10, 10, 10, 10, 10}, {10, 0, 10, 10, 10, 10, 10}},
        {8, {2, 4, 4, 4, 5, 5, 7, 9}, {4.5, 0.5, 4.5, 8.3, 8.86, 2, 9}},
        {4, {1, 1, 1000, 1000}, {500.5, 499.5, 500.5, 1000, 1000, 1, 1000}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct summary s;
        assert_true(summary_of(rows[i].x, rows[i].n, &s));
        NEAR(s.median, rows[i].s.median);
        NEAR(s.mad, rows[i].s.mad);
        NEAR(s.p50, rows[i].s.p50);
        NEAR(s.p95, rows[i].s.p95);
        NEAR(s.p99, rows[i].s.p99);
        NEAR(s.min, rows[i].s.min);
        NEAR(s.max, rows[i].s.max);
    }
}

static void refuses_what_is_not_a_number(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    static const struct summary zero;
    struct summary s;
    assert_false(summary_of(NULL, 0, &s));
    assert_memory_equal(&s, &zero, sizeof s);
    for (size_t i = 0; i < 3; i++) {
        double x[3] = {1, bad[i], 2};
        memset(&s, 1, sizeof s);
        assert_false(summary_of(x, 3, &s));
        assert_memory_equal(&s, &zero, sizeof s);
    }
    double wide[2] = {-1.7e308, 1.7e308};  /* the median is 0, the deviations still fit */
    assert_true(summary_of(wide, 2, &s));
    NEAR(s.median, 0);
    double huge[3] = {-1.7e308, 1.7e308, 1.7e308};  /* a deviation does not fit, but the middle one does */
    assert_true(summary_of(huge, 3, &s));
    assert_true(isfinite(s.mad));
    double beyond[4] = {-1.7e308, -1.7e308, 1.7e308, 1.7e308};
    assert_true(summary_of(beyond, 4, &s));
    assert_true(isfinite(s.mad) && isfinite(s.median));
}

static void keeps_order_and_bounds(void **state)
{
    (void)state;
    srand48((long)seed_of_test("summary"));
    for (int trial = 0; trial < 300; trial++) {
        double x[50], copy[50];
        size_t n = 1 + (size_t)(drand48() * 50);
        for (size_t i = 0; i < n; i++)
            copy[i] = x[i] = exp(20 * drand48() - 10);
        struct summary s;
        assert_true(summary_of(x, n, &s));
        assert_memory_equal(x, copy, n * sizeof *x);
        assert_true(s.min <= s.p50 && s.p50 <= s.p95 && s.p95 <= s.p99 && s.p99 <= s.max);
        assert_true(s.mad >= 0 && s.mad <= s.max - s.min);
        for (size_t i = 0; i < n; i++)
            x[i] = 3 * copy[n - 1 - i];  /* order does not matter, scale comes through */
        struct summary t;
        assert_true(summary_of(x, n, &t));
        assert_near(t.mad, 3 * s.mad, 1e-9 * s.max);
        assert_near(t.median, 3 * s.median, 1e-9 * s.max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_samples), cmocka_unit_test(refuses_what_is_not_a_number),
                                       cmocka_unit_test(keeps_order_and_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
