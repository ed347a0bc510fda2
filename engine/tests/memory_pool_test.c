/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool against an independent count: what is live, the peak and the number of blocks after every operation, sizes and
 * alignments at their limits, ceilings, trim, reset.
 */
#include "memory/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a count of its own */

struct count {
    size_t live, peak, blocks;
    size_t tag_live[TERN_N_TAGS], tag_peak[TERN_N_TAGS];
};

static void count(struct count *count, enum tern_tag tag, size_t bytes, bool is_take)
{
    const size_t change = is_take ? bytes : (size_t)0 - bytes;
    count->live += change;
    count->blocks += is_take ? 1 : (size_t)0 - 1;
    count->tag_live[tag] += change;
    if (count->live > count->peak)
        count->peak = count->live;
    if (count->tag_live[tag] > count->tag_peak[tag])
        count->tag_peak[tag] = count->tag_live[tag];
}

static void assert_same(struct tern_pool *pool, const struct count *count)
{
    struct tern_pool_stats stats;
    tern_pool_stats(pool, &stats);
    assert_int_equal(stats.total.live, count->live);
    assert_int_equal(stats.total.peak, count->peak);
    assert_int_equal(stats.total.blocks, count->blocks);
    size_t tiers = 0;
    for (int tag = 0; tag < TERN_N_TAGS; tag++) {
        assert_int_equal(stats.tag[tag].live, count->tag_live[tag]);
        assert_int_equal(stats.tag[tag].peak, count->tag_peak[tag]);
    }
    for (int tier = 0; tier < TERN_N_TIERS; tier++)
        tiers += stats.tier[tier].live;
    assert_int_equal(tiers, count->live);
    assert_true(stats.held >= stats.total.live);
}

static uint64_t random_of(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Log-uniform from 1 byte to 4 MiB, so that every tier and class has its share. */
static size_t random_size(uint64_t *state)
{
    const unsigned log = (unsigned)(random_of(state) % 22);
    return ((size_t)1 << log) + random_of(state) % ((size_t)1 << log);
}

static uint64_t seed_of_test(void)
{
    const char *text = getenv("TERN_SEED");
    const uint64_t seed = text ? strtoull(text, NULL, 0) : 20261;
    print_message("seed %llu (TERN_SEED sets it)\n", (unsigned long long)seed);
    return seed * 2654435761u | 1;
}

static void counts_are_exact_after_every_operation(void **state)
{
    (void)state;
    enum { BLOCKS = 300, STEPS = 30000 };
    struct tern_pool *pool;
    assert_int_equal(tern_pool_open(NULL, &pool, NULL), TERN_OK);
    static struct { char *at; size_t usable; enum tern_tag tag; } block[BLOCKS];
    struct count mine = {0};
    uint64_t random = seed_of_test();
    for (int step = 0; step < STEPS; step++) {
        const size_t i = random_of(&random) % BLOCKS;
        if (block[i].at) {
            count(&mine, block[i].tag, block[i].usable, false);
            assert_int_equal(tern_pool_give(pool, block[i].at), TERN_OK);
            block[i].at = NULL;
        } else {
            const size_t bytes = random_size(&random), align = (size_t)1 << random_of(&random) % 13;
            block[i].tag = (enum tern_tag)(random_of(&random) % TERN_N_TAGS);
            block[i].at = tern_pool_take(pool, bytes, align, block[i].tag, NULL);
            assert_non_null(block[i].at);
            assert_int_equal((uintptr_t)block[i].at % align, 0);
            block[i].usable = tern_pool_usable(pool, block[i].at);
            assert_true(block[i].usable >= bytes);
            block[i].at[0] = block[i].at[bytes - 1] = (char)i;
            count(&mine, block[i].tag, block[i].usable, true);
        }
        if (step % 16 == 0)
            assert_same(pool, &mine);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (block[i].at) {
            count(&mine, block[i].tag, block[i].usable, false);
            tern_pool_give(pool, block[i].at);
            block[i].at = NULL;
        }
    assert_int_equal(mine.live, 0);
    assert_same(pool, &mine);
    tern_pool_close(pool);
}

/* Two threads that take turns: the order is known, so peaks have one right value. */
struct turns {
    struct tern_pool *pool;
    struct count mine;
    pthread_mutex_t lock;
    bool differs;
    struct { void *at; size_t usable; } block[64];
};

/* The first difference, told by the main thread: a failed assertion may not leave another one. */
static bool is_same(struct tern_pool *pool, const struct count *count)
{
    struct tern_pool_stats stats;
    tern_pool_stats(pool, &stats);
    return stats.total.live == count->live && stats.total.peak == count->peak && stats.total.blocks == count->blocks;
}

static void *take_turns(void *data)
{
    struct turns *turns = data;
    uint64_t random = (uintptr_t)&random | 1;
    for (int step = 0; step < 20000; step++) {
        pthread_mutex_lock(&turns->lock);
        const size_t i = random_of(&random) % 64;
        if (turns->block[i].at) {
            count(&turns->mine, TERN_TAG_KV, turns->block[i].usable, false);
            turns->differs |= tern_pool_give(turns->pool, turns->block[i].at) != TERN_OK;
            turns->block[i].at = NULL;
        } else {
            turns->block[i].at = tern_pool_take(turns->pool, 1 + random_of(&random) % 60000, 0, TERN_TAG_KV, NULL);
            turns->block[i].usable = tern_pool_usable(turns->pool, turns->block[i].at);
            count(&turns->mine, TERN_TAG_KV, turns->block[i].usable, true);
        }
        if (step % 8 == 0)
            turns->differs |= !is_same(turns->pool, &turns->mine);
        pthread_mutex_unlock(&turns->lock);
    }
    return NULL;
}

static void counts_are_exact_across_threads_and_their_ends(void **state)
{
    (void)state;
    static struct turns turns = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread[4];
    assert_int_equal(tern_pool_open(NULL, &turns.pool, NULL), TERN_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, take_turns, &turns), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    assert_false(turns.differs);
    assert_same(turns.pool, &turns.mine);
    tern_pool_close(turns.pool);
}

/* ---- limits */

enum { PASSED = 600 };
struct passed {
    struct tern_pool *pool;
    char *block[PASSED];
    int n_wrong;
};

static void *give_all(void *data)
{
    struct passed *passed = data;
    for (int i = 0; i < PASSED; i++)
        passed->n_wrong += tern_pool_give(passed->pool, passed->block[i]) != TERN_OK;
    return NULL;
}

static void take_all(struct passed *passed, size_t bytes)
{
    for (int i = 0; i < PASSED; i++) {
        assert_non_null(passed->block[i] = tern_pool_take(passed->pool, bytes, 0, TERN_TAG_CACHE, NULL));
        memcpy(passed->block[i] + 8, &i, sizeof i);
    }
    for (int i = 0; i < PASSED; i++)
        assert_memory_equal(passed->block[i] + 8, &i, sizeof i);
}

/* Some of them stay in stock for the next one who takes, though both threads' own stocks are gone. */
static void what_another_thread_gave_is_counted_and_taken_again(void **state)
{
    (void)state;
    static const size_t sizes[] = {16, 3000, 20000, 100000};
    struct passed passed = {0};
    struct tern_pool_stats before, between, after;
    assert_int_equal(tern_pool_open(NULL, &passed.pool, NULL), TERN_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pthread_t thread;
        take_all(&passed, sizes[i]);
        tern_pool_stats(passed.pool, &before);
        assert_int_equal(pthread_create(&thread, NULL, give_all, &passed), 0);
        pthread_join(thread, NULL);
        assert_int_equal(passed.n_wrong, 0);
        tern_pool_stats(passed.pool, &between);
        assert_int_equal(between.total.live, 0);
        assert_int_equal(between.total.blocks, 0);
        assert_true(between.stocked > before.stocked || tern_pool_checks(passed.pool));
        assert_true(between.stocked <= before.stocked + (1 << 20));
        for (int k = 0; k < PASSED; k++)
            assert_int_equal(tern_pool_give(passed.pool, passed.block[k]), TERN_INVALID);
        take_all(&passed, sizes[i]);
        give_all(&passed);
        tern_pool_trim(passed.pool);
        tern_pool_stats(passed.pool, &after);
        assert_int_equal(after.stocked, 0);
        assert_int_equal(after.total.live, 0);
    }
    tern_pool_close(passed.pool);
}

static void impossible_requests_are_refused_by_name(void **state)
{
    (void)state;
    static const struct { size_t bytes, align; enum tern_status status; } rows[] = {
        {0, 0, TERN_INVALID}, {0, 64, TERN_INVALID}, {SIZE_MAX, 0, TERN_NO_MEMORY}, {SIZE_MAX, 64, TERN_NO_MEMORY},
        {SIZE_MAX - 15, 16, TERN_NO_MEMORY}, {SIZE_MAX - 63, 64, TERN_NO_MEMORY}, {SIZE_MAX - 4095, 4096, TERN_NO_MEMORY},
        {SIZE_MAX / 2, 0, TERN_NO_MEMORY}, {(size_t)1 << 62, 0, TERN_NO_MEMORY}, {16, 3, TERN_INVALID}, {16, 48, TERN_INVALID},
        {100000, 3, TERN_INVALID}, {16, (size_t)1 << 40, TERN_INVALID}, {16, SIZE_MAX, TERN_INVALID}, {1, (size_t)1 << 63, TERN_INVALID},
    };
    for (unsigned checks = 0; checks <= TERN_CHECK_ALL; checks += TERN_CHECK_ALL) {
        const struct tern_pool_options options = {.name = "limits", .checks = checks};
        struct tern_pool *pool;
        assert_int_equal(tern_pool_open(&options, &pool, NULL), TERN_OK);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct tern_error error = {0};
            assert_null(tern_pool_take(pool, rows[i].bytes, rows[i].align, TERN_TAG_KV, &error));
            assert_int_equal(error.status, rows[i].status);
            assert_non_null(strstr(error.text, "kv cache"));
        }
        assert_null(tern_pool_take_array(pool, SIZE_MAX / 8, 16, 0, TERN_TAG_KV, NULL));
        assert_null(tern_pool_take_array(pool, 0, 16, 0, TERN_TAG_KV, NULL));
        assert_int_equal(tern_pool_give(pool, NULL), TERN_OK);
        tern_pool_close(pool);
    }
    tern_pool_close(NULL);
}

static void a_ceiling_names_tag_and_size_and_loses_nothing(void **state)
{
    (void)state;
    const struct tern_pool_options options = {.name = "small", .ceiling = 4 << 20};
    struct tern_pool *pool;
    struct tern_error error;
    struct tern_pool_stats stats;
    static char *block[4096];
    assert_int_equal(tern_pool_open(&options, &pool, NULL), TERN_OK);
    for (size_t bytes = 1000; bytes < 4 << 20; bytes *= 7) {
        int n = 0;
        while (n < 4096 && (block[n] = tern_pool_take(pool, bytes, 0, TERN_TAG_ACTIVATIONS, &error)))
            memset(block[n], n & 127, bytes), n++;
        if (n < 4096) {
            char size[32];
            snprintf(size, sizeof size, "%zu bytes", bytes);
            assert_int_equal(error.status, TERN_NO_MEMORY);
            assert_non_null(strstr(error.text, "activations"));
            assert_non_null(strstr(error.text, size));
            assert_non_null(strstr(error.text, "ceiling"));
            assert_true((size_t)n * bytes > (size_t)3 << 20 || bytes > 1 << 20 || tern_pool_checks(pool));
        }
        tern_pool_stats(pool, &stats);
        assert_true(stats.held_peak <= 4 << 20);
        for (int i = 0; i < n; i++) {
            assert_int_equal(block[i][bytes - 1], i & 127);
            assert_int_equal(tern_pool_give(pool, block[i]), TERN_OK);
        }
    }
    tern_pool_stats(pool, &stats);
    assert_int_equal(stats.total.live, 0);
    tern_pool_close(pool);
}

/* Blocks at one place of a page each compete for one set of the caches. */
static void first_blocks_of_classes_lie_all_over_a_page(void **state)
{
    (void)state;
    struct tern_pool *pool;
    unsigned n = 0, n_lines = 0;
    bool is_in_use[64] = {false};
    assert_int_equal(tern_pool_open(NULL, &pool, NULL), TERN_OK);
    for (size_t bytes = 1100; bytes < 1 << 20; bytes += bytes / 8, n++) {
        const uintptr_t block = (uintptr_t)tern_pool_take(pool, bytes, 0, TERN_TAG_OTHER, NULL);
        assert_true(block);
        is_in_use[block / 64 % 64] = true;
    }
    for (unsigned i = 0; i < 64; i++)
        n_lines += is_in_use[i];
    assert_true(n_lines > n / 3);
    tern_pool_close(pool);
}

static void trim_returns_what_is_free(void **state)
{
    (void)state;
    struct tern_pool *pool;
    struct tern_pool_stats before, after;
    static char *block[20000];
    assert_int_equal(tern_pool_open(NULL, &pool, NULL), TERN_OK);
    for (int i = 0; i < 20000; i++)
        memset(block[i] = tern_pool_take(pool, 1500, 0, TERN_TAG_OTHER, NULL), 1, 1500);
    char *big = tern_pool_take(pool, 20 << 20, 0, TERN_TAG_OTHER, NULL);
    memset(big, 1, 20 << 20);
    for (int i = 0; i < 20000; i++)
        if (i % 1000)
            tern_pool_give(pool, block[i]);
    tern_pool_give(pool, big);
    tern_pool_stats(pool, &before);
    if (tern_pool_checks(pool)) { /* what was given back is kept for a while there */
        tern_pool_close(pool);
        skip();
    }
    assert_true(before.held > 45 << 20);
    assert_true(tern_pool_trim(pool) > 40 << 20);
    tern_pool_stats(pool, &after);
    assert_true(after.held < 4 << 20);
    assert_int_equal(after.total.live, before.total.live);
    for (int i = 0; i < 20000; i += 1000) {
        assert_int_equal(block[i][1499], 1);
        assert_int_equal(tern_pool_give(pool, block[i]), TERN_OK);
    }
    tern_pool_trim(pool);
    tern_pool_stats(pool, &after);
    assert_true(after.held <= 1 << 17);
    tern_pool_close(pool);
}

static void reset_gives_everything_back_at_once(void **state)
{
    (void)state;
    struct tern_pool *pool;
    struct tern_pool_stats stats;
    assert_int_equal(tern_pool_open(NULL, &pool, NULL), TERN_OK);
    void *old = NULL;
    for (int round = 0; round < 20; round++) {
        for (size_t bytes = 1; bytes < 3 << 20; bytes = bytes * 5 / 4 + 1)
            assert_non_null(old = tern_pool_take(pool, bytes, 0, TERN_TAG_SCRATCH, NULL));
        tern_pool_reset(pool);
        tern_pool_stats(pool, &stats);
        assert_int_equal(stats.total.live, 0);
        assert_int_equal(stats.total.blocks, 0);
        assert_true(stats.total.peak > 10 << 20);
        assert_true(stats.held == 0 || tern_pool_checks(pool));
        if (!tern_pool_checks(pool))
            assert_int_equal(tern_pool_give(pool, old), TERN_INVALID);
    }
    tern_pool_close(pool);
}

static void there_are_126_pools_and_then_an_error(void **state)
{
    (void)state;
    struct tern_pool *pool[128];
    struct tern_error error;
    int n = 0;
    tern_pool_default();
    while (n < 128 && !tern_pool_open(NULL, &pool[n], &error))
        assert_non_null(tern_pool_take(pool[n++], 100, 0, TERN_TAG_OTHER, NULL));
    assert_int_equal(n, 126);
    assert_int_equal(error.status, TERN_NO_MEMORY);
    while (n)
        tern_pool_close(pool[--n]);
    assert_int_equal(tern_pool_open(NULL, &pool[0], NULL), TERN_OK);
    tern_pool_close(pool[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_exact_after_every_operation),
        cmocka_unit_test(counts_are_exact_across_threads_and_their_ends),
        cmocka_unit_test(what_another_thread_gave_is_counted_and_taken_again),
        cmocka_unit_test(impossible_requests_are_refused_by_name),
        cmocka_unit_test(a_ceiling_names_tag_and_size_and_loses_nothing),
        cmocka_unit_test(first_blocks_of_classes_lie_all_over_a_page),
        cmocka_unit_test(trim_returns_what_is_free),
        cmocka_unit_test(reset_gives_everything_back_at_once),
        cmocka_unit_test(there_are_126_pools_and_then_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
