/* SPDX-License-Identifier: Apache-2.0
 *
 * What is inside a pool, and the threads' shelves in front of it.
 *
 *   shelf   a thread's stock for one pool and tag: for each class a bin, a stack of free blocks
 *   thread  the table of a thread's shelves, by pool and tag as they stand in a record's key
 *
 * A take is: thread, shelf, class, bin, top of the stack. A give is: record of the page, shelf, bin, onto the stack. Where there is
 * no shelf the table points at an empty one whose bins hold nothing and take nothing, so the fast path has no test for it:
 * new threads, unknown pointers, spans, checked and recorded pools all end in the slow path by themselves.
 *
 * A free block carries a mark in its first 8 bytes, its own address and the process's secret; a block given twice shows it.
 * Take wipes it. What the fast path cannot see is seen when the stock goes back to its runs (run.h).
 */
#ifndef TERN_MEMORY_SHELF_H
#define TERN_MEMORY_SHELF_H

#include "memory/run.h"
#include "memory/tracker.h"

enum { TERN_SHARDS = 4, TERN_BIN_SLOTS = 128, TERN_SHELF_STOCK = 2 << 20 };

struct tern_bin {
	uint32_t n, capacity; /* blocks on the stack, and how many it may have now */
	uint32_t bytes;       /* of a block */
	uint32_t most;        /* what capacity may grow to */
	void **slot;
	struct tern_account *account;
};

struct tern_shelf {
	struct tern_pool *pool;
	struct tern_account account[TERN_N_TIERS];
	struct tern_shelf *next;      /* of the same pool */
	struct tern_thread *thread;
	size_t stock;                 /* sum of capacity * bytes */
	uint64_t asked, rounded;      /* bytes, of the takes that refilled a bin: the sample that `internal` is made of */
	int64_t slack;                /* bytes of rounding in spans taken, less those given */
	uint8_t tag, shard;
	struct tern_bin bin[TERN_CLASSES];
	void *slots[];
};

struct tern_thread {
	struct tern_shelf *shelf[TERN_KEY_SHELVES];
	struct tern_thread *next;     /* while not in use */
	unsigned number;
};

extern struct tern_shelf tern_shelf_none;
extern _Thread_local struct tern_thread *tern_thread __attribute__((tls_model("initial-exec")));

struct tern_checked;
struct tern_trace;

struct tern_pool {
	char name[32];
	unsigned slot;                /* 1..127 */
	unsigned checks;
	bool has_shelves;             /* not checked, not recorded */
	unsigned n_shards;
	struct tern_lock lock;        /* shelves' list, common accounts, misuse text */
	struct tern_shelf *shelves;
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

/* The calling thread's shelf, made when there is none; null: no memory, or a pool without shelves. */
struct tern_shelf *tern_shelf_of(struct tern_pool *pool, enum tern_tag tag);
/* A block from a bin that was empty; null: no memory. */
void *tern_shelf_refill(struct tern_shelf *shelf, unsigned class, size_t asked);
/* Makes room in a full bin. */
void tern_shelf_drain(struct tern_shelf *shelf, unsigned class);
/* Empties the calling thread's shelves of the pool. */
void tern_shelf_empty(struct tern_pool *pool);
/* Removes all shelves of the pool from all threads. No other thread may be using the pool. */
void tern_shelf_remove_all(struct tern_pool *pool);

/* Counts a misuse and tells the hook. */
enum tern_status tern_pool_misuse(struct tern_pool *pool, const void *block, const char *what);

/* Takes and gives that use no shelf, for checked and recorded pools. Give refuses what is not live. */
void *tern_pool_take_plain(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
enum tern_status tern_pool_give_plain(struct tern_pool *pool, void *block);

static inline unsigned tern_shelf_index(const struct tern_pool *pool, unsigned tag)
{
	return pool->slot << (TERN_KEY_POOL - TERN_KEY_TAG) | tag;
}

static inline uint64_t tern_block_mark(const void *block)
{
	return (uint64_t)(uintptr_t)block ^ tern_space.secret;
}

#endif
