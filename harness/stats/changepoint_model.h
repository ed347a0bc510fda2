/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the change-point finder (changepoint.c): the fitted model of one series, and the steps that improve it.
 * All arrays have n items, gaps already removed. Cuts are places where a new level begins, rising, without 0 and n.
 */
#ifndef STATS_CHANGEPOINT_MODEL_H
#define STATS_CHANGEPOINT_MODEL_H

#include "stats/changepoint.h"

#include <stdbool.h>
#include <stddef.h>

struct model {
    size_t n;
    double *x;         /* index less its middle */
    double *y;         /* logarithm or scaled value */
    double *residual;  /* y less the fit */
    double *quiet_cost, *loud_cost, *outlier_cost;  /* -ln of each one's share and height, less the least of quiet and loud */
    double *weight;    /* 1 / sigma(i)^2; of a doubtful point nearer the loud one */
    double *sound;     /* probability that the point is no outlier */
    double *sum[3];    /* prefix sums, n + 1 items: weight, weight * (y - slope x), weight * x */
    double *evidence;  /* scratch of judge and of choose_cuts, n + 1 items */
    size_t *cut;
    double *probability;  /* of each cut, once chosen: that a step lies within CHANGEPOINT_NEAR points of it */
    size_t n_cut;
    double slope;      /* per unit of x */
    double slope_variance;
    double slope_gain;  /* half squared scores that the best slope last saved */
    double spread[2];  /* of the quiet and of the loud stretches; equal when there is one; 0 before the first fit */
    double two_spreads_gain;  /* log likelihood that a second spread last brought */
    double dof;        /* degrees of freedom left for the spread */
    void *scratch;     /* n + 2 doubles x 12, for the recursions over points */
};

/* changepoint_spread.c: residuals in; costs, weight, sound and spread out. */
void changepoint_spread_fit(struct model *m);

/* changepoint_level.c: the cheapest cuts for a given slope, price of a cut in half squared scores. Returns the cost. */
double changepoint_level_fit(struct model *m, double slope, double price);

/* changepoint_level.c: levels of the current cuts, slope refitted within the segments when asked, and residuals. */
void changepoint_level_refit(struct model *m, bool with_slope);

/* Windows that hold this share of the most are as good: the likeliest place among their middles counts. */
static const double changepoint_as_good = 0.97;

/* changepoint_judge.c */
struct judged {
    double exists;       /* probability that there is a step at all */
    size_t at, first, last;
    double delta, variance;  /* height of the step and its variance, in y */
};
/* Evidence for one step among the places between from and to (a segment boundary on either side). */
struct judged changepoint_judge_step(struct model *m, size_t from, size_t to, size_t min_points);
/* Moves, removes and adds cuts until each has at least the probability asked. */
void changepoint_judge_cuts(struct model *m, double confidence, size_t min_points);
/*
 * changepoint_posterior.c: change[i], the probability that a level begins at place i, over all ways to cut; needs weights,
 * slope and the cuts of the fit. Returns the log evidence of the points under all of them, up to a constant of the weights.
 */
double changepoint_posterior(struct model *m, size_t min_points, double *change);

/* changepoint_cuts.c: the cuts that `change` (used up) makes likely enough, each with its probability. */
void changepoint_choose_cuts(struct model *m, double *change, const struct changepoint_options *options);

/* changepoint_ramp.c: an even climb from place begin to place end, levels in y less the slope. */
struct ramp {
    size_t begin, end;
    double rise;                     /* share of the climb a point */
    double before, after, variance;  /* variance of after - before */
};
/* How many cuts from cut k on go the same way, k included. Needs the residuals of the current cuts. */
size_t changepoint_ramp_stairs(const struct model *m, size_t k);
/* Whether one ramp explains the points better than cuts k .. k + n_stairs - 1; fills it. */
bool changepoint_ramp_instead(const struct model *m, size_t k, size_t n_stairs, struct ramp *ramp);

/* Prefix sums of the current weights and slope, which changepoint_judge_step reads. */
void changepoint_judge_prepare(struct model *m);

#endif
