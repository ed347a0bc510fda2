/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gpu_reference.h"
#include "core/backend.h"
#include "core/error.h"
#include "core/memory.h"
#include "cuda/kernels/session.h"
#include "format/quants.h"
#include "model/attend.h"

#include <stdlib.h>
#include <string.h>

enum tern_status tern_gpu_reference_open(const struct cuda_model_spec *p, enum cuda_cache cache, size_t positions, size_t rows, struct tern_gpu_reference *r,
                                         struct tern_error *error)
{
    size_t longest = p->ffn > p->width ? p->ffn : p->width, cached = p->groups * positions, pitch = (p->head + 15) / 16 * 16, f = sizeof(float);
    *r = (struct tern_gpu_reference){.spec = p, .kernels = &tern_backend_scalar()->kernels, .cache = cache, .positions = positions, .rows = rows, .stride = longest + 64, .pitch = pitch};
    const struct {
        void **to;
        size_t bytes;
    } all[] = {
        {&r->keys, cached * p->head * 4}, {&r->values, cached * pitch * 4}, {(void **)&r->key_scales, cached * f}, {(void **)&r->value_scales, cached * f},
        {(void **)&r->k, cached * p->head * f}, {(void **)&r->v, cached * p->head * f}, {(void **)&r->x, p->width * f}, {(void **)&r->wide, (p->heads + 2 * p->groups) * p->head * f},
        {(void **)&r->tall, 2 * p->ffn * f}, {(void **)&r->added, p->width * f}, {(void **)&r->mixed, p->width * f}, {(void **)&r->cosine, p->head * f}, {(void **)&r->sine, p->head * f},
        {(void **)&r->room, tern_attend_f32.floats(p->heads, positions, p->head) * f}, {(void **)&r->q, r->stride}, {(void **)&r->trits, r->stride},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i].to = tern_array_open(1, all[i].bytes)))
            return tern_error_memory(error, "the reference", all[i].bytes);
    return TERN_OK;
}

void tern_gpu_reference_close(struct tern_gpu_reference *r)
{
    void *const all[] = {r->keys, r->values, r->key_scales, r->value_scales, r->k, r->v, r->x, r->wide, r->tall, r->added, r->mixed, r->cosine, r->sine, r->room, r->q, r->trits};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tern_array_close(all[i]);
}

/* ---- the cache */

static float element(const struct tern_gpu_reference *r, const void *from, size_t i, float scale)
{
    if (r->cache == CUDA_CACHE_i8)
        return scale * (float)((const int8_t *)from)[i];
    return r->cache == CUDA_CACHE_f16 ? tern_half_to_float(((const uint16_t *)from)[i]) : ((const float *)from)[i];
}

/* The card's panels of keys are the CPU's; values lie in rows of `pitch`. */
static void widen_cache(struct tern_gpu_reference *r)
{
    size_t d = r->spec->head, rows = r->spec->groups * r->positions;
    for (size_t i = 0; i < rows * d; i++) {
        size_t row = i / (d * TERN_KEY_PANEL) * TERN_KEY_PANEL + i % TERN_KEY_PANEL;
        r->k[i] = element(r, r->keys, i, r->key_scales[row]);
        r->v[i] = element(r, r->values, i / d * r->pitch + i % d, r->value_scales[i / d]);
    }
}

/* d numbers as a cache keeps them. */
static void keep(const struct tern_gpu_reference *r, float *x)
{
    size_t d = r->spec->head;
    int8_t q[HEAD_MOST];
    int32_t sum;
    if (r->cache == CUDA_CACHE_i8) {
        float scale = r->kernels->quantize(x, d, q, d, &sum);
        for (size_t i = 0; i < d; i++)
            x[i] = scale * (float)q[i];
    }
    for (size_t i = 0; i < d && r->cache == CUDA_CACHE_f16; i++)
        x[i] = tern_half_to_float(tern_float_to_half(x[i]));
}

static void remember(struct tern_gpu_reference *r, size_t position)
{
    const struct cuda_model_spec *p = r->spec;
    size_t d = p->head;
    float *k = r->wide + p->heads * d, *v = k + p->groups * d;
    p->source->angles(p->data, position, r->cosine, r->sine);
    for (size_t h = 0; h < p->heads + p->groups; h++)
        r->kernels->vector.rope(r->wide + h * d, r->cosine, r->sine, d);
    for (size_t g = 0; g < p->groups; g++) {
        keep(r, k + g * d);
        keep(r, v + g * d);
        tern_attend_f32.keep(&r->kernels->vector, &(struct tern_kept){
            .keys = r->k + g * r->positions * d, .values = r->v + g * r->positions * d, .position = position, .length = position + 1, .d = d,
            .k = k + g * d, .v = v + g * d});
    }
}

/* ---- the layer */

/* y[n] = sum_k W[n][k] q[k] times its scales, for rows [from, to) of a matrix. */
static void product(struct tern_gpu_reference *r, enum cuda_matrix matrix, size_t from, size_t to, float *y)
{
    const struct cuda_model_spec *p = r->spec;
    struct weight_scale scale = p->source->scale(p->data, 0, matrix);
    size_t n, k;
    cuda_model_shape(p, matrix, &n, &k);
    for (size_t row = from; row < to && row < n; row++) {
        int32_t sum = 0;
        p->source->trits(p->data, 0, matrix, row, k, r->trits);
        for (size_t i = 0; i < k; i++)
            sum += r->trits[i] * r->q[i];
        y[row] = (float)sum * (weight_scale_of(&scale, (int)row) * r->scale);
    }
}

static void norm(struct tern_gpu_reference *r, const float *x, enum cuda_norm which, size_t n)
{
    int32_t sum;
    r->scale = r->kernels->vector.rms_norm_quantize(x, r->spec->source->norm(r->spec->data, 0, which), n, r->spec->eps, r->q, r->stride, &sum);
}

/* The row's token through embedding, norm and the first product: all of it, or keys and values alone. */
static void begin_row(struct tern_gpu_reference *r, size_t row, bool is_last)
{
    const struct cuda_model_spec *p = r->spec;
    float scale = p->source->row(p->data, (11 + 37 * (r->first + row)) % p->vocabulary, r->q);
    for (size_t i = 0; i < p->width; i++)
        r->x[i] = scale * (float)r->q[i];
    norm(r, r->x, CUDA_NORM_attention, p->width);
    product(r, CUDA_MATRIX_qkv, is_last ? 0 : p->width, (p->heads + 2 * p->groups) * p->head, r->wide);
}

static void attend(struct tern_gpu_reference *r, size_t position)
{
    size_t d = r->spec->head, each = r->spec->heads / r->spec->groups;
    for (size_t g = 0; g < r->spec->groups; g++)
        tern_attend_f32.attend(&r->kernels->vector, &(struct tern_attend){
            .tokens = 1, .before = position, .heads = each, .d = d, .q = r->wide + g * each * d, .q_stride = r->spec->width, .keys = r->k + g * r->positions * d,
            .values = r->v + g * r->positions * d, .out = r->mixed + g * each * d, .out_stride = r->spec->width, .room = r->room});
}

static void finish_layer(struct tern_gpu_reference *r)
{
    const struct cuda_model_spec *p = r->spec;
    norm(r, r->mixed, CUDA_NORM_sub, p->width);
    product(r, CUDA_MATRIX_output, 0, p->width, r->added);
    r->kernels->vector.add(r->added, p->width, r->x);
    norm(r, r->x, CUDA_NORM_ffn, p->width);
    product(r, CUDA_MATRIX_gate_up, 0, 2 * p->ffn, r->tall);
    r->kernels->vector.gate(r->tall, r->tall + p->ffn, p->ffn, r->tall);
    norm(r, r->tall, CUDA_NORM_ffn_sub, p->ffn);
    product(r, CUDA_MATRIX_down, 0, p->width, r->added);
    r->kernels->vector.add(r->added, p->width, r->x);
    norm(r, r->x, CUDA_NORM_last, p->width);
}

void tern_gpu_reference_first_layer(struct tern_gpu_reference *r, size_t before)
{
    widen_cache(r);
    for (size_t row = 0; row < r->rows; row++) {
        begin_row(r, row, row + 1 == r->rows);
        remember(r, before + row);
    }
    attend(r, before + r->rows - 1);
    finish_layer(r);
}

float tern_gpu_reference_logit(struct tern_gpu_reference *r, size_t n)
{
    float scale = r->spec->source->row(r->spec->data, n, r->trits);
    int32_t sum = 0;
    for (size_t i = 0; i < r->spec->width; i++)
        sum += r->trits[i] * r->q[i];
    return ((float)sum * scale) * r->scale;
}
