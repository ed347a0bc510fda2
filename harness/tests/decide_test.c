/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision of a cell: written-out cases. decide_rates_test.c has its error rates, decide_pinned_test.c what it says to nine digits.
 */
#include "gate/decide.h"
#include "gate/replay.h"

#include "seed.h"
#include "traces.h"
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "near.h"

/* ---- written-out cases */

/* Rounds without noise but a little structure; lanes multiplied as said. */
static struct decide *plain(size_t generations, size_t rounds, double base2, double head, double tolerance)
{
    static const enum lane orders[6][N_LANES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct decide *d = decide_open(tolerance, 1);
    assert_non_null(d);
    for (size_t g = 0; g < generations; g++)
        for (size_t r = 0; r < rounds; r++) {
            struct decide_round round = {.generation = (int64_t)g, .round = (int64_t)r};
            memcpy(round.order, orders[(7 * r + g) % 6], sizeof round.order);
            double wave = 1000 * (1 + 0.01 * (double)((5 * r + 3 * g) % 7));
            round.ns[LANE_BASE] = wave;
            round.ns[LANE_BASE2] = base2 * wave * (1 + 0.001 * (double)(r % 3));
            round.ns[LANE_HEAD] = head * wave * (1 + 0.001 * (double)((r + 1) % 3));
            assert_true(decide_add(d, &round));
        }
    return d;
}

static void plain_cases(void **state)
{
    (void)state;
    static const struct row {
        double base2, head, tolerance;
        enum decision wanted;
    } rows[] = {
        {1, 1, 0.05, DECISION_PASS},           {1, 1.10, 0.05, DECISION_REGRESSION}, {1, 1.08, 0.05, DECISION_REGRESSION},
        {1, 1.02, 0.05, DECISION_PASS},        {1, 1.05, 0.05, DECISION_INCONCLUSIVE}, {1, 0.90, 0.05, DECISION_IMPROVED},
        {1, 0.97, 0.05, DECISION_PASS},        {1.10, 1.0, 0.05, DECISION_UNFIT},    {0.92, 1.0, 0.05, DECISION_UNFIT},
        {1.10, 1.3, 0.05, DECISION_UNFIT},     {1, 1.10, 0.20, DECISION_PASS},       {1, 1.10, 0.02, DECISION_REGRESSION},
        {1, 1.30, 0.20, DECISION_REGRESSION},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decide *d = plain(5, 20, rows[i].base2, rows[i].head, rows[i].tolerance);
        enum decision got = decide_look(d, spread_pool_start(), true);
        if (got != rows[i].wanted)
            fail_msg("row %zu: %s, expected %s", i, decide_word(got), decide_word(rows[i].wanted));
        const struct decide_verdict *v = decide_verdict(d);
        assert_near(v->ratio, rows[i].head / sqrt(rows[i].base2), 0.01);
        assert_near(v->null_ratio, rows[i].base2, 0.003);
        assert_true(v->low < v->ratio && v->ratio < v->high && v->low > 0 && isfinite(v->high));
        assert_true(v->smallest_visible > rows[i].tolerance);
        assert_int_equal(v->rounds, 100);
        assert_int_equal(v->generations, 5);
        assert_true((v->reason != NULL) == (got == DECISION_UNFIT || got == DECISION_INCONCLUSIVE));
        decide_close(d);
    }
}

static void few_rounds_say_nothing(void **state)
{
    (void)state;
    struct decide *d = plain(1, 5, 1, 1.5, 0.05);
    assert_false(decide_is_due(d));
    assert_int_equal(decide_look(d, spread_pool_start(), true), DECISION_INCONCLUSIVE);
    assert_string_equal(decide_verdict(d)->reason, "too few rounds");
    decide_close(d);
    d = decide_open(0.05, 1);
    assert_int_equal(decide_look(d, spread_pool_start(), true), DECISION_INCONCLUSIVE);
    assert_int_equal(decide_verdict(d)->rounds, 0);
    decide_close(d);
    for (size_t rounds = 5; rounds <= 6; rounds++) {  /* six say something */
        d = plain(1, rounds, 1, 1, 0.5);
        assert_int_equal(decide_look(d, spread_pool_start(), true), rounds == 6 ? DECISION_PASS : DECISION_INCONCLUSIVE);
        decide_close(d);
    }
}

/* A red is suspected, not said, until a fifth process agrees; a pass wants a second one. */
static void waits_for_fresh_processes(void **state)
{
    (void)state;
    struct decide *d = plain(1, 16, 1, 1.5, 0.05);
    assert_true(decide_is_due(d));
    assert_int_equal(decide_look(d, spread_pool_start(), false), DECISION_NONE);
    assert_true(decide_is_suspected(d));
    assert_false(decide_is_due(d));
    for (int g = 1; g < 5; g++)
        for (int r = 0; r < 6; r++) {
            struct decide_round round = {.generation = g, .round = r, .ns = {1000, 1001 + r, 1500 + r}, .order = {0, 1, 2}};
            assert_true(decide_add(d, &round));
        }
    assert_true(decide_is_due(d));
    assert_int_equal(decide_look(d, spread_pool_start(), false), DECISION_REGRESSION);
    assert_int_equal(decide_verdict(d)->rounds, 40);
    assert_int_equal(decide_look(d, spread_pool_start(), true), DECISION_REGRESSION);  /* stays */
    decide_close(d);

    d = plain(1, 16, 1, 1, 0.05);
    assert_int_equal(decide_look(d, spread_pool_start(), false), DECISION_NONE);
    assert_false(decide_is_suspected(d));
    decide_close(d);

    d = plain(1, 60, 1, 1.5, 0.05);  /* the rounds of one process are all there is */
    assert_int_equal(decide_look(d, spread_pool_start(), true), DECISION_INCONCLUSIVE);
    assert_string_equal(decide_verdict(d)->reason, "too few processes: as many of one build may all be this far off by chance");
    decide_close(d);
}

/* Three processes of head, all of them slow: a slow build where processes are seldom far, else perhaps chance. Of nine all can't be. */
static void few_processes_tell_nothing_where_far_ones_are_common(void **state)
{
    (void)state;
    static const struct row {
        size_t processes, far, generations;
        enum decision wanted;
    } rows[] = {{260, 0, 3, DECISION_REGRESSION}, {260, 40, 3, DECISION_INCONCLUSIVE}, {260, 40, 5, DECISION_REGRESSION}, {260, 80, 5, DECISION_INCONCLUSIVE}, {260, 80, 9, DECISION_REGRESSION}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decide *d = plain(rows[i].generations, 20, 1, 1.3, 0.05);
        struct spread_pool pool = spread_pool_start();
        pool.processes = rows[i].processes;
        pool.far = rows[i].far;
        if (decide_look(d, pool, true) != rows[i].wanted)
            fail_msg("row %zu: %s, %s", i, decide_word(decide_verdict(d)->decision), decide_verdict(d)->reason);
        decide_close(d);
    }
}

/* Base and base2 of two generations are farther apart than the tolerance. */
static void far_processes_of_base_are_counted(void **state)
{
    (void)state;
    struct decide *d = decide_open(0.05, 1);
    for (int g = 0; g < 5; g++)
        for (int r = 0; r < 6; r++) {
            struct decide_round round = {.generation = g, .round = r, .ns = {1000, g == 1 ? 1060 : g == 3 ? 940 : g == 4 ? 1040 : 1000, 1500 + r}, .order = {0, 1, 2}};
            assert_true(decide_add(d, &round));
        }
    struct spread_cell cell;
    assert_true(decide_cell(d, &cell));
    assert_int_equal(cell.n_far, 2);
    const struct spread_cell *cells[] = {&cell, &cell};
    struct spread_pool pool = spread_fit(cells, 2, spread_pool_start());
    assert_int_equal(pool.far, 4);
    assert_int_equal(pool.processes, spread_pool_start().processes + 20);
    decide_close(d);
}

/* Looks come on the schedule of spending.h; of a process that came after a suspicion also at 6, 12, 24, 48 rounds, not of the suspected one. */
static void looks_come_when_due(void **state)
{
    (void)state;
    static const size_t due[] = {16, 24, 36, 54, 50 + 6, 50 + 12, 50 + 24, 81, 50 + 48};
    struct decide *d = decide_open(0.05, 1);
    size_t looks = 0;
    for (int i = 0; i < 100; i++) {
        assert_true(decide_add(d, &(struct decide_round){.generation = i / 50, .round = i % 50, .ns = {1000 + i % 7, 1000 + i % 5, 1500 + i % 3}, .order = {0, 1, 2}}));
        if (!decide_is_due(d))
            continue;
        assert_int_equal(i + 1, due[looks++]);
        assert_int_equal(decide_look(d, spread_pool_start(), false), DECISION_NONE);
        assert_true(decide_is_suspected(d));
    }
    assert_int_equal(looks, sizeof due / sizeof *due);
    decide_close(d);

    d = plain(1, 24, 1, 1, 0.05);  /* two looks were missed: they are one */
    assert_int_equal(decide_look(d, spread_pool_start(), false), DECISION_NONE);
    assert_false(decide_is_due(d));
    decide_close(d);
}

/* Bounds are as wide as the share of the look that is taken: the first look's 1/14 however late it comes, the sixteenth's 1/140. */
static void bounds_widen_with_looks(void **state)
{
    (void)state;
    double width[2];
    for (int each = 0; each < 2; each++) {
        struct decide *d = decide_open(0.05, 1);
        for (int i = 0; i < 4900; i++) {
            assert_true(decide_add(d, &(struct decide_round){.generation = i / 1225, .round = i, .ns = {1000 + i % 7, 1000 + i % 5, 1050 + i % 11}, .order = {0, 1, 2}}));
            if (each && decide_is_due(d))
                assert_int_equal(decide_look(d, spread_pool_start(), false), DECISION_NONE);
        }
        decide_look(d, spread_pool_start(), true);
        width[each] = log(decide_verdict(d)->high / decide_verdict(d)->low);
        decide_close(d);
    }
    assert_true(width[1] > 1.15 * width[0]);  /* of normal quantiles: 3.80 to 3.19 */
}

/* A look that is not due has no share of the error rates: only what leaves no doubt at all (P = 0 in doubles) is said there. */
static void certainty_spends_nothing(void **state)
{
    (void)state;
    static const struct row {
        double head;
        bool suspected;
        enum decision wanted;
    } rows[] = {{1e200, true, DECISION_NONE}, {1e-200, false, DECISION_IMPROVED}, {1.5, false, DECISION_NONE}, {0.5, false, DECISION_NONE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decide *d = plain(1, 640, 1, 1, 0.05);
        assert_int_equal(decide_look(d, spread_pool_start(), false), DECISION_NONE);  /* takes the share; the next is due at 923 rounds */
        for (int r = 0; r < 240; r++)
            assert_true(decide_add(d, &(struct decide_round){.generation = 1 + r / 60, .round = r, .ns = {1000 + r % 7, 1000 + r % 5, rows[i].head * (1000 + r % 3)}, .order = {0, 1, 2}}));
        assert_false(decide_is_due(d));
        assert_int_equal(decide_look(d, spread_pool_start(), false), rows[i].wanted);
        assert_int_equal(decide_is_suspected(d), rows[i].suspected);
        decide_close(d);
    }
}

/* Whether head is faster by the tolerance can't be told: after four times the rounds of a pass it is a pass. */
static void a_pass_waits_for_improved(void **state)
{
    (void)state;
    struct decide *d = decide_open(0.05, 1);
    for (int i = 0; i < 64; i++) {
        assert_true(decide_add(d, &(struct decide_round){.generation = i % 2, .round = i, .ns = {1050 + i % 7, 1050 + i % 5, 1000 + i % 3}, .order = {0, 1, 2}}));
        if (i >= 15)
            assert_int_equal(decide_look(d, spread_pool_start(), false), i < 63 ? DECISION_NONE : DECISION_PASS);
    }
    decide_close(d);
}

/* One process that is slow by luck does not carry a red, however slow; nor does one fast process hide one. */
static void one_odd_process(void **state)
{
    (void)state;
    for (int slow = 0; slow < 5; slow++) {
        struct decide *d = decide_open(0.05, 1);
        for (int g = 0; g < 5; g++)
            for (int r = 0; r < 30; r++) {
                double head = g == slow ? 1.6 : 1.0;
                struct decide_round round = {.generation = g, .round = r, .ns = {1000 + (r * 7) % 11, 1000 + (r * 5) % 11, head * (1000 + (r * 3) % 11)}, .order = {0, 1, 2}};
                assert_true(decide_add(d, &round));
                if (decide_is_due(d))
                    decide_look(d, spread_pool_start(), false);
            }
        enum decision got = decide_look(d, spread_pool_start(), true);
        assert_true(got != DECISION_REGRESSION);
        decide_close(d);
    }
}

/*
 * Where processes of one build differ by several per cent, few of them do not make a red, however far head is; more do. Few do where
 * head is beyond the tolerance in each and base's two are within it.
 */
static void wide_processes_need_more(void **state)
{
    (void)state;
    static const struct row {
        int generations, slow;
        double apart;  /* base and base2 from their mean, now one, now the other */
        bool red;
    } rows[] = {{6, 6, 0.05, false}, {8, 8, 0.05, false}, {12, 12, 0.05, true}, {16, 15, 0.05, true}, {40, 20, 0.05, false}, {6, 6, 0.02, true}, {8, 7, 0.02, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decide *d = decide_open(0.05, 1);
        for (int g = 0; g < rows[i].generations; g++)
            for (int r = 0; r < 20; r++) {
                double wave = 1000 + (r * 7) % 11, head = g < rows[i].slow ? 1.35 : 0.99, apart = g % 2 ? -rows[i].apart : rows[i].apart;
                struct decide_round round = {.generation = g, .round = r, .ns = {(1 + apart) * wave, (1 - apart) * wave, head * wave}, .order = {0, 1, 2}};
                assert_true(decide_add(d, &round));
            }
        enum decision got = decide_look(d, spread_pool_start(), true);
        if ((got == DECISION_REGRESSION) != rows[i].red)
            fail_msg("row %zu: %s", i, decide_word(got));
        decide_close(d);
    }
}

/* In a process of three equal lanes head is not the slowest: ten of twelve such are no order (P = 289/3^12 > 1e-4). */
static void equal_lanes_are_not_slow(void **state)
{
    (void)state;
    static const double offsets[2][2] = {{1.05, 0.95}, {0.95, 1.05}};
    for (int equal = 0; equal < 2; equal++) {
        struct decide *d = decide_open(0.05, 1);
        for (int g = 0; g < 12; g++)
            for (int r = 0; r < 20; r++) {
                double wave = 1000 + (r * 7) % 11;
                struct decide_round round = {.generation = g, .round = r, .ns = {offsets[g % 2][0] * wave, offsets[g % 2][1] * wave, 1.35 * wave}, .order = {0, 1, 2}};
                if (g < 2 && equal)
                    round.ns[LANE_BASE] = round.ns[LANE_BASE2] = round.ns[LANE_HEAD] = wave;
                assert_true(decide_add(d, &round));
            }
        assert_int_equal(decide_look(d, spread_pool_start(), true), equal ? DECISION_INCONCLUSIVE : DECISION_REGRESSION);
        assert_true(decide_is_suspected(d));
        decide_close(d);
    }
}

/*
 * All but one process have eight rounds that scatter widely; the one with many, in its place among them, is slower by 70 %. Without it
 * nothing could be said: that is a suspicion, no red, even where a slower one was set aside. With quiet rounds all say the same.
 */
static void the_slowest_alone_is_no_red(void **state)
{
    (void)state;
    for (int many = 0; many < 4; many++)
        for (int aside = 0; aside < 2; aside++)
            for (int quiet = 0; quiet < 2; quiet++) {
                struct decide *d = decide_open(0.05, 1);
                for (int g = 0; g < 4; g++)
                    for (int r = 0; r < (g == many ? 2000 : 8); r++) {
                        double noise = (quiet ? 0.01 : 1) * (r * 5 % 8 - 3.5) / 3, head = g == many ? 1.7 : quiet ? 1.69 : 1.2;
                        struct decide_round round = {.generation = g, .round = r, .ns = {1000 + r % 5, 1000 + r % 3, head * 1000 * exp(noise)}, .order = {0, 1, 2}};
                        if (aside && g == (many + 1) % 4) {
                            round.ns[LANE_BASE2] *= 20;
                            round.ns[LANE_HEAD] *= 100;
                        }
                        assert_true(decide_add(d, &round));
                    }
                enum decision got = decide_look(d, spread_pool_start(), true);
                if (got != (quiet ? DECISION_REGRESSION : DECISION_INCONCLUSIVE) || !decide_is_suspected(d) || decide_verdict(d)->set_aside != (size_t)aside)
                    fail_msg("many rounds in %d, aside %d, quiet %d: %s, suspected %d, %zu set aside, ratio %.3f, spread %.4f", many, aside, quiet, decide_word(got),
                             decide_is_suspected(d), decide_verdict(d)->set_aside, decide_verdict(d)->ratio, decide_verdict(d)->process_spread);
                decide_close(d);
            }
}

/* At the tolerance a red costs more in a run of many tests, and no more than one test's own once a neighbour is red. */
static void neighbours_lend_support(void **state)
{
    (void)state;
    double low[3];
    for (int i = 0; i < 3; i++) {
        struct decide *d = decide_open(0.05, i == 0 ? 1 : 1000);
        if (i == 2)
            decide_support(d);
        for (int g = 0; g < 8; g++)
            for (int r = 0; r < 12; r++) {
                double head = 1.0550 + 0.004 * (g % 3 - 1);
                struct decide_round round = {.generation = g, .round = r, .ns = {1000 + (r * 7) % 11, 1000 + (r * 5) % 11, head * (1000 + (r * 3) % 11)}, .order = {0, 1, 2}};
                assert_true(decide_add(d, &round));
            }
        decide_look(d, spread_pool_start(), true);
        low[i] = decide_verdict(d)->low;
        assert_int_equal(decide_is_suspected(d), i != 1);
        decide_close(d);
    }
    assert_true(low[1] < low[0] - 1e-4);
    assert_near(low[2], low[0], 1e-12);
}

/* What was recorded of a cell's processes on other days widens what it is judged by. */
static void history_is_heard(void **state)
{
    (void)state;
    double offsets[20], variance[20], history[SPREAD_GRID], spread[2];
    for (int g = 0; g < 20; g++) {
        offsets[g] = g % 2 ? 0.05 : -0.05;
        variance[g] = 1e-6;
    }
    spread_history(&(struct spread_cell){20, offsets, variance, offsets, variance, NULL, 0}, history);
    for (int i = 0; i < 2; i++) {
        struct decide *d = plain(3, 20, 1, 1.10, 0.05);
        if (i)
            decide_set_history(d, history);
        assert_int_equal(decide_look(d, spread_pool_start(), true), i ? DECISION_INCONCLUSIVE : DECISION_REGRESSION);
        spread[i] = decide_verdict(d)->process_spread;
        decide_close(d);
    }
    assert_true(spread[1] > 3 * spread[0]);
}

static void equal_samples_have_no_width(void **state)
{
    (void)state;
    struct decide *d = decide_open(0.05, 1);
    for (int g = 0; g < 3; g++)
        for (int r = 0; r < 20; r++)
            assert_true(decide_add(d, &(struct decide_round){.generation = g, .round = r, .ns = {5, 5, 5}, .order = {0, 1, 2}}));
    assert_int_equal(decide_look(d, spread_pool_start(), true), DECISION_PASS);
    assert_near(decide_verdict(d)->ratio, 1, 1e-12);
    assert_true(isfinite(decide_verdict(d)->smallest_visible));
    decide_close(d);

    d = decide_open(0.05, 1);
    for (int g = 0; g < 3; g++)
        for (int r = 0; r < 20; r++)
            assert_true(decide_add(d, &(struct decide_round){.generation = g, .round = r, .ns = {5, 6, 5}, .order = {0, 1, 2}}));
    assert_int_equal(decide_look(d, spread_pool_start(), true), DECISION_UNFIT);
    decide_close(d);
}

/* Odd but legal times never give NaN: from denormal-sized to 1e300, two-valued, one lane constant. */
static void odd_times_never_give_nan(void **state)
{
    (void)state;
    static const double values[] = {1e-300, 1e-9, 1, 2, 1e9, 1e300};
    struct traces_random r = traces_seed(seed_of_test("decide") + 5);
    for (int trial = 0; trial < 200; trial++) {
        struct decide *d = decide_open(0.05, 40);
        int n = 1 + (int)(traces_next(&r) % 60);
        for (int i = 0; i < n; i++) {
            struct decide_round round = {.generation = i / 13, .round = i, .order = {0, 1, 2}};
            for (int lane = 0; lane < N_LANES; lane++)
                round.ns[lane] = values[traces_next(&r) % (2 + (unsigned)trial % 5)];
            assert_true(decide_add(d, &round));
        }
        decide_look(d, spread_pool_start(), true);
        const struct decide_verdict *v = decide_verdict(d);
        assert_true(!isnan(v->ratio) && !isnan(v->low) && !isnan(v->high) && !isnan(v->smallest_visible) && !isnan(v->null_ratio));
        assert_true(v->decision != DECISION_NONE);
        decide_close(d);
    }
}

/* The lane before is told from the lanes where the order is balanced. */
static void carry_over_is_taken_off(void **state)
{
    (void)state;
    static const struct traces_kind kind = {.name = "carried", .noise = 0.02, .tail = 4, .process = 0.001};
    for (int after = 0; after < N_LANES; after++) {
        struct traces_cell cell;
        traces_open(&cell, &kind, seed_of_test("decide") + 9);
        cell.carry[after] = 0.12;
        struct decide *d = decide_open(0.05, 1);
        for (int g = 0; g < 4; g++) {
            traces_generation(&cell);
            for (int i = 0; i < 60; i++) {
                struct decide_round round;
                traces_round(&cell, g, 0, &round);
                assert_true(decide_add(d, &round));
            }
        }
        assert_int_equal(decide_look(d, spread_pool_start(), true), DECISION_PASS);
        assert_near(decide_verdict(d)->ratio, 1, 0.006);
        decide_close(d);
    }
}

/* What lanes owe to the lane before, each in its own way, may pass for a small change, not for a large one. */
static void costs_by_pair_hide_small_changes(void **state)
{
    (void)state;
    static const struct traces_kind kind = {.name = "pairs", .noise = 0.01, .process = 0.001};
    static const struct row {
        double pair, change;
        enum decision wanted;
    } rows[] = {{0.04, 0, DECISION_INCONCLUSIVE}, {0.04, 0.1, DECISION_INCONCLUSIVE}, {0.04, 1, DECISION_REGRESSION}, {0.04, -1, DECISION_IMPROVED},
                {0.04, -0.1, DECISION_PASS},      {0, 0, DECISION_PASS},              {0, 0.1, DECISION_REGRESSION},  {0, -0.1, DECISION_IMPROVED}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct traces_cell cell;
        traces_open(&cell, &kind, seed_of_test("decide") + 13);
        for (int lane = 0; lane < N_LANES; lane++) {  /* by which way round two lanes follow each other: no sum over the lanes before */
            cell.pair[lane][(lane + 1) % N_LANES] = rows[i].pair;
            cell.pair[lane][(lane + 2) % N_LANES] = -rows[i].pair;
        }
        struct decide *d = decide_open(0.05, 1);
        for (int g = 0; g < 5; g++) {
            traces_generation(&cell);
            for (int r = 0; r < 40; r++) {
                struct decide_round round;
                traces_round(&cell, g, rows[i].change, &round);
                assert_true(decide_add(d, &round));
            }
        }
        enum decision got = decide_look(d, spread_pool_start(), true);
        if (got != rows[i].wanted)
            fail_msg("row %zu: %s, expected %s (%.4f)", i, decide_word(got), decide_word(rows[i].wanted), decide_verdict(d)->ratio);
        assert_int_equal(got == DECISION_INCONCLUSIVE, decide_verdict(d)->reason && strstr(decide_verdict(d)->reason, "lane to lane"));
        decide_close(d);
    }
}

/* In a run of a thousand cells one is just above the tolerance: it can't be told, but beside a red neighbour it can. */
static void a_red_neighbour_is_heard_in_replays(void **state)
{
    (void)state;
    enum { CELLS = 1000, ROUNDS = 120 };
    static const char *const names[2][2] = {{"s/b/k=1/j=1", "s/b/k=2/j=1"}, {"s/b/k=1/j=1", "s/b/k=2/j=2"}};  /* one bench, so that their spread is one */
    for (int alone = 0; alone < 2; alone++) {
        struct rounds rounds = {calloc(CELLS, sizeof *rounds.cells), CELLS, CELLS};
        struct decide_verdict *verdicts = calloc(CELLS, sizeof *verdicts);
        const struct replay replay = {.tolerance = 0.05, .inject = 1};
        for (size_t c = 0; c < CELLS; c++) {
            char name[40];
            snprintf(name, sizeof name, "s/lone%zu", c);
            rounds.cells[c] = (struct rounds_cell){strdup(c < 2 ? names[alone][c] : name), calloc(ROUNDS, sizeof(struct decide_round)), ROUNDS, ROUNDS};
            for (int i = 0; i < ROUNDS; i++) {
                double head = c == 0 ? 1.053 + 0.004 * (i / 10 % 3 - 1) : c == 1 ? 1.3 : 1;
                rounds.cells[c].rounds[i] = (struct decide_round){.generation = i / 10, .round = i % 10, .order = {0, 1, 2},
                                                                  .ns = {1000 + (i * 7) % 11, 1000 + (i * 5) % 11, head * (1000 + (i * 3) % 11)}};
            }
        }
        assert_true(replay_run(&replay, &rounds, verdicts));
        assert_int_equal(verdicts[1].decision, DECISION_REGRESSION);
        assert_int_equal(verdicts[0].decision, alone ? DECISION_INCONCLUSIVE : DECISION_REGRESSION);
        for (size_t c = 2; c < CELLS; c++)
            assert_int_equal(verdicts[c].decision, DECISION_PASS);
        rounds_clear(&rounds);
        free(verdicts);
    }
}

/* A quiet cell is decided before its rounds end; beside cells of its bench whose processes differ it is taken to be wider than it looks. */
static void cells_lend_their_spread_in_replays(void **state)
{
    (void)state;
    enum { CELLS = 12, ROUNDS = 80 };
    double spread[2];
    for (int beside = 0; beside < 2; beside++) {
        struct rounds rounds = {calloc(CELLS, sizeof *rounds.cells), beside ? CELLS : 1, CELLS};
        struct decide_verdict verdicts[CELLS];
        const struct replay replay = {.tolerance = 0.05, .inject = 0.5};
        for (size_t c = 0; c < rounds.n; c++) {
            char name[40];
            snprintf(name, sizeof name, "s/b/k=%zu", c);
            rounds.cells[c] = (struct rounds_cell){strdup(name), calloc(ROUNDS, sizeof(struct decide_round)), ROUNDS, ROUNDS};
            for (int i = 0; i < ROUNDS; i++) {
                double offset = c && i / 10 % 2 ? 1.03 : 1;
                rounds.cells[c].rounds[i] = (struct decide_round){.generation = i / 10, .round = i % 10, .order = {0, 1, 2},
                                                                  .ns = {1000 + (i * 7) % 11, offset * (1000 + (i * 5) % 11), 2 * (1000 + (i * 3) % 11)}};
            }
        }
        assert_true(replay_run(&replay, &rounds, verdicts));
        assert_int_equal(verdicts[0].decision, DECISION_PASS);
        assert_true(verdicts[0].rounds < ROUNDS);
        assert_near(verdicts[0].ratio, 1, 0.002);  /* what is injected undoes the factor */
        spread[beside] = verdicts[0].process_spread;
        rounds_clear(&rounds);
    }
    assert_true(spread[1] > 2 * spread[0]);
}

static void each_end_has_its_reason(void **state)
{
    (void)state;
    static const struct row {
        int generations, rounds;
        double base2, head, jitter;
        const char *reason;
    } rows[] = {
        {5, 20, 1.1, 1, 0, "base disagrees with itself by more than half the tolerance"},
        {30, 20, 1.03, 1.015, 0, "base disagrees with itself by more than half the tolerance"},
        {1, 5, 1, 1.5, 0, "too few rounds"},
        {1, 6, 1, 1.05, 0, "the rounds ended before the interval left the tolerance"},
        {1, 20, 1, 1.5, 0, NULL},
        {5, 20, 1, 1.05, 0, "the rounds ended before the interval left the tolerance"},
        {6, 20, 1, 1.05, 0.08, "processes of one build differ too much"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decide *d = decide_open(0.05, 1);
        for (int g = 0; g < rows[i].generations; g++)
            for (int r = 0; r < rows[i].rounds; r++) {
                double wave = 1000 + (r * 7) % 11, head = rows[i].head * (1 + (g % 2 ? rows[i].jitter : -rows[i].jitter));
                struct decide_round round = {.generation = g, .round = r, .ns = {wave, rows[i].base2 * (1000 + (r * 5) % 11), head * wave}, .order = {0, 1, 2}};
                assert_true(decide_add(d, &round));
            }
        decide_look(d, spread_pool_start(), true);
        const char *reason = decide_verdict(d)->reason;
        if (rows[i].reason && (!reason || strcmp(reason, rows[i].reason) != 0))
            fail_msg("row %zu: %s", i, reason ? reason : "no reason");
        decide_close(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_cases), cmocka_unit_test(few_rounds_say_nothing), cmocka_unit_test(waits_for_fresh_processes), cmocka_unit_test(few_processes_tell_nothing_where_far_ones_are_common), cmocka_unit_test(far_processes_of_base_are_counted),
        cmocka_unit_test(looks_come_when_due), cmocka_unit_test(bounds_widen_with_looks), cmocka_unit_test(certainty_spends_nothing), cmocka_unit_test(a_pass_waits_for_improved), cmocka_unit_test(equal_lanes_are_not_slow), cmocka_unit_test(the_slowest_alone_is_no_red),
        cmocka_unit_test(one_odd_process), cmocka_unit_test(wide_processes_need_more), cmocka_unit_test(neighbours_lend_support),
        cmocka_unit_test(history_is_heard), cmocka_unit_test(equal_samples_have_no_width), cmocka_unit_test(odd_times_never_give_nan),
        cmocka_unit_test(carry_over_is_taken_off), cmocka_unit_test(a_red_neighbour_is_heard_in_replays), cmocka_unit_test(cells_lend_their_spread_in_replays), cmocka_unit_test(costs_by_pair_hide_small_changes),
        cmocka_unit_test(each_end_has_its_reason)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
