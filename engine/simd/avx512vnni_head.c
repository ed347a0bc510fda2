/* SPDX-License-Identifier: Apache-2.0
 * The head's products with AVX-512 VNNI: a line of 16 rows is one vector; four activations are broadcast to all of them. Up to four
 * batch rows share a read of the weights. */
#include "simd/head.h"

#include <immintrin.h>

enum { TILE = 4 };

static inline __m512i four(const int8_t *x)
{
    int32_t bits;
    __builtin_memcpy(&bits, x, sizeof bits);
    return _mm512_set1_epi32(bits);
}

static inline void store_rows(const struct tern_head *h, size_t g, size_t b, __m512 y)
{
    size_t first = g * TERN_HEAD_ROWS, rows = h->n - first < TERN_HEAD_ROWS ? h->n - first : TERN_HEAD_ROWS;
    _mm512_mask_storeu_ps(h->y + b * h->n + first, (__mmask16)((1u << rows) - 1), y);
}

static inline __attribute__((always_inline)) void int8_tile(const struct tern_head *h, size_t g, size_t b, int rows)
{
    const uint8_t *w = h->w + g * h->group_bytes;
    const int8_t *x = h->x + b * h->x_stride;
    __m512i sums[TILE], more[TILE]; /* two chains a row, as one would wait for itself */
#pragma GCC unroll 4
    for (int t = 0; t < rows; t++)
        sums[t] = more[t] = _mm512_setzero_si512();
    size_t lines = h->k / 4, j = 0;
    for (; j + 2 <= lines; j += 2) {
        __m512i v = _mm512_load_si512(w + j * TERN_HEAD_LINE), u = _mm512_load_si512(w + (j + 1) * TERN_HEAD_LINE);
        _mm_prefetch((const char *)w + j * TERN_HEAD_LINE + TERN_AHEAD, _MM_HINT_T0);
        _mm_prefetch((const char *)w + (j + 1) * TERN_HEAD_LINE + TERN_AHEAD, _MM_HINT_T0);
#pragma GCC unroll 4
        for (int t = 0; t < rows; t++) {
            sums[t] = _mm512_dpbusd_epi32(sums[t], v, four(x + (size_t)t * h->x_stride + 4 * j));
            more[t] = _mm512_dpbusd_epi32(more[t], u, four(x + (size_t)t * h->x_stride + 4 * j + 4));
        }
    }
    for (; j < lines; j++)
#pragma GCC unroll 4
        for (int t = 0; t < rows; t++)
            sums[t] = _mm512_dpbusd_epi32(sums[t], _mm512_load_si512(w + j * TERN_HEAD_LINE), four(x + (size_t)t * h->x_stride + 4 * j));
#pragma GCC unroll 4
    for (int t = 0; t < rows; t++) {
        __m512i sum = _mm512_sub_epi32(_mm512_add_epi32(sums[t], more[t]), _mm512_set1_epi32(128 * h->x_sum[b + (size_t)t]));
        __m512 y = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(h->scales + g * TERN_HEAD_ROWS));
        store_rows(h, g, b + (size_t)t, _mm512_mul_ps(y, _mm512_set1_ps(h->x_scale[b + (size_t)t])));
    }
}

static inline __attribute__((always_inline)) void int4_tile(const struct tern_head *h, size_t g, size_t b, int rows)
{
    const __m512i nibbles = _mm512_set1_epi8(15);
    size_t groups = h->k / TERN_HEAD_COLUMNS;
    const uint8_t *w = h->w + g * h->group_bytes;
    const uint16_t *scales = h->halves + g * groups * TERN_HEAD_ROWS;
    const int8_t *x = h->x + b * h->x_stride;
    const int32_t *eights = h->x_groups + b * groups;
    __m512 totals[TILE];
#pragma GCC unroll 4
    for (int t = 0; t < rows; t++)
        totals[t] = _mm512_setzero_ps();
    for (size_t c = 0; c < groups; c++, w += 4 * TERN_HEAD_LINE, scales += TERN_HEAD_ROWS, x += TERN_HEAD_COLUMNS) {
        __m512i sums[TILE];
#pragma GCC unroll 4
        for (int t = 0; t < rows; t++)
            sums[t] = _mm512_set1_epi32(-8 * eights[(size_t)t * groups + c]);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m512i v = _mm512_load_si512(w + j * TERN_HEAD_LINE);
            __m512i low = _mm512_and_si512(v, nibbles), high = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibbles);
            _mm_prefetch((const char *)w + j * TERN_HEAD_LINE + TERN_AHEAD, _MM_HINT_T0);
#pragma GCC unroll 4
            for (int t = 0; t < rows; t++) {
                sums[t] = _mm512_dpbusd_epi32(sums[t], low, four(x + (size_t)t * h->x_stride + 4 * j));
                sums[t] = _mm512_dpbusd_epi32(sums[t], high, four(x + (size_t)t * h->x_stride + 16 + 4 * j));
            }
        }
        __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)scales));
#pragma GCC unroll 4
        for (int t = 0; t < rows; t++)
            totals[t] = _mm512_add_ps(totals[t], _mm512_mul_ps(scale, _mm512_cvtepi32_ps(sums[t])));
    }
#pragma GCC unroll 4
    for (int t = 0; t < rows; t++)
        store_rows(h, g, b + (size_t)t, _mm512_mul_ps(totals[t], _mm512_set1_ps(h->x_scale[b + (size_t)t])));
}

#define HEAD(name, tile)                                                     \
    static void name(const struct tern_head *h, size_t from, size_t to) \
    {                                                                    \
        for (size_t g = from; g < to; g++) {                         \
            size_t b = 0;                                        \
            for (; b + TILE <= h->batch; b += TILE)              \
                tile(h, g, b, TILE);                         \
            for (; b < h->batch; b++)                            \
                tile(h, g, b, 1);                            \
        }                                                            \
    }
HEAD(head_int8_avx512vnni, int8_tile)
HEAD(head_int4_avx512vnni, int4_tile)

void tern_avx512vnni_head_overlay(struct tern_head_kernels *t)
{
    *t = (struct tern_head_kernels){ head_int8_avx512vnni, head_int4_avx512vnni };
}
