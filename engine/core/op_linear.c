/* SPDX-License-Identifier: Apache-2.0
 * The operations of a ternary layer: matmul (int8 in, int32 out) and bitlinear (float in, float out, quantisation inside). */
#include "core/error.h"
#include "core/linear.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"
#include "format/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_WEIGHTS = 1, TAG_ACTIVATIONS, TAG_CHECK };

/* Cold: packed weights are copied until they fill this much, and each run takes the next copy. */
static const size_t cold_bytes = (size_t)640 << 20;

/*
 * How threads share a call. Outputs: each quantises all rows for itself, which is cheaper than a barrier and fetching what another core has
 * written. Rows: large batches go in blocks of rows, each quantised and multiplied by one thread, so that nothing travels between cores either.
 * Together: rows are quantised in shares, and after a barrier outputs are shared.
 */
enum sharing { SHARE_OUTPUTS, SHARE_ROWS, SHARE_TOGETHER };
enum { ROWS_ALONE = 32 }; /* rows that each thread quantises for itself, and rows of a block */

struct layer {
    struct tern_linear *linear;
    enum sharing sharing;
    size_t batch, turn, blocks; /* blocks of activations: one per thread when each quantises all rows for itself */
    int threads;
    bool exact, bare;           /* exact: matmul */
    struct tern_activations *activations;
    float *x;
    int8_t *x8;
    void *y;
    uint64_t *probe; /* K values: sum over n of r[n] W[n][k] modulo 2^64 */
    uint64_t seed;
    double density;
};

static const struct tern_op_param params[] = {
    { "backend", "auto", "instruction set" },
    { "shape", "2560x2560", "outputs x inputs" },
    { "batch", "1", "rows of activations" },
    { "format", "auto", "storage of the weights: auto, or a row of weights.def" },
    { "threads", "auto", "parts of a call" },
    { "cold", "0", "1: weights rotate through more than 600 MB" },
    { "bare", "0", "1: the kernels alone, called in one loop on one thread: what a call costs besides" },
    { "density", "0.667", "share of weights that are not zero" },
    { "seed", "1", "of weights and activations" },
    { NULL, NULL, NULL },
};

struct weights {
    uint64_t seed;
    double density;
};

static void seeded_row(const void *data, size_t n, size_t k, int8_t *trits)
{
    const struct weights *w = data;
    tern_random_trits(tern_random_start(w->seed, TAG_WEIGHTS, n), w->density, trits, k);
}

static uint64_t check_factor(uint64_t seed, size_t n)
{
    return tern_random_start(seed, TAG_CHECK, n);
}

/* ---- bind */

static enum tern_status choose_storage(const struct tern_op *op, enum tern_storage *out, struct tern_error *error)
{
    const char *name = tern_op_text(op, "format");
    *out = TERN_STORAGES;
    if (!strcmp(name, "auto"))
        return TERN_OK;
    const struct tern_weight_format *f = tern_weight_format_find(name);
    if (!f)
        return tern_error_set(error, TERN_INVALID, "%s: parameter format: no weight format is named \"%s\"", op->row->name, name);
    *out = f->storage;
    return TERN_OK;
}

/* r . W, with W made anew from the seed: what the checksum of the outputs is compared with. */
static bool make_probe(struct layer *s, size_t n, size_t k)
{
    struct weights w = { s->seed, s->density };
    int8_t *row = tern_array_open(1, k + 1);
    s->probe = tern_array_open(k + 1, sizeof *s->probe);
    for (size_t i = 0; row && s->probe && i < n; i++) {
        uint64_t r = check_factor(s->seed, i);
        seeded_row(&w, i, k, row);
        for (size_t j = 0; j < k; j++)
            s->probe[j] += r * (uint64_t)(int64_t)row[j];
    }
    tern_array_close(row);
    return row && s->probe;
}

static bool make_inputs(struct layer *s, size_t n, size_t k)
{
    s->x = tern_block_open(s->batch * k * sizeof *s->x);
    s->x8 = tern_block_open(s->batch * k);
    s->y = tern_block_open(s->batch * n * sizeof(float));
    if (!s->x || !s->x8 || !s->y)
        return false;
    for (size_t b = 0; b < s->batch; b++) {
        uint64_t start = tern_random_start(s->seed, TAG_ACTIVATIONS, b);
        tern_random_floats(start, 1.0f + (float)(b % 7), s->x + b * k, k);
        tern_random_int8(start, s->x8 + b * k, k);
    }
    return true;
}

/* Blocks of rows must come out even, or there must be many to a thread. */
static enum sharing sharing_of(const struct layer *s)
{
    size_t threads = (size_t)s->threads, blocks = (s->batch + ROWS_ALONE - 1) / ROWS_ALONE;
    if (s->exact || s->batch <= ROWS_ALONE)
        return SHARE_OUTPUTS;
    return s->batch % (ROWS_ALONE * threads) == 0 || blocks >= 8 * threads ? SHARE_ROWS : SHARE_TOGETHER;
}

static enum tern_status open_activations(struct layer *s, size_t k, struct tern_error *error)
{
    s->sharing = sharing_of(s);
    s->blocks = s->sharing == SHARE_OUTPUTS && !s->exact ? (size_t)s->threads : 1;
    s->activations = tern_array_open(s->blocks, sizeof *s->activations);
    if (!s->activations)
        return tern_error_memory(error, "activations", s->blocks * sizeof *s->activations);
    for (size_t i = 0; i < s->blocks; i++) {
        enum tern_status status = tern_activations_open(&s->activations[i], s->batch, k, error);
        if (status)
            return status;
    }
    if (s->exact)
        tern_activations_copy(&s->activations[0], s->x8, 0, s->batch);
    return TERN_OK;
}

/* Planes are planned at their largest; they take a bit for each weight and one more for each that is not zero. */
static size_t copies_for(const struct tern_linear *plan, double density)
{
    size_t planes = (size_t)((1 + density) / 8 * (double)plan->n * (double)plan->k);
    return cold_bytes / ((plan->storage == TERN_STORAGE_PLANES ? planes : plan->panels * plan->panel_bytes) + 64) + 2;
}

static void explain(struct tern_op *op, const struct layer *s)
{
    snprintf(op->why, sizeof op->why, "%s, %d thread%s; %s", tern_linear_kernel(s->linear, s->batch)->name, s->threads,
             s->threads == 1 ? "" : "s", s->linear->why);
}

struct request {
    size_t shape[2];
    enum tern_storage storage;
    bool cold;
};

static enum tern_status read_params(struct tern_op *op, struct layer *s, struct request *r, struct tern_error *error)
{
    enum tern_status status;
    if ((status = tern_op_shape(op, "shape", 2, r->shape, error)) || (status = tern_op_size(op, "batch", 0, 65536, &s->batch, error)) ||
        (status = tern_op_seed(op, "seed", &s->seed, error)) || (status = tern_op_number(op, "density", 0, 1, &s->density, error)) ||
        (status = tern_op_flag(op, "cold", &r->cold, error)) || (status = tern_op_flag(op, "bare", &s->bare, error)) || (status = choose_storage(op, &r->storage, error)))
        return status;
    double work = (double)r->shape[0] * (double)r->shape[1] * (double)s->batch;
    return tern_op_threads(op, "threads", work < 65536 ? 1 : tern_threads_allowed(), &s->threads, error);
}

/* What is asked of the layer, and its plan. */
static enum tern_status plan_of(const struct tern_op *op, const struct layer *s, const struct request *r, struct tern_linear_spec *spec,
                                struct tern_linear *plan, struct tern_error *error)
{
    *spec = (struct tern_linear_spec){
        .n = r->shape[0], .k = r->shape[1], .scale = 0.37f, .storage = r->storage, .batch = s->batch, .is_cold = r->cold, .threads = s->threads,
        .source = seeded_row,
    };
    enum tern_status status = tern_linear_plan(op->backend, spec, plan, error);
    if (!status && r->cold)
        spec->copies = copies_for(plan, s->density);
    return status;
}

enum tern_status tern_op_layer_explain(struct tern_op *op, struct tern_error *error)
{
    struct request r;
    struct tern_linear plan;
    struct tern_linear_spec spec;
    struct layer s = { .linear = &plan };
    enum tern_status status = read_params(op, &s, &r, error);
    if (!status && !(status = plan_of(op, &s, &r, &spec, &plan, error)))
        explain(op, &s);
    return status;
}

static enum tern_status bind_layer(struct tern_op *op, bool exact, struct tern_error *error)
{
    struct request r;
    struct tern_linear plan;
    struct tern_linear_spec spec;
    struct layer *s = op->state = tern_array_open(1, sizeof *s);
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    s->exact = exact;
    enum tern_status status = read_params(op, s, &r, error);
    if (status || (status = plan_of(op, s, &r, &spec, &plan, error)))
        return status;
    struct weights w = { s->seed, s->density };
    spec.data = &w;
    if ((status = tern_linear_bind(op->backend, &spec, &s->linear, error)))
        return status;
    if (!make_inputs(s, spec.n, spec.k) || !make_probe(s, spec.n, spec.k))
        return tern_error_memory(error, "inputs", s->batch * (spec.n + spec.k) * sizeof(float));
    if ((status = open_activations(s, spec.k, error)))
        return status;
    explain(op, s);
    return TERN_OK;
}

static enum tern_status bind_matmul(struct tern_op *op, struct tern_error *error)
{
    return bind_layer(op, true, error);
}

static enum tern_status bind_bitlinear(struct tern_op *op, struct tern_error *error)
{
    return bind_layer(op, false, error);
}

/* ---- run */

static void part_matmul(void *data, int id, int n)
{
    struct layer *s = data;
    tern_linear_part_exact(s->linear, &s->activations[0], s->batch, s->turn, s->y, id, n);
}

static void part_outputs(void *data, int id, int n)
{
    struct layer *s = data;
    struct tern_activations *a = &s->activations[s->blocks > 1 ? id : 0];
    tern_activations_fill(a, &s->linear->backend->kernels, s->x, 0, s->batch);
    tern_linear_part(s->linear, a, s->batch, s->turn, s->y, id, n);
}

static void part_rows(void *data, int id, int n)
{
    struct layer *s = data;
    struct tern_activations *a = &s->activations[0];
    size_t from, to;
    tern_share((s->batch + ROWS_ALONE - 1) / ROWS_ALONE, id, n, &from, &to);
    for (; from < to; from++) {
        size_t first = from * ROWS_ALONE, end = first + ROWS_ALONE < s->batch ? first + ROWS_ALONE : s->batch;
        tern_activations_fill(a, &s->linear->backend->kernels, s->x, first, end);
        tern_linear_rows(s->linear, a, first, end, s->turn, s->y);
    }
}

static void part_together(void *data, int id, int n)
{
    struct layer *s = data;
    struct tern_activations *a = &s->activations[0];
    size_t from, to;
    tern_share(s->batch, id, n, &from, &to);
    tern_activations_fill(a, &s->linear->backend->kernels, s->x, from, to);
    tern_team_barrier(n);
    tern_linear_part(s->linear, a, s->batch, s->turn, s->y, id, n);
}

static void next_copy(struct layer *s)
{
    if (s->linear->copies > 1) /* else it stays 0: a store would take the line from the workers at each call */
        s->turn = s->turn + 1 < s->linear->copies ? s->turn + 1 : 0;
}

/* The kernels by themselves, with nothing between them: what the layers above add is seen against this. */
static void run_bare(struct layer *s)
{
    const struct tern_linear *l = s->linear;
    struct tern_activations *a = &s->activations[0];
    struct tern_product p = {
        .w = l->w, .panel_bytes = l->panel_bytes, .steps = l->steps, .n = l->n, .x = a->q, .x_stride = a->stride, .x_sum = a->sum,
        .batch = s->batch, .scale = a->scale, .weight_scale = l->scale, .y = s->y,
    };
    for (size_t b = 0; b < s->batch; b++)
        a->scale[b] = l->backend->kernels.quantize(s->x + b * l->k, l->k, a->q + b * a->stride, a->stride, &a->sum[b]);
    tern_linear_kernel(l, s->batch)->run(&p, 0, l->panels);
}

static void run_matmul(struct tern_op *op)
{
    struct layer *s = op->state;
    tern_team_run(s->threads, part_matmul, s);
    next_copy(s);
}

static void run_bitlinear(struct tern_op *op)
{
    struct layer *s = op->state;
    if (s->bare)
        return run_bare(s);
    if (s->sharing == SHARE_TOGETHER)
        tern_team_run_together(s->threads, part_together, s);
    else
        tern_team_run(s->threads, s->sharing == SHARE_ROWS ? part_rows : part_outputs, s);
    next_copy(s);
}

/* ---- check */

/* The integer that an output stands for; false when no integer gives exactly these bits. |s| < 2^24, so it is found by rounding. */
static bool integer_of(const struct layer *s, size_t b, size_t n, float scale, int64_t *out)
{
    size_t i = b * s->linear->n + n;
    if (s->exact) {
        *out = ((const int32_t *)s->y)[i];
        return true;
    }
    float y = ((const float *)s->y)[i], factor = scale * s->linear->scale;
    double v = rint((double)y / (double)factor);
    *out = fabs(v) < 1e15 ? (int64_t)v : 0;
    return (float)*out * factor == y;
}

static enum tern_status check_row(struct tern_op *op, size_t b, const int8_t *q, float scale, struct tern_error *error)
{
    struct layer *s = op->state;
    uint64_t left = 0, right = 0;
    for (size_t n = 0; n < s->linear->n; n++) {
        int64_t v;
        if (!integer_of(s, b, n, scale, &v))
            return tern_error_set(error, TERN_WRONG, "%s on %s: output [%zu][%zu] is no multiple of its scale", op->row->name, op->backend->name, b, n);
        left += check_factor(s->seed, n) * (uint64_t)v;
    }
    for (size_t k = 0; k < s->linear->k; k++)
        right += s->probe[k] * (uint64_t)(int64_t)q[k];
    if (left != right)
        return tern_error_set(error, TERN_WRONG, "%s on %s: checksum of row %zu is %016llx, expected %016llx (%s)", op->row->name,
                              op->backend->name, b, (unsigned long long)left, (unsigned long long)right, op->why);
    return TERN_OK;
}

/* Dot product of one row of W made anew from the seed, against the output. */
static enum tern_status check_cell(struct tern_op *op, size_t b, size_t n, const int8_t *q, float scale, int8_t *trits, struct tern_error *error)
{
    struct layer *s = op->state;
    struct weights w = { s->seed, s->density };
    int64_t expected = 0, found;
    seeded_row(&w, n, s->linear->k, trits);
    for (size_t k = 0; k < s->linear->k; k++)
        expected += trits[k] * q[k];
    if (!integer_of(s, b, n, scale, &found) || found != expected)
        return tern_error_set(error, TERN_WRONG, "%s on %s: output [%zu][%zu] stands for %lld, expected %lld (%s)", op->row->name,
                              op->backend->name, b, n, (long long)found, (long long)expected, op->why);
    return TERN_OK;
}

/* The whole of at most 16 batch rows by checksum, 16 single outputs by hand. */
static enum tern_status check_outputs(struct tern_op *op, int8_t *q, int8_t *trits, size_t stride, struct tern_error *error)
{
    struct layer *s = op->state;
    size_t n = s->linear->n, k = s->linear->k, rows = s->batch < 16 ? s->batch : 16;
    uint64_t state = tern_random_start(s->seed, TAG_CHECK, UINT64_MAX);
    for (size_t i = 0; i < rows && n; i++) {
        size_t b = s->batch <= 16 ? i : (size_t)(tern_random_next(&state) % s->batch);
        float scale = 1;
        int32_t sum;
        if (s->exact)
            memcpy(q, s->x8 + b * k, k);
        else
            scale = tern_backend_scalar()->kernels.quantize(s->x + b * k, k, q, stride, &sum);
        enum tern_status status = check_row(op, b, q, scale, error);
        if (!status)
            status = check_cell(op, b, (size_t)(tern_random_next(&state) % n), q, scale, trits, error);
        if (status)
            return status;
    }
    return TERN_OK;
}

static enum tern_status check_layer(struct tern_op *op, struct tern_error *error)
{
    struct layer *s = op->state;
    size_t stride = s->activations[0].stride;
    int8_t *q = tern_array_open(1, stride), *trits = tern_array_open(1, stride);
    enum tern_status status = q && trits ? TERN_OK : tern_error_memory(error, "check", 2 * stride);
    memset(s->y, 0xff, s->batch * s->linear->n * sizeof(float));
    tern_op_run(op, 1);
    if (!status)
        status = check_outputs(op, q, trits, stride, error);
    tern_array_close(q);
    tern_array_close(trits);
    return status;
}

static void work_layer(const struct tern_op *op, struct tern_work *work)
{
    const struct layer *s = op->state;
    double n = (double)s->linear->n, k = (double)s->linear->k, b = (double)s->batch;
    work->ops = 2 * n * k * b;
    work->bytes = (double)s->linear->copy_bytes + b * k * (s->exact ? 1 : 4) + b * n * 4;
    work->items = b;
}

static void close_layer(struct tern_op *op)
{
    struct layer *s = op->state;
    size_t n = s->linear ? s->linear->n : 0, k = s->linear ? s->linear->k : 0;
    for (size_t i = 0; s->activations && i < s->blocks; i++)
        tern_activations_close(&s->activations[i]);
    tern_array_close(s->activations);
    tern_block_close(s->x, s->batch * k * sizeof *s->x);
    tern_block_close(s->x8, s->batch * k);
    tern_block_close(s->y, s->batch * n * sizeof(float));
    tern_array_close(s->probe);
    tern_linear_close(s->linear);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_matmul = {
    "matmul", "ternary matrix product, int8 to int32", params, bind_matmul, run_matmul, check_layer, work_layer, close_layer,
};
const struct tern_op_row tern_op_row_bitlinear = {
    "bitlinear", "quantisation of activations, ternary matrix product, scaling", params, bind_bitlinear, run_bitlinear, check_layer,
    work_layer, close_layer,
};
