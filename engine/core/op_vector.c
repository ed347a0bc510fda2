/* SPDX-License-Identifier: Apache-2.0
 * The operations of a layer other than its products, on seeded rows: rms_norm, gate, add, rope, softmax, and the two that are fused with
 * quantisation (with fused=0 they are done one after the other, so that fusion shows what it saves). */
#include "core/error.h"
#include "core/linear.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vectors {
    size_t n, batch;
    int threads;
    bool fused;
    const struct tern_kernels *kernels;
    void (*row)(struct vectors *s, const struct tern_kernels *kernels, size_t b);
    float *block;              /* all four of: */
    float *a, *b, *y, *before; /* batch x n; `before` is what y starts from in the operations that work in place */
    struct tern_activations q;
    bool quantizes;
};

#define VECTOR_PARAMS \
    { "backend", "auto", "instruction set" }, { "n", "2560", "values of a row" }, { "batch", "1", "rows" }, \
    { "threads", "1", "parts of a call" }, { "seed", "1", "of the values" }
static const struct tern_op_param plain_params[] = { VECTOR_PARAMS, { NULL, NULL, NULL } };
static const struct tern_op_param fused_params[] = { VECTOR_PARAMS, { "fused", "1", "0: quantise in a second pass" }, { NULL, NULL, NULL } };

/* ---- one row of each */

static void row_rms_norm(struct vectors *s, const struct tern_kernels *k, size_t b)
{
    k->vector.rms_norm(s->a + b * s->n, s->b, s->n, 1e-5f, s->y + b * s->n);
}

static void row_gate(struct vectors *s, const struct tern_kernels *k, size_t b)
{
    k->vector.gate(s->a + b * s->n, s->b + b * s->n, s->n, s->y + b * s->n);
}

static void row_add(struct vectors *s, const struct tern_kernels *k, size_t b)
{
    k->vector.add(s->a + b * s->n, s->n, s->y + b * s->n);
}

static void row_rope(struct vectors *s, const struct tern_kernels *k, size_t b)
{
    k->vector.rope(s->y + b * s->n, s->a, s->b, s->n / 2 * 2);
}

static void row_softmax(struct vectors *s, const struct tern_kernels *k, size_t b)
{
    k->vector.softmax(s->y + b * s->n, s->n);
}

static void row_rms_norm_quantize(struct vectors *s, const struct tern_kernels *k, size_t b)
{
    const float *x = s->a + b * s->n;
    int8_t *q = s->q.q + b * s->q.stride;
    if (s->fused) {
        s->q.scale[b] = k->vector.rms_norm_quantize(x, s->b, s->n, 1e-5f, q, s->q.stride, &s->q.sum[b]);
        return;
    }
    row_rms_norm(s, k, b);
    s->q.scale[b] = k->quantize(s->y + b * s->n, s->n, q, s->q.stride, &s->q.sum[b]);
}

static void row_gate_quantize(struct vectors *s, const struct tern_kernels *k, size_t b)
{
    int8_t *q = s->q.q + b * s->q.stride;
    if (s->fused) {
        s->q.scale[b] = k->vector.gate_quantize(s->a + b * s->n, s->b + b * s->n, s->n, q, s->q.stride, &s->q.sum[b]);
        return;
    }
    row_gate(s, k, b);
    s->q.scale[b] = k->quantize(s->y + b * s->n, s->n, q, s->q.stride, &s->q.sum[b]);
}

/* ---- bind, run, check */

enum { N_ROWS = 4 };

/* Values from one of the four to the next, all in one block: three rows of 2,560 all but fill a first-level cache of 32 KiB, and in blocks of their
 * own they met in some of its sets or not, process by process. */
static size_t stride_of(const struct vectors *s)
{
    return (s->batch * s->n + 15) / 16 * 16;
}

static enum tern_status make(struct vectors *s, uint64_t seed, struct tern_error *error)
{
    size_t all = s->batch * s->n, bytes = all * sizeof(float);
    size_t whole = N_ROWS * stride_of(s) * sizeof(float);
    float **rows[N_ROWS] = { &s->a, &s->b, &s->y, &s->before };
    if (!(s->block = tern_block_open(whole)))
        return tern_error_memory(error, "rows", whole);
    for (size_t i = 0; i < N_ROWS; i++) {
        *rows[i] = s->block + i * stride_of(s);
        tern_random_floats(tern_random_start(seed, 2, i), 1.0f, *rows[i], all);
    }
    memcpy(s->y, s->before, bytes);
    return tern_activations_open(&s->q, s->batch, s->n, error);
}

static enum tern_status bind_vectors(struct tern_op *op, struct vectors kind, struct tern_error *error)
{
    struct vectors *s = op->state = tern_array_open(1, sizeof *s);
    uint64_t seed = 0;
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    *s = kind;
    s->kernels = &op->backend->kernels;
    if ((status = tern_op_size(op, "n", 1, 1 << 24, &s->n, error)) || (status = tern_op_size(op, "batch", 0, 65536, &s->batch, error)) ||
        (status = tern_op_seed(op, "seed", &seed, error)) || (status = tern_op_threads(op, "threads", tern_threads_allowed(), &s->threads, error)) ||
        (s->quantizes && (status = tern_op_flag(op, "fused", &s->fused, error))) || (status = make(s, seed, error)))
        return status;
    snprintf(op->why, sizeof op->why, "one kernel for all shapes, %d thread%s", s->threads, s->threads == 1 ? "" : "s");
    return TERN_OK;
}

static void part(void *data, int id, int n)
{
    struct vectors *s = data;
    size_t from, to;
    tern_share(s->batch, id, n, &from, &to);
    for (size_t b = from; b < to; b++)
        s->row(s, s->kernels, b);
}

static void run(struct tern_op *op)
{
    struct vectors *s = op->state;
    tern_team_run(s->threads, part, s);
}

/* Both backends from the same start; integers, sums and scales too where there are any. */
static enum tern_status check(struct tern_op *op, struct tern_error *error)
{
    struct vectors *s = op->state, reference = *s;
    size_t rows = s->batch < 64 ? s->batch : 64, bytes = s->batch * s->n * sizeof(float);
    enum tern_status status = tern_activations_open(&reference.q, s->batch, s->n, error);
    reference.y = tern_array_open(1, bytes + 1);
    if (!status && !reference.y)
        status = tern_error_memory(error, "check", bytes);
    if (!status) {
        memcpy(s->y, s->before, bytes);
        memcpy(reference.y, s->before, bytes);
        tern_op_run(op, 1);
        for (size_t b = 0; b < rows; b++)
            s->row(&reference, &tern_backend_scalar()->kernels, b);
        bool same = s->quantizes ? !memcmp(s->q.q, reference.q.q, rows * s->q.stride) && !memcmp(s->q.scale, reference.q.scale, rows * 4) &&
                                           !memcmp(s->q.sum, reference.q.sum, rows * 4)
                                 : !memcmp(s->y, reference.y, rows * s->n * sizeof(float));
        if (!same)
            status = tern_error_set(error, TERN_WRONG, "%s on %s: differs from scalar", op->row->name, op->backend->name);
    }
    tern_array_close(reference.y);
    tern_activations_close(&reference.q);
    return status;
}

static void work(const struct tern_op *op, struct tern_work *work)
{
    const struct vectors *s = op->state;
    work->bytes = (double)s->batch * (double)s->n * (s->quantizes ? 9 : 12);
    work->items = (double)s->batch;
}

static void close(struct tern_op *op)
{
    struct vectors *s = op->state;
    tern_block_close(s->block, N_ROWS * stride_of(s) * sizeof(float));
    tern_activations_close(&s->q);
    tern_array_close(s);
}

#define VECTOR_OP(name, about, params, quantizes_) \
    static enum tern_status bind_##name(struct tern_op *op, struct tern_error *error) \
    { \
        return bind_vectors(op, (struct vectors){ .row = row_##name, .quantizes = quantizes_ }, error); \
    } \
    const struct tern_op_row tern_op_row_##name = { #name, about, params, bind_##name, run, check, work, close };
VECTOR_OP(rms_norm, "RMS norm of rows", plain_params, false)
VECTOR_OP(gate, "squared ReLU of one half times the other", plain_params, false)
VECTOR_OP(add, "residual add", plain_params, false)
VECTOR_OP(rope, "rotary position of a head", plain_params, false)
VECTOR_OP(softmax, "softmax of rows", plain_params, false)
VECTOR_OP(rms_norm_quantize, "RMS norm and quantisation", fused_params, true)
VECTOR_OP(gate_quantize, "squared ReLU, gate and quantisation", fused_params, true)
