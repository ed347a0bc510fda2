/* SPDX-License-Identifier: Apache-2.0
 *
 * Hardware counters of this process and the threads it will start, user mode only, by perf_event_open. Where the kernel or the
 * machine has none they are absent with the reason, never zero.
 */
#ifndef PROBE_COUNTERS_H
#define PROBE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>

enum { COUNTERS = 5 };

/* cycles, instructions, branch_misses, cache_references, cache_misses */
extern const char *const counter_names[COUNTERS];

/* Opens them once, before any thread is started; `why` says what was missing. False when none could be opened. */
bool counters_open(char *why, size_t size);

/* Counts so far, scaled up where the kernel shared a counter in time; negative for one that is absent. */
void counters_read(double values[COUNTERS]);

#endif
