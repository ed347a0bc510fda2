/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/depot.h"

#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static void set_count(struct tern_depot *depot, unsigned n)
{
    __atomic_store_n(&depot->n, n, __ATOMIC_RELAXED);
}

unsigned tern_depot_take(struct tern_depot *depot, const void *taker, void **block, unsigned k)
{
    tern_lock(&depot->lock);
    depot->taker = taker;
    const unsigned n = least(depot->n, k);
    set_count(depot, depot->n - n);
    memcpy(block, depot->block + depot->n, n * sizeof *block);
    tern_unlock(&depot->lock);
    return n;
}

/* Blocks of that size that a depot may hold. */
static unsigned most_of(size_t bytes)
{
    const size_t fit = TERN_DEPOT_BYTES / bytes;
    return fit < 2 ? 2 : least((unsigned)fit, TERN_DEPOT_BLOCKS);
}

unsigned tern_depot_keep(struct tern_depot *depot, const void *giver, size_t bytes, void *const *block, unsigned k)
{
    unsigned n = 0;
    tern_lock(&depot->lock);
    if (depot->taker && depot->taker != giver) {
        n = least(k, most_of(bytes) - depot->n);
        memcpy(depot->block + depot->n, block, n * sizeof *block);
        set_count(depot, depot->n + n);
    }
    tern_unlock(&depot->lock);
    return n;
}

void tern_depot_forget(struct tern_depot *depot)
{
    set_count(depot, 0);
    depot->taker = NULL;
}
