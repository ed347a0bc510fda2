/* SPDX-License-Identifier: Apache-2.0
 *
 * Where threads run and where their memory lies, by the topology that hwloc finds. A team takes one processor of each core before the second of
 * any, and those of the caller's memory node before others; each thread has its share of packed weights on its own node.
 *
 * Words: a processor is what the system schedules on, by the system's number; a node is a NUMA node, by hwloc's logical index.
 */
#ifndef TERN_CORE_PLACES_H
#define TERN_CORE_PLACES_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

/* Moves whole pages [at, at + bytes) to a node, and has those not yet touched come from there. */
typedef void tern_places_bind_fn(void *at, size_t bytes, int node);

struct tern_places {
    int nodes;
    int core[CPU_SETSIZE], node[CPU_SETSIZE]; /* of each processor */
    tern_places_bind_fn *bind;                /* null where there is one node */
};

/* This machine, read once: about a millisecond. Where hwloc finds nothing every processor is a core and all are on one node. */
const struct tern_places *tern_places(void);

/* Reads a made-up topology in hwloc's synthetic notation ("pack:2 [numa] core:4 pu:2"), for tests; with null this machine's. False: neither. */
bool tern_places_read(struct tern_places *places, const char *synthetic);

/* The allowed processors in the order in which a team takes them, `here` (the caller's, allowed) first; cpus has room for CPU_SETSIZE. Returns how
 * many. */
int tern_places_order(const struct tern_places *places, const cpu_set_t *allowed, int here, int *cpus);

/*
 * The calling thread, on processor `cpu`, is the one that will read these bytes: gives their pages to its node. Called before they are written; what
 * does not fill a unit of TERN_PLACES_UNIT comes from where it is touched first, which is the same thread's node unless the memory was used before.
 */
void tern_places_take(const struct tern_places *places, int cpu, void *from, size_t bytes);
enum { TERN_PLACES_UNIT = 2 << 20 }; /* a huge page, which must not be split */

#endif
