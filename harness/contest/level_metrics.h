/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics other than time of a run against those of a stored one. A run gives one value of a metric, so how much a build's value differs
 * between occasions is taken from the table (gate/metrics.def, `between`, worth ten observations):
 *   theta = ln(head/base) - drift,   error^2 = 2 (widen between)^2 + e_head^2 + e_base^2
 * with the drift of the yardsticks for metrics that are times, and e the standard error of a P99 over a run's own processes (0 of others).
 */
#ifndef CONTEST_LEVEL_METRICS_H
#define CONTEST_LEVEL_METRICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct level_metrics {
    double shift;         /* of the log of every time, by the yardsticks */
    double moved;         /* how differently the yardsticks moved: beyond the tolerance no time is judged but as a pass */
    double widen;         /* >= 1: environments differ */
    bool unfit;           /* no red can come of this run */
    size_t n_tests;       /* decisions that share the error rates */
};

/* How many metrics gate a stored cell. */
size_t level_metrics_count(const json_t *cell);

/*
 * Appends a verdict against "stored" to head's verdicts for every metric that base's or head's cell gates ("gates" of the result file), at
 * the smaller of both tolerances. Counts by callgrind are not run again for it: absent values are inconclusive with their reason.
 */
void level_metrics_judge(const struct level_metrics *how, const json_t *base, json_t *head);

#endif
