/* SPDX-License-Identifier: Apache-2.0
 * 256-bit vectors for simd/product.h and simd/quantize.h: what avx2 and avxvnni have in common. */
#include <immintrin.h>
#include <stdint.h>

#define V __m256i
#define V_BYTES 32
#define V_LOAD(p) _mm256_load_si256((const __m256i *)(const void *)(p))
#define V_FIELD(v, f) _mm256_and_si256((f) ? _mm256_srli_epi16(v, 2 * (f)) : (v), _mm256_set1_epi8(3))
#define V_MASK(v, f) _mm256_and_si256(v, _mm256_set1_epi8((char)(3 << 2 * (f))))
#define V_TRIPLE(v) _mm256_add_epi8(v, _mm256_add_epi8(v, v))
#define V_X4(p) _mm256_set1_epi32(load_four(p))
#define S __m256i
#define S_ZERO _mm256_setzero_si256()
#define S_SHIFT(s, bits) _mm256_srai_epi32(s, bits)
#define S_PLUS(a, b) _mm256_add_epi32(a, b)
#define S_MINUS(a, b) _mm256_sub_epi32(a, b)
#define S_SUM(a, b) _mm256_add_epi32(a, b)
#define OPAQUE(v) __asm__ volatile("" : "+x"(v))
#define S_OUT(s, x_sum, out) _mm256_storeu_si256((__m256i *)(void *)(out), _mm256_sub_epi32(s, _mm256_set1_epi32(x_sum)))
#define S_SCALE(s, x_sum, factor, out) \
    _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(s, _mm256_set1_epi32(x_sum))), _mm256_set1_ps(factor)))

static inline int load_four(const void *p)
{
    int v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

/* 3 v / 256 is 1 from 86 on and 2 from 171 on; compares are signed, so v - 128 is compared with 85 - 128 and 170 - 128. */
static inline __m256i V_DIGIT(__m256i v)
{
    __m256i s = _mm256_xor_si256(v, _mm256_set1_epi8(-128));
    __m256i minus = _mm256_add_epi8(_mm256_cmpgt_epi8(s, _mm256_set1_epi8(-43)), _mm256_cmpgt_epi8(s, _mm256_set1_epi8(42)));
    return _mm256_abs_epi8(minus);
}

typedef struct {
    __m256 low, high;
} floats16;

#define F floats16
#define F_ZERO ((floats16){ _mm256_setzero_ps(), _mm256_setzero_ps() })
#define F_LOAD(p) ((floats16){ _mm256_loadu_ps(p), _mm256_loadu_ps((p) + 8) })

static inline floats16 F_LARGER(floats16 m, floats16 v)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (floats16){ _mm256_max_ps(_mm256_andnot_ps(sign, v.low), m.low), _mm256_max_ps(_mm256_andnot_ps(sign, v.high), m.high) };
}

static inline float F_LARGEST(floats16 m)
{
    __m256 v = _mm256_max_ps(m.low, m.high);
    __m128 u = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    u = _mm_max_ps(u, _mm_movehl_ps(u, u));
    return _mm_cvtss_f32(_mm_max_ss(u, _mm_movehdup_ps(u)));
}

/* Packing works within halves of 128 bits; the last shuffle puts the four quarters in order. Saturation makes the -2^31 of a NaN -128. */
static inline void F_TO_INT8(floats16 v, float factor, int8_t *q)
{
    __m256 f = _mm256_set1_ps(factor);
    __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(v.low, f)), high = _mm256_cvtps_epi32(_mm256_mul_ps(v.high, f));
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    _mm_store_si128((__m128i *)(void *)q, _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

#define N __m128i
#define N_ZERO _mm_setzero_si128()

/* q + 128 is unsigned: its sum over eight bytes, less 1024. */
static inline __m128i add_bytes(__m128i n, const int8_t *q)
{
    __m128i v = _mm_xor_si128(_mm_load_si128((const __m128i *)(const void *)q), _mm_set1_epi8(-128));
    return _mm_add_epi32(n, _mm_sub_epi32(_mm_sad_epu8(v, _mm_setzero_si128()), _mm_set_epi32(0, 1024, 0, 1024)));
}
#define N_ADD(n, q) ((n) = add_bytes(n, q))
#define N_TOTAL(n) (_mm_extract_epi32(n, 0) + _mm_extract_epi32(n, 2))
