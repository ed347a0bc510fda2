/* SPDX-License-Identifier: Apache-2.0
 *
 * A heap that counts and fails on demand, for tests: what is live, the peak, and an allocation that is refused.
 * It takes the place of the C library's functions in the test's own program; with a sanitizer, which has its own, it is
 * absent and HEAP_IS_COUNTED is 0. What the engine takes from its pool is counted and refused in the same way: the test is linked with
 * --wrap for the pool's functions (HEAP_TESTS of the Makefile).
 */
#ifndef TEST_HEAP_H
#define TEST_HEAP_H

#include "memory/pool.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_IS_COUNTED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HEAP_IS_COUNTED 0
#endif
#endif
#ifndef HEAP_IS_COUNTED
#define HEAP_IS_COUNTED 1
#endif

/* Counted from every thread: a team's allocations at bind lost a count when these were plain. */
static struct {
    _Atomic size_t live, peak;
    _Atomic long asked;         /* allocations so far, granted or not */
    _Atomic long until_failure; /* allocations still granted; negative: all */
    int for_ever;               /* after the first failure, fail all */
    _Atomic long failed;
} heap = {.until_failure = -1};

#if HEAP_IS_COUNTED
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static int heap_refuses(void)
{
    heap.asked++;
    if (heap.until_failure < 0)
        return 0;
    if (heap.until_failure > 0) {
        heap.until_failure--;
        return 0;
    }
    heap.failed++;
    if (!heap.for_ever)
        heap.until_failure = -1;
    errno = ENOMEM;
    return 1;
}

static void heap_add(size_t bytes)
{
    const size_t live = heap.live += bytes;
    size_t peak = heap.peak;
    while (live > peak && !atomic_compare_exchange_weak(&heap.peak, &peak, live)) {
    }
}

static void *heap_count(void *p)
{
    heap_add(p ? malloc_usable_size(p) : 0);
    return p;
}

__attribute__((visibility("default"))) void *malloc(size_t n) { return heap_refuses() ? NULL : heap_count(__libc_malloc(n)); }
__attribute__((visibility("default"))) void *calloc(size_t n, size_t size) { return heap_refuses() ? NULL : heap_count(__libc_calloc(n, size)); }
__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t n) { return heap_refuses() ? NULL : heap_count(__libc_memalign(alignment, n)); }
__attribute__((visibility("default"))) void free(void *p)
{
    if (p)
        heap.live -= malloc_usable_size(p);
    __libc_free(p);
}
__attribute__((visibility("default"))) void *realloc(void *p, size_t n)
{
    if (heap_refuses())
        return NULL;
    size_t before = p ? malloc_usable_size(p) : 0;
    void *moved = __libc_realloc(p, n);
    if (moved || n == 0)
        heap.live -= before;
    return heap_count(moved);
}

void *__real_tern_pool_take(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
void *__real_tern_pool_take_zeroed(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
enum tern_status __real_tern_pool_give(struct tern_pool *pool, void *block);

static void *heap_count_pool(struct tern_pool *pool, void *p)
{
    heap_add(p ? tern_pool_usable(pool, p) : 0);
    return p;
}

static int heap_refuses_pool(size_t bytes, struct tern_error *error)
{
    return heap_refuses() && tern_error_set(error, TERN_NO_MEMORY, "%zu bytes of memory are refused by the test", bytes);
}

void *__wrap_tern_pool_take(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    return heap_refuses_pool(bytes, error) ? NULL : heap_count_pool(pool, __real_tern_pool_take(pool, bytes, align, tag, error));
}

void *__wrap_tern_pool_take_zeroed(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    return heap_refuses_pool(bytes, error) ? NULL : heap_count_pool(pool, __real_tern_pool_take_zeroed(pool, bytes, align, tag, error));
}

enum tern_status __wrap_tern_pool_give(struct tern_pool *pool, void *block)
{
    heap.live -= block ? tern_pool_usable(pool, block) : 0;
    return __real_tern_pool_give(pool, block);
}
#endif

#endif
