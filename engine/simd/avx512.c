/* SPDX-License-Identifier: Apache-2.0
 * AVX-512 without VNNI: vpmaddubsw on 512-bit vectors, gathered in 16 bits as in avx2.c. */
#include "simd/x86_512.h"

#define ISA avx512
#define A __m512i
#define A_ZERO _mm512_setzero_si512()
#define A_DOT(a, w, x) _mm512_add_epi16(a, _mm512_maddubs_epi16(w, x))
#define A_QUADS 60
#define S_ADD(s, a) _mm512_add_epi32(s, _mm512_madd_epi16(a, _mm512_set1_epi16(1)))
#define TILE_R 2
#define TILE_C 4

/* Pairs of int8 are within 16 bits. */
static inline __m512i add_vector(__m512i n, __m512i q)
{
    return _mm512_add_epi32(n, _mm512_madd_epi16(_mm512_maddubs_epi16(_mm512_set1_epi8(1), q), _mm512_set1_epi16(1)));
}
#define N_ADD64(n, q) ((n) = add_vector(n, q))

#include "simd/product.h"
#include "simd/quantize_512.h"

#define W 64
#define HALVES(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define BYTES(p) _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#include "simd/vector.h"
#define V_FMA(a, b, c) (vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c))
#define FMA_COLUMNS 4
#include "simd/multiply_add.h"
#define PAIR_ROWS 4
#define PAIR_VECTORS 2
#include "simd/multiply_pairs.h"

void tern_avx512_overlay(struct tern_kernels *t)
{
    overlay_products(t);
    t->quantize = quantize_avx512;
    t->quantize_rows = quantize_rows_avx512;
    overlay_vectors(t);
    t->vector.multiply_add = multiply_add;
    t->vector.multiply_pairs = multiply_pairs;
}
