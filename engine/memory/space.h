/* SPDX-License-Identifier: Apache-2.0
 *
 * One stretch of address space for all pools of the process, with a key and a record for each of its pages. A pointer is ours
 * when it lies in the stretch, and what it belongs to is one load away: that is what makes foreign frees cheap to catch.
 *
 *   page    4 KiB; number 0 is never handed out, so it means none
 *   region  pages that a pool has taken out of the space; it comes back zeroed, records included
 *
 * A key, from the lowest bit: 0 (5) | class (8) | tag (3) | pool (7) | state (3) | heap (3), the heap of a free span only. The state
 * of a page on which a block of a class may start is 0, so that its key as it stands is the distance of a bin from the start of a
 * thread's shelves (shelf.h); the key of a page that is nobody's, or inside a span, is 0.
 */
#ifndef TERN_MEMORY_SPACE_H
#define TERN_MEMORY_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERN_PAGE_SHIFT = 12, TERN_PAGE = 1 << TERN_PAGE_SHIFT, TERN_HUGE_PAGES = 512 };
enum {
    TERN_KEY_CLASS = 5, TERN_KEY_TAG = 13, TERN_KEY_POOL = 16, TERN_KEY_STATE = 23, TERN_KEY_HEAP = 26,
    TERN_KEY_ALL_POOLS = 0x7f0000, TERN_POOLS = 128
};

enum tern_page_state {
    TERN_PAGE_CLASS, /* of a run of blocks of one class: `run` holds; or first of a span that has a class, as USED */
    TERN_PAGE_BUDDY, /* first of a free piece of a buddy's chunk: span is its order */
    TERN_PAGE_USED,  /* first of a span in use without a class: span is its pages, next the bytes of rounding, prev as in pool_plain.c */
    TERN_PAGE_TAIL,  /* last of a span in use that has more than one */
    TERN_PAGE_DIRTY, /* first or last of a free span whose pages the system holds */
    TERN_PAGE_CLEAN  /* the same, whose pages it does not hold */
};

struct tern_run;

struct tern_page {
    uint32_t span;
    union {
        struct {
            uint32_t next, prev;
        };
        struct tern_run *run;
    };
};

struct tern_space {
    uintptr_t base;
    size_t bytes;
    uint32_t *key;           /* of each page, read without a lock */
    struct tern_page *page;
    size_t grains;           /* of 16 bytes */
};

extern struct tern_space tern_space;

/* Reserves the space once for the process; false when the system gives no addresses. */
bool tern_space_open(void);
/* First page of a zeroed region of n pages, a multiple of `align` pages (a power of two); 0 when there is none. */
uint32_t tern_space_take(size_t n, size_t align);
/* Gives the region back to the system and forgets its records. */
void tern_space_give(uint32_t first, size_t n);
/* Pages from the system for records, zeroed; null when it refuses. Counted by nobody here. */
void *tern_space_map(size_t bytes);
void tern_space_unmap(void *at, size_t bytes);
/* Tells the system that the pages' content is not needed; they read as zero afterwards. */
void tern_space_purge(uint32_t first, size_t n);

static inline void *tern_space_address(uint32_t page)
{
    return (void *)(tern_space.base + ((uintptr_t)page << TERN_PAGE_SHIFT));
}

/* Page of an address inside the space. */
static inline uint32_t tern_space_page(const void *at)
{
    return (uint32_t)(((uintptr_t)at - tern_space.base) >> TERN_PAGE_SHIFT);
}

static inline bool tern_space_holds(const void *at)
{
    return (uintptr_t)at - tern_space.base < tern_space.bytes;
}

static inline uint32_t tern_key(uint32_t page)
{
    return __atomic_load_n(&tern_space.key[page], __ATOMIC_RELAXED);
}

static inline void tern_set_key(uint32_t page, uint32_t key)
{
    __atomic_store_n(&tern_space.key[page], key, __ATOMIC_RELAXED);
}

static inline enum tern_page_state tern_key_state(uint32_t key)
{
    return (enum tern_page_state)(key >> TERN_KEY_STATE & 7);
}

static inline unsigned tern_key_class(uint32_t key)
{
    return key >> TERN_KEY_CLASS & 255;
}

static inline unsigned tern_key_tag(uint32_t key)
{
    return key >> TERN_KEY_TAG & 7;
}

static inline size_t tern_pages_of(size_t bytes)
{
    return (bytes >> TERN_PAGE_SHIFT) + ((bytes & (TERN_PAGE - 1)) != 0);
}

#endif
