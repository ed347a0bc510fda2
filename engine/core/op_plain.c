/* SPDX-License-Identifier: Apache-2.0
 * The operation plain: the triple loop that anybody would write for y[b][n] = sum_k w[n][k] x[b][k], int8 by int8 to int32, compiled as scalar is.
 * It is what scalar kernels are held against: they are no straw man for the speed-ups of the others. */
#include "core/error.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plain {
    size_t shape[2], batch;
    int8_t *w, *x; /* [n][k], [batch][k] */
    int32_t *y;    /* [batch][n] */
};

static const struct tern_op_param params[] = {
    { "shape", "768x768", "outputs x inputs" },
    { "batch", "1", "rows of activations" },
    { "seed", "1", "of weights and activations" },
    { NULL, NULL, NULL },
};

static enum tern_status bind(struct tern_op *op, struct tern_error *error)
{
    struct plain *s = op->state = calloc(1, sizeof *s);
    uint64_t seed;
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, "plain", sizeof *s);
    if ((status = tern_op_shape(op, "shape", 2, s->shape, error)) || (status = tern_op_size(op, "batch", 0, 65536, &s->batch, error)) ||
        (status = tern_op_seed(op, "seed", &seed, error)))
        return status;
    size_t n = s->shape[0], k = s->shape[1];
    if (n > 1 << 20 || k > TERN_K_MAX)
        return tern_error_set(error, TERN_INVALID, "plain: shape %zux%zu is too large", n, k);
    s->w = tern_block_open(n * k);
    s->x = tern_block_open(s->batch * k);
    s->y = tern_block_open(s->batch * n * sizeof *s->y);
    if (!s->w || !s->x || !s->y)
        return tern_error_memory(error, "matrices", n * k + s->batch * (k + 4 * n));
    tern_random_trits(tern_random_start(seed, 1, 0), 0.667, s->w, n * k);
    tern_random_int8(tern_random_start(seed, 2, 0), s->x, s->batch * k);
    snprintf(op->why, sizeof op->why, "three loops over int8, 1 thread");
    return TERN_OK;
}

static void run(struct tern_op *op)
{
    const struct plain *s = op->state;
    tern_plain_product(s->w, s->x, s->shape[0], s->shape[1], s->batch, s->y);
}

static int64_t factor(size_t n)
{
    return (int64_t)(n % 251) + 1;
}

/* r . (W x) against (r . W) . x: the same products added in another order, exactly. */
static enum tern_status check(struct tern_op *op, struct tern_error *error)
{
    const struct plain *s = op->state;
    tern_op_run(op, 1);
    for (size_t b = 0; b < s->batch; b++) {
        int64_t left = 0, right = 0;
        for (size_t n = 0; n < s->shape[0]; n++)
            left += factor(n) * s->y[b * s->shape[0] + n];
        for (size_t k = 0; k < s->shape[1]; k++) {
            int64_t column = 0;
            for (size_t n = 0; n < s->shape[0]; n++)
                column += factor(n) * s->w[n * s->shape[1] + k];
            right += column * s->x[b * s->shape[1] + k];
        }
        if (left != right)
            return tern_error_set(error, TERN_WRONG, "plain: the checksum of row %zu is %lld, expected %lld", b, (long long)left, (long long)right);
    }
    return TERN_OK;
}

static void work(const struct tern_op *op, struct tern_work *work)
{
    const struct plain *s = op->state;
    double n = (double)s->shape[0], k = (double)s->shape[1], b = (double)s->batch;
    work->ops = 2 * n * k * b;
    work->bytes = n * k + b * k + 4 * b * n;
    work->items = b;
}

static void close(struct tern_op *op)
{
    struct plain *s = op->state;
    tern_block_close(s->w, s->shape[0] * s->shape[1]);
    tern_block_close(s->x, s->batch * s->shape[1]);
    tern_block_close(s->y, s->batch * s->shape[0] * sizeof *s->y);
    free(s);
}

const struct tern_op_row tern_op_row_plain = {
    "plain", "a plain triple loop over int8", params, bind, run, check, work, close,
};
