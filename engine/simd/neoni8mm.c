/* SPDX-License-Identifier: Apache-2.0
 *
 * NEON with matrix products of bytes (ARMv8.6 FEAT_I8MM): smmla multiplies 2 rows of 8 weights by 2 columns of 8 activations into four sums, twice
 * the work of sdot. Two-bit weights of two neighbouring fields, interleaved by row, are 2 x 8 for rows 0 and 1 and for rows 2 and 3 of a vector; the
 * activations under them lie side by side. For two columns and more; single columns and other storages stay with neondot.
 */
#include "core/kernels.h"

#include <arm_neon.h>

enum { PAIRS = 2, VECTORS = 2 }; /* of a tile: pairs of columns, vectors of four rows; 2 x 2 x 2 sums, which leaves room for weights and activations */

#define INLINE static inline __attribute__((always_inline))

static struct tern_product_kernel one_column;

/* Field f of codes, and f + 1, as 2 x 8 for rows 0 and 1 (half 0) or 2 and 3. */
INLINE int8x16_t rows_of(uint8x16_t field, uint8x16_t next, int half)
{
    uint32x4_t a = vreinterpretq_u32_u8(field), b = vreinterpretq_u32_u8(next);
    return vreinterpretq_s8_u32(half ? vzip2q_u32(a, b) : vzip1q_u32(a, b));
}

INLINE int8x16_t pair_of(const int8_t *x, size_t x_stride)
{
    return vcombine_s8(vld1_s8(x), vld1_s8(x + x_stride));
}

/* One output of row r, column c: sums of rows 0, 1 are { r0 c0, r0 c1, r1 c0, r1 c1 }. */
INLINE void put(const struct tern_product *p, size_t n, size_t b, int32_t s)
{
    if (n >= p->n)
        return;
    s -= p->x_sum[b];
    if (p->scale)
        ((float *)p->y)[b * p->n + n] = (float)s * (p->scale[b] * p->weight_scale);
    else
        ((int32_t *)p->y)[b * p->n + n] = s;
}

INLINE void put_pair(const struct tern_product *p, size_t n, size_t b, int32x4_t s)
{
    put(p, n, b, vgetq_lane_s32(s, 0));
    put(p, n, b + 1, vgetq_lane_s32(s, 1));
    put(p, n + 1, b, vgetq_lane_s32(s, 2));
    put(p, n + 1, b + 1, vgetq_lane_s32(s, 3));
}

/* One step: fields 0 and 1, then 2 and 3, of the tile's rows against its columns. */
INLINE void step(const uint8_t *w, const int8_t *x, size_t x_stride, const int pairs, int32x4_t s[VECTORS][2][PAIRS])
{
    const uint8x16_t low = vdupq_n_u8(3);
    for (int v = 0; v < VECTORS; v++) {
        uint8x16_t whole = vld1q_u8(w + 16 * v);
        uint8x16_t fields[4] = { vandq_u8(whole, low), vandq_u8(vshrq_n_u8(whole, 2), low), vandq_u8(vshrq_n_u8(whole, 4), low), vshrq_n_u8(whole, 6) };
        for (int f = 0; f < 4; f += 2)
            for (int half = 0; half < 2; half++) {
                int8x16_t rows = rows_of(fields[f], fields[f + 1], half);
                for (int c = 0; c < pairs; c++)
                    s[v][half][c] = vmmlaq_s32(s[v][half][c], rows, pair_of(x + (size_t)(2 * c) * x_stride + 4 * f, x_stride));
            }
    }
}

/* VECTORS times four rows from row `row` of a panel, pairs of columns from b. */
INLINE void tile(const struct tern_product *p, size_t panel, size_t row, size_t b, const int pairs)
{
    const uint8_t *w = p->w + panel * p->panel_bytes + row * 4;
    const int8_t *x = p->x + b * p->x_stride;
    int32x4_t s[VECTORS][2][PAIRS];
    for (int v = 0; v < VECTORS; v++)
        for (int half = 0; half < 2; half++)
            for (int c = 0; c < pairs; c++)
                s[v][half][c] = vdupq_n_s32(0);
    for (size_t i = 0; i < p->steps; i++)
        step(w + i * TERN_STEP, x + i * 16, p->x_stride, pairs, s);
    for (size_t v = 0; v < VECTORS; v++)
        for (size_t half = 0; half < 2; half++)
            for (int c = 0; c < pairs; c++)
                put_pair(p, panel * TERN_PANEL + row + 4 * v + 2 * half, b + (size_t)(2 * c), s[v][half][c]);
}

static void last_column(const struct tern_product *p, size_t b, size_t from, size_t to)
{
    struct tern_product rest = *p;
    rest.x += b * p->x_stride;
    rest.x_sum += b;
    rest.scale = p->scale ? p->scale + b : NULL;
    rest.y = (char *)p->y + b * p->n * 4;
    rest.batch = p->batch - b;
    one_column.run(&rest, from, to);
}

static void matmul_2bit_i8_neoni8mm(const struct tern_product *p, size_t from, size_t to)
{
    size_t even = p->batch / 2 * 2;
    for (size_t panel = from; panel < to; panel++)
        for (size_t row = 0; row < TERN_PANEL; row += 4 * VECTORS) {
            size_t b = 0;
            for (; b + 2 * PAIRS <= even; b += 2 * PAIRS)
                tile(p, panel, row, b, PAIRS);
            for (; b < even; b += 2)
                tile(p, panel, row, b, 1);
        }
    if (even < p->batch)
        last_column(p, even, from, to);
}

void tern_neoni8mm_overlay(struct tern_kernels *t)
{
    static const struct tern_product_kernel kernel = { "matmul_2bit_i8_neoni8mm", matmul_2bit_i8_neoni8mm };
    one_column = t->product[TERN_STORAGE_2BIT][TERN_ONE];
    t->product[TERN_STORAGE_2BIT][TERN_FEW] = kernel;
    t->product[TERN_STORAGE_2BIT][TERN_MANY] = kernel;
}
