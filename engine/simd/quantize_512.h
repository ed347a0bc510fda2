/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantisation of activations (core/kernels.h) in steps of 64 floats: a template that a 512-bit backend's file includes once, after defining
 *
 *   ISA                       its name
 *   N_ADD64(n, q)             adds 64 int8, a vector, to the sums n of 16 lanes, each to any one
 *
 * Above batch 1 every thread quantises all rows for itself, so this is a large part of a short call: 2 of 8 us at batch 32 of 768x768.
 */
#include "core/kernels.h"

#include <immintrin.h>
#include <string.h>

#define Q_GLUE_(a, b) a##b
#define Q_GLUE(a, b) Q_GLUE_(a, b)
#define Q_INLINE static inline __attribute__((always_inline))

/* Four vectors by name: an array would be a place in memory to the compiler. */
struct floats64 {
    __m512 a, b, c, d;
};

Q_INLINE struct floats64 load64(const float *x)
{
    return (struct floats64){ _mm512_loadu_ps(x), _mm512_loadu_ps(x + 16), _mm512_loadu_ps(x + 32), _mm512_loadu_ps(x + 48) };
}

/* The first n < 64 at x, zeros after them. */
Q_INLINE struct floats64 load_rest(const float *x, size_t n)
{
    uint64_t mask = ((uint64_t)1 << n) - 1;
    return (struct floats64){
        _mm512_maskz_loadu_ps((__mmask16)mask, x), _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), x + 16),
        _mm512_maskz_loadu_ps((__mmask16)(mask >> 32), x + 32), _mm512_maskz_loadu_ps((__mmask16)(mask >> 48), x + 48),
    };
}

/* |v| where it is larger, else m: so a NaN in v does not count. */
Q_INLINE struct floats64 larger64(struct floats64 v, struct floats64 m)
{
    return (struct floats64){
        _mm512_max_ps(_mm512_abs_ps(v.a), m.a), _mm512_max_ps(_mm512_abs_ps(v.b), m.b),
        _mm512_max_ps(_mm512_abs_ps(v.c), m.c), _mm512_max_ps(_mm512_abs_ps(v.d), m.d),
    };
}

Q_INLINE __m512i to_int16(__m512 a, __m512 b, __m512 factor)
{
    return _mm512_packs_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(a, factor)), _mm512_cvtps_epi32(_mm512_mul_ps(b, factor)));
}

/* Rounds to nearest even, clamps to [-128, 127]; a NaN becomes -128, as the most negative int32 that its conversion gives. */
Q_INLINE __m512i to_int8(struct floats64 v, __m512 factor)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15); /* packing goes by quarters of a vector */
    return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(to_int16(v.a, v.b, factor), to_int16(v.c, v.d, factor)));
}

/* The rest of a row from k/64*64 on, if it has one, and the zeros after it. A masked load or store past the end of memory is right but takes an assist of
 * hundreds of cycles, so there is none where nothing is left. */
Q_INLINE __m512i store_rest(const float *x, size_t k, int8_t *q, size_t stride, __m512 factor)
{
    size_t at = k / 64 * 64;
    __m512i bytes = _mm512_setzero_si512();
    if (at < k) {
        bytes = to_int8(load_rest(x + at, k - at), factor);
        _mm512_mask_storeu_epi8(q + at, ~(__mmask64)0 >> (stride - at < 64 ? 64 - (stride - at) : 0), bytes);
        at = at + 64 < stride ? at + 64 : stride;
    }
    memset(q + at, 0, stride - at);
    return bytes;
}

static float Q_GLUE(quantize_, ISA)(const float *x, size_t k, int8_t *q, size_t stride, int32_t *sum)
{
    const size_t whole = k / 64 * 64;
    const __m512 zero = _mm512_setzero_ps();
    struct floats64 m = { zero, zero, zero, zero };
    if (whole < k)
        m = larger64(load_rest(x + whole, k - whole), m);
    for (size_t i = 0; i < whole; i += 64)
        m = larger64(load64(x + i), m);
    float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(m.a, m.b), _mm512_max_ps(m.c, m.d)));
    float a = largest > 1e-5f ? largest : 1e-5f;
    const __m512 factor = _mm512_set1_ps(127.0f / a);
    __m512i total = _mm512_setzero_si512();
    for (size_t i = 0; i < whole; i += 64) {
        __m512i bytes = to_int8(load64(x + i), factor);
        N_ADD64(total, bytes);
        _mm512_storeu_si512(q + i, bytes);
    }
    N_ADD64(total, store_rest(x, k, q, stride, factor));
    *sum = _mm512_reduce_add_epi32(total);
    return a / 127.0f;
}
