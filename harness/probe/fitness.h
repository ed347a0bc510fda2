/* SPDX-License-Identifier: Apache-2.0
 *
 * Is this machine fit to measure? Snapshots of what the kernel counts, taken before and after, and what their difference means.
 * A reason makes the machine unfit; a note is worth knowing and no more.
 */
#ifndef PROBE_FITNESS_H
#define PROBE_FITNESS_H

#include "probe/cpuset.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct fitness_snapshot {
    uint64_t at_ns;
    double stolen_s, busy_s;      /* of all processors since boot: stolen by the hypervisor; busy with anything */
    double own_s;                 /* CPU time of this process and of children that have ended */
    double core_throttles;        /* thermal throttling events of all cores; 0 where the kernel does not count them */
    struct cpuset cpus;
};

/* The present state. A few file reads, about 0.2 ms. */
struct fitness_snapshot fitness_take(void);

/*
 * What happened between two snapshots. Appends to `reasons`: allowed processors changed, the group was held back by its quota,
 * throttling, more than 25 % of a processor stolen; to `notes` (NULL allowed): more than 2 % of a processor stolen, other processes
 * used more than 10 % of one.
 * True when nothing was appended to `reasons`.
 */
bool fitness_judge(const struct fitness_snapshot *before, const struct fitness_snapshot *after, json_t *reasons, json_t *notes);

/*
 * Runs a chain of dependent multiplications for `ns`, in chunks of about 0.1 ms, and gives the chunks' median time (ns per 1000
 * steps) and how much longer the slowest twentieth took (p95 over the median, less 1). A steady clock and no neighbours give less than 2 %.
 */
struct fitness_burn {
    double step_ns, spread;
    double lost;  /* share of the time in which this process did not run although it could have */
};
struct fitness_burn fitness_burn_in(double ns);

#endif
