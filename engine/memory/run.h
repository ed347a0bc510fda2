/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of one class and one tag, cut from runs; the store behind the shelves of all threads.
 *
 *   run     2^order pages from the buddy: n blocks in a row; those from number `turn` on, `cut` of them with those at the front after the
 *           last, were ever handed out; a bit for each that came back
 *   centre  the runs of one class and tag that have blocks to give, under one lock
 *
 * The turn follows from the run's first page. Without it the first blocks of all classes start at multiples of a page, and compete for one
 * set of the caches (classes.h has the price of that) where few of each are in use.
 *
 * The record of a run lies outside of it, so blocks keep their natural alignment, memory that was never handed out is never
 * touched, and a block that comes back twice, or was never the start of a block, is seen here whatever was written into it.
 */
#ifndef TERN_MEMORY_RUN_H
#define TERN_MEMORY_RUN_H

#include "memory/buddy.h"
#include "memory/classes.h"

struct tern_run {
    struct tern_run *next, *prev; /* in the centre's list while it has blocks to give */
    uint32_t first;               /* page */
    uint16_t n, cut, n_free;      /* blocks; ever handed out; of these, back */
    uint16_t turn;                /* number of the block that was handed out first */
    uint8_t class;
    uint8_t is_listed;
    uint64_t back[];              /* a bit for each block */
};

struct tern_centre {
    struct tern_lock lock;
    uint32_t n_runs;
    size_t out;                   /* blocks handed out and not back */
    struct tern_run *list;
} __attribute__((aligned(64)));

/* Where run records come from: pieces cut from pages of their own, kept in a list by size when freed. */
struct tern_records {
    struct tern_lock lock;
    uintptr_t at, end;
    void *block;                  /* the last page block; each begins with a pointer to the one before */
    struct tern_run *spare[TERN_RUN_BLOCKS / 64 + 1];
    size_t bytes;
};

struct tern_store {
    struct tern_buddy buddy;
    struct tern_records records;
    uint32_t key;                 /* pool, as in a record's key */
};

enum tern_block_state { TERN_BLOCK_LIVE, TERN_BLOCK_BACK, TERN_BLOCK_NONE };

/* Up to k blocks into block[]; fewer, down to 0, when there is no memory. */
unsigned tern_run_take(struct tern_store *store, struct tern_centre *centre, unsigned class, unsigned tag, void **block, unsigned k);
/* Takes k blocks of the class and tag back; those that are back already or are no blocks go to wrong(). Returns how many were right. */
unsigned tern_run_give(struct tern_store *store, struct tern_centre *centre, void **block, unsigned k,
                       void (*wrong)(void *context, void *block, enum tern_block_state state), void *context);
/* Returns empty runs to the buddy. */
void tern_run_trim(struct tern_store *store, struct tern_centre *centre);
/* What the record says of an address inside a run: blocks on shelves count as live. */
enum tern_block_state tern_run_state(const struct tern_run *run, const void *block);
/* Gives the memory of all records back. */
void tern_records_clear(struct tern_records *records);

#endif
