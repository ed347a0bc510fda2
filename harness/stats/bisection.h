/* SPDX-License-Identifier: Apache-2.0
 *
 * Noisy binary search: which of n commits in a row did it? Each commit is measured against the good one; a measurement is
 * evidence, not truth, so a probability is kept for every place (probabilistic bisection: Horstein 1963; Waeber, Frazier and
 * Henderson 2013) and the commit that halves it best is asked next. A commit that is measured again costs no build, so a doubtful
 * answer is asked again before the search moves on. Pure: no clock, no process.
 *
 * Places: commits 0 .. n-1 after the good one, oldest first; the last is the bad one. The culprit is the first bad commit.
 */
#ifndef STATS_BISECTION_H
#define STATS_BISECTION_H

#include <stdbool.h>
#include <stddef.h>

enum { BISECTION_DONE = -1 };

struct bisection {
    size_t n;
    double *log_odds;   /* [n] of a block with the next three: natural log of the probability that this commit is the culprit, up to a constant */
    double *evidence;   /* [n] sum of what measurements of this commit said: > 0 for bad */
    double *weights, *estimates;  /* [n] of ratios: sum of w, sum of w * ln ratio */
    bool *is_skipped;   /* [n] can't be built or measured */
    double large;       /* ln of the ratio of a bad commit to a good one */
    size_t n_asked;
};

/* n >= 1; `ratio` of bad to good, not 1. False when memory runs out, then there is nothing to clear. bisection_clear frees. */
bool bisection_open(struct bisection *b, size_t n, double ratio);
void bisection_clear(struct bisection *b);

/* The commit to measure next, or BISECTION_DONE. */
long bisection_next(const struct bisection *b);

/* A measurement of commit `at`: the ratio to the good one and the standard error of its logarithm. */
void bisection_tell(struct bisection *b, size_t at, double ratio, double log_error);

/* Commit `at`, not the last, can't be measured. */
void bisection_skip(struct bisection *b, size_t at);

struct bisection_answer {
    size_t first, last;  /* the culprit is among these commits; equal unless commits between can't be measured */
    double probability;
    double ratio;        /* pooled ratio of the commits measured from `last` on to those before `first` */
};

struct bisection_answer bisection_result(const struct bisection *b);

#endif
