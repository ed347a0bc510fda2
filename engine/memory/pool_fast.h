/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of take and give that nearly every call is made of, to be inlined. is_counted and is_marked are constants at each
 * use: the pool's own functions have both; suites measure what they cost by variants without (exercise.c).
 */
#ifndef TERN_MEMORY_POOL_FAST_H
#define TERN_MEMORY_POOL_FAST_H

#include "memory/shelf.h"

void *tern_pool_take_slow(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
enum tern_status tern_pool_give_slow(struct tern_pool *pool, void *block);

/* Whether a block of a class lies on a shelf, or did when it was last given. */
static inline bool tern_fast_is_stocked(uint32_t key, void *block, bool is_unmarked)
{
    return !is_unmarked && tern_key_class(key) && *tern_block_word(block) == tern_space.base;
}

/* Class of a request that the fast path serves; 0: it does not. A sum that wraps, like 0 bytes, has class 0. */
__attribute__((always_inline)) static inline unsigned tern_fast_class(size_t bytes, size_t align)
{
    if (__builtin_expect(bytes + TERN_CLASS_GRAIN - 1 < TERN_SMALL_BYTES + TERN_CLASS_GRAIN && align <= 64, 1))
        return tern_classes.small[__builtin_constant_p(align) ? align > 16 : tern_classes.kind[align]]
                                 [(bytes + TERN_CLASS_GRAIN - 1) / TERN_CLASS_GRAIN];
    if (align > 64 || align & (align - 1))
        return 0;
    return bytes <= TERN_SPAN_BYTES ? tern_classes.large[tern_large_step(bytes)] : 0;
}

/* pool_key may be a constant where the pool is known; pool is used by the slow path only. Not all that is read here is there:
 * see shelf.h on bins of shelves that do not exist. Slow calls come last, so that this needs no frame. */
__attribute__((always_inline)) static inline void *tern_fast_take(struct tern_pool *pool, uint32_t pool_key, size_t bytes, size_t align,
                                                                  enum tern_tag tag, struct tern_error *error, const bool is_counted,
                                                                  const bool is_marked)
{
    const struct tern_shelf *shelf = tern_shelf_at(tern_thread, pool_key, tag & (TERN_N_TAGS - 1));
    struct tern_bin *bin = tern_shelf_bin(shelf, tern_fast_class(bytes, align));
    void *block = bin->top;
    if (__builtin_expect(!block, 0))
        return tern_pool_take_slow(pool, bytes, align, tag, error);
    void **slot = bin->slot - 1;
    bin->top = *slot;
    __atomic_store_n(&bin->slot, slot, __ATOMIC_RELAXED);
    if (is_marked)
        *tern_block_word(block) = 0;
    if (is_counted && __builtin_expect(tern_tracker_add(tern_bin_account(bin), bin->bytes), 0))
        return tern_tracker_ask(tern_bin_account(bin), block);
    return block;
}

__attribute__((always_inline)) static inline enum tern_status tern_fast_give(struct tern_pool *pool, uint32_t pool_key, void *block,
                                                                             const bool is_counted, const bool is_marked)
{
    const uintptr_t base = tern_space.base, offset = (uintptr_t)block - base;
    const uintptr_t grain = offset >> 4 | offset << 60; /* an unaligned pointer lies far outside */
    if (__builtin_expect(grain >= tern_space.grains, 0))
        return tern_pool_give_slow(pool, block);
    const uint32_t key = __atomic_load_n(&tern_space.key[grain >> (TERN_PAGE_SHIFT - 4)], __ATOMIC_RELAXED);
    if (__builtin_expect(key - pool_key >= 1u << TERN_KEY_POOL, 0)) /* another pool's, or no page of blocks of a class */
        return tern_pool_give_slow(pool, block);
    struct tern_bin *bin = (struct tern_bin *)((char *)tern_thread + key);
    void **slot = bin->slot;
    if (__builtin_expect(slot == bin->end || (is_marked && *tern_block_word(block) == base), 0))
        return tern_pool_give_slow(pool, block);
    if (is_marked)
        *tern_block_word(block) = base;
    slot[1] = bin->top = block;
    __atomic_store_n(&bin->slot, slot + 1, __ATOMIC_RELAXED);
    if (is_counted)
        tern_tracker_give(tern_bin_account(bin), bin->bytes);
    return TERN_OK;
}

#endif
