/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory suite's workloads: each allocator of the engine's own in each pattern, one after the other in a process, and what is
 * refused.
 */
#include "tern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct tern_exercise *opened(const char *allocator, const char *pattern, const char *threads)
{
    const struct tern_param params[] = {{"allocator", allocator}, {"pattern", pattern}, {"threads", threads}};
    struct tern_exercise *exercise = NULL;
    struct tern_error error = {0};
    if (tern_exercise_open(params, 3, NULL, NULL, &exercise, &error))
        fail_msg("%s", error.text);
    return exercise;
}

static struct tern_exercise_report ran(const char *allocator, const char *pattern, const char *threads, uint64_t n)
{
    struct tern_exercise *exercise = opened(allocator, pattern, threads);
    struct tern_exercise_report report;
    struct tern_error error = {0};
    tern_exercise_run(exercise, n);
    tern_exercise_read(exercise, &report);
    if (tern_exercise_check(exercise, &error))
        fail_msg("%s %s: %s", allocator, pattern, error.text);
    tern_exercise_close(exercise);
    return report;
}

static void every_allocator_takes_as_often_as_it_is_asked_to(void **state)
{
    (void)state;
    static const struct {
        const char *allocator, *pattern, *threads;
        double takers; /* threads that take */
    } rows[] = {
        {"pool", "pair", "1", 1},          {"pool", "lifo", "2", 2},   {"pool", "fifo", "4", 4}, {"pool", "random", "1", 1}, {"pool", "cross", "2", 1},
        {"pool-whole", "random", "2", 2},  {"pool-uncounted", "pair", "1", 1}, {"pool-unmarked", "cross", "4", 2}, {"arena", "lifo", "2", 2}, {"ring", "fifo", "1", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct tern_exercise_report report = ran(rows[i].allocator, rows[i].pattern, rows[i].threads, 5000);
        if (report.takes != 5000 * rows[i].takers || report.failures != 0)
            fail_msg("%s %s: %.0f takes, %.0f failures", rows[i].allocator, rows[i].pattern, report.takes, report.failures);
    }
}

/* Variants differ in how their pool is opened: one that went on with another's pool had its counts, or lacked them. */
static void each_exercise_begins_with_an_empty_pool(void **state)
{
    (void)state;
    static const char *const variants[] = {"pool-whole", "pool-uncounted", "pool-unmarked", "arena"};
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        struct tern_exercise *exercise = opened(variants[i], "random", "2"), *beside = opened(variants[i], "random", "1");
        struct tern_exercise_report report;
        tern_exercise_close(beside);
        tern_exercise_read(exercise, &report);
        if (i < 3)
            assert_true(report.pool_held == 0);
        tern_exercise_run(exercise, 5000);
        tern_exercise_read(exercise, &report);
        assert_true(report.failures == 0 && report.pool_held > 0);
        tern_exercise_close(exercise);
    }
}

/* Draws take turns: as many calls as there are fill the live blocks of each, and a pair leaves those of the steps before it. */
static void draws_take_turns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        double takes; /* of 9 calls of 1000 */
    } rows[] = {{"random", 9 * 1000}, {"pair", 9 * (1000 + 128)}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct tern_param params[] = {{"pattern", rows[i].pattern}, {"low", "64"}, {"high", "64"}, {"live", "16"}, {"draws", "9"}};
        struct tern_exercise *exercise = NULL;
        struct tern_exercise_report report;
        struct tern_error error = {0};
        assert_int_equal(tern_exercise_open(params, sizeof params / sizeof *params, NULL, NULL, &exercise, &error), TERN_OK);
        for (int call = 0; call < 9; call++)
            tern_exercise_run(exercise, 1000);
        tern_exercise_read(exercise, &report);
        assert_true(report.takes == rows[i].takes && report.failures == 0);
        assert_true(report.live_bytes == 9 * 16 * 64);
        tern_exercise_close(exercise);
    }
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        struct tern_param param;
        const char *says;
    } rows[] = {
        {{"pattern", "sideways"}, "parameter pattern: expected pair"},
        {{"allocator", "malloc"}, "parameter allocator: expected one of the engine's"},
        {{"threads", "5"}, "parameter threads: expected a whole number from 1 to 4"},
        {{"touch", "some"}, "parameter touch: expected none"},
        {{"draws", "10"}, "parameter draws: expected a whole number from 1 to 9"},
        {{"colour", "red"}, "there is no parameter \"colour\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tern_exercise *exercise = NULL;
        struct tern_error error = {0};
        assert_int_not_equal(tern_exercise_open(&rows[i].param, 1, NULL, NULL, &exercise, &error), TERN_OK);
        assert_null(exercise);
        if (!strstr(error.text, rows[i].says))
            fail_msg("'%s' does not say '%s'", error.text, rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocator_takes_as_often_as_it_is_asked_to),
        cmocka_unit_test(each_exercise_begins_with_an_empty_pool),
        cmocka_unit_test(draws_take_turns),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
