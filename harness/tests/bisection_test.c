/* SPDX-License-Identifier: Apache-2.0
 * Noisy binary search on simulated measurements: how often it is right, and how many builds it takes. */
#include "stats/bisection.h"
#include "tests/seed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST = 128 };

static uint64_t state;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

struct world {
    size_t n, culprit;
    double ratio, error;     /* the change, and the true error of a measurement */
    double broken;           /* share of commits that do not build */
    bool is_broken[MOST];
};

struct outcome {
    struct bisection_answer answer;
    size_t builds, asked;
};

static struct outcome search(struct world *w)
{
    struct bisection b;
    bool built[MOST] = {false};
    struct outcome o = {.builds = 2};  /* the good one and the bad one */
    assert_true(bisection_open(&b, w->n, w->ratio * exp(w->error * normal() / 4)));
    for (size_t k = 0; k < w->n; k++)
        w->is_broken[k] = k + 1 < w->n && uniform() < w->broken;
    for (long at; (at = bisection_next(&b)) != BISECTION_DONE; o.asked++) {
        assert_in_range(at, 0, w->n - 2);
        o.builds += !built[at];
        built[at] = true;
        if (w->is_broken[at])
            bisection_skip(&b, (size_t)at);
        else
            bisection_tell(&b, (size_t)at, ((size_t)at >= w->culprit ? w->ratio : 1) * exp(w->error * normal()), w->error * (0.8 + 0.4 * uniform()));
    }
    o.answer = bisection_result(&b);
    bisection_clear(&b);
    return o;
}

static void eight_percent_among_64(void **unused)
{
    (void)unused;
    size_t right = 0, within = 0, asked = 0, tries = 1000, most = 0;
    for (size_t i = 0; i < tries; i++) {
        struct world w = {.n = 64, .culprit = i % 64, .ratio = 1.08, .error = 0.015};
        struct outcome o = search(&w);
        right += o.answer.first == w.culprit && o.answer.last == w.culprit;
        within += o.builds <= 8;
        most = o.builds > most ? o.builds : most;
        asked += o.asked;
    }
    print_message("# 8 %% at an error of 1.5 %%: right %.2f %%, at most 8 builds %.2f %% (most %zu), %.1f measurements\n", 100.0 * (double)right / (double)tries,
                  100.0 * (double)within / (double)tries, most, (double)asked / (double)tries);
    assert_true(right >= tries * 99 / 100);
    assert_true(within >= tries * 99 / 100);
}

static void noisy_and_small(void **unused)
{
    (void)unused;
    size_t right = 0, tries = 500;
    for (size_t i = 0; i < tries; i++) {
        struct world w = {.n = 40, .culprit = i % 40, .ratio = 1.05, .error = 0.04};
        right += search(&w).answer.last == w.culprit;
    }
    print_message("# 5 %% at an error of 4 %%: right %.1f %%\n", 100.0 * (double)right / (double)tries);
    assert_true(right >= tries * 95 / 100);
}

static void improvements_are_found_too(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < 30; i++) {
        struct world w = {.n = 30, .culprit = i, .ratio = 0.9, .error = 0.01};
        struct outcome o = search(&w);
        assert_int_equal(o.answer.last, w.culprit);
        assert_true(fabs(o.answer.ratio - 0.9) < 0.03);
    }
}

static void commits_that_do_not_build_make_a_range(void **unused)
{
    (void)unused;
    size_t held = 0, tries = 300;
    for (size_t i = 0; i < tries; i++) {
        struct world w = {.n = 64, .culprit = i % 64, .ratio = 1.08, .error = 0.01, .broken = 0.3};
        struct outcome o = search(&w);
        held += o.answer.first <= w.culprit && w.culprit <= o.answer.last;
        for (size_t k = o.answer.first; k < o.answer.last; k++)
            assert_true(w.is_broken[k]);
    }
    assert_true(held >= tries * 98 / 100);
}

static void one_commit_needs_no_measurement(void **unused)
{
    (void)unused;
    struct bisection b;
    assert_true(bisection_open(&b, 1, 1.1));
    assert_int_equal(bisection_next(&b), BISECTION_DONE);
    assert_int_equal(bisection_result(&b).last, 0);
    bisection_clear(&b);
}

static int open_seed(void **unused)
{
    (void)unused;
    state = seed_of_test("bisection_test");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_percent_among_64), cmocka_unit_test(noisy_and_small), cmocka_unit_test(improvements_are_found_too),
        cmocka_unit_test(commits_that_do_not_build_make_a_range), cmocka_unit_test(one_commit_needs_no_measurement),
    };
    return cmocka_run_group_tests(tests, open_seed, NULL);
}
