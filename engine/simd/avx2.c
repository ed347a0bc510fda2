/* SPDX-License-Identifier: Apache-2.0
 * AVX2: vpmaddubsw multiplies u8 by s8 and adds pairs to int16, which saturate at 2^15; a code of at most 2 gives at most 512 a step,
 * so 60 steps gather in 16 bits before they are widened. */
#include "simd/head.h"
#include "simd/x86_256.h"

#define ISA avx2
#define A __m256i
#define A_ZERO _mm256_setzero_si256()
#define A_DOT(a, w, x) _mm256_add_epi16(a, _mm256_maddubs_epi16(w, x))
#define A_QUADS 60
#define S_ADD(s, a) _mm256_add_epi32(s, _mm256_madd_epi16(a, _mm256_set1_epi16(1)))
#define TILE_R 1
#define TILE_C 4

#include "simd/product.h"
#include "simd/quantize.h"

#define W 32
#define HALVES(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define BYTES(p) _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p)))
#include "simd/vector.h"
#define V_FMA(a, b, c) (vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c))
#define FMA_COLUMNS 2
#include "simd/multiply_add.h"
#define PAIR_ROWS 4
#define PAIR_VECTORS 1
#include "simd/multiply_pairs.h"

void tern_avx2_overlay(struct tern_kernels *t)
{
    overlay_products(t);
    t->quantize = quantize_avx2;
    t->quantize_rows = quantize_rows_avx2;
    overlay_vectors(t);
    t->vector.multiply_add = multiply_add;
    t->vector.multiply_pairs = multiply_pairs;
    tern_avx2_head_overlay(&t->head);
}
