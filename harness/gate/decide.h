/* SPDX-License-Identifier: Apache-2.0
 *
 * The sequential decision of one cell: rounds of (base, base2, head) in, a verdict out. Knows no clock, file or Lua.
 *
 * Promise, for a run of n_tests decisions together (cells times metrics), with looks and stopping at any time:
 *   - no test red on identical code but with probability 0.0001 by the model, 0.001 promised (a tenfold reserve for
 *     what the model does not know); each test may use 1/n_tests of it (Bonferroni);
 *   - with every true ratio at 1 + tolerance, a red anywhere has probability at most 0.05 (Bonferroni), and each test alone at
 *     most 0.01; a test there passes with probability at most 0.01. Once a test is red, its neighbours along an axis are tested at
 *     0.01 each: a change that slows one cell is likely in the cells beside it, and the chance of a first red is not touched by it
 *     (a gatekeeper: Maurer, Hothorn and Lehmacher, in "Biometrie in der chemisch-pharmazeutischen Industrie" 6 (1995) 3-18).
 * Assumed: the lanes of a generation are exchangeable but for a factor per process (spread.h) and the change itself;
 * rounds may be heavy-tailed and dependent (robust.h, series.h). Not assumed: normal rounds, equal noise in generations.
 * Where what a turn owes to the lane before it differs from lane to lane, head may be off by as much: that is no carry-over that could be
 * taken off (paired.h), and the mean over the lanes before is as good as a change. Nothing is said that eight times its size would undo.
 * What the nine pairs of a cell tell of that has four degrees of freedom: where all cells of a run owe 6 % by pair, 8 of 90 runs had a red.
 * To keep the promise there too, 25 times its size would have to undo nothing.
 * The processes of head may all be far ones by chance: a red takes so many that, by the share of far ones seen among base's (spread_all_far),
 * this has probability at most 0.001 in a run.
 * A red also needs processes that were not there when it was first suspected: see decide_look. Where processes of one build
 * differ by more than a quarter of the tolerance, it also needs head to be the slowest of its generation more often than an order
 * by chance gives with probability 0.0001 (nine generations when it always is).
 */
#ifndef DECIDE_H
#define DECIDE_H

#include "lane.h"
#include "stats/spread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum decision { DECISION_NONE, DECISION_PASS, DECISION_IMPROVED, DECISION_REGRESSION, DECISION_INCONCLUSIVE, DECISION_UNFIT };

struct decide_round {
    int64_t generation, round;    /* numbers of the process and of the round in it; only equality of generations counts */
    double ns[N_LANES];           /* by lane, time of a turn over its iterations: finite, > 0 */
    enum lane order[N_LANES];     /* in which the lanes ran */
};

/* Ratios are time(head)/time(base); low and high are the bounds that the decision used at this look. */
struct decide_verdict {
    enum decision decision;
    double ratio, low, high;
    double smallest_visible;      /* the slowdown, as a fraction, that would have been red with probability 0.95 */
    double null_ratio;            /* base2 against base */
    double process_spread;        /* s of spread.h, as a fraction */
    double inflation;             /* of the variance, by dependence between rounds */
    size_t rounds, generations;
    size_t set_aside;             /* generations left out because their null lane stood far out */
    const char *reason;           /* static text or NULL */
};

struct decide;

enum { DECIDE_RED_GENERATIONS = 5 };  /* of processes that a red takes */

/*
 * tolerance > 0, n_tests >= 1. Red and improved need DECIDE_RED_GENERATIONS of processes, fewer only when nothing follows: what
 * each process has by luck (a thread that the scheduler put badly, say) may be far beyond the tolerance, and only more processes
 * tell it from the build. NULL when memory is short.
 */
struct decide *decide_open(double tolerance, size_t n_tests);
void decide_close(struct decide *decide);

/* Adds a round. Generations may come in turns; rounds of one are in the order measured. False: memory is short. */
bool decide_add(struct decide *decide, const struct decide_round *round);

/* Whether a look is due now: at the rounds of spending.h, and more often while a suspected red waits for fresh processes. */
bool decide_is_due(const struct decide *decide);

/* What was recorded of this cell on other days (spread_history); copied. */
void decide_set_history(struct decide *decide, const double *log_likelihood);

/* A neighbour is red: this test no longer shares its error at the tolerance with the run's. */
void decide_support(struct decide *decide);

/*
 * Looks at the rounds so far and returns the decision; DECISION_NONE means go on. `last`: no round will follow, so
 * the answer is never NONE. Once decided, it stays. Each call at a due look spends its share of the error rates.
 * Red needs, beside the two bounds: its number of generations (fewer, but two, only when `last`), those that came after the first
 * suspicion agreeing with P <= 0.05 on their own, or without such ones all but the slowest generation.
 */
enum decision decide_look(struct decide *decide, struct spread_pool pool, bool last);

/* Estimates per generation as of now, for spread_fit; pointers hold until the next call on `decide`. False: no round. */
bool decide_cell(struct decide *decide, struct spread_cell *cell);

/* As of the latest look. */
const struct decide_verdict *decide_verdict(const struct decide *decide);
bool decide_is_suspected(const struct decide *decide);
size_t decide_rounds(const struct decide *decide);
size_t decide_generations(const struct decide *decide);

/* The word of the result file: "pass", "regression", … */
const char *decide_word(enum decision decision);

#endif
