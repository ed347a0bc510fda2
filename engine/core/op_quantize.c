/* SPDX-License-Identifier: Apache-2.0
 * The operation quantize: float rows to int8 by their largest magnitude. */
#include "core/error.h"
#include "core/linear.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct quantizer {
    size_t batch, k;
    int threads;
    float *x;
    struct tern_activations a;
    const struct tern_kernels *kernels;
};

static const struct tern_op_param params[] = {
    { "backend", "auto", "instruction set" }, { "k", "2560", "values of a row" },       { "batch", "1", "rows" },
    { "threads", "1", "parts of a call" },    { "seed", "1", "of the values" },         { NULL, NULL, NULL },
};

static enum tern_status bind(struct tern_op *op, struct tern_error *error)
{
    uint64_t seed;
    enum tern_status status;
    struct quantizer *s = op->state = tern_array_open(1, sizeof *s);
    if (!s)
        return tern_error_memory(error, "quantize", sizeof *s);
    s->kernels = &op->backend->kernels;
    if ((status = tern_op_size(op, "k", 0, TERN_K_MAX, &s->k, error)) || (status = tern_op_size(op, "batch", 0, 65536, &s->batch, error)) ||
        (status = tern_op_seed(op, "seed", &seed, error)) || (status = tern_op_threads(op, "threads", tern_threads_allowed(), &s->threads, error)) ||
        (status = tern_activations_open(&s->a, s->batch, s->k, error)))
        return status;
    if (!(s->x = tern_block_open(s->batch * s->k * sizeof *s->x)))
        return tern_error_memory(error, "values", s->batch * s->k * sizeof *s->x);
    for (size_t b = 0; b < s->batch; b++)
        tern_random_floats(tern_random_start(seed, 2, b), 1.0f + (float)(b % 7), s->x + b * s->k, s->k);
    snprintf(op->why, sizeof op->why, "one kernel for all shapes, %d thread%s", s->threads, s->threads == 1 ? "" : "s");
    return TERN_OK;
}

static void part(void *data, int id, int n)
{
    struct quantizer *s = data;
    size_t from, to;
    tern_share(s->batch, id, n, &from, &to);
    tern_activations_fill(&s->a, s->kernels, s->x, from, to);
}

static void run(struct tern_op *op)
{
    struct quantizer *s = op->state;
    tern_team_run(s->threads, part, s);
}

static enum tern_status check(struct tern_op *op, struct tern_error *error)
{
    struct quantizer *s = op->state;
    int8_t *q = tern_array_open(1, s->a.stride);
    enum tern_status status = q ? TERN_OK : tern_error_memory(error, "check", s->a.stride);
    memset(s->a.q, 0x55, s->batch * s->a.stride);
    tern_op_run(op, 1);
    for (size_t b = 0; !status && b < s->batch && b < 64; b++) {
        int32_t sum;
        float scale = tern_backend_scalar()->kernels.quantize(s->x + b * s->k, s->k, q, s->a.stride, &sum);
        if (memcmp(q, s->a.q + b * s->a.stride, s->a.stride) || sum != s->a.sum[b] || memcmp(&scale, &s->a.scale[b], sizeof scale))
            status = tern_error_set(error, TERN_WRONG, "quantize on %s: row %zu differs from scalar", op->backend->name, b);
    }
    tern_array_close(q);
    return status;
}

static void work(const struct tern_op *op, struct tern_work *work)
{
    const struct quantizer *s = op->state;
    double values = (double)s->batch * (double)s->k;
    work->ops = 2 * values;
    work->bytes = 5 * values;
    work->items = (double)s->batch;
}

static void close(struct tern_op *op)
{
    struct quantizer *s = op->state;
    tern_activations_close(&s->a);
    tern_block_close(s->x, s->batch * s->k * sizeof *s->x);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_quantize = {
    "quantize", "float rows to int8 by their largest magnitude", params, bind, run, check, work, close,
};
