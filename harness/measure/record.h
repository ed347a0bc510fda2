/* SPDX-License-Identifier: Apache-2.0
 *
 * From a plan's cell and its generations to the cell of a result file (store/SCHEMA.md). Pure: the same input gives the same cell,
 * so a run that was resumed from its journal ends like one that was not.
 *
 * A generation is an object as in the journal: sampling_generation's fields, worker_open's and worker_close's, and
 *   {number, failed: why} or {number, unfit: why} where it could not be measured.
 */
#ifndef MEASURE_RECORD_H
#define MEASURE_RECORD_H

#include <jansson.h>
#include <stdbool.h>

/* What the cells of one run have in common. */
struct record_run {
    const char *run_id;
    double tolerance;      /* where a cell states none */
    unsigned generations;  /* that a whole cell has */
};

/* A new cell. `generations` is an array, NULL or empty for a cell that was not measured. */
json_t *record_cell(const json_t *planned, const json_t *generations, const struct record_run *run);

/* Whether nothing is left to measure: skipped, deselected, broken, failed, unfit, or all generations are there. */
bool record_is_done(const json_t *planned, const json_t *generations, unsigned wanted);

/*
 * For benches with `compare`: adds the metric "speedup" to each measured cell that differs from a measured base cell in the compared
 * axis alone: median(base) / median(cell), unit "x against axis=value"; where the bench lists several bases, the fastest of them that was
 * measured. `cells` are record_cell's, in the order of `planned`.
 */
void record_compare(const json_t *planned, json_t *cells);

/*
 * Adds a verdict against "target" for each target of the plan's cell. A quantile of its times (time, p50, p95, p99) is met when its upper
 * bound is within the target and missed when its lower bound is beyond (stats/quantile.h, each side wrong with 0.01), inconclusive between;
 * where samples are too few for an upper bound, the value itself may meet it, and says so. "throughput" is items a second, at least, by the median;
 * for other metrics the value decides. The ratio is that of times: above 1 a target is missed.
 */
void record_targets(const json_t *planned, json_t *cell);

#endif
