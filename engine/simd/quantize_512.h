/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantisation of activations (core/kernels.h) in steps of 64 floats: a template that a 512-bit backend's file includes once, after defining
 *
 *   ISA                       its name
 *   N_ADD64(n, q)             adds 64 int8, a vector, to the sums n of 16 lanes, each to any one
 *
 * At batch 32 of 768x768 every thread quantises 25 thousand numbers in a call of 8 us, so this is a fifth of it.
 */
#include "core/kernels.h"

#include <immintrin.h>

#define Q_GLUE_(a, b) a##b
#define Q_GLUE(a, b) Q_GLUE_(a, b)
#define Q_INLINE static inline __attribute__((always_inline))

struct floats64 {
    __m512 v[4];
};

Q_INLINE struct floats64 load64(const float *x)
{
    return (struct floats64){ { _mm512_loadu_ps(x), _mm512_loadu_ps(x + 16), _mm512_loadu_ps(x + 32), _mm512_loadu_ps(x + 48) } };
}

/* The first n < 64 at x, zeros after them. */
Q_INLINE struct floats64 load_rest(const float *x, size_t n)
{
    struct floats64 f;
    for (size_t i = 0; i < 4; i++) {
        size_t left = n > 16 * i ? n - 16 * i : 0;
        f.v[i] = left ? _mm512_maskz_loadu_ps((__mmask16)(0xffffu >> (left < 16 ? 16 - left : 0)), x + 16 * i) : _mm512_setzero_ps();
    }
    return f;
}

/* |v| where it is larger, else m: so a NaN in v does not count. */
Q_INLINE void take_larger(struct floats64 *m, struct floats64 f)
{
    for (int i = 0; i < 4; i++)
        m->v[i] = _mm512_max_ps(_mm512_abs_ps(f.v[i]), m->v[i]);
}

/* Rounds to nearest even, clamps to [-128, 127]; a NaN becomes -128, as the most negative int32 that its conversion gives. */
Q_INLINE __m512i to_int8(struct floats64 f, __m512 factor)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15); /* packing goes by quarters of a vector */
    __m512i i[4];
    for (int j = 0; j < 4; j++)
        i[j] = _mm512_cvtps_epi32(_mm512_mul_ps(f.v[j], factor));
    return _mm512_permutexvar_epi32(order, _mm512_packs_epi16(_mm512_packs_epi32(i[0], i[1]), _mm512_packs_epi32(i[2], i[3])));
}

static float Q_GLUE(quantize_, ISA)(const float *x, size_t k, int8_t *q, size_t stride, int32_t *sum)
{
    const size_t whole = k / 64 * 64;
    struct floats64 m = load_rest(x + whole, k - whole);
    for (int i = 0; i < 4; i++)
        m.v[i] = _mm512_max_ps(_mm512_abs_ps(m.v[i]), _mm512_setzero_ps());
    for (size_t i = 0; i < whole; i += 64)
        take_larger(&m, load64(x + i));
    float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(m.v[0], m.v[1]), _mm512_max_ps(m.v[2], m.v[3])));
    float a = largest > 1e-5f ? largest : 1e-5f;
    const __m512 factor = _mm512_set1_ps(127.0f / a);
    __m512i total = _mm512_setzero_si512();
    for (size_t i = 0; i < whole; i += 64) {
        __m512i bytes = to_int8(load64(x + i), factor);
        N_ADD64(total, bytes);
        _mm512_storeu_si512(q + i, bytes);
    }
    if (whole < stride) { /* rest of the row and the zeros after it */
        __m512i bytes = to_int8(load_rest(x + whole, k - whole), factor);
        N_ADD64(total, bytes);
        for (size_t i = whole; i < stride; i += 64, bytes = _mm512_setzero_si512())
            _mm512_mask_storeu_epi8(q + i, ~(__mmask64)0 >> (stride - i < 64 ? 64 - (stride - i) : 0), bytes);
    }
    *sum = _mm512_reduce_add_epi32(total);
    return a / 127.0f;
}
