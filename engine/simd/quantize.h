/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantisation of activations (kernels.h) in steps of 16 floats: a template that a backend's file includes once, after defining
 *
 *   ISA                       its name
 *   F, F_ZERO                 16 floats, in one vector or several
 *   F_LOAD(p)                 from any address
 *   F_LARGER(m, v)            per lane |v| where |v| > m, else m (so a NaN in v does not count)
 *   F_LARGEST(m)              over the lanes
 *   F_TO_INT8(v, factor, q)   rounds v * factor to nearest even, clamps to [-128, 127], a NaN to -128; stores 16 bytes at q
 *   N, N_ZERO                 sum of int8;  N_ADD(n, q) adds 16 bytes at q;  N_TOTAL(n)
 */
#include "core/kernels.h"

#include <string.h>

#define Q_GLUE_(a, b) a##b
#define Q_GLUE(a, b) Q_GLUE_(a, b)

static float Q_GLUE(quantize_, ISA)(const float *x, size_t k, int8_t *q, size_t stride, int32_t *sum)
{
    size_t whole = k / 16 * 16;
    float tail[16] __attribute__((aligned(64))) = { 0 };
    if (k > whole)
        memcpy(tail, x + whole, (k - whole) * sizeof *x);
    F m0 = F_LARGER(F_ZERO, F_LOAD(tail)), m1 = F_ZERO;
    size_t i = 0;
    for (; i + 32 <= whole; i += 32) {
        m0 = F_LARGER(m0, F_LOAD(x + i));
        m1 = F_LARGER(m1, F_LOAD(x + i + 16));
    }
    if (i < whole)
        m0 = F_LARGER(m0, F_LOAD(x + i));
    float largest = F_LARGEST(F_LARGER(m0, m1)), a = largest > 1e-5f ? largest : 1e-5f, factor = 127.0f / a;
    N total = N_ZERO;
    for (i = 0; i < whole; i += 16) {
        F_TO_INT8(F_LOAD(x + i), factor, q + i);
        N_ADD(total, q + i);
    }
    if (k > whole) {
        /* A row's room reaches to a multiple of 64, so the last 16 bytes may be written whole. */
        F_TO_INT8(F_LOAD(tail), factor, q + whole);
        N_ADD(total, q + whole);
        whole += 16;
    }
    memset(q + whole, 0, stride - whole);
    *sum = N_TOTAL(total);
    return a / 127.0f;
}

static void Q_GLUE(quantize_rows_, ISA)(const float *x, size_t rows, size_t k, int8_t *q, size_t stride, float *scale, int32_t *sum)
{
    for (size_t b = 0; b < rows; b++)
        scale[b] = Q_GLUE(quantize_, ISA)(x + b * k, k, q + b * stride, stride, &sum[b]);
}
