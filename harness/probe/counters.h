/* SPDX-License-Identifier: Apache-2.0
 *
 * Hardware counters of this process and the threads it will start, user mode only, by perf_event_open. Where the kernel or the
 * machine has none they are absent with the reason, never zero.
 */
#ifndef PROBE_COUNTERS_H
#define PROBE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>

enum counter {
    COUNTER_cycles, COUNTER_instructions, COUNTER_branches, COUNTER_branch_misses, COUNTER_cache_references, COUNTER_cache_misses,
    COUNTER_l1_loads, COUNTER_l1_load_misses, COUNTER_llc_loads, COUNTER_llc_load_misses, COUNTERS
};

/* The names above, without their prefix. */
extern const char *const counter_names[COUNTERS];

/* Opens them once, before any thread is started; `why` says what was missing. False when none could be opened. */
bool counters_open(char *why, size_t size);

/* Counts so far, scaled up where the kernel shared a counter in time; negative for one that is absent. */
void counters_read(double values[COUNTERS]);

/*
 * Rates that follow from counts of one stretch of work (negative counts are absent ones):
 *   instructions_per_cycle, branch_miss_rate (misses / branches), l1_hit_rate (1 - L1 data load misses / loads),
 *   l2_hit_rate, l3_hit_rate
 * Of the generic events those of the last cache are loads from L3 on Intel and Arm: l2 = 1 - last-cache loads / L1 load misses,
 * l3 = 1 - last-cache load misses / loads. On AMD the kernel maps cache references and misses to requests to L2 and has no event for L3:
 * l2 = 1 - cache misses / cache references. Prefetches count where the processor counts them.
 */
enum counter_rate { RATE_instructions_per_cycle, RATE_branch_miss_rate, RATE_l1_hit_rate, RATE_l2_hit_rate, RATE_l3_hit_rate, COUNTER_RATES };
extern const char *const counter_rate_names[COUNTER_RATES];
/* Negative where a count that it needs is absent or zero. */
void counters_rates(const double counts[COUNTERS], bool is_amd, double rates[COUNTER_RATES]);

#endif
