/* SPDX-License-Identifier: Apache-2.0
 *
 * Cores and caches by hwloc, its GPU components off: they would open the GPU from this process.
 */
#ifndef PROBE_TOPOLOGY_H
#define PROBE_TOPOLOGY_H

#include <stdbool.h>

struct topology {
    int cores, threads;             /* of the whole machine as far as it is visible */
    bool smt;                       /* several hardware threads on a core */
    double l2_per_core, l3_per_core;  /* bytes; a cache's size over the cores that share it; 0: none */
};

/* Reads it; zeros where hwloc cannot. */
struct topology topology_now(void);

#endif
