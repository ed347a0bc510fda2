/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena hands out memory in order and takes it back all at once: scratch of a forward pass, whatever bind needs for as long
 * as the bound thing lives. Taking costs an addition and a comparison; there is no give, only release to a mark, and reset.
 *
 *   chunk  one block of the pool that the arena cuts pieces from; the first is made at open, further ones as large as need be
 *   mark   a place to come back to: all that was taken after it is released together
 *
 * An arena is used by one thread at a time. It may be copied while only the copy is used: a function that takes many pieces in a row
 * takes them from a local copy, which lies in registers, and writes it back (about 1 ns a piece instead of 3, the time that a store
 * needs to be loaded again).
 *
 * Sizes of 0 and sums that wrap give null and a status, as in pool.h. Pieces taken at open's chunk lie next to each other, so an arena
 * sized by a dry run (take the same pieces, read `peak`) is one chunk.
 */
#ifndef TERN_MEMORY_ARENA_H
#define TERN_MEMORY_ARENA_H

#include "memory/pool.h"

struct tern_arena_chunk;

struct tern_arena {
    uintptr_t at, limit;            /* next free byte; the end of the current chunk, 0 where each piece is to be checked */
    uintptr_t end;                  /* of the current chunk */
    struct tern_arena_chunk *chunk; /* current one; older ones hang behind it */
    struct tern_pool *pool;
    size_t below;                   /* bytes taken in older chunks */
    size_t peak;                    /* most bytes in use at once, gaps of alignment included, as of the last release or reset */
    size_t chunk_bytes;
    enum tern_tag tag;
    bool is_checked;
};

struct tern_arena_mark {
    struct tern_arena_chunk *chunk;
    uintptr_t at;
    size_t below;
};

/* Takes a first chunk of `bytes` (at least 4 KiB) from the pool (null: tern_pool_default()). Errors: those of tern_pool_take. */
enum tern_status tern_arena_open(struct tern_arena *arena, struct tern_pool *pool, size_t bytes, enum tern_tag tag,
                                 struct tern_error *error);
/* Gives all chunks back; pieces taken from it are gone. A cleared (all zero) arena is allowed. */
void tern_arena_close(struct tern_arena *arena);

void *tern_arena_more(struct tern_arena *arena, size_t bytes, size_t align, struct tern_error *error); /* take's slow half */

/*
 * `bytes` bytes at a multiple of `align` (a power of two; 0 means 64), not cleared. Null and a status in `error`:
 * TERN_INVALID for no bytes or a bad alignment, TERN_NO_MEMORY for what the pool cannot give.
 */
static inline void *tern_arena_take(struct tern_arena *arena, size_t bytes, size_t align, struct tern_error *error)
{
    size_t mask = (align ? align : 64) - 1;
    uintptr_t at = (arena->at + mask) & ~(uintptr_t)mask;
    if (__builtin_expect(at - 1 >= arena->limit || bytes - 1 >= arena->limit - at || (mask & (mask + 1)), 0)) {
        struct tern_arena copy = *arena; /* only its address escapes, so a local arena stays in registers */
        void *piece = tern_arena_more(&copy, bytes, align, error);
        *arena = copy;
        return piece;
    }
    arena->at = at + bytes;
    return (void *)at;
}

struct tern_arena_mark tern_arena_mark(const struct tern_arena *arena);
/* Releases all that was taken after the mark; marks made after it lose their meaning. Chunks behind it go back to the pool. */
void tern_arena_release(struct tern_arena *arena, struct tern_arena_mark mark);
/* Releases everything; the first chunk is kept, or, when it did not suffice, replaced by one that would have. */
void tern_arena_reset(struct tern_arena *arena);
/* Bytes in use now, gaps of alignment included. */
size_t tern_arena_used(const struct tern_arena *arena);

#endif
