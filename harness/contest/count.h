/* SPDX-License-Identifier: Apache-2.0
 *
 * --count and --simulate: what cells' bodies count under valgrind (measure/callgrind.h), as metrics of results and, where two builds are
 * compared, with verdicts of their own:
 *   instruction_count            instructions per iteration; tolerance 1 %
 *   simulated_l1_hit_rate        1 - misses of the model's first data cache / loads and stores
 *   simulated_ll_hit_rate        1 - misses of its last cache / those of its first
 *   simulated_branch_miss_rate   mispredicted / all branches of its predictor
 *   simulated_l1_misses, simulated_ll_misses, simulated_branch_misses   per iteration; tolerance 5 % where a thousandth of accesses moved
 * The model is cachegrind's: two levels, write-allocate, LRU, sizes of this machine, no prefetcher, virtual addresses; a two-bit predictor. It
 * says how a body uses caches, not what this processor's counters would read.
 * Source: Nethercote, "Dynamic binary analysis and instrumentation", PhD thesis, Cambridge 2004, chapter 3 (cachegrind).
 */
#ifndef CONTEST_COUNT_H
#define CONTEST_COUNT_H

#include "measure/worker.h"

#include <jansson.h>

struct count_request {
    bool count, simulate;             /* which of the metrics */
    const json_t *planned, *cell;     /* the cell in its plan, and as it was measured */
    const struct worker_start *lane;
};

/* Counts in one lane: callgrind_count's answer, {absent} too where the backend that was timed does not run under valgrind. NULL: interrupted. */
json_t *count_cell(const struct count_request *request, struct fault *fault);

/* Puts what was asked for into a result's `metrics`: {value, unit} or {absent: why} each. */
void count_put(const struct count_request *request, const json_t *answer, json_t *metrics);

/* Whether count_judge would say red. It is said where a second look, in fresh processes, says so too. */
bool count_is_red(const struct count_request *request, const json_t *base, const json_t *head);

/*
 * Adds the verdicts of head's answer against base's to the cell's: exact, so the bounds are the ratio itself. None where either is absent: the
 * metric says why. Where the first verdict is time's, red or improved, and instructions agree to a thousandth, its reason becomes that.
 */
void count_judge(const struct count_request *request, const json_t *base, const json_t *head, json_t *verdicts);

#endif
