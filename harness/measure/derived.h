/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics of a cell that follow from others: rates of counters, work per core, watt and byte of memory, spread of the samples, and shares
 * of ceilings that the roofline suite measured in the same run. What can't be known is absent with the reason, never zero.
 */
#ifndef MEASURE_DERIVED_H
#define MEASURE_DERIVED_H

#include <jansson.h>

/*
 * Adds to the metrics of a measured cell, from its `generations`:
 *   instructions_per_cycle, branch_miss_rate, l1_hit_rate, l2_hit_rate, l3_hit_rate    probe/counters.h
 *   gpu_utilisation, gpu_power, … of cells on the card: probe/gpu.def; gpu_throttled: samples dropped at a throttled clock
 *   energy J per iteration, power W, temperature degrees Celsius, throttles events      mean, mean, most, sum of the generations
 *   work_per_core   work / processor time:        op/s per core (or B/s, items/s: the first that the cell states)
 *   gpu_energy      gpu_power * median time: J per iteration, of the card's board, for cells on it
 *   work_per_watt   work / energy:                op/J; gpu_energy on the card
 *   work_per_memory rate / peak resident memory:  op/s per byte
 *   variation       standard deviation of all samples over their mean
 * and each series that the bench's observe gave: {value: mean of the generations' last, unit, series: all, one generation after the other}.
 */
void derived_add(json_t *cell, const json_t *generations);

/*
 * Adds to the cells of a run:
 *   peak_share       operations a second over the best `peak` cell of its backend (any number of threads)
 *   bandwidth_share  bytes a second over the best read of main memory
 * on a card over the int8 products and the reads of its own memory that gpu_roofline measured.
 * Cells of the roofline suites themselves get none. Absent where no such ceiling was measured in the run.
 */
void derived_shares(json_t *cells);

#endif
