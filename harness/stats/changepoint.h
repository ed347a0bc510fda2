/* SPDX-License-Identifier: Apache-2.0
 *
 * Change points of a benchmark history: steps of the level, and ramps, told apart from noise, outliers and drift.
 *
 * The model, for point i with index x_i and value v_i:
 *
 *     y_i = level(i) + slope * x_i + sigma(i) * e_i        y = ln v, or v / median|v| where a value is not positive
 *
 * level is piecewise constant; slope is one number, zero unless the data pay for it; sigma(i) is the spread of a stretch
 * (one or two of them, sticky); e is normal with a share of outliers that count no more than a bounded amount. A step is
 * reported when the probability that it lies within CHANGEPOINT_NEAR points of the place named, over all ways to cut the
 * series, with a slope and without, is high enough (Fearnhead, "Exact and efficient Bayesian inference for multiple
 * changepoint problems", Stat. Comput. 2006; Fearnhead and Rigaill, JASA 2019, for the bounded loss).
 *
 * Nouns: place = position in the arrays, index = the caller's x. Values that are NaN are gaps: they are skipped and
 * nothing is put in their place. All functions are pure: no files, no clock; threads: any.
 */
#ifndef STATS_CHANGEPOINT_H
#define STATS_CHANGEPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHANGEPOINT_NEAR = 5 };

enum changepoint_kind { CHANGEPOINT_STEP, CHANGEPOINT_RAMP };

struct changepoint {
    enum changepoint_kind kind;
    size_t at;            /* place of the first point at the new level; of a ramp, its first point */
    size_t first, last;   /* places that hold 95 % of the probability; of a ramp, its first and last point */
    double before, after; /* levels either side, in the unit of the values */
    double change;        /* after / before - 1 */
    double low, high;     /* 95 % interval of `change` */
    double confidence;    /* probability that the step lies within CHANGEPOINT_NEAR points of `at` */
};

/* What holds for the whole series beside its steps. */
struct changepoint_trend {
    double per_index;  /* relative change per unit of index; 0 when the data do not ask for a slope */
    double spread;     /* typical relative spread of one point */
};

struct changepoint_options {
    double confidence;  /* a step needs at least this probability, 0..1 */
    size_t min_points;  /* points a step needs on either side, at least 2 */
};

/* For a finished series, and for one that still grows. */
extern const struct changepoint_options changepoint_defaults, changepoint_stream_defaults;

/*
 * Finds the change points of one series.
 *   index  n rising indices      value  n values, NaN where there is none
 *   out    room for `room` change points, filled in rising order of `at`; *found is how many there are (<= room)
 *   trend  may be NULL
 * Returns false when memory runs out or an index does not rise. Fewer than 2 * min_points values: none are found.
 * Time: about 2 us a point; memory: about 260 bytes a point.
 */
bool changepoint_find(const int64_t *index, const double *value, size_t n, const struct changepoint_options *options,
                      struct changepoint *out, size_t room, size_t *found, struct changepoint_trend *trend);

/*
 * The same series seen as it grew: an alarm is raised once, when a step has stood in several analyses running, and is
 * never taken back or raised again within CHANGEPOINT_NEAR points of its place.
 */
struct changepoint_alarm {
    size_t at;    /* place named when it was raised */
    size_t seen;  /* place of the newest point then */
    struct changepoint change;
};

/*
 * Raises the alarms of a whole series, in the order raised; arguments as for changepoint_find. `from`: how many points were
 * looked at in this way before (0: none); only what the points after them give rise to is said.
 */
bool changepoint_stream(const int64_t *index, const double *value, size_t n, size_t from, const struct changepoint_options *options,
                        struct changepoint_alarm *out, size_t room, size_t *raised);

#endif
