/* SPDX-License-Identifier: Apache-2.0
 * The monitor of running programs: windows, names, alarms once a change, lines, and nothing while it is off. */
#include "tern.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    size_t calls, alarms;
    struct tern_monitor_window last;
    char name[TERN_MONITOR_NAME];
};

static void take(void *context, const struct tern_monitor_window *w)
{
    struct seen *s = context;
    s->calls++;
    s->alarms += w->alarm != 0;
    s->last = *w;
    snprintf(s->name, sizeof s->name, "%s", w->name);
}

static void start(struct seen *s)
{
    struct tern_error error;
    *s = (struct seen){ 0 };
    assert_int_equal(tern_monitor_start(&(struct tern_monitor){ .hook = take, .context = s }, &error), TERN_OK);
}

/* n samples about a level, with a spread of 4 %. */
static void feed(const char *name, double level, size_t n)
{
    static uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        tern_monitor_sample(name, level * (1 + 0.08 * ((double)(state >> 8) / 16777216.0 - 0.5)));
    }
}

static void an_alarm_comes_once_a_change(void **unused)
{
    (void)unused;
    struct seen s;
    struct tern_error error;
    start(&s);
    assert_int_equal(tern_monitor_baseline("mine", 1000, &error), TERN_OK);
    feed("mine", 1000, 6400);
    feed("mine", 1040, 6400);
    assert_int_equal(s.alarms, 0);
    feed("mine", 1100, 16);
    assert_int_equal(s.alarms, 0);  /* the window is not yet sure */
    feed("mine", 1100, 6400);
    assert_int_equal(s.alarms, 1);
    assert_true(s.last.above && fabs(s.last.ratio - 1.1) < 0.02);
    feed("mine", 1000, 640);
    assert_false(s.last.above);
    feed("mine", 1100, 640);
    assert_int_equal(s.alarms, 2);
    tern_monitor_stop();
}

static void single_outliers_raise_nothing(void **unused)
{
    (void)unused;
    struct seen s;
    struct tern_error error;
    start(&s);
    tern_monitor_baseline("spiky", 1000, &error);
    for (int i = 0; i < 1000; i++) {
        feed("spiky", 1000, 3);
        feed("spiky", 9000, 1);
    }
    assert_int_equal(s.alarms, 0);
    tern_monitor_stop();
}

static void ops_are_watched_by_name(void **unused)
{
    (void)unused;
    struct seen s;
    struct tern_error error;
    struct tern_op *op;
    const struct tern_param params[] = { { "shape", "64x256" }, { "backend", "scalar" } };
    start(&s);
    assert_int_equal(tern_op_bind("bitlinear", params, 2, &op, &error), TERN_OK);
    for (int i = 0; i < 160; i++)
        tern_op_run(op, 2);
    assert_int_equal(s.calls, 10);
    assert_int_equal(s.last.n, 64);
    assert_int_equal(s.last.total, 160);
    assert_non_null(strstr(s.name, "bitlinear/"));
    assert_non_null(strstr(s.name, "/shape=64x256"));
    assert_true(s.last.median_ns > 0 && s.last.baseline_ns == 0 && !s.last.alarm);
    tern_monitor_stop();
    tern_op_run(op, 32);
    feed("mine", 1000, 64);
    assert_int_equal(s.calls, 10);
    tern_op_close(op);
}

static void nonsense_is_refused(void **unused)
{
    (void)unused;
    struct tern_error error;
    assert_int_equal(tern_monitor_start(&(struct tern_monitor){ .window = 64 }, &error), TERN_INVALID);
    assert_int_equal(tern_monitor_start(&(struct tern_monitor){ .hook = take, .window = 5000 }, &error), TERN_INVALID);
    assert_int_equal(tern_monitor_start(&(struct tern_monitor){ .hook = take, .window = 16, .every = 17 }, &error), TERN_INVALID);
    assert_int_equal(tern_monitor_baseline("x", NAN, &error), TERN_INVALID);
    assert_int_equal(tern_monitor_baseline("x", -1, &error), TERN_INVALID);
}

static void lines_are_written_and_a_reader_that_leaves_does_no_harm(void **unused)
{
    (void)unused;
    int pair[2];
    char line[4096];
    struct tern_error error;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    const struct tern_monitor m = { .hook = tern_monitor_write, .context = (void *)(intptr_t)pair[1] };
    assert_int_equal(tern_monitor_start(&m, &error), TERN_OK);
    for (int i = 0; i < 16; i++)
        tern_monitor_sample("a \"name\"\n", 1000 + i);
    ssize_t n = read(pair[0], line, sizeof line - 1);
    assert_true(n > 0);
    line[n] = 0;
    assert_string_equal(line, "{\"name\":\"a \\\"name\\\"\\u000a\",\"total\":16,\"ns\":[1000,1001,1002,1003,1004,1005,1006,1007,1008,1009,1010,1011,1012,1013,1014,1015]}\n");
    for (int i = 0; i < 1000000; i++)  /* nobody reads: lines are lost, nothing waits */
        tern_monitor_sample("flood", 1);
    close(pair[0]);
    for (int i = 0; i < 100; i++)
        tern_monitor_sample("gone", 1);
    tern_monitor_stop();
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alarm_comes_once_a_change),
        cmocka_unit_test(single_outliers_raise_nothing),
        cmocka_unit_test(ops_are_watched_by_name),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(lines_are_written_and_a_reader_that_leaves_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
