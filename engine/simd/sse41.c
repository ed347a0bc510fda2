/* SPDX-License-Identifier: Apache-2.0
 * SSE4.1: as avx2.c on 128-bit vectors, four to a line. */
#include <smmintrin.h>
#include <stdint.h>

static inline int load_four(const void *p)
{
    int v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

#define ISA sse41
#define V __m128i
#define V_BYTES 16
#define V_LOAD(p) _mm_load_si128((const __m128i *)(const void *)(p))
#define V_FIELD(v, f) _mm_and_si128((f) ? _mm_srli_epi16(v, 2 * (f)) : (v), _mm_set1_epi8(3))
#define V_TRIPLE(v) _mm_add_epi8(v, _mm_add_epi8(v, v))
#define V_X4(p) _mm_set1_epi32(load_four(p))
#define A __m128i
#define A_ZERO _mm_setzero_si128()
#define A_DOT(a, w, x) _mm_add_epi16(a, _mm_maddubs_epi16(w, x))
#define A_QUADS 60
#define S __m128i
#define S_ZERO _mm_setzero_si128()
#define S_ADD(s, a) _mm_add_epi32(s, _mm_madd_epi16(a, _mm_set1_epi16(1)))
#define S_SUM(a, b) _mm_add_epi32(a, b)
#define OPAQUE(v) __asm__ volatile("" : "+x"(v))
#define S_OUT(s, x_sum, out) _mm_storeu_si128((__m128i *)(void *)(out), _mm_sub_epi32(s, _mm_set1_epi32(x_sum)))
#define S_SCALE(s, x_sum, factor, out) \
    _mm_storeu_ps(out, _mm_mul_ps(_mm_cvtepi32_ps(_mm_sub_epi32(s, _mm_set1_epi32(x_sum))), _mm_set1_ps(factor)))
#define TILE_R 1
#define TILE_C 2

/* As in x86_256.h. */
static inline __m128i V_DIGIT(__m128i v)
{
    __m128i s = _mm_xor_si128(v, _mm_set1_epi8(-128));
    return _mm_abs_epi8(_mm_add_epi8(_mm_cmpgt_epi8(s, _mm_set1_epi8(-43)), _mm_cmpgt_epi8(s, _mm_set1_epi8(42))));
}

typedef struct {
    __m128 v[4];
} floats16;

#define F floats16
#define F_ZERO ((floats16){ { _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps() } })
#define F_LOAD(p) ((floats16){ { _mm_loadu_ps(p), _mm_loadu_ps((p) + 4), _mm_loadu_ps((p) + 8), _mm_loadu_ps((p) + 12) } })

static inline floats16 F_LARGER(floats16 m, floats16 v)
{
    const __m128 sign = _mm_set1_ps(-0.0f);
    for (int i = 0; i < 4; i++)
        m.v[i] = _mm_max_ps(_mm_andnot_ps(sign, v.v[i]), m.v[i]);
    return m;
}

static inline float F_LARGEST(floats16 m)
{
    __m128 u = _mm_max_ps(_mm_max_ps(m.v[0], m.v[1]), _mm_max_ps(m.v[2], m.v[3]));
    u = _mm_max_ps(u, _mm_movehl_ps(u, u));
    return _mm_cvtss_f32(_mm_max_ss(u, _mm_shuffle_ps(u, u, 1)));
}

static inline void F_TO_INT8(floats16 v, float factor, int8_t *q)
{
    __m128i i[4];
    for (int j = 0; j < 4; j++)
        i[j] = _mm_cvtps_epi32(_mm_mul_ps(v.v[j], _mm_set1_ps(factor)));
    _mm_store_si128((__m128i *)(void *)q, _mm_packs_epi16(_mm_packs_epi32(i[0], i[1]), _mm_packs_epi32(i[2], i[3])));
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

#include "simd/product.h"
#include "simd/quantize.h"

#define W 16
#define BYTES(p) _mm_cvtepi8_epi32(_mm_cvtsi32_si128(load_four(p)))
#include "simd/vector.h"

void tern_sse41_overlay(struct tern_kernels *t)
{
    overlay_products(t);
    t->quantize = quantize_sse41;
    t->quantize_rows = quantize_rows_sse41;
    overlay_vectors(t);
}
