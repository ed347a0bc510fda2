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
#include "tests/near.h"

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
    assert_true(within >= tries * 999 / 1000);
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

static void ask(struct bisection *b, long expected, double ratio, double error)
{
    assert_int_equal(bisection_next(b), expected);
    bisection_tell(b, (size_t)expected, ratio, error);
}

/*
 * Eight commits, the sixth of which costs 10 %. One measurement says at most 4, and a commit beside the likeliest is asked again until 7 are
 * reached; then the one that halves what is left is next. In the end the log odds of the sixth are 8 + 1.746, of all before it as much less 8
 * or 16, and of those after it 0.
 */
static void a_search_by_hand(void **unused)
{
    (void)unused;
    struct bisection b;
    assert_true(bisection_open(&b, 8, 1.1));
    ask(&b, 3, 1.00, 0.02);
    bisection_tell(&b, 3, 1.01, 0.02);
    ask(&b, 5, 1.12, 0.02);
    bisection_tell(&b, 5, 1.08, 0.04);  /* (L x - L^2 / 2) / error^2 = 1.746 */
    bisection_tell(&b, 5, 1.12, 0.02);
    ask(&b, 4, 1.00, 0.02);
    ask(&b, 4, 1.00, 0);  /* no error is below 0.003 */
    assert_int_equal(bisection_next(&b), BISECTION_DONE);
    double large = log(1.1), little = (large * log(1.08) - large * large / 2) * 625, sixth = exp(8 + little);
    struct bisection_answer a = bisection_result(&b);
    assert_int_equal(a.first, 5);
    assert_int_equal(a.last, 5);
    assert_near(a.probability, sixth / (sixth + 4 * exp(little - 8) + exp(little) + 2), 1e-12);
    double least = 1 / (0.003 * 0.003), before = 2500 * log(1.01) / (2500 * 3 + least), after = (5000 * log(1.12) + 625 * log(1.08)) / 5625;
    assert_near(a.ratio, exp(after - before), 1e-12);
    assert_near(a.probability, 0.999547203204815, 1e-12);  /* as R has both: harness/tests/r/stats.R */
    assert_near(a.ratio, 1.1152494590876, 1e-12);
    bisection_clear(&b);
}

/* Places that are as likely stay so: which of them is named does not depend on rounding, and the search does not move on from a weak answer. */
static void weak_answers_are_asked_again(void **unused)
{
    (void)unused;
    for (size_t n = 4; n <= MOST; n++)
        for (int is_bad = 0; is_bad < 2; is_bad++) {
            struct bisection b;
            assert_true(bisection_open(&b, n, 1.08));
            long at = bisection_next(&b);
            ask(&b, at, is_bad ? 1.046 : 1.034, 0.015);
            ask(&b, at, is_bad ? 1.046 : 1.034, 0.015);
            assert_int_equal(bisection_next(&b), at);
            bisection_clear(&b);
        }
}

/* Odds beyond what a double's exponential holds are probabilities still. */
static void no_evidence_is_too_much(void **unused)
{
    (void)unused;
    struct bisection b;
    assert_true(bisection_open(&b, 8, 1.1));
    for (size_t i = 0; i < 300; i++) {
        bisection_tell(&b, 5, 1.1, 0.01);
        bisection_tell(&b, 4, 1, 0.01);
    }
    struct bisection_answer a = bisection_result(&b);
    assert_int_equal(a.first, 5);
    assert_int_equal(a.last, 5);
    assert_near(a.probability, 1, 1e-12);
    bisection_clear(&b);
}

/* Of commits that halve as well the first is asked; what can't be measured is passed over, and belongs to the next that can. */
static void skipped_commits_join_the_next(void **unused)
{
    (void)unused;
    struct bisection b;
    assert_true(bisection_open(&b, 8, 1.1));
    assert_int_equal(bisection_next(&b), 3);
    bisection_skip(&b, 3);
    ask(&b, 2, 1, 0.01);
    ask(&b, 2, 1, 0.01);
    ask(&b, 4, 1.1, 0.01);
    ask(&b, 4, 1.1, 0.01);
    assert_int_equal(bisection_next(&b), BISECTION_DONE);
    assert_int_equal(bisection_result(&b).first, 3);
    assert_int_equal(bisection_result(&b).last, 4);
    assert_near(bisection_result(&b).probability, 2 / (2 + 3 * exp(-8) + 3 * exp(-8)), 1e-12);
    assert_near(bisection_result(&b).ratio, 1.1, 1e-12);
    bisection_clear(&b);
    assert_true(bisection_open(&b, 2, 1.1));  /* what can't be measured at all ends with the bad one */
    bisection_skip(&b, 0);
    assert_int_equal(bisection_next(&b), BISECTION_DONE);
    assert_int_equal(bisection_result(&b).first, 0);
    assert_int_equal(bisection_result(&b).last, 1);
    assert_near(bisection_result(&b).ratio, 1.1, 1e-12);  /* nothing was measured: as it was said to be */
    bisection_clear(&b);
}

static void measure_twice(struct bisection *b, size_t at, double ratio)
{
    bisection_tell(b, at, ratio, 0.01);
    bisection_tell(b, at, ratio, 0.01);
}

/* A build costs as much as 3 % of probability: 47 commits of 99 from the half is near enough where it was built, 49 of 99 was not. */
static void what_is_built_is_asked_first(void **unused)
{
    (void)unused;
    struct bisection b;
    assert_true(bisection_open(&b, 100, 1.1));
    measure_twice(&b, 46, 1.1);
    measure_twice(&b, 47, 1);
    assert_int_equal(bisection_next(&b), 47);
    bisection_clear(&b);
}

/* A measurement half way between good and bad says nothing, and can be asked for 400 times; a skipped commit is one of them. */
static void doubt_ends(void **unused)
{
    (void)unused;
    struct bisection b;
    size_t asked = 0;
    assert_true(bisection_open(&b, 3, 1.21));
    bisection_skip(&b, 1);
    for (; bisection_next(&b) != BISECTION_DONE; asked++)
        ask(&b, 0, 1.1, 0.01);
    assert_int_equal(asked, 399);
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
        cmocka_unit_test(a_search_by_hand), cmocka_unit_test(weak_answers_are_asked_again), cmocka_unit_test(no_evidence_is_too_much), cmocka_unit_test(skipped_commits_join_the_next), cmocka_unit_test(what_is_built_is_asked_first), cmocka_unit_test(doubt_ends),
        cmocka_unit_test(eight_percent_among_64), cmocka_unit_test(noisy_and_small), cmocka_unit_test(improvements_are_found_too),
        cmocka_unit_test(commits_that_do_not_build_make_a_range), cmocka_unit_test(one_commit_needs_no_measurement),
    };
    return cmocka_run_group_tests(tests, open_seed, NULL);
}
