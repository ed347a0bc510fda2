/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream of requests as an operation. One request is one inference of the headline: a row of floats is quantised and goes
 * through one ternary layer. One run is `requests` of them, submitted and drained.
 */
#include "core/error.h"
#include "core/linear.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"
#include "model/stream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TAG_WEIGHTS = 0x71, TAG_INPUTS, TAG_ARRIVALS, INPUTS = 256, CALIBRATION = 2000 };

/* What one worker has for itself. */
struct lane {
    struct tern_activations a;
    float *y;
};

struct stream_op {
    struct tern_linear *linear;
    float *inputs; /* INPUTS x K; request i takes row i % INPUTS */
    struct lane lanes[TERN_STREAM_WORKERS_MAX + 1]; /* the last is the submitter's */
    int n_lanes, team;  /* team: threads that share one request of a sequential stream */
    const uint64_t *now; /* the ids that the team serves */
    size_t n_now;
    struct tern_stream_options options;
    struct tern_latency latency;
    struct tern_stream *stream;
    uint64_t *arrivals; /* timed: due times from the start of a run */
    size_t requests, k, n;
    double service_ns, load;
};

static const struct tern_op_param params[] = {
    {"backend", "auto", "instruction set"},
    {"shape", "768x768", "outputs x inputs of the layer"},
    {"mode", "parallel", "sequential, parallel or timed"},
    {"preset", "high_throughput", "high_throughput or low_latency"},
    {"load", "0.5", "timed: arrivals as a share of what one worker serves, one request a batch"},
    {"requests", "2000", "of one run"},
    {"workers", "auto", "threads that serve: one request together (sequential), or batches beside each other"},
    {"byte_budget", "0", "bytes that a batch's activations may take; 0: no limit"},
    {"seed", "1", "of weights, inputs and arrivals"},
    {NULL, NULL, NULL},
};

static void seeded_row(const void *seed, size_t n, size_t k, int8_t *trits)
{
    tern_random_trits(tern_random_start(*(const uint64_t *)seed, TAG_WEIGHTS, n), 0.667, trits, k);
}

static void quantize(const struct stream_op *s, struct tern_activations *a, const uint64_t *ids, size_t n)
{
    const struct tern_kernels *kernels = &s->linear->backend->kernels;
    for (size_t i = 0; i < n; i++)
        a->scale[i] = kernels->quantize(s->inputs + ids[i] % INPUTS * s->k, s->k, a->q + i * a->stride, a->stride, &a->sum[i]);
}

/* By one worker, beside others. */
static void serve(void *subject, int worker, const uint64_t *ids, size_t n)
{
    struct stream_op *s = subject;
    struct lane *lane = &s->lanes[worker];
    quantize(s, &lane->a, ids, n);
    tern_linear_part(s->linear, &lane->a, n, 0, lane->y, 0, 1);
}

/* Each thread quantises for itself, which costs less than waiting for another to do it, and does its share of the outputs. */
static void part(void *subject, int id, int n)
{
    struct stream_op *s = subject;
    struct tern_activations *a = &s->lanes[id].a;
    quantize(s, a, s->now, s->n_now);
    tern_linear_part(s->linear, a, s->n_now, 0, s->lanes[0].y, id, n);
}

/* By all threads together: nothing else is there to do. */
static void serve_together(void *subject, int worker, const uint64_t *ids, size_t n)
{
    struct stream_op *s = subject;
    (void)worker;
    s->now = ids;
    s->n_now = n;
    tern_team_run(s->team, part, s);
}

/* ---- bind */

static enum tern_status read_params(struct tern_op *op, struct stream_op *s, uint64_t *seed, struct tern_error *error)
{
    static const char *const modes[] = {"sequential", "parallel", "timed", NULL}, *const presets[] = {"high_throughput", "low_latency", NULL};
    size_t shape[2], mode = 0, preset = 0;
    enum tern_status status;
    if ((status = tern_op_shape(op, "shape", 2, shape, error)) || (status = tern_op_choice(op, "mode", modes, &mode, error)) ||
        (status = tern_op_choice(op, "preset", presets, &preset, error)) || (status = tern_op_number(op, "load", 0.001, 100, &s->load, error)) ||
        (status = tern_op_size(op, "requests", 1, 1000000, &s->requests, error)) || (status = tern_op_seed(op, "seed", seed, error)) ||
        (status = tern_op_size(op, "byte_budget", 0, SIZE_MAX, &s->options.byte_budget, error)))
        return status;
    s->n = shape[0];
    s->k = shape[1];
    tern_stream_preset(presets[preset], &s->options);
    s->options.mode = (enum tern_stream_mode)mode;
    /* Who submits needs a CPU: to be on time, or to help. A sequential stream's threads serve one request together. */
    int usual = tern_threads_allowed() - (s->options.mode != TERN_STREAM_SEQUENTIAL);
    usual = usual < 1 ? 1 : usual > TERN_STREAM_WORKERS_MAX ? TERN_STREAM_WORKERS_MAX : usual;
    if ((status = tern_op_threads(op, "workers", usual, &s->options.workers, error)))
        return status;
    s->options.submitter_helps = s->options.mode == TERN_STREAM_PARALLEL;
    s->team = s->options.workers;
    return s->options.workers <= TERN_STREAM_WORKERS_MAX ? TERN_OK : tern_error_set(error, TERN_INVALID, "stream: at most %d workers", TERN_STREAM_WORKERS_MAX);
}

static enum tern_status open_lanes(struct stream_op *s, struct tern_error *error)
{
    for (int i = 0; i < s->options.workers + s->options.submitter_helps; i++) {
        enum tern_status status = tern_activations_open(&s->lanes[i].a, TERN_STREAM_BUFFER_MAX, s->k, error);
        s->n_lanes = i + 1;
        s->lanes[i].y = tern_array_open(TERN_STREAM_BUFFER_MAX * s->n, sizeof *s->lanes[i].y);
        if (status != TERN_OK || !s->lanes[i].y)
            return status != TERN_OK ? status : tern_error_memory(error, "a worker", TERN_STREAM_BUFFER_MAX * s->n * sizeof(float));
    }
    return TERN_OK;
}

/* What one request costs alone: the load is measured against it. */
static void calibrate(struct stream_op *s)
{
    uint64_t best = UINT64_MAX;
    for (int turn = 0; turn < 5; turn++) {
        uint64_t start = tern_stream_now();
        for (uint64_t i = 0; i < CALIBRATION; i++)
            serve(s, 0, &i, 1);
        uint64_t took = tern_stream_now() - start;
        best = took < best ? took : best;
    }
    s->service_ns = (double)best / CALIBRATION;
}

/* Independent arrivals: exponential gaps with the mean that the load asks for. */
static enum tern_status fix_arrivals(struct stream_op *s, uint64_t seed, struct tern_error *error)
{
    double mean = s->service_ns / s->load, at = 0;
    uint64_t state = tern_random_start(seed, TAG_ARRIVALS, 0);
    s->arrivals = tern_array_open(s->requests, sizeof *s->arrivals);
    if (!s->arrivals)
        return tern_error_memory(error, "arrival times", s->requests * sizeof *s->arrivals);
    for (size_t i = 0; i < s->requests; i++) {
        at -= mean * log(((double)(tern_random_next(&state) >> 11) + 1) * 0x1p-53);
        s->arrivals[i] = (uint64_t)at;
    }
    return TERN_OK;
}

static double latency_of(struct tern_op *op, double quantile)
{
    struct stream_op *s = op->state;
    return s->latency.n ? (double)tern_latency_quantile(&s->latency, quantile) : -1;
}

static enum tern_status bind_stream(struct tern_op *op, struct tern_error *error)
{
    uint64_t seed = 1;
    struct stream_op *s = op->state = tern_array_open(1, sizeof *s);
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    enum tern_status status = read_params(op, s, &seed, error);
    struct tern_linear_spec spec = {.n = s->n, .k = s->k, .scale = 0.37f, .storage = TERN_STORAGES, .batch = s->options.buffer, .source = seeded_row, .data = &seed};
    if (status == TERN_OK)
        status = tern_linear_bind(op->backend, &spec, &s->linear, error);
    if (status == TERN_OK)
        status = open_lanes(s, error);
    if (status == TERN_OK && !(s->inputs = tern_array_open(1, INPUTS * s->k * sizeof *s->inputs + 1)))
        status = tern_error_memory(error, "inputs", INPUTS * s->k * sizeof *s->inputs);
    if (status != TERN_OK)
        return status;
    for (size_t i = 0; i < INPUTS; i++)
        tern_random_floats(tern_random_start(seed, TAG_INPUTS, i), 1, s->inputs + i * s->k, s->k);
    calibrate(s);
    op->latency = latency_of;
    s->options.serve = s->options.mode == TERN_STREAM_SEQUENTIAL ? serve_together : serve;
    s->options.subject = s;
    s->options.request_bytes = s->k * (1 + sizeof(float)) + s->n * sizeof(float);
    if ((status = fix_arrivals(s, seed, error)) || (status = tern_latency_open(&s->latency, s->requests, error)))
        return status;
    snprintf(op->why, sizeof op->why, "%s, buffer %zu, queue %zu, %s, %d worker%s; a request alone takes %.2f us",
             tern_linear_kernel(s->linear, s->options.buffer)->name, tern_stream_batch(s->options.byte_budget, s->options.request_bytes, s->options.buffer),
             s->options.queue, s->options.is_ordered ? "ordered" : "unordered", s->options.workers, s->options.workers == 1 ? "" : "s", s->service_ns * 1e-3);
    return tern_stream_open(&s->options, &s->latency, &s->stream, error);
}

/* ---- run */

/* Sleeps while there is long to wait, then looks at the clock. */
static void wait_until(uint64_t due)
{
    enum { SLEEP_ABOVE = 200000, WAKE_EARLY = 100000 };
    for (uint64_t now; (now = tern_stream_now()) < due;)
        if (due - now > SLEEP_ABOVE)
            nanosleep(&(struct timespec){0, (long)((due - now - WAKE_EARLY) % 1000000000u)}, NULL);
}

static void run_stream(struct tern_op *op)
{
    struct stream_op *s = op->state;
    bool is_timed = s->options.mode == TERN_STREAM_TIMED;
    tern_latency_clear(&s->latency);
    uint64_t start = tern_stream_now();
    for (size_t i = 0; i < s->requests; i++) {
        if (is_timed)
            wait_until(start + s->arrivals[i]);
        tern_stream_submit(s->stream, i, is_timed ? start + s->arrivals[i] : 0, true);
    }
    tern_stream_drain(s->stream);
}

/* Each worker's layer against scalar on one input, exactly; then a run in which every request is delivered. */
static enum tern_status check_stream(struct tern_op *op, struct tern_error *error)
{
    struct stream_op *s = op->state;
    int8_t *trits = tern_array_open(1, s->k + 1);
    float sum = 0;
    if (!trits)
        return tern_error_memory(error, "check", s->k);
    s->options.serve(s, 0, &(uint64_t){3}, 1);
    const struct lane *lane = &s->lanes[0];
    enum tern_status status = TERN_OK;
    for (size_t row = 0; row < s->n && status == TERN_OK; row += 17) {
        int32_t exact = 0;
        tern_linear_row(s->linear, row, trits);
        for (size_t i = 0; i < s->k; i++)
            exact += trits[i] * lane->a.q[i];
        sum = (float)exact * (lane->a.scale[0] * s->linear->scale);
        if (fabsf(sum - lane->y[row]) > 1e-5f * fabsf(sum) + 1e-6f)
            status = tern_error_set(error, TERN_WRONG, "stream on %s: output %zu is %.9g, expected %.9g", op->backend->name, row, (double)lane->y[row], (double)sum);
    }
    tern_array_close(trits);
    run_stream(op);
    if (status == TERN_OK && s->latency.n != s->requests)
        status = tern_error_set(error, TERN_WRONG, "stream: %llu of %zu requests were delivered", (unsigned long long)s->latency.n, s->requests);
    return status;
}

static void work_stream(const struct tern_op *op, struct tern_work *work)
{
    const struct stream_op *s = op->state;
    work->items = (double)s->requests;
    work->ops = 2 * (double)s->n * (double)s->k * (double)s->requests;
}

static void close_stream(struct tern_op *op)
{
    struct stream_op *s = op->state;
    tern_stream_close(s->stream);
    for (int i = 0; i < s->n_lanes; i++) {
        tern_activations_close(&s->lanes[i].a);
        tern_array_close(s->lanes[i].y);
    }
    tern_linear_close(s->linear);
    tern_latency_close(&s->latency);
    tern_array_close(s->inputs);
    tern_array_close(s->arrivals);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_stream = {
    "stream", "requests through a bounded queue, batches of one ternary layer", params, bind_stream, run_stream, check_stream, work_stream, close_stream,
};
