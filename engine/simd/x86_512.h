/* SPDX-License-Identifier: Apache-2.0
 * 512-bit vectors for simd/product.h: what avx512 and avx512vnni have in common. */
#include <immintrin.h>
#include <stdint.h>

#define V __m512i
#define V_BYTES 64
#define V_LOAD(p) _mm512_load_si512(p)
#define V_FIELD(v, f) _mm512_and_si512((f) ? _mm512_srli_epi16(v, 2 * (f)) : (v), _mm512_set1_epi8(3))
#define V_MASK(v, f) _mm512_and_si512(v, _mm512_set1_epi8((char)(3 << 2 * (f))))
#define V_TRIPLE(v) _mm512_add_epi8(v, _mm512_add_epi8(v, v))
#define V_X4(p) _mm512_set1_epi32(load_four(p))
#define S __m512i
#define S_ZERO _mm512_setzero_si512()
#define S_SHIFT(s, bits) _mm512_srai_epi32(s, bits)
#define S_PLUS(a, b) _mm512_add_epi32(a, b)
#define S_MINUS(a, b) _mm512_sub_epi32(a, b)
#define S_SUM(a, b) _mm512_add_epi32(a, b)
#define OPAQUE(v) __asm__ volatile("" : "+v"(v))
#define S_OUT(s, x_sum, out) _mm512_storeu_si512(out, _mm512_sub_epi32(s, _mm512_set1_epi32(x_sum)))
#define S_SCALE(s, x_sum, factor, out) \
    _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(s, _mm512_set1_epi32(x_sum))), _mm512_set1_ps(factor)))

static inline int load_four(const void *p)
{
    int v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

/* 3 v / 256 without products: the mean of v and v / 2, rounded down, is 3 v / 4 near enough that its upper two bits are right for all
 * 256 values (tests/lines_test.c); the machine's mean rounds up, so it is taken of complements. */
static inline __m512i V_DIGIT(__m512i v)
{
    const __m512i ones = _mm512_set1_epi8(-1), n = _mm512_xor_si512(v, ones);
    __m512i mean = _mm512_avg_epu8(n, _mm512_avg_epu8(n, ones));
    return _mm512_andnot_si512(_mm512_srli_epi16(mean, 6), _mm512_set1_epi8(3));
}
