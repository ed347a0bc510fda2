/* SPDX-License-Identifier: Apache-2.0
 *
 * What is inside a pool, and the threads' shelves in front of it.
 *
 *   shelf   a thread's stock for one pool and tag: for each class a bin, a stack of free blocks
 *   thread  all shelves a thread may have, one page each, by pool and tag; those it does not have are pages of zeros
 *
 *   thread  | shelf of pool 0, tag 0 | pool 0, tag 1 | … | pool 127, tag 7 |       a key's class, tag and pool are the distance
 *   shelf   | bin 0 | bin 1 | … | bin 112 | accounts, owner |                      of a bin from the start
 *
 * A take is: class, bin, top of the stack. A give is: record of the page, bin, onto the stack. A bin of a shelf that does not exist
 * holds nothing and has room for nothing, so the fast path has no test for it: new threads, unknown pointers, mapped blocks,
 * checked and recorded pools all end in the slow path by themselves. The top of a stack lies in the bin itself: a block that is
 * given and taken at once then costs one store and one load to pass on, not two.
 *
 * A free block of the small tier carries a mark in its second 8 bytes, its own address and the process's secret; a block given
 * twice shows it, and take wipes it. A block of at least a page is not touched: blocks on page boundaries compete for few lines of
 * the caches, so its mark is a bit in the key of its first page. What the fast path cannot see is seen when the stock goes back
 * to its runs (run.h).
 */
#ifndef TERN_MEMORY_SHELF_H
#define TERN_MEMORY_SHELF_H

#include "memory/run.h"
#include "memory/tracker.h"

enum { TERN_SHARDS = 4, TERN_BIN_SLOTS = 128, TERN_STOCK = 8 << 20, TERN_STOCK_LEAST = 512 << 10, TERN_SHELVES = TERN_POOLS * TERN_N_TAGS };

/*
 * n blocks: top, and below it those in slot[0], slot[-1] … slot[2 - n]; slot[1 - n] is null. The places of a bin are less than
 * 64 KiB of one array, so the low 16 bits of their addresses tell them apart: n = (slot - low) / 8.
 */
struct tern_bin {
    void *top;
    void **slot;                  /* the last place in use */
    struct tern_account *account;
    uint32_t bytes;               /* of a block */
    uint16_t low, end;            /* slot of an empty bin, and of one that is full for now */
};

struct tern_shelf {
    struct tern_bin bin[TERN_CLASSES];
    struct tern_pool *pool;       /* null: this thread has no such shelf */
    struct tern_account account[TERN_N_TIERS];
    struct tern_shelf *next;      /* of the same pool */
    void **slots;
    size_t stock;                 /* bytes that the bins may hold now */
    uint64_t asked, rounded;      /* bytes, of the takes that refilled a bin: the sample that `internal` is made of */
    int64_t slack;                /* bytes of rounding in spans without a class taken, less those given */
    uint8_t tag, shard;
} __attribute__((aligned(TERN_PAGE)));

struct tern_thread {
    struct tern_shelf shelf[TERN_SHELVES];
    struct tern_thread *next;     /* while not in use */
    unsigned number;
};

/* Never null: threads without shelves share one table of zeros. */
extern _Thread_local struct tern_thread *tern_thread __attribute__((tls_model("initial-exec")));

struct tern_checked;
struct tern_trace;

struct tern_pool {
    uint32_t key;                 /* its number, 1..127, as in a record's key */
    unsigned checks;
    bool has_shelves;             /* not checked, not recorded */
    bool is_unmarked;             /* blocks carry no marks: for measuring what they cost */
    unsigned n_shards;
    char name[32];
    struct tern_lock lock;        /* shelves' list, common accounts */
    struct tern_shelf *shelves;
    unsigned n_shelves;           /* they share TERN_STOCK */
    struct tern_held held;
    struct tern_tracker tracker;
    struct tern_store store;
    struct tern_spans shard[TERN_SHARDS], mapped;
    struct tern_account common[TERN_N_TAGS][TERN_N_TIERS]; /* of takes without a shelf, under the lock */
    bool has_common[TERN_N_TAGS][TERN_N_TIERS];
    uint64_t refused, misuses;
    uint64_t asked, rounded;      /* of shelves that are gone, and of takes without one */
    int64_t slack;
    struct tern_checked *checked;
    struct tern_trace *trace;
    void (*hook)(void *context, const char *text);
    void *hook_context;
    struct tern_centre centre[TERN_N_TAGS][TERN_CLASSES];
};

_Static_assert(sizeof(struct tern_shelf) == TERN_PAGE, "a shelf is a page");
_Static_assert(sizeof(struct tern_bin) == 1 << TERN_KEY_CLASS, "a key's class is the distance of a bin");

/* The calling thread's shelf, made when there is none; null: no memory, or a pool without shelves. */
struct tern_shelf *tern_shelf_of(struct tern_pool *pool, enum tern_tag tag);
/* A block of the class for `asked` bytes, from the bin or, when that is empty, from the pool; null: no memory. Not yet wiped. */
void *tern_shelf_take(struct tern_shelf *shelf, unsigned class, size_t asked);
/* False when it turned out to be no live block. */
bool tern_shelf_give(struct tern_shelf *shelf, unsigned class, void *block);
/* Empties the calling thread's shelves of the pool. */
void tern_shelf_empty(struct tern_pool *pool);
/* Removes all shelves of the pool from all threads. No other thread may be using the pool. */
void tern_shelf_remove_all(struct tern_pool *pool);
/* The bins hold nothing, what they held is gone. The pool's lock is held. */
void tern_shelf_forget(struct tern_shelf *shelf);

/* Counts a misuse and tells the hook. */
enum tern_status tern_pool_misuse(struct tern_pool *pool, const void *block, const char *what);

/* Up to k blocks of the class from the runs or the heap of pages that it comes from, and back. Right ones are counted out or in. */
unsigned tern_pool_fetch(struct tern_pool *pool, unsigned shard, unsigned class, unsigned tag, void **block, unsigned k);
unsigned tern_pool_return(struct tern_pool *pool, unsigned class, unsigned tag, void **block, unsigned k);

/* Takes and gives that use no shelf, for checked and recorded pools; checked ones count for themselves. */
void *tern_pool_take_plain(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
enum tern_status tern_pool_give_plain(struct tern_pool *pool, void *block);

/* Counts a block of a checked pool, by the bytes that were asked for. */
void tern_pool_count_checked(struct tern_pool *pool, unsigned tag, size_t bytes, int sign);
/* The error of a take that the ceiling or the system refused, counted; null. */
void *tern_pool_refuse(struct tern_pool *pool, size_t bytes, enum tern_tag tag, struct tern_error *error);

static inline struct tern_shelf *tern_shelf_at(struct tern_thread *thread, uint32_t pool_key, unsigned tag)
{
    return &thread->shelf[(pool_key >> TERN_KEY_TAG) + tag];
}

static inline unsigned tern_bin_count(const struct tern_bin *bin)
{
    return (uint16_t)((uint16_t)(uintptr_t)__atomic_load_n(&bin->slot, __ATOMIC_RELAXED) - bin->low) / (unsigned)sizeof(void *);
}

static inline bool tern_bin_is_full(const struct tern_bin *bin)
{
    return (uint16_t)(uintptr_t)bin->slot == bin->end;
}

static inline uint64_t tern_block_mark(const void *block)
{
    return (uint64_t)(uintptr_t)block ^ tern_space.secret;
}

static inline uint64_t *tern_block_word(void *block)
{
    return (uint64_t *)block + 1;
}

#endif
