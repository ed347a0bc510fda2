/* SPDX-License-Identifier: Apache-2.0 */
#include "store/journal.h"

#include "seed.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/journal_test.XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/run.json.journal", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static struct journal *start(struct fault *fault)
{
    json_t *top = json_pack("{s:i, s:s}", "schema", 1, "kind", "run");
    struct journal *journal = journal_open(path, top, fault);
    json_decref(top);
    assert_non_null(journal);
    return journal;
}

static void append(struct journal *journal, const char *key, int value)
{
    struct fault fault = {0};
    json_t *line = json_pack("{s:s, s:i}", "done", key, "n", value);
    assert_true(journal_append(journal, line, &fault));
    json_decref(line);
}

static size_t n_lines(void)
{
    struct fault fault = {0};
    json_t *lines = journal_load(path, &fault);
    if (!lines)
        fail_msg("%s", fault.text);
    size_t n = json_array_size(lines);
    json_decref(lines);
    return n;
}

static void write_raw(const char *text)
{
    FILE *out = fopen(path, "a");
    fputs(text, out);
    fclose(out);
}

static void lines_come_back_in_order(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct journal *journal = start(&fault);
    append(journal, "a\nb", 1);
    append(journal, "c", 2);
    journal_close(journal);
    json_t *lines = journal_load(path, &fault);
    assert_int_equal(json_array_size(lines), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 0), "kind")), "run");
    assert_string_equal(json_string_value(json_object_get(json_array_get(lines, 1), "done")), "a\nb");
    json_decref(lines);
}

static void a_torn_last_line_is_ignored_and_cut(void **state)
{
    (void)state;
    static const char *const torn[] = {"{\"done\":", "{\"done\":\"x\"}", "{", "\xff", "{\"done\":\"x\n"};
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        struct fault fault = {0};
        journal_close(start(&fault));
        write_raw(torn[i]);
        assert_int_equal(n_lines(), 1);
    }
    struct fault fault = {0};
    journal_close(start(&fault));
    write_raw("{\"done\":\"half");
    struct journal *journal = journal_open(path, NULL, &fault);
    assert_non_null(journal);
    append(journal, "whole", 1);
    journal_close(journal);
    assert_int_equal(n_lines(), 2);
}

static void damage_before_the_end_is_invalid(void **state)
{
    (void)state;
    struct fault fault = {0};
    journal_close(start(&fault));
    write_raw("{\"done\"\n{\"done\":\"b\"}\n");
    assert_null(journal_load(path, &fault));
    assert_int_equal(fault.code, EXIT_CODE_INVALID);
    assert_non_null(strstr(fault.text, "line 2"));
    assert_int_equal(truncate(path, 0), 0);
    assert_null(journal_load(path, &fault));
    assert_int_equal(fault.code, EXIT_CODE_INVALID);
}

static void missing_files_are_usage(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_null(journal_load("/nowhere/j", &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    assert_null(journal_open("/nowhere/j", NULL, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
}

static void one_writer_at_a_time(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct journal *first = start(&fault);
    append(first, "kept", 1);
    json_t *top = json_object();
    assert_null(journal_open(path, top, &fault));
    assert_non_null(strstr(fault.text, "another process"));
    json_decref(top);
    journal_close(first);
    assert_int_equal(n_lines(), 2);
}

static void a_failed_write_is_said_and_stays_failed(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *top = json_object();
    assert_null(journal_open("/dev/full", top, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    json_decref(top);
}

/* The child says each line it was told is safe; none of those may be missing after the kill. */
static void a_kill_loses_no_acknowledged_line(void **state)
{
    (void)state;
    uint64_t random = seed_of_test("journal kills");
    for (int i = 0; i < 60; i++) {
        int tell[2];
        assert_int_equal(pipe(tell), 0);
        pid_t child = fork();
        if (child == 0) {
            struct fault fault = {0};
            struct journal *journal = start(&fault);
            for (int k = 0;; k++) {
                append(journal, "cell", k);
                if (write(tell[1], "+", 1) != 1)
                    _exit(1);
            }
        }
        close(tell[1]);
        random = random * 6364136223846793005u + 1442695040888963407u;
        char said[4096];
        assert_int_equal(read(tell[0], said, 1), 1);
        usleep((useconds_t)((random >> 33) % 4000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        size_t acknowledged = 1;
        for (ssize_t n; (n = read(tell[0], said, sizeof said)) > 0;)
            acknowledged += (size_t)n;
        close(tell[0]);
        assert_true(n_lines() >= acknowledged + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_back_in_order),   cmocka_unit_test(a_torn_last_line_is_ignored_and_cut),
        cmocka_unit_test(damage_before_the_end_is_invalid), cmocka_unit_test(missing_files_are_usage),
        cmocka_unit_test(one_writer_at_a_time),       cmocka_unit_test(a_failed_write_is_said_and_stays_failed),
        cmocka_unit_test(a_kill_loses_no_acknowledged_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
