/* SPDX-License-Identifier: Apache-2.0
 *
 * Eight threads take, fill, exchange and give blocks; every block carries a cookie at its first and its last bytes. Threads end and
 * begin anew meanwhile. TERN_STRESS sets the number of operations (10^6 when not set; make test-full takes 10^7). Then: the system
 * refuses memory at the n-th request for every n, and whatever was taken before is whole and can be given.
 */
#include "memory/pool.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

enum { THREADS = 8, SHARED = 1000, OWN = 200, LIVES = 5 };

/* ---- a system that refuses: the program's own mmap stands before the C library's */

static long until_refusal = -1;
static int is_for_ever;
static long refused;


#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
#include <sys/syscall.h>
#include <unistd.h>
#define CAN_REFUSE 1
__attribute__((visibility("default"))) void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset)
{
    if (until_refusal >= 0 && until_refusal-- == 0) {
        refused++;
        until_refusal = is_for_ever ? 0 : -1;
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
}
#else
#define CAN_REFUSE 0
#endif

/* ---- stress */

struct block {
    unsigned char *at;
    size_t bytes;
    uint64_t cookie;
};

static struct tern_pool *pool;
static struct block shared[SHARED];
static pthread_mutex_t shared_lock[16];
static unsigned long operations, wrong;

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static struct block take(uint64_t *random)
{
    const unsigned log = (unsigned)(next_random(random) % 17) + (next_random(random) % 64 == 0 ? 4 : 0);
    struct block block = {.bytes = ((size_t)1 << log) + next_random(random) % ((size_t)1 << log), .cookie = next_random(random)};
    const size_t align = (size_t)16 << next_random(random) % 4;
    block.at = tern_pool_take(pool, block.bytes, align, (enum tern_tag)(next_random(random) % 3), NULL);
    if (!block.at || (uintptr_t)block.at % align)
        __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    block.at[0] = (unsigned char)block.cookie;
    block.at[block.bytes - 1] = (unsigned char)block.cookie;
    return block;
}

static void give(struct block *block)
{
    if (!block->at)
        return;
    if (block->at[0] != (unsigned char)block->cookie || block->at[block->bytes - 1] != (unsigned char)block->cookie ||
        tern_pool_give(pool, block->at))
        __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    block->at = NULL;
}

static void *live_one_life(void *data)
{
    uint64_t random = (uintptr_t)data * 0x9e3779b97f4a7c15u | 1;
    struct block own[OWN] = {0};
    for (unsigned long i = 0; i < operations / THREADS / LIVES; i++) {
        struct block *mine = &own[next_random(&random) % OWN];
        give(mine);
        *mine = take(&random);
        if (i % 8 == 0) { /* exchange with whoever else comes by: blocks are given by threads that did not take them */
            const size_t at = next_random(&random) % SHARED;
            pthread_mutex_lock(&shared_lock[at % 16]);
            const struct block other = shared[at];
            shared[at] = *mine;
            pthread_mutex_unlock(&shared_lock[at % 16]);
            *mine = other;
        }
    }
    for (int i = 0; i < OWN; i++)
        give(&own[i]);
    return NULL;
}

static void eight_threads_find_their_blocks_whole(void **state)
{
    (void)state;
    const char *text = getenv("TERN_STRESS");
    struct timespec from, to;
    operations = text ? strtoul(text, NULL, 10) : 1000000;
    assert_int_equal(tern_pool_open(NULL, &pool, NULL), TERN_OK);
    for (int i = 0; i < 16; i++)
        pthread_mutex_init(&shared_lock[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (uintptr_t life = 0; life < LIVES; life++) {
        pthread_t thread[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, live_one_life, (void *)(life * THREADS + i + 1)), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    size_t live = 0, blocks = 0;
    for (int i = 0; i < SHARED; i++)
        if (shared[i].at) {
            live += tern_pool_usable(pool, shared[i].at);
            blocks++;
        }
    struct tern_pool_stats stats;
    tern_pool_stats(pool, &stats);
    assert_int_equal(stats.total.live, live);
    assert_int_equal(stats.total.blocks, blocks);
    for (int i = 0; i < SHARED; i++)
        give(&shared[i]);
    assert_int_equal(wrong, 0);
    tern_pool_stats(pool, &stats);
    assert_int_equal(stats.total.live, 0);
    assert_int_equal(stats.misuses, 0);
    print_message("%lu operations by %d threads in %.2f s, peak %zu MiB live, %zu MiB held\n", operations, THREADS,
                  (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec), stats.total.peak >> 20, stats.held_peak >> 20);
    tern_pool_close(pool);
}

/* ---- refusals */

/* A life of a pool in which the system may refuse at any point; false when a pool could not even be opened. */
static int live_with_refusals(void)
{
    static struct block block[60];
    uint64_t random = 12345;
    struct tern_error error;
    if (tern_pool_open(NULL, &pool, &error)) {
        assert_int_equal(error.status, TERN_NO_MEMORY);
        return 0;
    }
    for (int i = 0; i < 60; i++) {
        block[i].bytes = 1 + next_random(&random) % ((size_t)1 << (4 + i % 18));
        block[i].cookie = next_random(&random);
        block[i].at = tern_pool_take(pool, block[i].bytes, 0, (enum tern_tag)(i % 3), &error);
        if (block[i].at)
            block[i].at[0] = block[i].at[block[i].bytes - 1] = (unsigned char)block[i].cookie;
        else
            assert_int_equal(error.status, TERN_NO_MEMORY);
    }
    wrong = 0;
    for (int i = 0; i < 60; i++)
        give(&block[i]);
    assert_int_equal(wrong, 0);
    struct tern_pool_stats stats;
    tern_pool_stats(pool, &stats);
    assert_int_equal(stats.total.live, 0);
    tern_pool_close(pool);
    return 1;
}

static void a_refusing_system_breaks_nothing(void **state)
{
    (void)state;
    if (!CAN_REFUSE)
        skip();
    tern_pool_default();
    for (is_for_ever = 0; is_for_ever < 2; is_for_ever++)
        for (long n = 0;; n++) {
            refused = 0;
            until_refusal = n;
            live_with_refusals();
            until_refusal = -1;
            if (!refused) {
                print_message("%ld requests to the system, each refused %s\n", n, is_for_ever ? "for ever" : "once");
                assert_true(n > 3);
                break;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_threads_find_their_blocks_whole),
        cmocka_unit_test(a_refusing_system_breaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
