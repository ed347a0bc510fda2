/* SPDX-License-Identifier: Apache-2.0 */
#include "model/matrix.h"

#include "core/error.h"
#include "core/memory.h"
#include "format/gguf_cursor.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What packing reads rows from. A source cannot fail, so it notes the first code that is no trit. */
struct source {
    const struct tern_matrix *matrix;
    _Atomic uint64_t bad; /* row * columns + column + 1; 0: none */
};

static void source_row(const void *data, size_t n, size_t k, int8_t *trits)
{
    struct source *s = (struct source *)(uintptr_t)data;
    float scales[TERN_K_MAX / 256 + 1];
    uint64_t column;
    if (tern_matrix_trits(s->matrix, n, trits, scales, &column))
        return;
    uint64_t none = 0;
    atomic_compare_exchange_strong(&s->bad, &none, (uint64_t)n * k + column + 1);
}

/* The half-precision scale of block b of a TQ1_0 or TQ2_0 matrix. */
static float block_scale(const struct tern_matrix *m, uint64_t b)
{
    uint64_t bytes = tern_type_find(m->type)->bytes;
    const uint8_t *p = m->bytes + (b + 1) * bytes - 2;
    return tern_half_to_float((uint16_t)(p[0] | p[1] << 8));
}

enum tern_status tern_matrix_common_scale(const struct tern_model_weight *weight, const char *name, float *scale, bool *is_one, struct tern_error *err)
{
    const struct tern_matrix *m = &weight->matrix;
    *is_one = true;
    *scale = 0;
    if (m->type == TERN_TYPE_I2_S) {
        *scale = tern_i2s_scale(m);
        return TERN_OK;
    }
    for (uint64_t b = 0; b < m->n_rows * m->n_columns / 256; b++) {
        float s = block_scale(m, b);
        if (!isfinite(s))
            return tern_gguf_refuse(err, weight->file, TERN_GGUF_RULE_SCALE, weight->offset, "tensor %s: block %" PRIu64 " has the scale %g", name, b, (double)s);
        if (s != 0 && *scale != 0 && s != *scale)
            *is_one = false;
        *scale = s != 0 ? s : *scale;
    }
    return TERN_OK;
}

static struct tern_linear_spec spec_of(const struct tern_matrix *m, const struct tern_matrix_binding *how, size_t batch)
{
    return (struct tern_linear_spec){
        .n = m->n_rows, .k = m->n_columns, .storage = how->storage, .batch = batch, .is_cold = how->is_cold, .threads = how->threads,
    };
}

/* Whether weights are packed a second time for several rows. */
static bool needs_many(const struct tern_matrix_binding *how, const struct tern_linear *one)
{
    return how->has_many && how->batch == 1 && one->storage != TERN_STORAGE_2BIT;
}

size_t tern_bound_matrix_room(const struct tern_model_weight *weight, const struct tern_matrix_binding *how)
{
    struct tern_linear_spec few = spec_of(&weight->matrix, how, how->batch), many = spec_of(&weight->matrix, how, TERN_FEW_MAX + 1);
    struct tern_linear one, second;
    if (!how->use_int8 || !tern_type_is_ternary(weight->matrix.type) || tern_linear_plan(how->backend, &few, &one, NULL) != TERN_OK)
        return 0;
    if (!needs_many(how, &one) || tern_linear_plan(how->backend, &many, &second, NULL) != TERN_OK)
        return one.panels * one.panel_bytes;
    return one.panels * one.panel_bytes + second.panels * second.panel_bytes;
}

/* Error: TERN_INVALID, where the source met a code that is no trit. */
static enum tern_status check_source(const struct source *source, const struct tern_model_weight *weight, const char *name, struct tern_error *err)
{
    const uint64_t bad = atomic_load(&source->bad), k = weight->matrix.n_columns;
    if (!bad)
        return TERN_OK;
    return tern_gguf_refuse(err, weight->file, TERN_GGUF_RULE_CODE, weight->offset, "tensor %s: row %" PRIu64 ", column %" PRIu64 " holds code 3, which is no trit",
                            name, (bad - 1) / k, (bad - 1) % k);
}

/* The weights go to `room`, where there is one. */
static enum tern_status pack(const struct tern_model_weight *m, const struct tern_matrix_binding *how, size_t batch, float scale, uint8_t *room,
                             struct tern_linear **out, struct tern_error *err)
{
    struct source source = {&m->matrix, 0};
    struct tern_linear_spec spec = spec_of(&m->matrix, how, batch);
    spec.scale = scale * m->scale;
    spec.source = source_row;
    spec.data = &source;
    spec.room = room;
    enum tern_status status = tern_linear_bind(how->backend, &spec, out, err);
    return status == TERN_OK ? check_source(&source, m, how->name, err) : status;
}

/* Codes are looked at where packing does not. */
static enum tern_status check_codes(const struct tern_model_weight *m, const struct tern_matrix_binding *how, struct tern_error *err)
{
    struct source source = {&m->matrix, 0};
    size_t k = m->matrix.n_columns;
    int8_t *trits = tern_array_open(1, k);
    if (!trits)
        return tern_error_memory(err, "a row of trits", k);
    for (uint64_t row = 0; row < m->matrix.n_rows && !atomic_load(&source.bad); row++)
        source_row(&source, row, k, trits);
    tern_array_close(trits);
    return check_source(&source, m, how->name, err);
}

enum tern_status tern_bound_matrix_open(const struct tern_model_weight *weight, const struct tern_matrix_binding *how,
                                        struct tern_bound_matrix *out, struct tern_error *err)
{
    float scale = 0;
    bool is_one = false;
    enum tern_status status = TERN_OK;
    *out = (struct tern_bound_matrix){TERN_MATRIX_DECODED, weight->matrix, weight->scale, NULL, NULL, &how->backend->kernels};
    if (!tern_type_is_ternary(weight->matrix.type))
        return TERN_OK;
    if ((status = tern_matrix_common_scale(weight, how->name, &scale, &is_one, err)) != TERN_OK)
        return status;
    if (!how->use_int8 || !is_one)
        return check_codes(weight, how, err);
    out->kind = TERN_MATRIX_TERNARY;
    status = pack(weight, how, how->batch, scale, how->room, &out->linear, err);
    if (status == TERN_OK && needs_many(how, out->linear))
        status = pack(weight, how, TERN_FEW_MAX + 1, scale, how->room ? how->room + out->linear->bytes : NULL, &out->many, err);
    return status;
}

void tern_bound_matrix_close(struct tern_bound_matrix *m)
{
    tern_linear_close(m->linear);
    tern_linear_close(m->many);
    m->linear = m->many = NULL;
}

/* sums[b] = sum_k w[k] x[b][k] in float, for x given as floats or as int8. */
static void row_sums(const struct tern_bound_matrix *m, struct tern_input in, size_t batch, const float *w, float *widened, float *sums)
{
    size_t k = m->matrix.n_columns;
    struct tern_rows rows = {.type = TERN_F32, .data = in.x, .stride = k * sizeof(float)};
    if (!in.a) {
        m->kernels->vector.dots(w, k, &rows, batch, sums);
        return;
    }
    rows.data = widened;
    for (size_t b = 0; b < batch; b++) {
        const int8_t *q = in.a->q + b * in.a->stride;
        for (size_t i = 0; i < k; i++)
            widened[i] = (float)q[i];
        m->kernels->vector.dots(w, k, &rows, 1, &sums[b]);
        sums[b] *= in.a->scale[b];
    }
}

static void decoded_part(const struct tern_bound_matrix *m, struct tern_input in, size_t batch, float *y, float *room, int id, int n)
{
    size_t from, to, n_rows = m->matrix.n_rows, k = m->matrix.n_columns;
    tern_share_panels(n_rows, id, n, &from, &to);
    for (size_t r = from; r < to; r++) {
        tern_matrix_row(&m->matrix, r, room);
        row_sums(m, in, batch, room, room + k, room + 2 * k);
        for (size_t b = 0; b < batch; b++)
            y[b * n_rows + r] = m->scale * room[2 * k + b];
    }
}

void tern_bound_matrix_part(const struct tern_bound_matrix *m, struct tern_input in, size_t batch, float *y, float *room, int id, int n)
{
    if (m->kind == TERN_MATRIX_TERNARY)
        tern_linear_part(m->many && batch > 1 ? m->many : m->linear, in.a, batch, 0, y, id, n);
    else
        decoded_part(m, in, batch, y, room, id, n);
}

void tern_bound_matrix_ask(const struct tern_bound_matrix *m, int id, int n)
{
    if (m->kind == TERN_MATRIX_TERNARY)
        tern_linear_ask(m->linear, id, n);
}

void tern_bound_matrix_share(const struct tern_bound_matrix *m, int id, int n, size_t *from, size_t *to)
{
    tern_share_panels(m->matrix.n_rows, id, n, from, to);
}

size_t tern_bound_matrix_bytes(const struct tern_bound_matrix *m)
{
    uint64_t bytes = 0;
    if (m->linear)
        return m->linear->bytes;
    tern_type_bytes(tern_type_find(m->matrix.type), m->matrix.n_columns, m->matrix.n_rows, &bytes);
    return bytes;
}
