/* SPDX-License-Identifier: Apache-2.0
 *
 * Twelve mistakes, each made in a child that must die or report: a clean exit fails the test. A checked pool must see all of
 * them; the pool as it is released must see double and foreign frees. Under ASan and Valgrind the same program runs with
 * what those tools add (the pool's checks are then always on).
 */
#include "memory/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { REPORTED = 42, NOT_SET_UP = 77 };

static void report(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "reported: %s\n", text);
    _exit(REPORTED);
}

struct place {
    struct tern_pool *pool, *other;
    struct tern_arena arena;
};

/* Keeps the compiler from seeing that a store goes to freed memory. */
static char *hidden(void *at)
{
    __asm__ volatile("" : "+r"(at));
    return at;
}

static char *block_of(struct place *place, size_t bytes)
{
    return tern_pool_take(place->pool, bytes, 0, TERN_TAG_SCRATCH, NULL);
}

static void give_twice(struct place *place)
{
    char *a = block_of(place, 100), *b = block_of(place, 100);
    tern_pool_give(place->pool, a);
    tern_pool_give(place->pool, b);
    tern_pool_give(place->pool, hidden(a));
}

static void give_foreign(struct place *place)
{
    tern_pool_give(place->pool, malloc(100));
}

static void give_interior(struct place *place)
{
    tern_pool_give(place->pool, block_of(place, 300000) + 4096 * 3);
}

static void give_stack(struct place *place)
{
    char local[64] __attribute__((aligned(64)));
    tern_pool_give(place->pool, hidden(local));
}

static void give_after_reset(struct place *place)
{
    char *a = block_of(place, 100);
    tern_pool_reset(place->pool);
    tern_pool_give(place->pool, a);
}

static void use_after_give(struct place *place)
{
    char *a = block_of(place, 100);
    tern_pool_give(place->pool, a);
    hidden(a)[40] = 1;
    tern_pool_verify(place->pool);
}

static void use_after_reset(struct place *place)
{
    char *a = tern_arena_take(&place->arena, 100, 0, NULL);
    tern_arena_reset(&place->arena);
    hidden(a)[40] = 1;
    tern_arena_take(&place->arena, 100, 0, NULL);
}

static void overrun(struct place *place)
{
    char *a = block_of(place, 100);
    hidden(a)[100] = 1;
    tern_pool_give(place->pool, a);
}

static void underrun(struct place *place)
{
    char *a = block_of(place, 100);
    hidden(a)[-1] = 1;
    tern_pool_give(place->pool, a);
}

static void give_to_other_pool(struct place *place)
{
    tern_pool_give(place->other, block_of(place, 100));
}

static void give_wrong_size(struct place *place)
{
    tern_pool_give_sized(place->pool, block_of(place, 100), 1000);
}

static void give_unaligned(struct place *place)
{
    tern_pool_give(place->pool, block_of(place, 100) + 1);
}

static const struct scenario {
    const char *name;
    void (*mistake)(struct place *place);
    bool is_seen_in_release;
} scenarios[] = {
    {"double free", give_twice, true}, {"free of a foreign pointer", give_foreign, true}, {"free of an interior pointer", give_interior, true},
    {"free of a stack pointer", give_stack, true}, {"free after reset", give_after_reset, true}, {"use after free", use_after_give, false},
    {"use after reset", use_after_reset, false}, {"overrun by 1", overrun, false}, {"underrun by 1", underrun, false},
    {"wrong pool", give_to_other_pool, true}, {"wrong size", give_wrong_size, true}, {"unaligned", give_unaligned, true},
};
enum { N_SCENARIOS = sizeof scenarios / sizeof *scenarios };

static void make_mistake(const struct scenario *scenario, unsigned checks)
{
    const struct tern_pool_options options = {.name = "victim", .checks = checks};
    struct place place;
    if (tern_pool_open(&options, &place.pool, NULL) || tern_pool_open(&options, &place.other, NULL) ||
        tern_arena_open(&place.arena, place.pool, 10000, TERN_TAG_SCRATCH, NULL))
        _exit(NOT_SET_UP);
    tern_pool_on_misuse(place.pool, report, NULL);
    tern_pool_on_misuse(place.other, report, NULL);
    scenario->mistake(&place);
    tern_pool_close(place.other);
    tern_pool_close(place.pool);
    _exit(0);
}

/* Whether the mistake was seen: a report, a signal, or a sanitizer's exit. */
static bool is_seen(const struct scenario *scenario, unsigned checks)
{
    int status;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        make_mistake(scenario, checks);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_SET_UP)
        fail_msg("%s: the child could not be set up", scenario->name);
    return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

static void count_seen(unsigned checks, bool is_release)
{
    int seen = 0, expected = 0;
    for (int i = 0; i < N_SCENARIOS; i++) {
        const bool must = !is_release || scenarios[i].is_seen_in_release, was = is_seen(&scenarios[i], checks);
        if (must && !was)
            print_error("not seen: %s\n", scenarios[i].name);
        seen += must && was;
        expected += must;
    }
    print_message("%d of %d mistakes seen\n", seen, expected);
    assert_int_equal(seen, expected);
}

static void a_checked_pool_sees_all_twelve(void **state)
{
    (void)state;
    count_seen(TERN_CHECK_RED_ZONE | TERN_CHECK_POISON, false);
}

static void guard_pages_see_all_twelve(void **state)
{
    (void)state;
    count_seen(TERN_CHECK_ALL, false);
}

static void the_released_pool_sees_wrong_frees(void **state)
{
    (void)state;
    count_seen(0, true);
}

/* An ordinary life must not be taken for a mistake, whatever is checked. */
static void right_use_is_not_reported(void **state)
{
    (void)state;
    for (unsigned checks = 0; checks <= TERN_CHECK_ALL; checks++) {
        const struct tern_pool_options options = {.name = "right", .checks = checks};
        struct tern_pool *pool;
        struct tern_pool_stats stats;
        struct tern_arena arena;
        char *block[64] = {0};
        assert_int_equal(tern_pool_open(&options, &pool, NULL), TERN_OK);
        assert_int_equal(tern_arena_open(&arena, pool, 5000, TERN_TAG_SCRATCH, NULL), TERN_OK);
        for (size_t i = 0; i < 2000; i++) {
            const size_t bytes = 1 + i * 37 % 9000;
            char **at = &block[i * 7 % 64];
            assert_int_equal(tern_pool_give(pool, *at), TERN_OK);
            assert_non_null(*at = tern_pool_take(pool, bytes, (size_t)1 << i % 9, TERN_TAG_KV, NULL));
            memset(*at, 0x5a, bytes);
            char *piece = tern_arena_take(&arena, 1 + i % 300, 0, NULL);
            assert_non_null(piece);
            memset(piece, 1, 1 + i % 300);
            if (i % 50 == 49)
                tern_arena_reset(&arena);
        }
        for (int i = 0; i < 64; i++)
            assert_int_equal(tern_pool_give(pool, block[i]), TERN_OK);
        tern_arena_close(&arena);
        assert_int_equal(tern_pool_verify(pool), 0);
        tern_pool_stats(pool, &stats);
        assert_int_equal(stats.misuses, 0);
        tern_pool_close(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checked_pool_sees_all_twelve),
        cmocka_unit_test(guard_pages_see_all_twelve),
        cmocka_unit_test(the_released_pool_sees_wrong_frees),
        cmocka_unit_test(right_use_is_not_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
