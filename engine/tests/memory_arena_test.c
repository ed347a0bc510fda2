/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas, rings and the tensor cache: limits, order, what is given back, and that no two pieces share a byte.
 */
#include "memory/arena.h"
#include "memory/cache.h"
#include "memory/ring.h"
#include "memory/trace.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct tern_pool *open_pool(void)
{
    struct tern_pool *pool;
    assert_int_equal(tern_pool_open(NULL, &pool, NULL), TERN_OK);
    return pool;
}

static void close_empty(struct tern_pool *pool)
{
    struct tern_pool_stats stats;
    tern_pool_stats(pool, &stats);
    assert_int_equal(stats.total.live, 0);
    assert_int_equal(stats.misuses, 0);
    tern_pool_close(pool);
}

/* ---- arena */

static void arena_limits(void **state)
{
    (void)state;
    static const struct { size_t bytes, align; enum tern_status status; } rows[] = {
        {0, 0, TERN_INVALID}, {8, 3, TERN_INVALID}, {SIZE_MAX, 0, TERN_NO_MEMORY}, {SIZE_MAX - 63, 64, TERN_NO_MEMORY},
        {SIZE_MAX / 2, 64, TERN_NO_MEMORY}, {(size_t)1 << 50, 0, TERN_NO_MEMORY}, {8, SIZE_MAX, TERN_INVALID},
    };
    struct tern_pool *pool = open_pool();
    struct tern_arena arena;
    assert_int_equal(tern_arena_open(&arena, pool, SIZE_MAX, TERN_TAG_SCRATCH, NULL), TERN_NO_MEMORY);
    assert_int_equal(tern_arena_open(&arena, pool, 0, TERN_TAG_SCRATCH, NULL), TERN_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tern_error error = {0};
        assert_null(tern_arena_take(&arena, rows[i].bytes, rows[i].align, &error));
        assert_int_equal(error.status, rows[i].status);
    }
    tern_arena_close(&arena);
    tern_arena_close(&arena);
    close_empty(pool);
}

static void arena_pieces_are_apart_and_marks_bring_them_back(void **state)
{
    (void)state;
    struct tern_pool *pool = open_pool();
    struct tern_arena arena;
    assert_int_equal(tern_arena_open(&arena, pool, 1 << 12, TERN_TAG_SCRATCH, NULL), TERN_OK);
    for (int round = 0; round < 5; round++) {
        unsigned char *piece[400];
        const size_t before = tern_arena_used(&arena);
        const struct tern_arena_mark mark = tern_arena_mark(&arena);
        for (size_t i = 0; i < 400; i++) {
            const size_t align = (size_t)1 << i % 13;
            piece[i] = tern_arena_take(&arena, 1 + i * 11, align, NULL);
            assert_non_null(piece[i]);
            assert_int_equal((uintptr_t)piece[i] % align, 0);
            memset(piece[i], (int)i, 1 + i * 11);
        }
        for (size_t i = 0; i < 400; i++)
            for (size_t k = 0; k < 1 + i * 11; k++)
                assert_int_equal(piece[i][k], (unsigned char)i);
        tern_arena_release(&arena, mark);
        assert_int_equal(tern_arena_used(&arena), before);
    }
    assert_true(arena.peak >= 400 * 2200);
    tern_arena_reset(&arena);
    const struct tern_arena_chunk *chunk = arena.chunk;
    for (size_t i = 0; i < 400; i++)
        tern_arena_take(&arena, 1 + i * 11, (size_t)1 << i % 13, NULL);
    tern_arena_reset(&arena);
    for (size_t i = 0; i < 400; i++)
        tern_arena_take(&arena, 1 + i * 11, (size_t)1 << i % 13, NULL);
    assert_ptr_equal(arena.chunk, chunk);
    struct tern_pool_stats stats;
    tern_pool_stats(pool, &stats);
    assert_int_equal(stats.total.blocks, 1); /* one chunk suffices once the need is known */
    tern_arena_close(&arena);
    close_empty(pool);
}

/* ---- ring */

static void ring_gives_back_in_order_and_out_of_it(void **state)
{
    (void)state;
    struct tern_pool *pool = open_pool();
    struct tern_ring *ring;
    struct tern_ring_stats stats;
    struct tern_error error;
    assert_int_equal(tern_ring_open(pool, 0, 4, TERN_TAG_STREAM, &ring, NULL), TERN_INVALID);
    assert_int_equal(tern_ring_open(pool, 1000, 4, TERN_TAG_STREAM, &ring, NULL), TERN_OK);
    assert_null(tern_ring_take(ring, 0, &error));
    assert_int_equal(error.status, TERN_INVALID);
    assert_null(tern_ring_take(ring, SIZE_MAX, &error));
    assert_null(tern_ring_take(ring, 1025, &error));
    for (int round = 0; round < 100; round++) {
        unsigned char *piece[4];
        int n = 0;
        while (n < 4 && (piece[n] = tern_ring_take(ring, 200, &error)))
            memset(piece[n], n, 200), n++;
        assert_in_range(n, 3, 4);
        assert_null(tern_ring_take(ring, 400, NULL));
        for (int i = 0; i < n; i++) {
            assert_int_equal((uintptr_t)piece[i] % 64, 0);
            for (int k = 0; k < 200; k++)
                assert_int_equal(piece[i][k], i);
        }
        assert_int_equal(tern_ring_give(ring, piece[1]), TERN_OK);
        assert_int_equal(tern_ring_give(ring, piece[1]), TERN_INVALID);
        assert_int_equal(tern_ring_give(ring, piece[0] + 64), TERN_INVALID);
        for (int i = n - 1; i >= 0; i--)
            if (i != 1)
                assert_int_equal(tern_ring_give(ring, piece[i]), TERN_OK);
    }
    tern_ring_stats(ring, &stats);
    assert_int_equal(stats.used, 0);
    assert_non_null(tern_ring_take(ring, 1000, NULL));
    tern_ring_close(ring);
    struct tern_pool_stats of_pool;
    tern_pool_stats(pool, &of_pool);
    assert_int_equal(of_pool.total.live, 0);
    tern_pool_close(pool);
}

enum { STREAMED = 200000 };

static void *take_stream(void *data)
{
    void **shared = data;
    struct tern_ring *ring = shared[0];
    for (size_t i = 0; i < STREAMED; i++) {
        size_t *piece, bytes = 16 + i % 300;
        while (!(piece = tern_ring_take(ring, bytes, NULL)))
            sched_yield();
        piece[0] = i;
        piece[1] = bytes;
        while (__atomic_load_n(&shared[1], __ATOMIC_ACQUIRE))
            sched_yield();
        __atomic_store_n(&shared[1], piece, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void ring_serves_two_threads(void **state)
{
    (void)state;
    struct tern_pool *pool = open_pool();
    struct tern_ring *ring;
    pthread_t thread;
    assert_int_equal(tern_ring_open(pool, 4096, 32, TERN_TAG_STREAM, &ring, NULL), TERN_OK);
    void *shared[2] = {ring, NULL};
    assert_int_equal(pthread_create(&thread, NULL, take_stream, shared), 0);
    for (size_t i = 0; i < STREAMED; i++) {
        size_t *piece;
        while (!(piece = __atomic_load_n(&shared[1], __ATOMIC_ACQUIRE)))
            sched_yield();
        __atomic_store_n(&shared[1], NULL, __ATOMIC_RELEASE);
        assert_int_equal(piece[0], i);
        assert_int_equal(piece[1], 16 + i % 300);
        assert_int_equal(tern_ring_give(ring, piece), TERN_OK);
    }
    pthread_join(thread, NULL);
    tern_ring_close(ring);
    close_empty(pool);
}

/* ---- cache */

static int fills;

static enum tern_status fill(void *context, const struct tern_cache_key *key, unsigned place, void *memory, size_t bytes, struct tern_error *error)
{
    (void)place;
    if (context)
        return tern_error_set(error, TERN_IO, "no such tensor");
    __atomic_fetch_add(&fills, 1, __ATOMIC_RELAXED);
    memset(memory, (int)key->layer, bytes);
    return TERN_OK;
}

static struct tern_cache_entry *acquire(struct tern_cache *cache, unsigned place, uint32_t layer, size_t bytes, enum tern_status expected)
{
    const struct tern_cache_key key = {.model = 1 + layer % 2, .layer = layer};
    struct tern_cache_entry *entry;
    unsigned char *memory;
    assert_int_equal(tern_cache_acquire(cache, &key, place, bytes, fill, NULL, &entry, (void **)&memory, NULL), expected);
    if (!expected)
        assert_true(memory[0] == layer && memory[bytes - 1] == layer);
    return entry;
}

static void cache_evicts_what_was_used_longest_ago_and_never_what_is_in_use(void **state)
{
    (void)state;
    struct tern_pool *pool = open_pool(), *gpu = open_pool();
    struct tern_cache *cache;
    struct tern_cache_stats stats;
    unsigned second;
    fills = 0;
    assert_int_equal(tern_cache_open(pool, 0, &cache, NULL), TERN_INVALID);
    assert_int_equal(tern_cache_open(pool, 400, &cache, NULL), TERN_OK);
    extern void *test_take(void *context, size_t bytes, struct tern_error *error);
    extern void test_give(void *context, void *memory);
    const struct tern_cache_place place = {"gpu", test_take, test_give, gpu};
    assert_int_equal(tern_cache_add_place(cache, &place, &second, NULL), TERN_OK);
    struct tern_cache_entry *held = acquire(cache, 0, 1, 100, TERN_OK);
    for (uint32_t layer = 2; layer <= 4; layer++)
        tern_cache_release(cache, acquire(cache, layer % 2 ? second : 0, layer, 100, TERN_OK));
    tern_cache_release(cache, acquire(cache, 0, 2, 100, TERN_OK));      /* 2 is newer than 3 now */
    tern_cache_release(cache, acquire(cache, 0, 5, 100, TERN_OK));      /* 3 goes */
    tern_cache_stats(cache, &stats);
    assert_true(stats.hits == 1 && stats.misses == 5 && stats.evictions == 1 && stats.resident == 400 && stats.in_use == 1);
    assert_int_equal(stats.place_bytes[second], 0);
    tern_cache_release(cache, acquire(cache, 0, 2, 100, TERN_OK));
    acquire(cache, 0, 9, 301, TERN_NO_MEMORY);                          /* 1 is in use: 300 are left */
    acquire(cache, 0, 2, 101, TERN_INVALID);
    tern_cache_stats(cache, &stats);
    assert_true(stats.evictions == 1 && stats.refused == 1 && stats.hits == 2 && stats.capacity == 400 && stats.peak == 400);
    tern_cache_release(cache, acquire(cache, second, 9, 300, TERN_OK));
    tern_cache_release(cache, held);
    tern_cache_stats(cache, &stats);
    assert_true(stats.entries == 2 && stats.resident == 400 && stats.transfer_bytes[second] == 100 + 300 && fills == 6);
    const struct tern_cache_key missing = {.model = 7};
    void *memory;
    assert_int_equal(tern_cache_acquire(cache, &missing, 0, 10, fill, cache, &held, &memory, NULL), TERN_IO);
    assert_int_equal(tern_cache_drop(cache, 2), 100); /* the one that failed had made room for itself */
    tern_cache_close(cache);
    close_empty(pool);
    close_empty(gpu);
}

void *test_take(void *context, size_t bytes, struct tern_error *error);
void *test_take(void *context, size_t bytes, struct tern_error *error)
{
    return tern_pool_take(context, bytes, 64, TERN_TAG_CACHE, error);
}

void test_give(void *context, void *memory);
void test_give(void *context, void *memory)
{
    assert_int_equal(tern_pool_give(context, memory), TERN_OK);
}

static void *use_cache(void *cache)
{
    uint64_t random = (uintptr_t)&random | 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const struct tern_cache_key key = {.model = 3, .layer = (uint32_t)(random >> 60)};
        struct tern_cache_entry *entry;
        unsigned char *memory;
        if (tern_cache_acquire(cache, &key, 0, 500, fill, NULL, &entry, (void **)&memory, NULL))
            return cache;
        if (memory[0] != key.layer || memory[499] != key.layer)
            return cache;
        tern_cache_release(cache, entry);
    }
    return NULL;
}

static void cache_serves_many_threads(void **state)
{
    (void)state;
    struct tern_pool *pool = open_pool();
    struct tern_cache *cache;
    struct tern_cache_stats stats;
    pthread_t thread[4];
    assert_int_equal(tern_cache_open(pool, 4000, &cache, NULL), TERN_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use_cache, cache), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
    tern_cache_stats(cache, &stats);
    assert_true(stats.hits + stats.misses == 80000 && stats.peak <= 4000 && stats.in_use == 0);
    tern_cache_close(cache);
    close_empty(pool);
}

/* ---- traces */

static void a_recorded_trace_is_read_back_as_it_happened(void **state)
{
    (void)state;
    char path[] = "/tmp/tern-trace-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    const struct tern_pool_options options = {.trace = path};
    struct tern_pool *pool;
    assert_int_equal(tern_pool_open(&options, &pool, NULL), TERN_OK);
    void *a = tern_pool_take(pool, 100, 0, TERN_TAG_KV, NULL), *b = tern_pool_take(pool, 5000000, 64, TERN_TAG_WEIGHTS, NULL);
    tern_pool_give(pool, a);
    a = tern_pool_take(pool, 7, 0, TERN_TAG_KV, NULL);
    tern_pool_give(pool, b);
    tern_pool_close(pool);
    struct tern_trace_play play;
    struct tern_error error;
    assert_int_equal(tern_trace_load(path, &play, &error), TERN_OK);
    static const struct tern_trace_event events[] = {{0, 0, 100}, {1, 0, 5000000}, {0, 1, 0}, {0, 0, 7}, {1, 1, 0}, {0, 1, 0}};
    assert_int_equal(play.n_events, 6);
    assert_memory_equal(play.event, events, sizeof events);
    assert_true(play.n_blocks == 2 && play.peak == 5000100);
    tern_trace_free(&play);
    FILE *bad = fopen(path, "w");
    fputs("ternmark-trace 1\n- 5 1\n", bad);
    fclose(bad);
    assert_int_equal(tern_trace_load(path, &play, &error), TERN_INVALID);
    assert_non_null(strstr(error.text, ":2: block 5"));
    unlink(path);
    assert_int_equal(tern_trace_load(path, &play, &error), TERN_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_limits),
        cmocka_unit_test(arena_pieces_are_apart_and_marks_bring_them_back),
        cmocka_unit_test(ring_gives_back_in_order_and_out_of_it),
        cmocka_unit_test(ring_serves_two_threads),
        cmocka_unit_test(cache_evicts_what_was_used_longest_ago_and_never_what_is_in_use),
        cmocka_unit_test(cache_serves_many_threads),
        cmocka_unit_test(a_recorded_trace_is_read_back_as_it_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
