/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of take and give that nearly every call is made of, to be inlined. is_counted and is_marked are constants at each
 * use: the pool's own functions have both; suites measure what they cost by variants without (memory/exercise.c).
 */
#ifndef TERN_MEMORY_POOL_FAST_H
#define TERN_MEMORY_POOL_FAST_H

#include <string.h>

#include "memory/shelf.h"

void *tern_pool_take_slow(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
enum tern_status tern_pool_give_slow(struct tern_pool *pool, void *block);
bool tern_shelf_give_one(struct tern_shelf *shelf, unsigned class, void *block); /* past a bin that holds nothing */

static inline void tern_fast_mark(void *block, uint64_t mark)
{
	memcpy(block, &mark, sizeof mark);
}

static inline bool tern_fast_is_marked(const void *block)
{
	uint64_t first;
	memcpy(&first, block, sizeof first);
	return first == tern_block_mark(block);
}

/* Top of a bin that has blocks, counted as taken. */
static inline void *tern_fast_pop(struct tern_bin *bin)
{
	const uint32_t n = bin->n - 1;
	void *block = bin->slot[n];
	__atomic_store_n(&bin->n, n, __ATOMIC_RELAXED);
	tern_tracker_take(bin->account, bin->bytes);
	return block;
}

/* Onto a bin that has room, counted as given. */
static inline void tern_fast_push(struct tern_bin *bin, void *block)
{
	const uint32_t n = bin->n;
	bin->slot[n] = block;
	__atomic_store_n(&bin->n, n + 1, __ATOMIC_RELAXED);
	tern_tracker_give(bin->account, bin->bytes);
}

__attribute__((always_inline)) static inline void *tern_fast_take(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag,
                                                                  struct tern_error *error, const bool is_counted, const bool is_marked)
{
	if (__builtin_expect(bytes - 1 >= TERN_CLASS_BYTES || align > 64, 0))
		return tern_pool_take_slow(pool, bytes, align, tag, error);
	const unsigned class = tern_classes.of[tern_classes.kind[align]][(bytes + TERN_CLASS_GRAIN - 1) / TERN_CLASS_GRAIN];
	struct tern_bin *bin = &tern_thread->shelf[tern_shelf_index(pool, tag & (TERN_N_TAGS - 1))]->bin[class];
	if (__builtin_expect(!bin->n, 0))
		return tern_pool_take_slow(pool, bytes, align, tag, error);
	const uint32_t n = bin->n - 1;
	void *block = bin->slot[n];
	__atomic_store_n(&bin->n, n, __ATOMIC_RELAXED);
	if (is_counted)
		tern_tracker_take(bin->account, bin->bytes);
	if (is_marked)
		tern_fast_mark(block, 0);
	return block;
}

__attribute__((always_inline)) static inline enum tern_status tern_fast_give(struct tern_pool *pool, void *block, const bool is_counted,
                                                                             const bool is_marked)
{
	const uintptr_t offset = (uintptr_t)block - tern_space.base;
	if (__builtin_expect(offset >= tern_space.bytes, 0))
		return tern_pool_give_slow(pool, block);
	const uint32_t key = __atomic_load_n(&tern_space.page[offset >> TERN_PAGE_SHIFT].key, __ATOMIC_RELAXED);
	struct tern_shelf *shelf = tern_thread->shelf[key >> TERN_KEY_TAG & (TERN_KEY_SHELVES - 1)];
	struct tern_bin *bin = &shelf->bin[key & 0xff];
	const uint32_t n = bin->n;
	if (__builtin_expect(shelf->pool != pool || n == bin->capacity || (is_marked && tern_fast_is_marked(block)), 0))
		return tern_pool_give_slow(pool, block);
	bin->slot[n] = block;
	__atomic_store_n(&bin->n, n + 1, __ATOMIC_RELAXED);
	if (is_marked)
		tern_fast_mark(block, tern_block_mark(block));
	if (is_counted)
		tern_tracker_give(bin->account, bin->bytes);
	return TERN_OK;
}

#endif
