/* SPDX-License-Identifier: Apache-2.0 */
#include "model/output.h"

#include "core/error.h"
#include "core/layout.h"
#include "core/memory.h"

#include <math.h>
#include <stdlib.h>

/* ---- packing */

static float absmax(const float *x, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

/* q = round(x / scale) for n weights; adds to the sums of squared errors and of squares. */
static void quantise(const float *x, size_t n, float scale, int8_t *q, double sums[2])
{
    for (size_t i = 0; i < n; i++) {
        float r = scale > 0 ? rintf(x[i] / scale) : 0;
        q[i] = (int8_t)r;
        double error = (double)x[i] - (double)(scale * r);
        sums[0] += error * error;
        sums[1] += (double)x[i] * (double)x[i];
    }
}

float tern_output_row_int8(const struct tern_matrix *m, uint64_t r, float *row, int8_t *q)
{
    double sums[2] = {0, 0};
    tern_matrix_row(m, r, row);
    float scale = absmax(row, m->n_columns) / 127;
    quantise(row, m->n_columns, scale, q, sums);
    return scale;
}

/* One row into its lane of the lines of its group. */
static void pack_int8(const struct tern_output *o, size_t r, const float *row, int8_t *q, double sums[2])
{
    uint8_t *lane = o->w + r / TERN_HEAD_ROWS * o->head.group_bytes + r % TERN_HEAD_ROWS * 4;
    float scale = absmax(row, o->k) / 127;
    ((float *)o->scales)[r] = scale;
    quantise(row, o->k, scale, q, sums);
    for (size_t k = 0; k < o->k; k++)
        lane[k / 4 * TERN_HEAD_LINE + k % 4] = (uint8_t)(q[k] + 128);
}

static void pack_int4(const struct tern_output *o, size_t r, const float *row, int8_t *q, double sums[2])
{
    size_t columns = o->k / TERN_HEAD_COLUMNS;
    uint8_t *lane = o->w + r / TERN_HEAD_ROWS * o->head.group_bytes + r % TERN_HEAD_ROWS * 4;
    uint16_t *scales = (uint16_t *)o->scales + r / TERN_HEAD_ROWS * columns * TERN_HEAD_ROWS + r % TERN_HEAD_ROWS;
    for (size_t c = 0; c < columns; c++, lane += 4 * TERN_HEAD_LINE, row += TERN_HEAD_COLUMNS) {
        uint16_t half = tern_float_to_half(absmax(row, TERN_HEAD_COLUMNS) / 7);
        scales[c * TERN_HEAD_ROWS] = half;
        quantise(row, TERN_HEAD_COLUMNS, tern_half_to_float(half), q, sums);
        for (int i = 0; i < TERN_HEAD_COLUMNS / 2; i++) {
            int low = q[i] < 7 ? q[i] + 8 : 15, high = q[i + 16] < 7 ? q[i + 16] + 8 : 15;
            lane[i / 4 * TERN_HEAD_LINE + i % 4] = (uint8_t)(low | high << 4);
        }
    }
}

static bool pack_rows(struct tern_output *o, const struct tern_matrix *m, int threads)
{
    double error = 0, total = 0;
    bool ok = true;
    (void)threads; /* of a build without OpenMP */
    tern_threads_used_openmp();
#pragma omp parallel num_threads(threads) reduction(+ : error, total) reduction(&& : ok)
    {
        float *row = tern_array_open(1, o->k * (sizeof *row + 1));
        double sums[2] = {0, 0};
        ok = row != NULL;
#pragma omp for schedule(static)
        for (size_t r = 0; r < o->n; r++) {
            if (!row)
                continue;
            tern_matrix_row(m, r, row);
            (o->kind == TERN_OUTPUT_INT8 ? pack_int8 : pack_int4)(o, r, row, (int8_t *)(row + o->k), sums);
        }
        error = sums[0];
        total = sums[1];
        tern_array_close(row);
    }
    o->error = total > 0 ? sqrt(error / total) : 0;
    return ok;
}

static void size_up(struct tern_output *o)
{
    bool is_int8 = o->kind == TERN_OUTPUT_INT8;
    size_t columns = o->k / TERN_HEAD_COLUMNS;
    o->groups = (o->n + TERN_HEAD_ROWS - 1) / TERN_HEAD_ROWS;
    o->head.n = o->n;
    o->head.k = o->k;
    o->head.group_bytes = is_int8 ? o->k / 4 * TERN_HEAD_LINE : columns * 4 * TERN_HEAD_LINE;
    o->bytes = o->groups * o->head.group_bytes;
    o->scale_bytes = is_int8 ? o->groups * TERN_HEAD_ROWS * sizeof(float) : o->groups * columns * TERN_HEAD_ROWS * sizeof(uint16_t);
}

enum tern_status tern_output_open(const struct tern_model_weight *weight, enum tern_output_kind kind, const struct tern_backend *backend, int threads,
                                  struct tern_output *out, struct tern_error *err)
{
    size_t n = weight->matrix.n_rows, k = weight->matrix.n_columns;
    *out = (struct tern_output){.kind = kind, .kernels = &backend->kernels, .n = n, .k = k};
    if (kind == TERN_OUTPUT_EXACT)
        return tern_bound_matrix_open(weight, &(struct tern_matrix_binding){.backend = backend, .name = "of the output"}, &out->exact, err);
    if (k % (kind == TERN_OUTPUT_INT4 ? TERN_HEAD_COLUMNS : 4))
        return tern_error_set(err, TERN_INVALID, "the output matrix has %zu columns, which do not pack; --output exact does", k);
    size_up(out);
    out->head.w = out->w = tern_block_open(out->bytes + out->scale_bytes + TERN_AHEAD);
    if (!out->w)
        return tern_error_memory(err, "the packed output matrix", out->bytes + out->scale_bytes);
    out->scales = out->w + out->bytes;
    out->head.scales = out->scales;
    out->head.halves = out->scales;
    if (pack_rows(out, &weight->matrix, threads))
        return TERN_OK;
    tern_output_close(out);
    return tern_error_memory(err, "a row of the output matrix", k * (sizeof(float) + 1));
}

void tern_output_close(struct tern_output *o)
{
    tern_bound_matrix_close(&o->exact);
    tern_block_close(o->w, o->bytes + o->scale_bytes + TERN_AHEAD);
    o->w = NULL;
}

void tern_output_sum_groups(const struct tern_output *o, const int8_t *q, int32_t *groups)
{
    for (size_t c = 0; c < o->k / TERN_HEAD_COLUMNS; c++) {
        groups[c] = 0;
        for (int i = 0; i < TERN_HEAD_COLUMNS; i++)
            groups[c] += q[c * TERN_HEAD_COLUMNS + (size_t)i];
    }
}

void tern_output_part(const struct tern_output *o, struct tern_input in, const int32_t *groups, size_t batch, float *y, float *room, int id,
                      int n)
{
    size_t from, to;
    if (o->kind == TERN_OUTPUT_EXACT) {
        tern_bound_matrix_part(&o->exact, (struct tern_input){in.x, NULL}, batch, y, room, id, n);
        return;
    }
    struct tern_head h = o->head;
    h.x = in.a->q;
    h.x_stride = in.a->stride;
    h.x_sum = in.a->sum;
    h.x_scale = in.a->scale;
    h.x_groups = groups;
    h.batch = batch;
    h.y = y;
    tern_share(o->groups, id, n, &from, &to);
    (o->kind == TERN_OUTPUT_INT8 ? o->kernels->head.int8 : o->kernels->head.int4)(&h, from, to);
}

void tern_output_ask(const struct tern_output *o, int id, int n)
{
    size_t from, to;
    tern_share(o->groups, id, n, &from, &to);
    if (o->w && from < to)
        tern_layout_ask(o->w + from * o->head.group_bytes, TERN_AHEAD);
}

size_t tern_output_bytes(const struct tern_output *o)
{
    return o->kind == TERN_OUTPUT_EXACT ? tern_bound_matrix_bytes(&o->exact) : o->bytes + o->scale_bytes;
}
