/* SPDX-License-Identifier: Apache-2.0
 *
 * Supplies runs: pieces of 2^order pages, split from chunks of 2^TERN_BUDDY_ORDERS-1 pages and joined with their buddies again
 * when given back. A piece at page p of order k has its buddy at p ^ 2^k, because chunks are aligned to their size. A chunk
 * that has become whole goes back to the heap of pages, except for one kept against see-saws.
 *
 *   clean   a free piece whose pages trim returned to the system; it is counted as held again when it is taken
 *
 *   Source: K. C. Knowlton, "A fast storage allocator", CACM 8(10), 1965.
 */
#ifndef TERN_MEMORY_BUDDY_H
#define TERN_MEMORY_BUDDY_H

#include "memory/span.h"

enum { TERN_BUDDY_ORDERS = 9 };

struct tern_buddy {
    struct tern_lock lock;
    uint32_t key;                      /* pool, as in a record's key */
    unsigned top;                      /* order of a chunk */
    uint32_t first[TERN_BUDDY_ORDERS]; /* free pieces */
    size_t clean;                      /* pages of clean pieces */
    struct tern_spans *spans;
};

void tern_buddy_init(struct tern_buddy *buddy, uint32_t key, unsigned top, struct tern_spans *spans);
/* First page of a piece; 0 when the heap of pages has none. */
uint32_t tern_buddy_take(struct tern_buddy *buddy, unsigned order);
void tern_buddy_give(struct tern_buddy *buddy, uint32_t first, unsigned order);
/* Gives whole chunks back to the heap of pages, and the pages of all other free pieces to the system; pages of the latter. */
size_t tern_buddy_trim(struct tern_buddy *buddy);
/* The chunks are gone with their heap: pages that were counted as not held. */
void tern_buddy_forget(struct tern_buddy *buddy);

#endif
