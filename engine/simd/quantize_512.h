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

#define QUANTIZES_64
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

/* The n < 64 values v at the end of a row and the zeros after them, up to `room` bytes from q. A masked store past the end of memory is right but takes an
 * assist of hundreds of cycles, as a masked load does, so there is none where nothing is left. */
Q_INLINE __m512i store_rest(struct floats64 v, size_t n, int8_t *q, size_t room, __m512 factor)
{
    __m512i bytes = _mm512_setzero_si512();
    size_t at = 0;
    if (n) {
        bytes = to_int8(v, factor);
        _mm512_mask_storeu_epi8(q, ~(__mmask64)0 >> (room < 64 ? 64 - room : 0), bytes);
        at = room < 64 ? room : 64;
    }
    memset(q + at, 0, room - at);
    return bytes;
}

Q_INLINE float limit_from(struct floats64 m)
{
    float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(m.a, m.b), _mm512_max_ps(m.c, m.d)));
    return largest > 1e-5f ? largest : 1e-5f;
}

/* The last k % 64 values of a row, where there are any: nothing is loaded past its end. */
Q_INLINE struct floats64 rest_of(const float *x, size_t k)
{
    const __m512 zero = _mm512_setzero_ps();
    return k % 64 ? load_rest(x + k / 64 * 64, k % 64) : (struct floats64){ zero, zero, zero, zero };
}

/* max(max |x|, 1e-5) of a row. */
Q_INLINE float limit_of(const float *x, size_t k)
{
    const __m512 zero = _mm512_setzero_ps();
    struct floats64 m = larger64(rest_of(x, k), (struct floats64){ zero, zero, zero, zero });
    for (size_t i = 0; i + 64 <= k; i += 64)
        m = larger64(load64(x + i), m);
    return limit_from(m);
}

Q_INLINE int32_t round_row(const float *x, size_t k, float limit, int8_t *q, size_t stride)
{
    const __m512 factor = _mm512_set1_ps(127.0f / limit);
    const size_t whole = k / 64 * 64;
    __m512i total = _mm512_setzero_si512();
    for (size_t i = 0; i < whole; i += 64) {
        __m512i bytes = to_int8(load64(x + i), factor);
        N_ADD64(total, bytes);
        _mm512_storeu_si512(q + i, bytes);
    }
    N_ADD64(total, store_rest(rest_of(x, k), k - whole, q + whole, stride - whole, factor));
    return _mm512_reduce_add_epi32(total);
}

static float Q_GLUE(quantize_, ISA)(const float *x, size_t k, int8_t *q, size_t stride, int32_t *sum)
{
    float limit = limit_of(x, k);
    *sum = round_row(x, k, limit, q, stride);
    return limit / 127.0f;
}

/* The limit of the next row is looked for before this one is rounded: its reduction and division take longer than the machine looks ahead. */
static void Q_GLUE(quantize_rows_, ISA)(const float *x, size_t rows, size_t k, int8_t *q, size_t stride, float *scale, int32_t *sum)
{
    float next = rows ? limit_of(x, k) : 0;
    for (size_t b = 0; b < rows; b++) {
        float limit = next;
        if (b + 1 < rows)
            next = limit_of(x + (b + 1) * k, k);
        sum[b] = round_row(x + b * k, k, limit, q + b * stride, stride);
        scale[b] = limit / 127.0f;
    }
}
