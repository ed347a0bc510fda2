/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of one class and tag on their way from threads that give them to threads that take them: what one shelf has too many of, and
 * another takes as it is. No record of a run or span is written on the way, which would move between two cores for each block.
 *
 * A depot only keeps what comes from another shelf than the one that took last: where each thread gives what it took, the blocks go back
 * to their runs, so that memory can be had by other classes.
 *
 *   Source: the transfer caches of S. Ghemawat and P. Menage, "TCMalloc: Thread-Caching Malloc", 2005.
 */
#ifndef TERN_MEMORY_DEPOT_H
#define TERN_MEMORY_DEPOT_H

#include <stddef.h>

#include "memory/lock.h"

enum { TERN_DEPOT_BLOCKS = 254, TERN_DEPOT_BYTES = 1 << 20 };

struct tern_depot {
    struct tern_lock lock;
    uint32_t n;
    const void *taker; /* the shelf that asked last */
    void *block[TERN_DEPOT_BLOCKS];
} __attribute__((aligned(64)));

/* Up to k blocks, those that came last, for the taker. */
unsigned tern_depot_take(struct tern_depot *depot, const void *taker, void **block, unsigned k);
/* Keeps up to k blocks of `bytes` each, the first ones of those; how many: it holds TERN_DEPOT_BYTES or two at most. */
unsigned tern_depot_keep(struct tern_depot *depot, const void *giver, size_t bytes, void *const *block, unsigned k);
/* All blocks are gone. */
void tern_depot_forget(struct tern_depot *depot);

static inline unsigned tern_depot_count(const struct tern_depot *depot)
{
    return __atomic_load_n(&depot->n, __ATOMIC_RELAXED);
}

#endif
