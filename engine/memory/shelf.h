/* SPDX-License-Identifier: Apache-2.0
 *
 * What is inside a pool, and the threads' shelves in front of it.
 *
 *   shelf   a thread's stock for one pool and tag: for each class a bin, a list of free blocks that starts with the one given last
 *   thread  all shelves a thread may have, 8 KiB each, by pool and tag; those it does not have are zeros that cost addresses only
 *
 *   thread  | shelf of pool 0, tag 0 | pool 0, tag 1 | … | pool 127, tag 7 |             a key's class, tag and pool
 *   shelf   | bins of small classes | account | … | bins of slab classes | account | … | are the distance of a bin
 *
 * A take is: class, bin, first of the list. A give is: key of the page, bin, into the list. A bin of a shelf that does not exist
 * holds nothing and has room for nothing, so the fast path has no test for it: new threads, unknown pointers, spans, checked and
 * recorded pools all end in the slow path by themselves.
 *
 * A free block on a shelf has the next one's address in its first 8 bytes, and a mark in its second: the address of the space, which nobody
 * is given; a block given twice shows it,
 * and take wipes it. What the fast path cannot see is seen when the stock goes back to its runs (run.h).
 */
#ifndef TERN_MEMORY_SHELF_H
#define TERN_MEMORY_SHELF_H

#include "memory/depot.h"
#include "memory/run.h"
#include "memory/tracker.h"

enum {
    TERN_SHARDS = 4, TERN_SPAN_NEAR = 2, TERN_SHELVES = TERN_POOLS * TERN_N_TAGS,
    TERN_BIN_BLOCKS = 256, TERN_STOCK = 64 << 20, /* bytes of all shelves of a pool, of one at least and at most */
    TERN_STOCK_LEAST = 256 << 10, TERN_STOCK_MOST = 32 << 20,
    TERN_SHELF_BYTES = 1 << TERN_KEY_TAG, TERN_SHELF_HALF = TERN_SHELF_BYTES / 2
};

struct tern_bin {
    void *top;         /* null: empty */
    uint32_t n;        /* blocks */
    uint32_t capacity; /* and how many there may be for now */
    uint32_t bytes;    /* of a block */
    uint32_t has_run_dry; /* since it was last full */
    uint32_t unused[2]; /* a bin's number times its size is a part of a key */
};

/* What follows the bins of a tier lies at the same place in both halves. */
struct tern_shelf {
    struct tern_bin small[TERN_CLASSES - TERN_CLASS_SLAB]; /* the first is that of no class */
    struct tern_account small_account;
    struct tern_account mapped_account;
    struct tern_pool *pool;       /* null: this thread has no such shelf */
    struct tern_shelf *next;      /* of the same pool */
    size_t stock, stock_most;     /* bytes that the bins may hold now, and could */
    uint32_t short_of;            /* times that it was too little */
    uint64_t asked, rounded;      /* bytes, of the takes that refilled a bin: the sample that `internal` is made of */
    int64_t slack;                /* bytes of rounding in spans taken, less those given */
    uint8_t tag, shard;
    uint8_t victim;               /* class of the last bin that places were taken from */
    struct tern_bin slab[TERN_CLASSES - TERN_CLASS_SLAB] __attribute__((aligned(TERN_SHELF_HALF)));
    struct tern_account slab_account;
} __attribute__((aligned(TERN_SHELF_HALF))); /* that of a page, as what is mapped has */

struct tern_thread {
    struct tern_shelf shelf[TERN_SHELVES];
};

/* What a thread's table is mapped as. */
struct tern_thread_table {
    struct tern_thread thread;
    struct tern_thread_table *next; /* while not in use */
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
    struct tern_depot depot[TERN_N_TAGS][TERN_CLASSES];
};

_Static_assert(sizeof(struct tern_shelf) == TERN_SHELF_BYTES, "a key's tag is the distance of a shelf");
_Static_assert(sizeof(struct tern_bin) == 1 << TERN_KEY_CLASS, "a key's class is the distance of a bin");
_Static_assert(offsetof(struct tern_shelf, slab_account) == offsetof(struct tern_shelf, small_account) + TERN_SHELF_HALF, "same place");
_Static_assert(TERN_CLASS_SLAB * sizeof(struct tern_bin) == TERN_SHELF_HALF, "slab classes start the second half");

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

/* Up to k blocks of the class from its runs, or one span from that shard, and back. Right ones are counted out or in. */
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

static inline struct tern_bin *tern_shelf_bin(const struct tern_shelf *shelf, unsigned class)
{
    return (struct tern_bin *)(uintptr_t)shelf + class;
}

static inline struct tern_account *tern_shelf_span_account(struct tern_shelf *shelf, enum tern_tier tier)
{
    return tier == TERN_TIER_MAPPED ? &shelf->mapped_account : &shelf->slab_account;
}

/* Of the bins in the same half of the shelf. */
static inline struct tern_account *tern_bin_account(const struct tern_bin *bin)
{
    return (struct tern_account *)(((uintptr_t)bin & ~(uintptr_t)(TERN_SHELF_HALF - 1)) + offsetof(struct tern_shelf, small_account));
}

static inline unsigned tern_bin_count(const struct tern_bin *bin)
{
    return __atomic_load_n(&bin->n, __ATOMIC_RELAXED);
}

/* Puts a block into a bin that held n, and takes the first one out of a bin; neither counts it as live or not. */
static inline void tern_bin_push(struct tern_bin *bin, void *block, uint32_t n)
{
    *(void **)block = bin->top;
    bin->top = block;
    __atomic_store_n(&bin->n, n + 1, __ATOMIC_RELAXED);
}

static inline void *tern_bin_pop(struct tern_bin *bin)
{
    void *block = bin->top;
    bin->top = *(void **)block;
    __atomic_store_n(&bin->n, bin->n - 1, __ATOMIC_RELAXED);
    return block;
}

static inline uintptr_t *tern_block_word(void *block)
{
    return (uintptr_t *)block + 1;
}

#endif
