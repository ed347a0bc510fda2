/* SPDX-License-Identifier: Apache-2.0 */
#include "core/memory.h"

#include "memory/pool.h"

static struct tern_memory_asked total;

/* Counts; returns the block. */
static void *count(void *block)
{
    __atomic_fetch_add(&total.asked, 1, __ATOMIC_RELAXED);
    if (!block)
        __atomic_fetch_add(&total.refused, 1, __ATOMIC_RELAXED);
    return block;
}

void *tern_block_open(size_t bytes)
{
    return count(tern_pool_take_zeroed(NULL, bytes ? bytes : 1, 64, TERN_TAG_WEIGHTS, NULL));
}

void tern_block_close(void *block, size_t bytes)
{
    (void)bytes;
    tern_pool_give(NULL, block);
}

void *tern_array_open(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return count(NULL);
    return count(tern_pool_take_zeroed(NULL, bytes ? bytes : 1, 0, TERN_TAG_OTHER, NULL));
}

void tern_array_close(void *array)
{
    tern_pool_give(NULL, array);
}

struct tern_memory_asked tern_memory_asked(void)
{
    return (struct tern_memory_asked){__atomic_load_n(&total.asked, __ATOMIC_RELAXED), __atomic_load_n(&total.refused, __ATOMIC_RELAXED)};
}
