/* SPDX-License-Identifier: Apache-2.0
 * 256-bit vectors for simd/product.h: what avx2 and avxvnni have in common. */
#include <immintrin.h>

#define V __m256i
#define V_BYTES 32
#define V_LOAD(p) _mm256_load_si256((const __m256i *)(const void *)(p))
#define V_FIELD(v, f) _mm256_and_si256((f) ? _mm256_srli_epi16(v, 2 * (f)) : (v), _mm256_set1_epi8(3))
#define V_TRIPLE(v) _mm256_add_epi8(v, _mm256_add_epi8(v, v))
#define V_X4(p) _mm256_set1_epi32(load_four(p))
#define S __m256i
#define S_ZERO _mm256_setzero_si256()
#define S_OUT(s, x_sum, out) _mm256_storeu_si256((__m256i *)(void *)(out), _mm256_sub_epi32(s, _mm256_set1_epi32(x_sum)))
#define S_SCALE(s, x_sum, factor, out) \
	_mm256_storeu_ps(out, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(s, _mm256_set1_epi32(x_sum))), _mm256_set1_ps(factor)))

/* 3 v / 256 is 1 from 86 on and 2 from 171 on; compares are signed, so v - 128 is compared with 85 - 128 and 170 - 128. */
static inline __m256i V_DIGIT(__m256i v)
{
	__m256i s = _mm256_xor_si256(v, _mm256_set1_epi8(-128));
	__m256i minus = _mm256_add_epi8(_mm256_cmpgt_epi8(s, _mm256_set1_epi8(-43)), _mm256_cmpgt_epi8(s, _mm256_set1_epi8(42)));
	return _mm256_abs_epi8(minus);
}

static inline int load_four(const void *p)
{
	int v;
	__builtin_memcpy(&v, p, sizeof v);
	return v;
}
