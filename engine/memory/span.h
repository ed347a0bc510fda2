/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap of whole pages: the slab tier above 64 KiB, the mapped tier and the buddy's chunks come from such heaps. Free spans
 * hang in lists by length; up to 64 pages a list holds one length, above there are sixteen lists per doubling, and a bit map
 * says which lists have something, so that taking and giving are a few loads. A free span merges with free neighbours at once.
 *
 *   dirty  free pages that the system still holds for us: taken first
 *   clean  free pages that it does not hold: fresh ones, and dirty ones that were purged
 *
 * Pages are only taken clean when no dirty span fits. When that would lift what is held above what was in use at once of late by
 * more than the heap may spare, dirty spans are purged first, the shortest ones before the others: the heap holds little more than
 * its user's own peak, at the price of new page faults in that case. A share of the peak may be spared, from 11 MiB (as much as holes
 * take up in use at random) to 512 MiB. Of late: the peak sinks by 1/2048 of its distance with each span taken.
 *
 * A heap of blocks that are small beside what it holds does the same when a span is given, once 1 MiB is too much: what it holds follows
 * its use down.
 *
 *   Source: lists by length with a bit map as in M. Masmano et al., "TLSF: a new dynamic memory allocator for real-time
 *   systems", ECRTS 2004, with exact lists for short spans.
 */
#ifndef TERN_MEMORY_SPAN_H
#define TERN_MEMORY_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/lock.h"
#include "memory/space.h"

enum { TERN_SPAN_EXACT = 64, TERN_SPAN_STEPS = 16, TERN_SPAN_LISTS = TERN_SPAN_EXACT + 24 * TERN_SPAN_STEPS };

/* What the heaps of one pool hold together, and may. */
struct tern_held {
    size_t pages, peak, ceiling; /* ceiling 0: none */
};

struct tern_span_lists {
    uint64_t has[TERN_SPAN_LISTS / 64];
    uint32_t first[TERN_SPAN_LISTS];
};

struct tern_spans {
    struct tern_lock lock;
    uint32_t key;              /* pool and shard, as in a free span's key */
    uint32_t grow;             /* pages of a region at least */
    uint32_t spare;            /* share of the peak, one in so many, that may be held besides */
    bool purges;               /* when spans are given, too */
    size_t used, used_peak, dirty; /* pages; the peak of late */
    struct tern_held *held;
    struct tern_span_lists lists[2]; /* dirty, clean */
    struct tern_regions {
        uint32_t first, n;
    } *region;                 /* for giving all back */
    uint32_t n_regions, max_regions;
} __attribute__((aligned(64)));

/* n more pages are held: false, and nothing counted, when the ceiling forbids it. Any thread. */
bool tern_held_add(struct tern_held *held, size_t n);
void tern_held_sub(struct tern_held *held, size_t n);
static inline size_t tern_held_pages(const struct tern_held *held)
{
    return __atomic_load_n(&held->pages, __ATOMIC_RELAXED);
}

void tern_span_init(struct tern_spans *spans, uint32_t key, uint32_t grow, uint32_t spare, bool purges, struct tern_held *held);
/* Returns all regions to the space. */
void tern_span_clear(struct tern_spans *spans);
/* First page of n pages at a multiple of `align` pages; 0: no address space, or the ceiling. `key` is that of its first page: pool, tag, class, state. */
uint32_t tern_span_take(struct tern_spans *spans, size_t n, size_t align, uint32_t key);
/* `first` must be the first page of a span in use of this heap. */
void tern_span_give(struct tern_spans *spans, uint32_t first);
/* Purges all dirty spans; pages purged. */
size_t tern_span_trim(struct tern_spans *spans);

#endif
