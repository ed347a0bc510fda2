/* SPDX-License-Identifier: Apache-2.0
 * NEON of the base AArch64: products of bytes gather in 16 bits, two vectors for the four rows of one vector of weights. */
#include "simd/arm_128.h"

typedef struct {
    int16x8_t low, high; /* rows 0 and 1, rows 2 and 3: four columns each */
} pair16;

static inline pair16 dot(pair16 a, uint8x16_t w, uint8x16_t x)
{
    int8x16_t sw = vreinterpretq_s8_u8(w), sx = vreinterpretq_s8_u8(x);
    return (pair16){ vmlal_s8(a.low, vget_low_s8(sw), vget_low_s8(sx)), vmlal_s8(a.high, vget_high_s8(sw), vget_high_s8(sx)) };
}

#define ISA neon
#define A pair16
#define A_ZERO ((pair16){ vdupq_n_s16(0), vdupq_n_s16(0) })
#define A_DOT(a, w, x) dot(a, w, x)
#define OPAQUE_A(a) __asm__ volatile("" : "+w"((a).low), "+w"((a).high))
#define A_QUADS 120 /* 120 * 2 * 128 < 2^15 */
#define S_ADD(s, a) vaddq_s32(s, vpaddq_s32(vpaddlq_s16((a).low), vpaddlq_s16((a).high)))
#define TILE_R 1
#define TILE_C 2

#include "simd/product.h"
#include "simd/quantize.h"

#define W 16
#define HALVES(p) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(const void *)(p))))
#include "simd/vector.h"
#define V_FMA(a, b, c) (vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b))
#define FMA_COLUMNS 4
#include "simd/multiply_add.h"
#define PAIR_ROWS 4
#define PAIR_VECTORS 2
#include "simd/multiply_pairs.h"

void tern_neon_overlay(struct tern_kernels *t)
{
    overlay_products(t);
    t->quantize = quantize_neon;
    t->quantize_rows = quantize_rows_neon;
    overlay_vectors(t);
    t->vector.multiply_add = multiply_add;
    t->vector.multiply_pairs = multiply_pairs;
}
