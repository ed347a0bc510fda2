/* SPDX-License-Identifier: Apache-2.0 */
#include "model/output.h"

#include "core/error.h"
#include "core/memory.h"

#include <math.h>
#include <stdlib.h>

enum { GROUP = 32, ROW_ALIGNMENT = 32 };

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define CLONES
#endif

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

static void pack_int8(const struct tern_output *o, size_t r, const float *row, double sums[2])
{
    o->scales[r] = absmax(row, o->k) / 127;
    quantise(row, o->k, o->scales[r], (int8_t *)o->rows + r * o->row_bytes, sums);
}

static void pack_int4(const struct tern_output *o, size_t r, const float *row, double sums[2])
{
    int8_t q[GROUP];
    for (size_t g = 0; g < o->groups; g++) {
        uint8_t *to = o->rows + r * o->row_bytes + g * GROUP / 2;
        float *scale = &o->scales[r * o->groups + g];
        *scale = absmax(row + g * GROUP, GROUP) / 7;
        quantise(row + g * GROUP, GROUP, *scale, q, sums);
        for (int i = 0; i < GROUP / 2; i++)
            to[i] = (uint8_t)((q[i] + 8) | (q[i + GROUP / 2] + 8) << 4);
    }
}

static bool pack_rows(struct tern_output *o, const struct tern_matrix *m, int threads)
{
    double error = 0, total = 0;
    bool ok = true;
    tern_threads_used_openmp();
#pragma omp parallel num_threads(threads) reduction(+ : error, total) reduction(&& : ok)
    {
        float *row = malloc(o->k * sizeof *row);
        double sums[2] = {0, 0};
        ok = row != NULL;
#pragma omp for schedule(static)
        for (size_t r = 0; r < o->n; r++) {
            if (!row)
                continue;
            tern_matrix_row(m, r, row);
            (o->kind == TERN_OUTPUT_INT8 ? pack_int8 : pack_int4)(o, r, row, sums);
        }
        error = sums[0];
        total = sums[1];
        free(row);
    }
    o->error = total > 0 ? sqrt(error / total) : 0;
    return ok;
}

enum tern_status tern_output_open(const struct tern_model_weight *weight, enum tern_output_kind kind, const struct tern_backend *backend, int threads,
                                  struct tern_output *out, struct tern_error *err)
{
    size_t n = weight->matrix.n_rows, k = weight->matrix.n_columns;
    *out = (struct tern_output){.kind = kind, .kernels = &backend->kernels, .n = n, .k = k, .groups = kind == TERN_OUTPUT_INT4 ? k / GROUP : 1};
    if (kind == TERN_OUTPUT_EXACT)
        return tern_bound_matrix_open(weight, &(struct tern_matrix_binding){.backend = backend, .name = "of the output"}, &out->exact, err);
    if (kind == TERN_OUTPUT_INT4 && k % GROUP)
        return tern_error_set(err, TERN_INVALID, "the output matrix has %zu columns, no whole number of groups of %d", k, GROUP);
    out->row_bytes = ((kind == TERN_OUTPUT_INT4 ? k / 2 : k) + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT;
    out->bytes = n * out->row_bytes;
    out->scale_bytes = n * out->groups * sizeof *out->scales;
    out->rows = tern_block_open(out->bytes);
    out->scales = tern_block_open(out->scale_bytes);
    if (out->rows && out->scales && pack_rows(out, &weight->matrix, threads))
        return TERN_OK;
    size_t bytes = out->bytes + out->scale_bytes;
    tern_output_close(out);
    return tern_error_memory(err, "the packed output matrix", bytes);
}

void tern_output_close(struct tern_output *o)
{
    tern_bound_matrix_close(&o->exact);
    tern_block_close(o->rows, o->bytes);
    tern_block_close(o->scales, o->scale_bytes);
    o->rows = NULL;
    o->scales = NULL;
}

/* ---- products */

CLONES static float dot_int4(const uint8_t *restrict w, const int8_t *restrict q, const float *restrict scales, size_t groups)
{
    float total = 0;
    for (size_t g = 0; g < groups; g++, w += GROUP / 2, q += GROUP) {
        int32_t sum = 0;
        for (int i = 0; i < GROUP / 2; i++)
            sum += (int16_t)((w[i] & 15) - 8) * q[i] + (int16_t)((w[i] >> 4) - 8) * q[i + GROUP / 2];
        total += scales[g] * (float)sum;
    }
    return total;
}

static void int8_part(const struct tern_output *o, const struct tern_activations *a, size_t batch, float *y, size_t from, size_t to)
{
    struct tern_rows rows = {TERN_I8, o->rows + from * o->row_bytes, o->row_bytes, o->scales + from, 1};
    for (size_t b = 0; b < batch; b++)
        o->kernels->vector.dots_int8(a->q + b * a->stride, a->scale[b], o->k, &rows, to - from, y + b * o->n + from);
}

static void int4_part(const struct tern_output *o, const struct tern_activations *a, size_t batch, float *y, size_t from, size_t to)
{
    for (size_t r = from; r < to; r++)
        for (size_t b = 0; b < batch; b++)
            y[b * o->n + r] = dot_int4(o->rows + r * o->row_bytes, a->q + b * a->stride, o->scales + r * o->groups, o->groups) * a->scale[b];
}

void tern_output_part(const struct tern_output *o, struct tern_input in, size_t batch, float *y, float *room, int id, int n)
{
    size_t from, to;
    tern_share(o->n, id, n, &from, &to);
    if (o->kind == TERN_OUTPUT_EXACT)
        tern_bound_matrix_part(&o->exact, (struct tern_input){in.x, NULL}, batch, y, room, id, n);
    else
        (o->kind == TERN_OUTPUT_INT8 ? int8_part : int4_part)(o, in.a, batch, y, from, to);
}

size_t tern_output_bytes(const struct tern_output *o)
{
    return o->kind == TERN_OUTPUT_EXACT ? tern_bound_matrix_bytes(&o->exact) : o->bytes + o->scale_bytes;
}
