/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics other than time: which ones gate, which way is worse, and how an estimate of a log ratio becomes a verdict. One look, at the
 * end: nothing stops early for them.
 */
#ifndef METRICS_H
#define METRICS_H

#include "gate/decide.h"
#include "stats/stored.h"

struct metrics_row {
    const char *name;
    int worse;          /* +1: more is worse, -1: less is */
    double tolerance, between;
    int drifts;         /* with the machine's speed as times do (+1), against it (-1), not at all (0) */
};

/* The row of a metric; NULL: it does not gate. */
const struct metrics_row *metrics_find(const char *name);

/* One value per generation and lane, all > 0. */
struct metrics_values {
    size_t n;
    const double *lane[N_LANES];
};

/*
 * A metric of which each process gives one number. Per generation the log contrast of head with the mean of base and base2, and of base2
 * with base; theta is the mean of the first, its error follows from both (contrast.h). Ratios are head/base as they are; the verdict
 * turns by `worse`. Red needs P(theta <= ln(1 + tolerance)) at most min(0.01, 0.05/n_tests) and P(theta <= 0) at most 0.0001/n_tests, as decide.h.
 */
struct decide_verdict metrics_judge(const struct metrics_row *row, const struct metrics_values *values, double tolerance, size_t n_tests);

/* Latencies of a stream's requests in one lane, in the order served, generation after generation. */
struct metrics_stream {
    size_t n_generations;
    const size_t *length;      /* requests of each generation */
    const double *lane[N_LANES];
};

/*
 * P99 of latencies: head's against base's and base2's together, by bounds from order statistics (quantile.h) with requests that follow each
 * other counted as fewer than they are (series_inflation of "above the P99"); and the generations' own P99 as metrics_judge sees them must
 * not contradict with P <= 0.05. Base's lanes whose bounds of 0.999 do not meet: unfit. Too few requests for a bound: inconclusive.
 */
struct decide_verdict metrics_judge_p99(const struct metrics_stream *stream, double tolerance, size_t n_tests);

/* An estimate of the log ratio as a verdict; `worse` as in the table. */
struct decide_verdict metrics_decide(const struct stored_estimate *estimate, int worse, double tolerance, size_t n_tests);

#endif
