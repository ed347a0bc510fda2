/* SPDX-License-Identifier: Apache-2.0
 * AVX-512 with VNNI: vpdpbusd adds four u8 x s8 products per lane to int32 in one instruction, without saturation. */
#include "simd/avx512vnni_kernels.h"
#include "simd/head.h"
#include "simd/x86_512.h"
#include "simd/x86_512_put.h"

#define ISA avx512vnni
#define A __m512i
#define A_ZERO _mm512_setzero_si512()
#define A_DOT(a, w, x) dot_u8(a, w, x)
#define A_DOT_U8 A_DOT
#define A_QUADS 0
#define S_ADD(s, a) ((void)(s), (a))
#define TILE_R 2
#define TILE_C 8
#define TILE_FIELDS 4

#define N_ADD64(n, q) ((n) = dot_u8(n, _mm512_set1_epi8(1), q))

#include "simd/product.h"
#include "simd/quantize_512.h"

void tern_avx512vnni_overlay(struct tern_kernels *t)
{
    overlay_products(t);
    t->quantize = quantize_avx512vnni;
    t->quantize_rows = quantize_rows_avx512vnni;
    tern_avx512vnni_table_overlay(t);
    tern_avx512vnni_planes_overlay(t);
    tern_avx512vnni_head_overlay(&t->head);
}
