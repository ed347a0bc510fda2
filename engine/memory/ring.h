/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring hands out memory that is given back in about the order it was taken: batches of a stream, staging for copies.
 *
 *     | free | oldest … newest | free |      the newest never wraps round the end: the rest of the ring is skipped then
 *
 * One thread takes, one thread gives (they may be the same); neither waits for the other. A piece given before an older one is
 * noted, and its bytes come back when the older ones are given too.
 */
#ifndef TERN_MEMORY_RING_H
#define TERN_MEMORY_RING_H

#include "memory/pool.h"

struct tern_ring;

struct tern_ring_stats {
    size_t bytes, used, peak; /* of the ring; peak as the taking thread saw it */
    uint64_t taken, refused;  /* pieces */
};

/* A ring of at least `bytes` bytes and `pieces` pieces at once, from the pool (null: the default). Errors: those of tern_pool_take. */
enum tern_status tern_ring_open(struct tern_pool *pool, size_t bytes, size_t pieces, enum tern_tag tag, struct tern_ring **out,
                                struct tern_error *error);
/* Null is allowed. */
void tern_ring_close(struct tern_ring *ring);

/* `bytes` bytes, 64-byte aligned. Null: TERN_INVALID for none, TERN_NO_MEMORY when the ring is full for now or always too small. */
void *tern_ring_take(struct tern_ring *ring, size_t bytes, struct tern_error *error);
/* TERN_INVALID for what is not a live piece of this ring. */
enum tern_status tern_ring_give(struct tern_ring *ring, void *piece);
void tern_ring_stats(const struct tern_ring *ring, struct tern_ring_stats *stats);

#endif
