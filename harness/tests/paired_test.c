/* SPDX-License-Identifier: Apache-2.0
 *
 * From rounds to one estimate a generation: what a generation may claim.
 */
#include "stats/paired.h"

#include "seed.h"
#include "traces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "near.h"

/* Rounds in random order; a turn is disturbed (one to twelve times as long) with chance `disturbed`. */
static void make_rounds(struct paired_round *rounds, size_t n, double disturbed, struct traces_random *r)
{
    for (size_t i = 0; i < n; i++) {
        size_t first = traces_next(r) % 3, second = (first + 1 + traces_next(r) % 2) % 3;
        unsigned char order[] = {(unsigned char)first, (unsigned char)second, (unsigned char)(3 - first - second)};
        memcpy(rounds[i].order, order, sizeof order);
        for (size_t lane = 0; lane < PAIRED_LANES; lane++)
            rounds[i].log_ns[lane] = 0.02 * traces_normal(r) + (traces_uniform(r) < disturbed ? 2.5 * traces_uniform(r) : 0);
    }
}

/* Where most rounds scatter far, a last generation of one or two of them knows no more than the long ones before it. */
static void short_generations_claim_no_more(void **state)
{
    (void)state;
    enum { TRIALS = 200 };
    struct traces_random r = traces_seed(seed_of_test("paired"));
    for (int t = 0; t < TRIALS; t++) {
        struct paired_round rounds[82];
        const size_t length[] = {40, 40, 1 + (size_t)t % 2};
        struct paired p;
        make_rounds(rounds, 82, 0.5, &r);
        assert_true(paired_estimate(rounds, length, 3, &p));
        if (fabs(p.head[2]) > 6 * sqrt(p.head_variance[2]) || fabs(p.null[2]) > 6 * sqrt(p.null_variance[2]))
            fail_msg("trial %d: %.3f with error %.3f", t, p.head[2], sqrt(p.head_variance[2]));
        paired_clear(&p);
    }
}

/*
 * A slice that is stolen once a round (its period is the round's) hits one lane each time: contrasts have three modes, and within a short
 * generation most of them may lie at a wrong one.
 */
static void modes_do_not_catch_the_location(void **state)
{
    (void)state;
    enum { TRIALS = 4000, G = 4, N = 12 };
    struct traces_random r = traces_seed(seed_of_test("paired") + 1);
    int beyond = 0;
    for (int t = 0; t < TRIALS; t++) {
        struct paired_round rounds[G * N];
        const size_t length[G] = {N, N, N, N};
        struct paired p;
        make_rounds(rounds, G * N, 0, &r);
        for (size_t i = 0; i < G * N; i++)
            rounds[i].log_ns[traces_next(&r) % PAIRED_LANES] += 0.27;
        assert_true(paired_estimate(rounds, length, G, &p));
        double weights = 0, sum = 0;
        for (size_t g = 0; g < G; g++) {
            weights += 1 / p.head_variance[g];
            sum += p.head[g] / p.head_variance[g];
        }
        beyond += fabs(sum / weights) > 7 / sqrt(weights);
        paired_clear(&p);
    }
    print_message("# beyond 7 errors: %d of %d\n", beyond, TRIALS);
    assert_true(beyond <= TRIALS / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(short_generations_claim_no_more), cmocka_unit_test(modes_do_not_catch_the_location)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
