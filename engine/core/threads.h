/* SPDX-License-Identifier: Apache-2.0
 * The engine's threads. A team of persistent workers serves run: a call hands over by a shared word on which idle workers spin for a
 * while (the hand-over is then a fraction of a microsecond) and then sleep in the kernel. OpenMP serves packing and first touch.
 * One region runs at a time: a caller who finds the team taken does all parts alone, which gives the same bits. */
#ifndef TERN_CORE_THREADS_H
#define TERN_CORE_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERN_THREADS_MAX = 256 };

/* One part of a region: id in 0..n-1. Part i is worker i's (the caller's for 0), so that it finds in its caches what it left there. */
typedef void tern_part_fn(void *data, int id, int n);

/* CPUs this process may run on (its affinity), at least 1. */
int tern_threads_allowed(void);

/*
 * Calls part(data, id, n) for id 0..n-1 and returns when all are done. A part whose worker has not begun by the time the caller is done
 * with its own (its CPU is taken by somebody else) is done by the caller: parts must not wait for each other. n is cut to
 * TERN_THREADS_MAX; where workers cannot be had, or the team is taken, n is 1 in the call.
 */
void tern_team_run(int n, tern_part_fn *part, void *data);

/* The same with every part on its own thread, all at once, so that parts may meet in tern_team_barrier. */
void tern_team_run_together(int n, tern_part_fn *part, void *data);

/* Within a part of tern_team_run_together: returns when all n parts have come here. */
void tern_team_barrier(int n);

/* Where threads were put: the caller's processor at that time, -1 before the first, and theirs. */
struct tern_placed {
    int caller, cpus[TERN_THREADS_MAX];
};

/*
 * Puts each of n threads on a processor other than the caller's, where the caller may use more than n, in the order of core/places.h. A kernel that
 * wakes a thread where its waker runs leaves both on one processor for milliseconds while the other idles: calls of 30 us took twice as long,
 * for the whole life of some processes. When the caller has moved on to the processor of a thread they change places, and the others stay with
 * their memory.
 */
void tern_threads_place(const pthread_t *threads, int n, struct tern_placed *placed);

/* Parks the workers of the team and those of OpenMP. */
void tern_team_park(void);

/* Notes that an OpenMP region ran, so that the next park ends its workers' spinning. */
void tern_threads_used_openmp(void);

/* The share [*from, *to) of n units for part id of parts: contiguous, sizes differ by one at most. */
void tern_share(size_t n, int id, int parts, size_t *from, size_t *to);

#endif
