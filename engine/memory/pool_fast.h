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

/* ---- marks of blocks that are not live */

static inline void tern_fast_stock(void *block, unsigned class)
{
    const uint32_t page = tern_space_page(block);
    if (class > TERN_CLASS_SMALL)
        tern_set_key(page, tern_key(page) | TERN_KEY_STOCKED);
    else
        *tern_block_word(block) = tern_block_mark(block);
}

static inline void tern_fast_unstock(void *block, unsigned class)
{
    const uint32_t page = tern_space_page(block);
    if (class > TERN_CLASS_SMALL)
        tern_set_key(page, tern_key(page) & ~(uint32_t)TERN_KEY_STOCKED);
    else
        *tern_block_word(block) = 0;
}

static inline bool tern_fast_is_stocked(uint32_t key, const void *block, bool is_unmarked)
{
    if (is_unmarked || !tern_key_class(key))
        return false;
    if (tern_key_class(key) > TERN_CLASS_SMALL)
        return key & TERN_KEY_STOCKED;
    return ((const uint64_t *)block)[1] == tern_block_mark(block);
}

/* Class of a request that the fast path serves; 0: it does not. No sum here may wrap to a class: 0 bytes have class 0, and so do
 * the fifteen sizes that wrap to it. */
static inline unsigned tern_fast_class(size_t bytes, size_t align)
{
    const size_t grains = (bytes + TERN_CLASS_GRAIN - 1) / TERN_CLASS_GRAIN;
    if (__builtin_expect(grains <= TERN_RUN_BYTES / TERN_CLASS_GRAIN && align <= 64, 1))
        return tern_classes.of[__builtin_constant_p(align) ? align > 16 : tern_classes.kind[align]][grains];
    return bytes <= TERN_CLASS_BYTES && align <= 64 && !(align & (align - 1)) ? tern_classes.of_pages[(bytes + TERN_PAGE - 1) / TERN_PAGE] : 0;
}

/* pool_key may be a constant where the pool is known; pool is used by the slow path only. Not all that is read here is there:
 * see shelf.h on bins of shelves that do not exist. Slow calls come last, so that this needs no frame. */
__attribute__((always_inline)) static inline void *tern_fast_take(struct tern_pool *pool, uint32_t pool_key, size_t bytes, size_t align,
                                                                  enum tern_tag tag, struct tern_error *error, const bool is_counted,
                                                                  const bool is_marked)
{
    const unsigned class = tern_fast_class(bytes, align);
    struct tern_bin *bin = &tern_shelf_at(tern_thread, pool_key, tag & (TERN_N_TAGS - 1))->bin[class];
    void *block = bin->top;
    if (__builtin_expect(!block, 0))
        return tern_pool_take_slow(pool, bytes, align, tag, error);
    void **slot = bin->slot;
    bin->top = *slot;
    __atomic_store_n(&bin->slot, slot - 1, __ATOMIC_RELAXED);
    if (is_marked)
        tern_fast_unstock(block, class);
    if (is_counted && __builtin_expect(tern_tracker_add(bin->account, bin->bytes), 0))
        return tern_tracker_ask(bin->account, block);
    return block;
}

__attribute__((always_inline)) static inline enum tern_status tern_fast_give(struct tern_pool *pool, uint32_t pool_key, void *block,
                                                                             const bool is_counted, const bool is_marked)
{
    const uintptr_t offset = (uintptr_t)block - tern_space.base;
    const uintptr_t grain = offset >> 4 | offset << 60; /* an unaligned pointer lies far outside */
    if (__builtin_expect(grain >= tern_space.bytes / TERN_CLASS_GRAIN, 0))
        return tern_pool_give_slow(pool, block);
    uint32_t *at = &tern_space.key[grain >> (TERN_PAGE_SHIFT - 4)];
    const uint32_t key = __atomic_load_n(at, __ATOMIC_RELAXED);
    struct tern_bin *bin = (struct tern_bin *)((char *)tern_thread + (key & TERN_KEY_BIN));
    void **slot = bin->slot;
    if (__builtin_expect((uint16_t)(uintptr_t)slot == bin->end || ((key ^ pool_key) & TERN_KEY_ALL_POOLS), 0))
        return tern_pool_give_slow(pool, block);
    if (is_marked && tern_key_class(key) > TERN_CLASS_SMALL) {
        if (__builtin_expect(key & TERN_KEY_STOCKED, 0))
            return tern_pool_give_slow(pool, block);
        __atomic_store_n(at, key | TERN_KEY_STOCKED, __ATOMIC_RELAXED);
    } else if (is_marked) {
        const uint64_t mark = tern_block_mark(block);
        if (__builtin_expect(*tern_block_word(block) == mark, 0))
            return tern_pool_give_slow(pool, block);
        *tern_block_word(block) = mark;
    }
    slot[1] = bin->top;
    bin->top = block;
    __atomic_store_n(&bin->slot, slot + 1, __ATOMIC_RELAXED);
    if (is_counted)
        tern_tracker_give(bin->account, bin->bytes);
    return TERN_OK;
}

#endif
