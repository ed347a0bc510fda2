/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/model.h"
#include "cuda/kernels/session.h"
#include "cuda/pack.h"
#include "cuda/stream_in.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_AT_ONCE = 1024 }; /* of the embedding and the output, on the way to the card */

static size_t norm_size(const struct cuda_model_spec *s, enum cuda_norm norm)
{
    return norm == CUDA_NORM_ffn_sub ? s->ffn : s->width;
}

/* Floats of a layer's norms before `norm`; the last one, of the whole model, is kept behind all layers. */
static size_t norm_at(const struct cuda_model_spec *s, enum cuda_norm norm)
{
    size_t at = 0;
    for (size_t i = 0; i < norm; i++)
        at += norm_size(s, (enum cuda_norm)i);
    return at;
}

uint64_t cuda_model_norm(const struct cuda_model *m, size_t layer, enum cuda_norm norm)
{
    size_t each = norm_at(&m->spec, CUDA_NORM_last), at = norm == CUDA_NORM_last ? m->spec.layers * each : layer * each + norm_at(&m->spec, norm);
    return m->norms.at + at * sizeof(float);
}

uint64_t cuda_model_matrix(const struct cuda_model *m, size_t layer, enum cuda_matrix matrix)
{
    return (layer < m->resident ? m->weights.at + layer * m->layer_bytes : cuda_stream_in_layer(m, layer)) + m->matrix_at[matrix];
}

size_t cuda_model_bytes(const struct cuda_model *m)
{
    return m->spec.layers * m->layer_bytes + m->rows.bytes + m->row_scales.bytes;
}

/* ---- weights */

/* Row n of this card's part of a matrix, as a row of the whole. */
static size_t whole_row(const struct cuda_model_spec *s, enum cuda_matrix matrix, size_t n)
{
    const struct cuda_share own = cuda_model_share(s);
    size_t queries = own.heads * s->head, kv = own.groups * s->head, first = own.first_group * s->head;
    if (matrix == CUDA_MATRIX_gate_up)
        return n < own.ffn ? s->rank * own.ffn + n : s->ffn + s->rank * own.ffn + n - own.ffn;
    if (matrix != CUDA_MATRIX_qkv)
        return s->rank * own.width + n;
    if (n < queries)
        return first * (s->heads / s->groups) + n;
    return s->heads * s->head + first + (n < queries + kv ? n - queries : s->groups * s->head + n - queries - kv);
}

/* The scales of the whole matrix, their borders as rows of this card's part. */
static struct weight_scale own_scale(const struct cuda_model_spec *s, size_t layer, enum cuda_matrix matrix)
{
    struct weight_scale scale = s->source->scale(s->data, layer, matrix), own = scale;
    size_t n, k;
    cuda_model_shape(s, matrix, &n, &k);
    for (size_t i = 0; i < 2; i++) {
        own.from[i] = 0;
        while ((size_t)own.from[i] < n && (long)whole_row(s, matrix, (size_t)own.from[i]) < scale.from[i])
            own.from[i]++;
    }
    return own;
}

static void pack_layer(const struct cuda_model *m, size_t layer, uint8_t *packed, int8_t *trits)
{
    memset(packed, 0, m->layer_bytes);
    for (size_t i = 0; i < CUDA_MATRICES; i++) {
        size_t n, k;
        cuda_model_shape(&m->spec, (enum cuda_matrix)i, &n, &k);
        for (size_t row = 0; row < n; row++) {
            m->spec.source->trits(m->spec.data, layer, (enum cuda_matrix)i, whole_row(&m->spec, (enum cuda_matrix)i, row), k, trits);
            cuda_pack_row(packed + m->matrix_at[i], cuda_pack_quads(k), row, trits, k);
        }
    }
}

static enum cuda_outcome take_layer(struct cuda_model *m, size_t layer, uint8_t *packed, int8_t *trits, struct cuda_fault *fault)
{
    struct cuda_device *d = m->device;
    size_t variants = m->spec.variants;
    uint64_t to = m->weights.at + layer * m->layer_bytes;
    for (size_t i = 0; i < CUDA_MATRICES; i++)
        m->scales[layer][i] = own_scale(&m->spec, layer, (enum cuda_matrix)i);
    if (layer >= m->resident) {
        pack_layer(m, layer, m->in.host + (layer - m->resident) * m->layer_bytes, trits);
        return CUDA_OUTCOME_ok;
    }
    if (variants && layer >= variants)
        return cuda_try(d, d->driver.copy_later(to, m->weights.at + layer % variants * m->layer_bytes, m->layer_bytes, d->stream), "copying weights", fault);
    pack_layer(m, layer, packed, trits);
    return cuda_upload(d, to, packed, m->layer_bytes, "uploading weights", fault);
}

/* Room for `resident` layers, and for two on their way where that is not all of them. */
static enum cuda_outcome take_room(struct cuda_model *m, size_t resident, struct cuda_fault *fault)
{
    struct cuda_memory spare = {0};
    enum cuda_outcome o = cuda_take(m->device, resident * m->layer_bytes, "weights", &m->weights, fault);
    if (!o && resident < m->spec.layers)
        o = cuda_take(m->device, CUDA_PLACES * m->layer_bytes, "weights on their way", &m->in.places, fault);
    if (!o && m->spec.spare)
        o = cuda_take(m->device, m->spec.spare, "what sessions take", &spare, fault);
    cuda_give(m->device, &spare);
    if (o) {
        cuda_give(m->device, &m->weights);
        cuda_give(m->device, &m->in.places);
    }
    m->resident = resident;
    return o;
}

/* As many layers as there is room for; a few less at each refusal. */
static enum cuda_outcome find_room(struct cuda_model *m, struct cuda_fault *fault)
{
    size_t asked = m->spec.resident, layers = m->spec.layers, fewer = layers / 8 + 1;
    enum cuda_outcome o = CUDA_OUTCOME_out_of_memory;
    if (asked)
        return take_room(m, asked < layers ? asked : layers, fault);
    for (size_t n = layers; o == CUDA_OUTCOME_out_of_memory; n = n > fewer ? n - fewer : 1) {
        o = take_room(m, n, fault);
        if (n == 1)
            break;
    }
    return o;
}

static enum cuda_outcome open_layers(struct cuda_model *m, struct cuda_fault *fault)
{
    const struct cuda_model_spec *s = &m->spec;
    enum cuda_outcome o;
    for (size_t i = 0; i < CUDA_MATRICES; i++) {
        size_t n, k;
        cuda_model_shape(s, (enum cuda_matrix)i, &n, &k);
        m->matrix_at[i] = m->layer_bytes;
        m->layer_bytes += cuda_pack_bytes(n, k);
    }
    if ((o = find_room(m, fault)) || (!cuda_model_is_whole(m) && (o = cuda_stream_in_open(m, fault))))
        return o;
    uint8_t *packed = malloc(m->layer_bytes);
    int8_t *trits = malloc(s->width + s->ffn);
    m->scales = calloc(s->layers, sizeof *m->scales);
    if (!packed || !trits || !m->scales)
        o = cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory to pack %zu bytes", m->layer_bytes);
    for (size_t layer = 0; layer < s->layers && !o; layer++)
        o = take_layer(m, layer, packed, trits, fault);
    free(packed);
    free(trits);
    return o ? o : cuda_finish(m->device, 60, fault);
}

/* ---- vectors and rows */

static enum cuda_outcome upload(struct cuda_model *m, const void *from, size_t bytes, const char *what, struct cuda_memory *to, struct cuda_fault *fault)
{
    enum cuda_outcome o = cuda_take(m->device, bytes, what, to, fault);
    return o ? o : cuda_upload(m->device, to->at, from, bytes, what, fault);
}

static enum cuda_outcome open_norms(struct cuda_model *m, struct cuda_fault *fault)
{
    const struct cuda_model_spec *s = &m->spec;
    size_t each = norm_at(s, CUDA_NORM_last), all = s->layers * each + s->width;
    float *norms = malloc(all * sizeof *norms);
    if (!norms)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for norms");
    for (size_t layer = 0; layer < s->layers; layer++)
        for (size_t i = 0; i < CUDA_NORM_last; i++)
            memcpy(norms + layer * each + norm_at(s, (enum cuda_norm)i), s->source->norm(s->data, layer, (enum cuda_norm)i), norm_size(s, (enum cuda_norm)i) * sizeof *norms);
    memcpy(norms + s->layers * each, s->source->norm(s->data, 0, CUDA_NORM_last), s->width * sizeof *norms);
    enum cuda_outcome o = upload(m, norms, all * sizeof *norms, "norms", &m->norms, fault);
    free(norms);
    return o;
}

static enum cuda_outcome open_angles(struct cuda_model *m, struct cuda_fault *fault)
{
    const struct cuda_model_spec *s = &m->spec;
    size_t half = s->head / 2, n = s->context * half;
    float *angles = malloc(2 * n * sizeof *angles);
    if (!angles)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for angles");
    for (size_t p = 0; p < s->context; p++)
        s->source->angles(s->data, p, angles + p * half, angles + n + p * half);
    enum cuda_outcome o = upload(m, angles, n * sizeof *angles, "angles", &m->cosine, fault);
    if (!o)
        o = upload(m, angles + n, n * sizeof *angles, "angles", &m->sine, fault);
    free(angles);
    return o;
}

/* Rows [first, first + n) of the output and of the embedding. */
static enum cuda_outcome take_rows(struct cuda_model *m, size_t first, size_t n, int8_t *rows, float *scales, float *table, struct cuda_fault *fault)
{
    const struct cuda_model_spec *s = &m->spec;
    struct cuda_device *d = m->device;
    enum cuda_outcome o;
    for (size_t r = 0; r < n; r++) {
        scales[r] = s->source->row(s->data, first + r, rows + r * s->width);
        if (s->source->embedding)
            s->source->embedding(s->data, first + r, table + r * s->width);
    }
    if ((o = cuda_upload(d, m->rows.at + first * s->width, rows, n * s->width, "uploading rows", fault)) ||
        (o = cuda_upload(d, m->row_scales.at + first * sizeof *scales, scales, n * sizeof *scales, "uploading scales", fault)) || !s->source->embedding)
        return o;
    return cuda_upload(d, m->table.at + first * s->width * sizeof *table, table, n * s->width * sizeof *table, "uploading the embedding", fault);
}

static enum cuda_outcome open_rows(struct cuda_model *m, struct cuda_fault *fault)
{
    const struct cuda_model_spec *s = &m->spec;
    struct cuda_device *d = m->device;
    enum cuda_outcome o;
    if ((o = cuda_take(d, s->vocabulary * s->width, "rows of the output", &m->rows, fault)) || (o = cuda_take(d, s->vocabulary * sizeof(float), "scales", &m->row_scales, fault)) ||
        (s->source->embedding && (o = cuda_take(d, s->vocabulary * s->width * sizeof(float), "the embedding", &m->table, fault))))
        return o;
    int8_t *rows = malloc(ROWS_AT_ONCE * s->width);
    float *scales = malloc(ROWS_AT_ONCE * sizeof *scales), *table = malloc(ROWS_AT_ONCE * s->width * sizeof *table);
    if (!rows || !scales || !table)
        o = cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for rows of the output");
    for (size_t first = 0; first < s->vocabulary && !o; first += ROWS_AT_ONCE)
        o = take_rows(m, first, s->vocabulary - first < ROWS_AT_ONCE ? s->vocabulary - first : ROWS_AT_ONCE, rows, scales, table, fault);
    free(rows);
    free(scales);
    free(table);
    return o;
}

/* ---- open, close */

static enum cuda_outcome check(const struct cuda_model_spec *s, struct cuda_fault *fault)
{
    size_t each = s->groups ? s->heads / s->groups : 0, ranks = s->ranks ? s->ranks : 1;
    if (s->layers && s->rank < ranks && s->width % ranks == 0 && s->ffn % ranks == 0 && each && cuda_model_share(s).groups && s->vocabulary && s->context && each && s->heads % s->groups == 0 && each <= ATTEND_ROWS && s->head && s->head % 4 == 0 && s->head <= HEAD_MOST &&
        s->width && s->width % 16 == 0 && s->heads * s->head == s->width && s->ffn)
        return CUDA_OUTCOME_ok;
    return cuda_fail(fault, CUDA_OUTCOME_mismatch, "a model of width %zu, %zu heads of %zu in %zu groups, %zu layers is not one the kernels serve on %zu cards", s->width, s->heads, s->head,
                     s->groups, s->layers, ranks);
}

enum cuda_outcome cuda_model_open(struct cuda_device *device, const struct cuda_model_spec *spec, struct cuda_model **out, struct cuda_fault *fault)
{
    enum cuda_outcome o = check(spec, fault);
    struct cuda_model *m = o ? NULL : calloc(1, sizeof *m);
    if (!m)
        return o ? o : cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no memory for a model's state");
    m->device = device;
    m->spec = *spec;
    if ((o = open_layers(m, fault)) || (o = open_norms(m, fault)) || (o = open_angles(m, fault)) || (o = open_rows(m, fault)))
        cuda_model_close(m);
    else
        *out = m;
    return o;
}

void cuda_model_close(struct cuda_model *m)
{
    if (!m)
        return;
    cuda_stream_in_close(m);
    struct cuda_memory *const all[] = {&m->weights, &m->norms, &m->table, &m->rows, &m->row_scales, &m->cosine, &m->sine};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda_give(m->device, all[i]);
    free(m->scales);
    free(m);
}
