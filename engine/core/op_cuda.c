/* SPDX-License-Identifier: Apache-2.0
 * matmul and bitlinear on the card: the same operations, parameters, seeded inputs and bits as the CPU's (op_linear.c). A run is a
 * replay of graphs; its time is the card's own (tern_op_elapsed_ns). */
#include "core/accelerator.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_WEIGHTS = 1, TAG_ACTIVATIONS, TAG_CHECK }; /* as in op_linear.c */

/* Cold: copies of the weights fill this much, several times any card's L2. */
static const size_t cold_bytes = (size_t)640 << 20;

struct layer {
    struct tern_accelerator on;
    struct cuda_linear *linear;
    size_t n, k, batch, copies;
    bool exact; /* matmul: int8 in, sums out */
    float scale;
    uint64_t seed;
    double density;
    float *x, *y;
    int8_t *x8;
    uint64_t *probe; /* sum over n of r[n] W[n][k] modulo 2^64 */
};

static const struct tern_op_param params[] = {
    { "backend", "cuda", "the card" },
    { "shape", "2560x2560", "outputs x inputs" },
    { "batch", "1", "rows of activations" },
    { "format", "auto", "storage of the weights: auto or 2bit" },
    { "threads", "auto", "accepted and without effect" },
    { "cold", "0", "1: weights rotate through more than 600 MB" },
    { "density", "0.667", "share of weights that are not zero" },
    { "seed", "1", "of weights and activations" },
    { "kernel", "auto", "auto: the fastest at bind; else a row of engine/cuda/kernels/linear.def, or unpacked (cuBLASLt)" },
    { NULL, NULL, NULL },
};

static void seeded_row(const void *data, size_t n, size_t k, int8_t *trits)
{
    const struct layer *s = data;
    tern_random_trits(tern_random_start(s->seed, TAG_WEIGHTS, n), s->density, trits, k);
}

/* The rows as they are uploaded, and on the way  r . W  for the check. */
static void probed_row(const void *data, size_t n, size_t k, int8_t *trits)
{
    const struct layer *s = data;
    uint64_t r = tern_random_start(s->seed, TAG_CHECK, n);
    seeded_row(data, n, k, trits);
    for (size_t i = 0; i < k; i++)
        s->probe[i] += r * (uint64_t)(int64_t)trits[i];
}

static enum tern_status read_params(struct tern_op *op, struct layer *s, bool *cold, struct tern_error *error)
{
    static const char *const formats[] = { "auto", "2bit", NULL };
    size_t shape[2], format;
    enum tern_status status;
    if ((status = tern_op_shape(op, "shape", 2, shape, error)) || (status = tern_op_size(op, "batch", 1, 65536, &s->batch, error)) ||
        (status = tern_op_seed(op, "seed", &s->seed, error)) || (status = tern_op_number(op, "density", 0, 1, &s->density, error)) ||
        (status = tern_op_flag(op, "cold", cold, error)) || (status = tern_op_choice(op, "format", formats, &format, error)))
        return status;
    s->n = shape[0];
    s->k = shape[1];
    s->copies = *cold ? cold_bytes / (s->n * s->k / 4 + 1) + 1 : 1;
    return TERN_OK;
}

static enum tern_status make_inputs(struct layer *s, struct tern_error *error)
{
    s->x = tern_array_open(1, s->batch * s->k * sizeof *s->x + 1);
    s->x8 = tern_array_open(1, s->batch * s->k + 1);
    s->y = tern_array_open(1, s->batch * s->n * sizeof *s->y + 1);
    s->probe = tern_array_open(s->k + 1, sizeof *s->probe);
    if (!s->x || !s->x8 || !s->y || !s->probe)
        return tern_error_memory(error, "inputs", s->batch * (s->n + s->k) * sizeof(float));
    for (size_t b = 0; b < s->batch; b++) {
        uint64_t start = tern_random_start(s->seed, TAG_ACTIVATIONS, b);
        tern_random_floats(start, 1.0f + (float)(b % 7), s->x + b * s->k, s->k);
        tern_random_int8(start, s->x8 + b * s->k, s->k);
    }
    return TERN_OK;
}

static void run_layer(struct tern_op *op, uint64_t n)
{
    struct layer *s = op->state;
    struct cuda_fault fault;
    if (s->on.face->linear_run(s->linear, n, &op->elapsed_ns, &fault))
        op->elapsed_ns = -1;
}

static enum tern_status bind_layer(struct tern_op *op, bool exact, struct tern_error *error)
{
    struct cuda_fault fault;
    struct layer *s = op->state = tern_array_open(1, sizeof *s);
    bool cold = false;
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    op->run_many = run_layer;
    s->exact = exact;
    s->scale = exact ? 1.0f : 0.37f;
    if ((status = read_params(op, s, &cold, error)) || (status = tern_accelerator_open(&s->on, error)) || (status = make_inputs(s, error)))
        return status;
    const char *kernel = tern_op_text(op, "kernel");
    struct cuda_linear_spec spec = {
        .n = s->n, .k = s->k, .batch = s->batch, .scale = s->scale, .copies = s->copies, .x = s->x, .x8 = exact ? s->x8 : NULL,
        .kernel = strcmp(kernel, "auto") ? kernel : NULL, .source = probed_row, .data = s,
    };
    enum cuda_outcome o = s->on.face->linear_bind(s->on.device, &spec, &s->linear, &fault);
    if (!o)
        snprintf(op->why, sizeof op->why, "%s", s->on.face->linear_why(s->linear));
    return tern_accelerator_fault(o, &fault, error);
}

static enum tern_status bind_matmul(struct tern_op *op, struct tern_error *error)
{
    return bind_layer(op, true, error);
}

static enum tern_status bind_bitlinear(struct tern_op *op, struct tern_error *error)
{
    return bind_layer(op, false, error);
}

/* ---- check */

static enum tern_status wrong(struct tern_op *op, size_t b, size_t n, double found, double expected, struct tern_error *error)
{
    return tern_error_set(error, TERN_WRONG, "%s on cuda: output [%zu][%zu] is %.9g, expected %.9g (%s)", op->row->name, b, n, found, expected, op->why);
}

/* The whole of row b by checksum, and one output by hand. `q` are its int8 activations, `factor` what a sum is multiplied by. */
static enum tern_status check_row(struct tern_op *op, size_t b, const int8_t *q, float factor, size_t one, int8_t *trits, struct tern_error *error)
{
    const struct layer *s = op->state;
    const float *y = s->y + b * s->n;
    uint64_t left = 0, right = 0;
    int64_t sum = 0;
    for (size_t n = 0; n < s->n; n++) {
        double v = rint((double)y[n] / (double)factor);
        if (!(fabs(v) < 1e9) || (float)(int64_t)v * factor != y[n])
            return wrong(op, b, n, (double)y[n], v * (double)factor, error);
        left += tern_random_start(s->seed, TAG_CHECK, n) * (uint64_t)(int64_t)v;
    }
    seeded_row(s, one, s->k, trits);
    for (size_t k = 0; k < s->k; k++) {
        right += s->probe[k] * (uint64_t)(int64_t)q[k];
        sum += trits[k] * q[k];
    }
    if ((float)sum * factor != y[one])
        return wrong(op, b, one, (double)y[one], (double)((float)sum * factor), error);
    return left == right ? TERN_OK : tern_error_set(error, TERN_WRONG, "%s on cuda: checksum of row %zu is %016llx, expected %016llx (%s)", op->row->name, b,
                                                    (unsigned long long)left, (unsigned long long)right, op->why);
}

enum { ROWS_CHECKED = 16 };

static enum tern_status check_rows(struct tern_op *op, int8_t *q, int8_t *trits, size_t stride, struct tern_error *error)
{
    const struct layer *s = op->state;
    uint64_t random = tern_random_start(s->seed, TAG_CHECK, UINT64_MAX);
    enum tern_status status = TERN_OK;
    for (size_t i = 0; i < s->batch && i < ROWS_CHECKED && !status; i++) {
        size_t b = s->batch <= ROWS_CHECKED ? i : (size_t)(tern_random_next(&random) % s->batch);
        float scale = 1;
        int32_t sum;
        if (s->exact)
            memcpy(q, s->x8 + b * s->k, s->k);
        else
            scale = tern_backend_scalar()->kernels.quantize(s->x + b * s->k, s->k, q, stride, &sum);
        status = check_row(op, b, q, scale * s->scale, (size_t)(tern_random_next(&random) % s->n), trits, error);
    }
    return status;
}

static enum tern_status check_layer(struct tern_op *op, struct tern_error *error)
{
    struct layer *s = op->state;
    struct cuda_fault fault;
    size_t stride = s->k + 64;
    int8_t *q = tern_array_open(1, stride), *trits = tern_array_open(1, stride);
    enum tern_status status = q && trits ? TERN_OK : tern_error_memory(error, "check", 2 * stride);
    if (!status)
        status = tern_accelerator_fault(s->on.face->linear_result(s->linear, s->y, &fault), &fault, error);
    if (!status)
        status = check_rows(op, q, trits, stride, error);
    tern_array_close(q);
    tern_array_close(trits);
    return status;
}

static void work_layer(const struct tern_op *op, struct tern_work *work)
{
    const struct layer *s = op->state;
    double n = (double)s->n, k = (double)s->k, b = (double)s->batch;
    work->ops = 2 * n * k * b;
    work->bytes = (double)s->on.face->linear_weight_bytes(s->linear) + b * k * (s->exact ? 1 : 4) + b * n * 4;
    work->items = b;
}

static void close_layer(struct tern_op *op)
{
    struct layer *s = op->state;
    if (s->linear)
        s->on.face->linear_close(s->linear);
    tern_array_close(s->x);
    tern_array_close(s->x8);
    tern_array_close(s->y);
    tern_array_close(s->probe);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_cuda_matmul = {
    .name = "matmul", .about = "ternary matrix product on the card, int8 in", .params = params, .bind = bind_matmul,
    .check = check_layer, .work = work_layer, .close = close_layer,
};
const struct tern_op_row tern_op_row_cuda_bitlinear = {
    .name = "bitlinear", .about = "quantisation, ternary matrix product, scaling on the card", .params = params, .bind = bind_bitlinear,
    .check = check_layer, .work = work_layer, .close = close_layer,
};
