/* SPDX-License-Identifier: Apache-2.0
 * The vector operations (core/vector.h) in plain C: the definition of their bits. */
#include "simd/scalar_vector.h"
#include "core/kernels.h"
#include "core/sums.h"
#include "format/quants.h"

#include <math.h>
#include <string.h>

static float norm_factor(const float *x, size_t n, float eps)
{
    float partial[TERN_NORM_PARTIALS] = { 0 };
    for (size_t i = 0; i < n; i++)
        partial[i % TERN_NORM_PARTIALS] += x[i] * x[i];
    tern_sum_halve(partial, TERN_NORM_PARTIALS, 1);
    return 1.0f / sqrtf(partial[0] / (float)n + eps);
}

static void rms_norm(const float *x, const float *w, size_t n, float eps, float *y)
{
    float r = norm_factor(x, n, eps);
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] * r) * w[i];
}

static float squared_relu(float gate, float up)
{
    float g = gate > 0 ? gate : 0;
    return (g * g) * up;
}

static void gate(const float *g, const float *up, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = squared_relu(g[i], up[i]);
}

static void add(const float *x, size_t n, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void rope(float *x, const float *cosine, const float *sine, size_t d)
{
    size_t half = d / 2;
    for (size_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cosine[i] - b * sine[i];
        x[i + half] = b * cosine[i] + a * sine[i];
    }
}

/*
 * exp(x) = 2^n e^r, n = round(x / ln 2), r = x - n ln 2 with ln 2 in two parts (Cody and Waite), e^r by its series to r^6 in Horner's
 * order: |r| <= 0.347 leaves less than 2e-7. Adding 1.5 * 2^23 rounds and leaves n in the low bits, which become the exponent.
 */
float tern_exp_scalar(float x)
{
    const float magic = 12582912.0f;
    float t = x * 1.44269504f + magic, n = t - magic, p, scale;
    float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    int32_t bits;
    p = r * (1.0f / 720) + (1.0f / 120);
    p = p * r + (1.0f / 24);
    p = p * r + (1.0f / 6);
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    memcpy(&bits, &t, sizeof bits);
    bits = (int32_t)((uint32_t)bits << 23) + 0x3f800000;
    memcpy(&scale, &bits, sizeof scale);
    return x > -87.0f ? p * scale : 0.0f;
}

static float softmax_weights(float *x, size_t n)
{
    float partial[TERN_PARTIALS] = { 0 }, largest = n ? x[0] : 0;
    for (size_t i = 1; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < n; i++)
        x[i] = tern_exp_scalar(x[i] - largest);
    for (size_t i = 0; i < n; i += TERN_SOFTMAX_PANEL) {
        float panel[TERN_SOFTMAX_PANEL] = { 0 };
        memcpy(panel, x + i, (n - i < TERN_SOFTMAX_PANEL ? n - i : TERN_SOFTMAX_PANEL) * sizeof *x);
        tern_sum_halve(panel, TERN_SOFTMAX_PANEL, TERN_PARTIALS);
        for (size_t j = 0; j < TERN_PARTIALS; j++)
            partial[j] += panel[j];
    }
    return 1.0f / tern_sum_tree(partial);
}

static void softmax(float *x, size_t n)
{
    float share = softmax_weights(x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= share;
}

static float element(const struct tern_rows *rows, const char *row, size_t i)
{
    float f;
    uint16_t half;
    if (rows->type == TERN_I8)
        return (float)((const int8_t *)row)[i];
    if (rows->type == TERN_F16) {
        memcpy(&half, row + 2 * i, sizeof half);
        return tern_half_to_float(half);
    }
    memcpy(&f, row + 4 * i, sizeof f);
    return f;
}

static void widen(const struct tern_rows *rows, size_t row, size_t d, float *y)
{
    const char *at = (const char *)rows->data + row * rows->stride;
    for (size_t i = 0; i < d; i++)
        y[i] = rows->type == TERN_I8 ? rows->scale[row * rows->scale_stride] * element(rows, at, i) : element(rows, at, i);
}

static void dots(const float *x, size_t d, const struct tern_rows *rows, size_t n, float *y)
{
    for (size_t t = 0; t < n; t++) {
        const char *row = (const char *)rows->data + t * rows->stride;
        float partial[TERN_PARTIALS] = { 0 };
        for (size_t i = 0; i < d; i++)
            partial[i % TERN_PARTIALS] += x[i] * element(rows, row, i);
        y[t] = tern_sum_tree(partial);
        if (rows->type == TERN_I8)
            y[t] *= rows->scale[t * rows->scale_stride];
    }
}

static void mix(const float *p, const struct tern_rows *rows, size_t n, size_t d, float *y)
{
    for (size_t t = 0; t < n; t++) {
        const char *row = (const char *)rows->data + t * rows->stride;
        float factor = rows->type == TERN_I8 ? p[t] * rows->scale[t * rows->scale_stride] : p[t];
        for (size_t i = 0; i < d; i++)
            y[i] += factor * element(rows, row, i);
    }
}

static void dots_int8(const int8_t *q, float scale_x, size_t d, const struct tern_rows *rows, size_t n, float *y)
{
    for (size_t t = 0; t < n; t++) {
        const int8_t *row = (const int8_t *)rows->data + t * rows->stride;
        int32_t sum = 0;
        for (size_t i = 0; i < d; i++)
            sum += q[i] * row[i];
        y[t] = (scale_x * rows->scale[t * rows->scale_stride]) * (float)sum;
    }
}

/* The upper half of the bits, the lower half rounded to nearest even. */
static uint16_t to_half_of_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return fabsf(x) < 0x1p-50f ? 0 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float widened(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void to_bf16(const float *x, float factor, size_t n, uint16_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = to_half_of_bits(x[i] * factor);
}

static float softmax_bf16(const float *x, size_t n, uint16_t *p, size_t end)
{
    float partial[TERN_PARTIALS] = { 0 }, largest = n ? x[0] : 0;
    for (size_t i = 1; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < n; i++) {
        uint16_t half = to_half_of_bits(tern_exp_scalar(x[i] - largest));
        memcpy(p + i, &half, sizeof half); /* x may be the same memory */
        partial[i % TERN_PARTIALS] += widened(half);
    }
    memset(p + n, 0, (end - n) * sizeof *p);
    return 1.0f / tern_sum_tree(partial);
}

static void multiply_pairs(const struct tern_multiply_pairs *m)
{
    for (size_t r = 0; r < m->rows; r++) {
        for (size_t c = 0; c < m->columns; c++) {
            const uint16_t *a = m->a + r * m->a_stride, *b = m->b + c / TERN_PAIRS_BLOCK * m->column_stride + c % TERN_PAIRS_BLOCK * 2;
            float y = 0;
            for (size_t k = 0; k < m->n; k += TERN_PAIRS_BLOCK, b += m->k_stride) {
                float sums[2] = { 0, 0 };
                for (size_t i = 0; i < TERN_PAIRS_BLOCK; i++)
                    sums[i % 2] = fmaf(widened(a[k + i]), widened(b[i / 2 * 2 * TERN_PAIRS_BLOCK + i % 2]), sums[i % 2]);
                y += sums[0] + sums[1];
            }
            m->y[r * m->y_stride + c] = y;
        }
    }
}

static void multiply_add(const struct tern_multiply_add *m)
{
    for (size_t r = 0; r < m->rows; r++)
        for (size_t k = 0; k < m->n; k++)
            for (size_t c = 0; c < m->columns; c++)
                m->y[r * m->y_stride + c] = fmaf(m->a[r * m->a_stride + k], m->b[k * m->b_stride + c], m->y[r * m->y_stride + c]);
}

/* ---- fused: values are made again in the second pass rather than kept, from the same expression, so with the same bits */

static float quantize_norm(const float *x, const float *w, size_t n, float eps, int8_t *q, size_t stride, int32_t *sum)
{
    float r = norm_factor(x, n, eps), a = 1e-5f;
    for (size_t i = 0; i < n; i++) {
        float v = __builtin_fabsf((x[i] * r) * w[i]);
        a = v > a ? v : a;
    }
    float to_int = 127.0f / a;
    int32_t total = 0;
    for (size_t i = 0; i < n; i++) {
        q[i] = tern_round_to_int8((x[i] * r) * w[i] * to_int);
        total += q[i];
    }
    memset(q + n, 0, stride - n);
    *sum = total;
    return a / 127.0f;
}

static float quantize_gate(const float *g, const float *up, size_t n, int8_t *q, size_t stride, int32_t *sum)
{
    float a = 1e-5f;
    for (size_t i = 0; i < n; i++) {
        float v = __builtin_fabsf(squared_relu(g[i], up[i]));
        a = v > a ? v : a;
    }
    float to_int = 127.0f / a;
    int32_t total = 0;
    for (size_t i = 0; i < n; i++) {
        q[i] = tern_round_to_int8(squared_relu(g[i], up[i]) * to_int);
        total += q[i];
    }
    memset(q + n, 0, stride - n);
    *sum = total;
    return a / 127.0f;
}

void tern_scalar_vector_overlay(struct tern_vector_kernels *t)
{
    *t = (struct tern_vector_kernels){
        .rms_norm = rms_norm, .rms_norm_quantize = quantize_norm, .gate = gate, .gate_quantize = quantize_gate, .add = add, .rope = rope,
        .softmax = softmax, .softmax_weights = softmax_weights, .widen = widen, .dots = dots, .mix = mix, .dots_int8 = dots_int8,
        .multiply_add = multiply_add, .to_bf16 = to_bf16, .softmax_bf16 = softmax_bf16, .multiply_pairs = multiply_pairs,
    };
}
