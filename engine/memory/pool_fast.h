/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of take and give that nearly every call is made of, to be inlined. is_counted and is_marked are constants at each
 * use: the pool's own functions have both; suites measure what they cost by variants without (exercise.c).
 */
#ifndef TERN_MEMORY_POOL_FAST_H
#define TERN_MEMORY_POOL_FAST_H

#include "memory/shelf.h"

/* Starts on a cache line. Where such a function lay otherwise changed with every build, and a pair of them took 20 % longer in some. */
#define TERN_FAST __attribute__((aligned(64)))

void *tern_pool_take_slow(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
enum tern_status tern_pool_give_slow(struct tern_pool *pool, void *block);

/* Whether a block of a class lies on a shelf, or did when it was last given. */
static inline bool tern_fast_is_stocked(uint32_t key, void *block, bool is_unmarked)
{
    return !is_unmarked && tern_key_class(key) && *tern_block_word(block) == tern_space.base;
}

/* A block of a bin that has one. */
__attribute__((always_inline)) static inline void *tern_fast_pop(struct tern_bin *bin, struct tern_account *account, const bool is_counted,
                                                                 const bool is_marked)
{
    void *block = tern_bin_pop(bin);
    if (is_marked)
        *tern_block_word(block) = 0;
    if (is_counted && __builtin_expect(tern_tracker_add(account, bin->bytes), 0))
        return tern_tracker_ask(account, block);
    return block;
}

/* Class of a request above the small ones; 0: the fast path does not serve it. */
static inline unsigned tern_fast_large(size_t bytes, size_t align)
{
    const bool is_served = bytes > TERN_SMALL_BYTES && bytes <= TERN_SPAN_BYTES && align <= 64 && !(align & (align - 1));
    return is_served ? tern_classes.large[tern_large_step(bytes)] : 0;
}

/*
 * pool_key may be a constant where the pool is known; pool is used by the slow path only. Not all that is read here is there:
 * see shelf.h on bins of shelves that do not exist. Slow calls come last, so that this needs no frame. A sum that wraps, like
 * 0 bytes, has class 0, whose bin is empty.
 */
__attribute__((always_inline)) static inline void *tern_fast_take(struct tern_pool *pool, uint32_t pool_key, size_t bytes, size_t align,
                                                                  enum tern_tag tag, struct tern_error *error, const bool is_counted,
                                                                  const bool is_marked)
{
    struct tern_shelf *shelf = tern_shelf_at(tern_thread, pool_key, tag & (TERN_N_TAGS - 1));
    if (__builtin_expect(bytes + TERN_CLASS_GRAIN - 1 < TERN_SMALL_BYTES + TERN_CLASS_GRAIN && align <= 64, 1)) {
        const unsigned kind = __builtin_constant_p(align) ? align > 16 : tern_classes.kind[align];
        struct tern_bin *bin = tern_shelf_bin(shelf, tern_classes.small[kind][(bytes + TERN_CLASS_GRAIN - 1) / TERN_CLASS_GRAIN]);
        if (__builtin_expect(bin->top != NULL, 1))
            return tern_fast_pop(bin, &shelf->small_account, is_counted, is_marked);
    } else {
        struct tern_bin *bin = tern_shelf_bin(shelf, tern_fast_large(bytes, align));
        if (__builtin_expect(bin->top != NULL, 1))
            return tern_fast_pop(bin, &shelf->slab_account, is_counted, is_marked);
    }
    return tern_pool_take_slow(pool, bytes, align, tag, error);
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
    const uint32_t n = bin->n;
    if (__builtin_expect(n == bin->capacity || (is_marked && *tern_block_word(block) == base), 0))
        return tern_pool_give_slow(pool, block);
    if (is_marked)
        *tern_block_word(block) = base;
    tern_bin_push(bin, block, n);
    if (is_counted)
        tern_tracker_give(tern_bin_account(bin), bin->bytes);
    return TERN_OK;
}

#endif
