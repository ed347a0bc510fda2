/* SPDX-License-Identifier: Apache-2.0
 *
 * From rounds to one estimate a generation: what a generation may claim, and that its steps agree with R.
 */
#include "stats/paired.h"
#include "stats/robust.h"

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

/* Rounds in a fixed order, which shows no effects; base and base2 take 1 ns, head exp(head[i]). */
static struct paired estimate_heads(const double *head, const size_t *length, size_t n_generations)
{
    struct paired_round rounds[64];
    struct paired p;
    size_t n = 0;
    for (size_t g = 0; g < n_generations; g++)
        for (size_t i = 0; i < length[g]; i++, n++)
            rounds[n] = (struct paired_round){{0, 0, head[n]}, {PAIRED_BASE, PAIRED_BASE2, PAIRED_HEAD}};
    assert_true(paired_estimate(rounds, length, n_generations, &p));
    return p;
}

/*
 * By hand, for heads of 1 and -1 in turn: the location is 0, the scale 1.4826, v = 1 / (4.685 * 1.4826), and an influence
 * (1 - v^2)^2 / ((1 - v^2)(1 - 5 v^2)). Two generations of 12 rounds leave 22 of 24 degrees of freedom; the pooled variance weighs as 20 rounds.
 */
static void variance_of_even_rounds(void **state)
{
    (void)state;
    double head[24], v = 1 / (4.685 * 1.4826), influence = (1 - v * v) / (1 - 5 * v * v), own = influence * influence;
    const size_t length[] = {12, 12};
    for (size_t i = 0; i < 24; i++)
        head[i] = i % 2 ? -1 : 1;
    struct paired p = estimate_heads(head, length, 2);
    assert_near(p.inflation, 1, 0);
    for (size_t g = 0; g < 2; g++) {
        assert_near(p.head[g], 0, 1e-12);
        assert_near(p.head_variance[g], (12 * own + 20 * own * 24 / 22) / 32 / 12, 1e-9);
        assert_near(p.null[g], 0, 0);
        assert_near(p.null_variance[g], 0, 0);
    }
    paired_clear(&p);
}

/*
 * A generation whose rounds lie apart knows no more than one of them: its error is half the way between the outer tenths. Of its 18
 * contrasts those are 0, and 0.3 of the way from 1 to 20.
 */
static void torn_generations_have_the_error_of_a_round(void **state)
{
    (void)state;
    double head[49];
    const size_t length[] = {40, 9};
    const double torn[] = {0, 1, 0, 0.4, 20, 0.5, 1, 0.6, 1};
    for (size_t i = 0; i < 40; i++)
        head[i] = i % 2 ? 0.001 : -0.001;
    memcpy(head + 40, torn, sizeof torn);
    struct paired p = estimate_heads(head, length, 2);
    assert_near(p.head_variance[1], 6.7 * 6.7 / 4, 1e-9);
    assert_true(p.head_variance[0] < 0.01);
    paired_clear(&p);
}

/*
 * Where most rounds of all generations lie apart, two that happen to agree know no better than the worst of them: here half the way between
 * the outer tenths, -4^7 and 4^8, in millionths.
 */
static void agreeing_rounds_among_torn_ones_know_no_better(void **state)
{
    (void)state;
    double head[24] = {0}, far = 1e-6;
    const size_t length[] = {11, 11, 2};
    for (size_t i = 0; i < 11; i++, far *= -4)
        head[i] = head[11 + i] = far;
    struct paired p = estimate_heads(head, length, 3);
    for (size_t g = 0; g < 3; g++)
        assert_near(p.head_variance[g], 0.04096 * 0.04096, 1e-12);
    paired_clear(&p);
}

/*
 * Of 12 rounds `far` lie at 1 in one generation and at -1 in the other: 2 * far is chi-square with 2 degrees of freedom if sides are
 * a toss, and 9.21 is its upper 1 %. With 4 the rest is where the location is; with 5 the location is nearly a mean.
 */
static void far_rounds_on_one_side_move_the_location(void **state)
{
    (void)state;
    for (size_t far = 4; far <= 5; far++) {
        double head[24];
        const size_t length[] = {12, 12};
        for (size_t i = 0; i < 24; i++)
            head[i] = 0.001 * (double)(i % 3) - 0.001 + (i % 12 >= 12 - far ? i < 12 ? 1 : -1 : 0);
        struct paired p = estimate_heads(head, length, 2);
        assert_near(p.head[0], far == 4 ? 0 : 5.0 / 12, far == 4 ? 0.01 : 0.15);
        assert_near(p.head[1], far == 4 ? 0 : -5.0 / 12, far == 4 ? 0.01 : 0.15);
        paired_clear(&p);
    }
}

/* What R says of the same values: harness/tests/r/paired.R. */
enum { R_ROUNDS = 30, R_WIDTH = 2, R_GENERATIONS = 3 };
#define LIST(...) {__VA_ARGS__}

static void location_agrees_with_r(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        double x[R_WIDTH * R_ROUNDS], scale, at, influence[R_ROUNDS];
    } rows[] = {
#define LOCATION(name, ...) {#name, __VA_ARGS__},
#define ADJUST(...)
#define ESTIMATE(...)
#include "r/paired.def"
#undef LOCATION
#undef ADJUST
#undef ESTIMATE
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double influence[R_ROUNDS], work[R_WIDTH * R_ROUNDS], scale = rows[i].scale;
        print_message("# %s\n", rows[i].name);
        assert_near(robust_scale(rows[i].x, R_WIDTH * rows[i].n, work), scale, 1e-12 * scale);
        assert_near(robust_location(rows[i].x, rows[i].n, R_WIDTH, scale, influence, work), rows[i].at, 1e-7 * scale);
        for (size_t r = 0; r < rows[i].n; r++)
            assert_near(influence[r], rows[i].influence[r], 1e-6 * scale);
    }
}

/* Puts rounds together from a row of R's; how many there are. */
static size_t r_rounds(const size_t *length, const unsigned char *order, const double *log_ns, struct paired_round *rounds)
{
    size_t n = 0;
    for (size_t g = 0; g < R_GENERATIONS; g++)
        n += length[g];
    for (size_t r = 0; r < n; r++) {
        memcpy(rounds[r].order, order + r * PAIRED_LANES, sizeof rounds[r].order);
        memcpy(rounds[r].log_ns, log_ns + r * PAIRED_LANES, sizeof rounds[r].log_ns);
    }
    return n;
}

static void estimates_agree_with_r(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n_generations, length[R_GENERATIONS];
        unsigned char order[R_ROUNDS * PAIRED_LANES];
        double log_ns[R_ROUNDS * PAIRED_LANES], head[R_GENERATIONS], head_variance[R_GENERATIONS], null[R_GENERATIONS], null_variance[R_GENERATIONS], inflation, null_inflation;
    } rows[] = {
#define LOCATION(...)
#define ADJUST(...)
#define ESTIMATE(name, ...) {#name, __VA_ARGS__},
#include "r/paired.def"
#undef LOCATION
#undef ADJUST
#undef ESTIMATE
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct paired_round rounds[R_ROUNDS];
        struct paired p;
        r_rounds(rows[i].length, rows[i].order, rows[i].log_ns, rounds);
        print_message("# %s\n", rows[i].name);
        assert_true(paired_estimate(rounds, rows[i].length, rows[i].n_generations, &p));
        for (size_t g = 0; g < p.n; g++) {
            assert_near(p.head[g], rows[i].head[g], 1e-8);
            assert_near(p.null[g], rows[i].null[g], 1e-8);
            assert_near(p.head_variance[g], rows[i].head_variance[g], 1e-6 * rows[i].head_variance[g]);
            assert_near(p.null_variance[g], rows[i].null_variance[g], 1e-6 * rows[i].null_variance[g]);
        }
        assert_near(p.inflation, rows[i].inflation, 1e-6);
        assert_near(p.null_inflation, rows[i].null_inflation, 1e-6);
        paired_clear(&p);
    }
}

static void adjustment_agrees_with_r(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n_generations, length[R_GENERATIONS];
        unsigned char order[R_ROUNDS * PAIRED_LANES];
        double log_ns[R_ROUNDS * PAIRED_LANES], carry[PAIRED_LANES], position[PAIRED_LANES], adjusted[R_ROUNDS * PAIRED_LANES], tangle;
    } rows[] = {
#define LOCATION(...)
#define ADJUST(name, ...) {#name, __VA_ARGS__},
#define ESTIMATE(...)
#include "r/paired.def"
#undef LOCATION
#undef ADJUST
#undef ESTIMATE
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct paired_round rounds[R_ROUNDS];
        struct paired p;
        double x[R_ROUNDS][PAIRED_LANES], work[15 * R_ROUNDS];
        size_t n = r_rounds(rows[i].length, rows[i].order, rows[i].log_ns, rounds);
        print_message("# %s\n", rows[i].name);
        paired_adjust(rounds, rows[i].length, rows[i].n_generations, x, work, &p);
        assert_near(p.tangle, rows[i].tangle, 1e-12);
        for (size_t k = 0; k < PAIRED_LANES; k++) {
            assert_near(p.carry[k], rows[i].carry[k], 1e-12);
            assert_near(p.position[k], rows[i].position[k], 1e-12);
        }
        for (size_t k = 0; k < n * PAIRED_LANES; k++)
            assert_near(x[k / PAIRED_LANES][k % PAIRED_LANES], rows[i].adjusted[k], 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(short_generations_claim_no_more), cmocka_unit_test(modes_do_not_catch_the_location),
                                       cmocka_unit_test(variance_of_even_rounds), cmocka_unit_test(torn_generations_have_the_error_of_a_round),
                                       cmocka_unit_test(agreeing_rounds_among_torn_ones_know_no_better), cmocka_unit_test(far_rounds_on_one_side_move_the_location),
                                       cmocka_unit_test(location_agrees_with_r), cmocka_unit_test(adjustment_agrees_with_r), cmocka_unit_test(estimates_agree_with_r)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
