/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics other than time in a paired contest: what every lane's process gave in every generation, and the verdicts that follow
 * (gate/metrics.h). Only for cells whose suite says `metrics = { name = tolerance }`.
 */
#ifndef CONTEST_LANE_METRICS_H
#define CONTEST_LANE_METRICS_H

#include "measure/lanes.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { LANE_METRICS_GENERATIONS = 5 };  /* that such a cell gets, decided in time or not, while there is time */

/* An empty store for a planned cell: {name: [[base, base2, head] per generation]}; NULL where no metric gates it. */
json_t *lane_metrics_new(const json_t *planned);

/* Adds one turn's usage; a counter or energy that is absent once is absent. */
void lane_metrics_sum(struct worker_usage *sum, const struct worker_usage *turn);

/*
 * Takes a generation: usage by lane over `runs` iterations, and what worker_close said of each lane (peak_bytes; NULL where it failed). A
 * value that is absent or not above 0 leaves the metric without this generation. `store` may be NULL here and below.
 */
void lane_metrics_add(json_t *store, const struct worker_usage usage[N_LANES], double runs, json_t *const closed[N_LANES]);

/* Serves the open stream once in every lane, in random order, where "p99" or "throughput" gate. True where there is nothing to do. */
bool lane_metrics_stream(json_t *store, struct lanes *lanes, uint64_t *random, enum lane *lost, struct fault *fault);

/* Whether it holds LANE_METRICS_GENERATIONS. */
bool lane_metrics_is_enough(const json_t *store);

/* Appends a verdict against "paired" for each metric that gates the cell, instruction_count (contest/count.h) apart, to cell's verdicts. */
void lane_metrics_judge(const json_t *planned, const json_t *store, size_t n_tests, json_t *cell);

#endif
