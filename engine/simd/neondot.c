/* SPDX-License-Identifier: Apache-2.0
 * NEON with the dot product (ARMv8.2 FEAT_DotProd): sdot adds four s8 x s8 products per lane to int32. */
#include "simd/arm_128.h"

#define ISA neondot
#define A int32x4_t
#define A_ZERO vdupq_n_s32(0)
#define A_DOT(a, w, x) vdotq_s32(a, vreinterpretq_s8_u8(w), vreinterpretq_s8_u8(x))
#define A_QUADS 0
#define S_ADD(s, a) ((void)(s), (a))
#define TILE_R 1
#define TILE_C 4

#include "simd/product.h"

void tern_neondot_overlay(struct tern_kernels *t)
{
    overlay_products(t);
}
