/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams: every request is delivered once, in order where that was asked for, in batches as the options say; a full queue holds
 * back, cancelling and draining leave nothing behind, and latencies count from the time a request was due.
 */
#include "model/stream.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { REQUESTS = 20000 };

static struct {
    _Atomic uint32_t times[REQUESTS];
    _Atomic size_t largest;
    _Atomic bool is_held; /* the service waits while this is set */
    uint64_t pause_ns;
} seen;

static void nap(uint64_t ns)
{
    nanosleep(&(struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)}, NULL);
}

static void serve(void *subject, int worker, const uint64_t *ids, size_t n)
{
    (void)subject;
    (void)worker;
    while (atomic_load(&seen.is_held))
        nap(100000);
    if (seen.pause_ns)
        nap(seen.pause_ns);
    for (size_t i = 0; i < n; i++)
        atomic_fetch_add(&seen.times[ids[i]], 1);
    if (n > atomic_load(&seen.largest))
        atomic_store(&seen.largest, n);
}

static void reset(void)
{
    memset(&seen, 0, sizeof seen);
}

static struct tern_stream *open_stream(struct tern_stream_options options, struct tern_latency *latency)
{
    struct tern_stream *s;
    struct tern_error err;
    options.serve = serve;
    assert_int_equal(tern_latency_open(latency, REQUESTS, &err), TERN_OK);
    if (tern_stream_open(&options, latency, &s, &err) != TERN_OK)
        fail_msg("%s", err.text);
    return s;
}

static void test_each_once(void **state)
{
    (void)state;
    static const char *const names[] = {"high_throughput", "low_latency"};
    for (int mode = 0; mode < TERN_STREAM_MODES; mode++) {
        for (int preset = 0; preset < 2; preset++) {
            struct tern_stream_options o = {.mode = (enum tern_stream_mode)mode, .workers = 2};
            struct tern_latency latency;
            assert_true(tern_stream_preset(names[preset], &o));
            reset();
            struct tern_stream *s = open_stream(o, &latency);
            for (uint64_t i = 0; i < REQUESTS; i++)
                assert_true(tern_stream_submit(s, i, 0, true));
            tern_stream_drain(s);
            struct tern_stream_counts c = tern_stream_counts(s);
            assert_int_equal(c.submitted, REQUESTS);
            assert_int_equal(c.delivered, REQUESTS);
            assert_int_equal(latency.n, REQUESTS);
            assert_true(c.longest <= o.queue && seen.largest <= o.buffer);
            for (size_t i = 0; i < REQUESTS; i++)
                assert_int_equal(seen.times[i], 1);
            tern_stream_close(s);
            tern_latency_close(&latency);
        }
    }
}

/* A full queue refuses who will not wait, and holds who will until there is room. */
static void test_back_pressure(void **state)
{
    (void)state;
    struct tern_stream_options o = {.mode = TERN_STREAM_PARALLEL, .workers = 1, .buffer = 2, .queue = 6, .wait_ns = 1000};
    struct tern_latency latency;
    reset();
    atomic_store(&seen.is_held, true);
    struct tern_stream *s = open_stream(o, &latency);
    uint64_t taken = 0;
    for (int tries = 0; tries < 200; tries++, nap(100000))
        taken += tern_stream_submit(s, taken, 0, false);
    assert_in_range(taken, 6, 8); /* the queue, and what the worker took */
    assert_true(tern_stream_counts(s).waits > 100);
    atomic_store(&seen.is_held, false);
    assert_true(tern_stream_submit(s, taken, 0, true));
    tern_stream_drain(s);
    assert_int_equal(tern_stream_counts(s).delivered, taken + 1);
    tern_stream_close(s);
    tern_latency_close(&latency);
}

/* A submitter that helps does what a full queue holds back, with workers beside it and without any; every request is served once. */
static void test_submitter_helps(void **state)
{
    (void)state;
    for (int workers = 0; workers < 3; workers++) {
        for (int ordered = 0; ordered < 2; ordered++) {
            struct tern_stream_options o = {.mode = TERN_STREAM_PARALLEL, .workers = workers, .buffer = 4, .queue = 16, .wait_ns = 1000,
                                            .is_ordered = ordered, .submitter_helps = true};
            struct tern_latency latency;
            reset();
            struct tern_stream *s = open_stream(o, &latency);
            for (uint64_t i = 0; i < 5000; i++)
                assert_true(tern_stream_submit(s, i, 0, true));
            tern_stream_drain(s);
            for (size_t i = 0; i < 5000; i++)
                assert_int_equal(seen.times[i], 1);
            assert_int_equal(tern_stream_counts(s).delivered, 5000);
            assert_true(atomic_load(&seen.largest) <= 4);
            tern_stream_close(s);
            tern_latency_close(&latency);
        }
    }
}

static void test_cancel(void **state)
{
    (void)state;
    for (int ordered = 0; ordered < 2; ordered++) {
        struct tern_stream_options o = {.mode = TERN_STREAM_PARALLEL, .workers = 1, .buffer = 4, .queue = 100, .wait_ns = 1000, .is_ordered = ordered};
        struct tern_latency latency;
        reset();
        atomic_store(&seen.is_held, true);
        struct tern_stream *s = open_stream(o, &latency);
        for (uint64_t i = 0; i < 50; i++)
            tern_stream_submit(s, i, 0, true);
        size_t cancelled = tern_stream_cancel(s);
        assert_in_range(cancelled, 46, 50);
        atomic_store(&seen.is_held, false);
        for (uint64_t i = 50; i < 80; i++)
            tern_stream_submit(s, i, 0, true);
        tern_stream_drain(s);
        assert_int_equal(tern_stream_counts(s).delivered, 80 - cancelled);
        for (size_t i = 50; i < 80; i++)
            assert_int_equal(seen.times[i], 1);
        tern_stream_close(s);
        tern_latency_close(&latency);
    }
}

/* A lone request is served when it has waited long enough, and latency counts from when it was due, not from when it came. */
static void test_due(void **state)
{
    (void)state;
    struct tern_stream_options o = {.mode = TERN_STREAM_TIMED, .workers = 1, .buffer = 32, .queue = 64, .wait_ns = 20000000};
    struct tern_latency latency;
    reset();
    struct tern_stream *s = open_stream(o, &latency);
    uint64_t start = tern_stream_now();
    tern_stream_submit(s, 0, start, true);
    while (tern_stream_counts(s).delivered == 0)
        nap(100000);
    assert_true(tern_latency_quantile(&latency, 1) >= 20000000);
    tern_stream_submit(s, 1, tern_stream_now() - 500000000, true); /* half a second late: served at once */
    while (tern_stream_counts(s).delivered == 1)
        nap(100000);
    assert_true(tern_latency_quantile(&latency, 1) >= 500000000);
    tern_stream_close(s);
    tern_latency_close(&latency);
}

static void test_batches(void **state)
{
    (void)state;
    assert_int_equal(tern_stream_batch(0, 100, 32), 32);
    assert_int_equal(tern_stream_batch(1000, 100, 32), 10);
    assert_int_equal(tern_stream_batch(50, 100, 32), 1);
    assert_int_equal(tern_stream_batch(SIZE_MAX, 1, 128), 128);
    struct tern_stream_options o = {.mode = TERN_STREAM_PARALLEL, .workers = 1, .buffer = 32, .queue = 64, .wait_ns = 1000000000, .byte_budget = 700, .request_bytes = 100};
    struct tern_latency latency;
    reset();
    struct tern_stream *s = open_stream(o, &latency);
    for (uint64_t i = 0; i < 70; i++)
        tern_stream_submit(s, i, 0, true);
    tern_stream_drain(s);
    assert_true(seen.largest <= 7);
    tern_stream_close(s);
    tern_latency_close(&latency);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct tern_stream_options wrong[] = {
        {.mode = TERN_STREAM_PARALLEL, .workers = 1, .buffer = 0, .queue = 10},  {.mode = TERN_STREAM_PARALLEL, .workers = 1, .buffer = 129, .queue = 200},
        {.mode = TERN_STREAM_PARALLEL, .workers = 1, .buffer = 8, .queue = 7},   {.mode = TERN_STREAM_PARALLEL, .workers = 0, .buffer = 8, .queue = 8},
        {.mode = TERN_STREAM_PARALLEL, .workers = 65, .buffer = 8, .queue = 8},
    };
    struct tern_stream *s;
    struct tern_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(tern_stream_open(&wrong[i], NULL, &s, &err), TERN_INVALID);
    struct tern_stream_options o;
    assert_false(tern_stream_preset("fast", &o));
}

/* Quantiles by nearest rank; above the limit from the histogram, off by less than 1/128. */
static void test_quantiles(void **state)
{
    (void)state;
    struct tern_latency exact, rough;
    assert_int_equal(tern_latency_open(&exact, 1000, NULL), TERN_OK);
    assert_int_equal(tern_latency_open(&rough, 10, NULL), TERN_OK);
    for (uint64_t i = 1000; i >= 1; i--) {
        tern_latency_add(&exact, i * i * 37);
        tern_latency_add(&rough, i * i * 37);
    }
    assert_true(tern_latency_is_exact(&exact) && !tern_latency_is_exact(&rough));
    static const double qs[] = {0.001, 0.5, 0.95, 0.99, 0.999, 1};
    for (size_t k = 0; k < sizeof qs / sizeof *qs; k++) {
        uint64_t rank = (uint64_t)(qs[k] * 1000 + 0.5), right = rank * rank * 37, near = tern_latency_quantile(&rough, qs[k]);
        assert_int_equal(tern_latency_quantile(&exact, qs[k]), right);
        assert_true(near >= right && near <= right + right / 128 + 1);
    }
    tern_latency_clear(&exact);
    assert_int_equal(tern_latency_quantile(&exact, 0.5), 0);
    tern_latency_add(&exact, UINT64_MAX);
    assert_true(tern_latency_quantile(&exact, 0.5) == UINT64_MAX);
    tern_latency_close(&exact);
    tern_latency_close(&rough);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once), cmocka_unit_test(test_back_pressure), cmocka_unit_test(test_submitter_helps), cmocka_unit_test(test_cancel),    cmocka_unit_test(test_due),
        cmocka_unit_test(test_batches),   cmocka_unit_test(test_refused),       cmocka_unit_test(test_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
