/* SPDX-License-Identifier: Apache-2.0
 *
 * The processors this process may use: its affinity, and the share of time its control groups leave it.
 */
#ifndef PROBE_CPUSET_H
#define PROBE_CPUSET_H

#include <stdbool.h>

struct cpuset {
    int affinity;   /* processors in the affinity mask */
    double quota;   /* processors' worth of time per period by cgroup cpu.max (v2) or cfs quota (v1); 0: no limit */
    double cores;   /* what counts: the smaller of both */
    double throttled_periods;  /* in which the group was held back so far; 0 when not told */
};

/* Reads it now. */
struct cpuset cpuset_now(void);

/* The processor to pin a single-threaded subject to: the last allowed one, since interrupts go to the first. -1 when unknown. */
int cpuset_quietest(void);

/* The allowed processors as "0-1,4", for notes; returns `buffer`. */
const char *cpuset_text(char *buffer, unsigned size);

#endif
