/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of a pool from where its tiers keep them: spans, and blocks of classes from their runs; with shelves' counts or without.
 */
#ifndef TERN_MEMORY_POOL_PLAIN_H
#define TERN_MEMORY_POOL_PLAIN_H

#include "memory/shelf.h"

/* Class for a request in this pool; 0: it wants a span. */
unsigned tern_pool_class(const struct tern_pool *pool, size_t bytes, size_t align);

/* A block of its own span, counted on the calling thread's shelf; null: no memory. */
void *tern_span_take_on(struct tern_shelf *shelf, size_t bytes, size_t align);
void tern_span_give_on(struct tern_shelf *shelf, uint32_t first);
/* Where the block of a span starts, and the bytes that may be used there. */
void *tern_span_block(uint32_t first);
size_t tern_span_usable(uint32_t first);

#endif
