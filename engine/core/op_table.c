/* SPDX-License-Identifier: Apache-2.0
 * Operations on tables of rows: attention over a cache, logits over a vocabulary, embedding look-up. */
#include "core/attention.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"
#include "core/threads.h"
#include "format/quants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const types[] = { "f32", "f16", "int8", NULL };
static const size_t widths[TERN_ELEMENTS] = { 4, 2, 1 };

/* A seeded table of n rows of d elements. */
struct table {
    struct tern_rows rows;
    void *data;
    float *scale;
    size_t bytes, n;
};

static void fill_row(struct table *t, size_t row, size_t d, uint64_t seed, float *room)
{
    char *at = (char *)t->data + row * t->rows.stride;
    uint64_t start = tern_random_start(seed, 3, row);
    t->scale[row] = 0.01f + 0.001f * (float)(row % 13);
    if (t->rows.type == TERN_I8) {
        tern_random_int8(start, (int8_t *)at, d);
        return;
    }
    tern_random_floats(start, 1.0f, room, d);
    for (size_t i = 0; i < d; i++) {
        uint16_t half = tern_float_to_half(room[i]);
        memcpy(at + i * widths[t->rows.type], t->rows.type == TERN_F16 ? (const void *)&half : (const void *)&room[i], widths[t->rows.type]);
    }
}

static enum tern_status open_table(struct table *t, enum tern_element type, size_t n, size_t d, uint64_t seed, struct tern_error *error)
{
    float *room = tern_array_open(1, (d + 1) * sizeof *room);
    t->n = n;
    t->bytes = n * d * widths[type];
    t->data = tern_block_open(t->bytes);
    t->scale = tern_block_open(n * sizeof *t->scale);
    t->rows = (struct tern_rows){ .type = type, .data = t->data, .stride = d * widths[type], .scale = t->scale, .scale_stride = 1 };
    bool ok = room && t->data && t->scale;
    for (size_t row = 0; ok && row < n; row++)
        fill_row(t, row, d, seed, room);
    tern_array_close(room);
    return ok ? TERN_OK : tern_error_memory(error, "table", t->bytes);
}

static void close_table(struct table *t)
{
    tern_block_close(t->data, t->bytes);
    tern_block_close(t->scale, t->n * sizeof *t->scale);
}

struct tables {
    struct tern_attention attention;
    struct table k, v;                /* of all groups: group g is rows g * context … */
    struct tern_rows *keys, *values;
    size_t context, vocabulary, d, batch, out, in;
    float *x, *y;
    int8_t *q;
    float scale;
    int threads;
    const struct tern_kernels *kernels;
    tern_part_fn *part;
};

static enum tern_status open_vectors(struct tables *s, size_t in, size_t out, uint64_t seed, struct tern_error *error)
{
    s->in = in;
    s->out = out;
    s->x = tern_block_open(in * sizeof *s->x);
    s->y = tern_block_open(out * sizeof *s->y);
    s->q = tern_block_open(in + 128);
    if (!s->x || !s->y || !s->q)
        return tern_error_memory(error, "vectors", (in + out) * sizeof *s->x);
    tern_random_floats(tern_random_start(seed, 2, 0), 1.0f, s->x, in);
    return TERN_OK;
}

static enum tern_status begin(struct tern_op *op, struct tables **out, uint64_t *seed, size_t *type, struct tern_error *error)
{
    enum tern_status status;
    struct tables *s = op->state = tern_array_open(1, sizeof *s);
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    *out = s;
    s->kernels = &op->backend->kernels;
    if ((status = tern_op_seed(op, "seed", seed, error)) || (status = tern_op_choice(op, "type", types, type, error)))
        return status;
    status = tern_op_threads(op, "threads", tern_threads_allowed(), &s->threads, error);
    snprintf(op->why, sizeof op->why, "one kernel for all shapes, %d thread%s", s->threads, s->threads == 1 ? "" : "s");
    return status;
}

/* ---- attention */

static const struct tern_op_param attention_params[] = {
    { "backend", "auto", "instruction set" },       { "tokens", "1", "new tokens: 1 decodes, more prefill" },
    { "context", "512", "positions seen by the last of them" }, { "heads", "20", "query heads" },
    { "groups", "5", "key and value heads" },       { "d", "128", "values of a head" },
    { "type", "f16", "cache elements: f32, f16 or int8" },      { "threads", "auto", "parts of a call" },
    { "seed", "1", "of queries and cache" },        { NULL, NULL, NULL },
};

static void part_attention(void *data, int id, int n)
{
    struct tables *s = data;
    tern_attention_part(s->kernels, &s->attention, id, n);
}

static enum tern_status open_cache(struct tables *s, enum tern_element type, uint64_t seed, struct tern_error *error)
{
    size_t groups = s->attention.groups, d = s->attention.d;
    enum tern_status status = open_table(&s->k, type, groups * s->context, d, seed, error);
    if (!status)
        status = open_table(&s->v, type, groups * s->context, d, seed + 1, error);
    s->keys = tern_array_open(groups, sizeof *s->keys);
    s->values = tern_array_open(groups, sizeof *s->values);
    if (!status && (!s->keys || !s->values))
        status = tern_error_memory(error, "groups", groups * sizeof *s->keys);
    for (size_t g = 0; !status && g < groups; g++) {
        s->keys[g] = s->k.rows;
        s->values[g] = s->v.rows;
        s->keys[g].data = (char *)s->k.data + g * s->context * s->k.rows.stride;
        s->values[g].data = (char *)s->v.data + g * s->context * s->v.rows.stride;
        s->keys[g].scale += g * s->context;
        s->values[g].scale += g * s->context;
    }
    return status;
}

static enum tern_status bind_attention(struct tern_op *op, struct tern_error *error)
{
    struct tables *s = NULL;
    uint64_t seed = 0;
    size_t type = 0;
    enum tern_status status = begin(op, &s, &seed, &type, error);
    if (status)
        return status;
    struct tern_attention *a = &s->attention;
    s->part = part_attention;
    if ((status = tern_op_size(op, "context", 1, 1 << 20, &s->context, error)) ||
        (status = tern_op_size(op, "tokens", 1, s->context, &a->tokens, error)) || (status = tern_op_size(op, "heads", 1, 1024, &a->heads, error)) ||
        (status = tern_op_size(op, "groups", 1, a->heads, &a->groups, error)) || (status = tern_op_size(op, "d", 1, 1024, &a->d, error)))
        return status;
    if (a->heads % a->groups)
        return tern_error_set(error, TERN_INVALID, "attention: %zu heads do not divide into %zu groups", a->heads, a->groups);
    a->before = s->context - a->tokens;
    a->score_stride = (s->context + 31) / 16 * 16;
    size_t values = a->tokens * a->heads * a->d;
    if ((status = open_cache(s, (enum tern_element)type, seed, error)) || (status = open_vectors(s, values, values, seed, error)))
        return status;
    if (!(a->scores = tern_array_open(1, (size_t)s->threads * a->score_stride * sizeof *a->scores)))
        return tern_error_memory(error, "scores", (size_t)s->threads * a->score_stride * sizeof *a->scores);
    a->q = s->x;
    a->out = s->y;
    a->k = s->keys;
    a->v = s->values;
    return TERN_OK;
}

static void run_tables(struct tern_op *op)
{
    struct tables *s = op->state;
    tern_team_run(s->threads, s->part, s);
}

/* The last token on scalar: it sees the whole context. */
static enum tern_status check_attention(struct tern_op *op, struct tern_error *error)
{
    struct tables *s = op->state;
    struct tern_attention one = s->attention;
    size_t row = one.heads * one.d, last = (one.tokens - 1) * row;
    float *expected = tern_array_open(1, row * sizeof *expected);
    if (!expected)
        return tern_error_memory(error, "check", row * sizeof *expected);
    tern_op_run(op, 1);
    one.q += last;
    one.before += one.tokens - 1;
    one.tokens = 1;
    one.out = expected;
    tern_attention_part(&tern_backend_scalar()->kernels, &one, 0, 1);
    bool same = !memcmp(expected, s->y + last, row * sizeof *expected);
    tern_array_close(expected);
    return same ? TERN_OK : tern_error_set(error, TERN_WRONG, "attention on %s: the last token differs from scalar", op->backend->name);
}

static void work_attention(const struct tern_op *op, struct tern_work *work)
{
    const struct tables *s = op->state;
    const struct tern_attention *a = &s->attention;
    double t = (double)a->tokens, seen = t * ((double)a->before + (t + 1) / 2);
    work->ops = 4 * seen * (double)(a->heads * a->d);
    work->bytes = (double)(s->k.bytes + s->v.bytes) + 8 * (double)s->in;
    work->items = t;
}

static void close_tables(struct tern_op *op)
{
    struct tables *s = op->state;
    close_table(&s->k);
    close_table(&s->v);
    tern_array_close(s->keys);
    tern_array_close(s->values);
    tern_array_close(s->attention.scores);
    tern_block_close(s->x, s->in * sizeof *s->x);
    tern_block_close(s->y, s->out * sizeof *s->y);
    tern_block_close(s->q, s->in + 128);
    tern_array_close(s);
}

/* ---- logits and embedding */

static const struct tern_op_param table_params[] = {
    { "backend", "auto", "instruction set" },  { "vocabulary", "128256", "rows of the table" }, { "d", "2560", "values of a row" },
    { "type", "f16", "elements: f32, f16 or int8" }, { "threads", "auto", "parts of a call" },  { "seed", "1", "of table and input" },
    { NULL, NULL, NULL },
};

static void part_logits(void *data, int id, int n)
{
    struct tables *s = data;
    tern_logits_part(s->kernels, &s->k.rows, s->vocabulary, s->d, s->x, s->q, s->scale, s->y, id, n);
}

static void part_embedding(void *data, int id, int n)
{
    struct tables *s = data;
    size_t from, to;
    tern_share(s->batch, id, n, &from, &to);
    for (size_t b = from; b < to; b++)
        s->kernels->vector.widen(&s->k.rows, b * 2654435761u % s->vocabulary, s->d, s->y + b * s->d);
}

static enum tern_status bind_table(struct tern_op *op, tern_part_fn *part, size_t batch, struct tern_error *error)
{
    struct tables *s = NULL;
    uint64_t seed = 0;
    size_t type = 0;
    int32_t sum;
    enum tern_status status = begin(op, &s, &seed, &type, error);
    if (status)
        return status;
    s->part = part;
    s->batch = batch;
    if ((status = tern_op_size(op, "vocabulary", 1, 1 << 22, &s->vocabulary, error)) || (status = tern_op_size(op, "d", 1, 65536, &s->d, error)) ||
        (status = open_table(&s->k, (enum tern_element)type, s->vocabulary, s->d, seed, error)) ||
        (status = open_vectors(s, s->d, batch ? batch * s->d : s->vocabulary, seed, error)))
        return status;
    s->scale = tern_backend_scalar()->kernels.quantize(s->x, s->d, s->q, (s->d + 63) / 64 * 64, &sum);
    return TERN_OK;
}

static enum tern_status bind_logits(struct tern_op *op, struct tern_error *error)
{
    return bind_table(op, part_logits, 0, error);
}

enum { LOOKED_UP = 16 };

static enum tern_status bind_embedding(struct tern_op *op, struct tern_error *error)
{
    return bind_table(op, part_embedding, LOOKED_UP, error);
}

/* A seeded sample of single rows on scalar. */
static enum tern_status check_logits(struct tern_op *op, struct tern_error *error)
{
    struct tables *s = op->state;
    uint64_t state = 7;
    tern_op_run(op, 1);
    for (int i = 0; i < 64; i++) {
        size_t row = (size_t)(tern_random_next(&state) % s->vocabulary);
        struct tern_rows one = s->k.rows;
        float expected;
        one.data = (char *)s->k.data + row * one.stride;
        one.scale += row;
        tern_logits_part(&tern_backend_scalar()->kernels, &one, 1, s->d, s->x, s->q, s->scale, &expected, 0, 1);
        if (memcmp(&expected, &s->y[row], sizeof expected))
            return tern_error_set(error, TERN_WRONG, "logits on %s: row %zu differs from scalar", op->backend->name, row);
    }
    return TERN_OK;
}

static enum tern_status check_embedding(struct tern_op *op, struct tern_error *error)
{
    struct tables *s = op->state;
    tern_op_run(op, 1);
    for (size_t b = 0; b < s->batch; b++) {
        size_t row = b * 2654435761u % s->vocabulary, at = s->d - 1;
        const char *p = (const char *)s->k.data + row * s->k.rows.stride + at * widths[s->k.rows.type];
        uint16_t half;
        float expected;
        memcpy(&half, p, s->k.rows.type == TERN_I8 ? 1 : 2);
        memcpy(&expected, p, s->k.rows.type == TERN_F32 ? 4 : 1);
        if (s->k.rows.type != TERN_F32)
            expected = s->k.rows.type == TERN_F16 ? tern_half_to_float(half) : s->k.scale[row] * (float)*(const int8_t *)p;
        if (memcmp(&expected, &s->y[b * s->d + at], sizeof expected))
            return tern_error_set(error, TERN_WRONG, "embedding: row %zu is not the table's", row);
    }
    return TERN_OK;
}

static void work_logits(const struct tern_op *op, struct tern_work *work)
{
    const struct tables *s = op->state;
    work->ops = 2 * (double)s->vocabulary * (double)s->d;
    work->bytes = (double)s->k.bytes + 4 * (double)s->out;
    work->items = 1;
}

static void work_embedding(const struct tern_op *op, struct tern_work *work)
{
    const struct tables *s = op->state;
    work->bytes = (double)(s->batch * s->d * (widths[s->k.rows.type] + 4));
    work->items = (double)s->batch;
}

const struct tern_op_row tern_op_row_attention = {
    "attention", "attention over a cache, grouped queries", attention_params, bind_attention, run_tables, check_attention, work_attention,
    close_tables,
};
const struct tern_op_row tern_op_row_logits = {
    "logits", "products of one vector with a vocabulary", table_params, bind_logits, run_tables, check_logits, work_logits, close_tables,
};
const struct tern_op_row tern_op_row_embedding = {
    "embedding", "look-up of 16 rows", table_params, bind_embedding, run_tables, check_embedding, work_embedding, close_tables,
};
