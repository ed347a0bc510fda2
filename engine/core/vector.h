/* SPDX-License-Identifier: Apache-2.0
 *
 * The operations of a BitNet layer other than its products, on float vectors. All backends give the same bits: sums follow the one order
 * of core/sums.h, everything else is done element by element in the order written here, with no fused multiply-add but in multiply_add
 * and multiply_pairs, where every product is fused with its sum.
 *
 * For all: pointers need no alignment; outputs may be the inputs where the element order allows it (said per function), and must not
 * overlap otherwise. Nothing fails. Threads: any, on disjoint outputs.
 */
#ifndef TERN_CORE_VECTOR_H
#define TERN_CORE_VECTOR_H

#include <stddef.h>
#include <stdint.h>

/* Element types of caches and tables: float, IEEE half, and int8 with one float scale for each row. */
enum tern_element { TERN_F32, TERN_F16, TERN_I8, TERN_ELEMENTS };

/* Rows of d elements, `stride` bytes apart. scale: one float per row for TERN_I8 (value = scale * integer), `scale_stride` floats
 * apart; unused otherwise. */
struct tern_rows {
    enum tern_element type;
    const void *data;
    size_t stride;
    const float *scale;
    size_t scale_stride;
};

/* y[r][c] = fma(a[r][k], b[k][c], y[r][c]) for k = 0 .. n-1 in this order; r < rows, c < columns; strides in floats. */
struct tern_multiply_add {
    size_t rows, n, columns;
    const float *a;
    size_t a_stride;
    const float *b;
    size_t b_stride;
    float *y;
    size_t y_stride;
};

/*
 * A product of bfloat16 matrices, in the order of a tile product of AMX. Of each block of 32 k, first to last,
 *
 *   e = fma(a[r][k], b[k][c], e) over the block's even k, from 0;   o the same over its odd k;   y[r][c] = y[r][c] + (e + o),  at first 0
 *
 *   n, columns   multiples of 32
 *   b            blocks of 32 k x 32 columns, side by side pairs of k: [16][32][2]; a block of the next k is k_stride elements further, one of the
 *                next columns column_stride
 *
 * All elements are 0 or at least 2^-50 (to_bf16), and finite: no product and no sum is subnormal then, so it makes no difference that tiles take
 * subnormals for 0. Source of the order: TDPBF16PS, Intel Architecture Instruction Set Extensions Programming Reference, chapter 3.
 */
struct tern_multiply_pairs {
    size_t rows, n, columns;
    const uint16_t *a;
    size_t a_stride;
    const uint16_t *b;
    size_t k_stride, column_stride;
    float *y;
    size_t y_stride;
};
enum { TERN_PAIRS_BLOCK = 32, TERN_PAIRS_ELEMENTS = TERN_PAIRS_BLOCK * TERN_PAIRS_BLOCK };

struct tern_vector_kernels {
    /* y[i] = (x[i] * r) * w[i],  r = 1 / sqrt(sum_i x[i]^2 / n + eps).  y may be x. Source: arXiv:1910.07467, Eq. (4). */
    void (*rms_norm)(const float *x, const float *w, size_t n, float eps, float *y);

    /* The same, quantised at once: bit for bit what rms_norm and then quantize (kernels.h) give. Returns the scale. */
    float (*rms_norm_quantize)(const float *x, const float *w, size_t n, float eps, int8_t *q, size_t stride, int32_t *sum);

    /* y[i] = (g * g) * up[i],  g = max(gate[i], 0).  y may be gate or up. Source: squared ReLU, arXiv:2109.08668; 2B-4T report. */
    void (*gate)(const float *gate, const float *up, size_t n, float *y);

    /* The same, quantised at once. */
    float (*gate_quantize)(const float *gate, const float *up, size_t n, int8_t *q, size_t stride, int32_t *sum);

    /* y[i] += x[i] */
    void (*add)(const float *x, size_t n, float *y);

    /* Rotates pairs (i, i + d/2), i < d/2, of one head in place: a' = a c - b s, b' = b c + a s. Source: arXiv:2104.09864, in the
     * half-split order of GGUF files. cosine and sine hold d/2 values of the position. */
    void (*rope)(float *x, const float *cosine, const float *sine, size_t d);

    /* x[i] = e[i] / sum e,  e[i] = exp(x[i] - max x)  by the engine's own exp: relative error below 2e-7, 0 below -87. In place. */
    void (*softmax)(float *x, size_t n);
    /* x[i] = exp(x[i] - max x), in place; returns 1 / sum x. */
    float (*softmax_weights)(float *x, size_t n);

    /* y[i] = row[i], or scale * row[i] for int8: one row of a table as floats, as an embedding is looked up. Halves widen exactly; of a NaN only that it is one. */
    void (*widen)(const struct tern_rows *rows, size_t row, size_t d, float *y);

    /* y[t] = sum_i x[i] rows[t][i], of n rows; for int8 rows the scale multiplies the sum. Rows of the f16 and int8 types widen exactly (format/quants.h has the halves). */
    void (*dots)(const float *x, size_t d, const struct tern_rows *rows, size_t n, float *y);

    /* y[i] += p[t] rows[t][i] for t = 0..n-1 in this order; for int8 rows the factor is p[t] * scale[t]. */
    void (*mix)(const float *p, const struct tern_rows *rows, size_t n, size_t d, float *y);

    /* y[t] = (scale_x * scale[t]) * sum_i q[i] rows[t][i] over int8 rows: exact integer sums. */
    void (*dots_int8)(const int8_t *q, float scale_x, size_t d, const struct tern_rows *rows, size_t n, float *y);

    /* A small product of float matrices, each output a chain of fused multiply-adds. y must not overlap a or b. */
    void (*multiply_add)(const struct tern_multiply_add *m);

    /* y[i] = x[i] * factor rounded to bfloat16, to nearest even; 0 where that is below 2^-50. */
    void (*to_bf16)(const float *x, float factor, size_t n, uint16_t *y);

    /* p[i] = exp(x[i] - max x) rounded as by to_bf16, for i < n, and 0 up to `end`. Returns 1 / sum p. p may be where x is. */
    float (*softmax_bf16)(const float *x, size_t n, uint16_t *p, size_t end);

    void (*multiply_pairs)(const struct tern_multiply_pairs *m);
};

#endif
