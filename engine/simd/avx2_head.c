/* SPDX-License-Identifier: Apache-2.0
 * The head's products with AVX2: weights widen to 16 bits, vpmaddwd adds pairs; a line of 16 rows is two vectors of 8. */
#include "simd/head.h"

#include "format/quants.h"

#include <immintrin.h>

/* sums of 8 rows += 4 bytes a row (each 0 to 255) times four activations, all exact in int32 */
static inline __m256i add_line(__m256i sums, __m256i w, __m256i x)
{
    const __m256i low = _mm256_set1_epi16(255);
    __m256i even = _mm256_madd_epi16(_mm256_and_si256(w, low), _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8));
    __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(x, 8));
    return _mm256_add_epi32(sums, _mm256_add_epi32(even, odd));
}

static inline __m256i four(const int8_t *x)
{
    int32_t bits;
    __builtin_memcpy(&bits, x, sizeof bits);
    return _mm256_set1_epi32(bits);
}

static void store_rows(const struct tern_head *h, size_t g, size_t b, const __m256 y[2])
{
    float room[TERN_HEAD_ROWS];
    size_t first = g * TERN_HEAD_ROWS, rows = h->n - first < TERN_HEAD_ROWS ? h->n - first : TERN_HEAD_ROWS;
    _mm256_storeu_ps(room, y[0]);
    _mm256_storeu_ps(room + 8, y[1]);
    __builtin_memcpy(h->y + b * h->n + first, room, rows * sizeof *room);
}

static void head_int8_avx2(const struct tern_head *h, size_t from, size_t to)
{
    for (size_t g = from; g < to; g++) {
        for (size_t b = 0; b < h->batch; b++) {
            const __m256i *w = (const __m256i *)(const void *)(h->w + g * h->group_bytes);
            __m256i sums[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
            __m256 y[2];
            for (size_t j = 0; j < h->k / 4; j++, w += 2) {
                __m256i x = four(h->x + b * h->x_stride + 4 * j);
                sums[0] = add_line(sums[0], w[0], x);
                sums[1] = add_line(sums[1], w[1], x);
            }
            for (int i = 0; i < 2; i++) {
                __m256 sum = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[i], _mm256_set1_epi32(128 * h->x_sum[b])));
                sum = _mm256_mul_ps(sum, _mm256_loadu_ps(h->scales + g * TERN_HEAD_ROWS + 8 * i));
                y[i] = _mm256_mul_ps(sum, _mm256_set1_ps(h->x_scale[b]));
            }
            store_rows(h, g, b, y);
        }
    }
}

static inline void column_group(const __m256i *w, const int8_t *x, int32_t all, const uint16_t *scales, __m256 totals[2])
{
    const __m256i nibbles = _mm256_set1_epi8(15);
    for (int half = 0; half < 2; half++) {
        __m256i sums = _mm256_set1_epi32(-8 * all);
        for (int j = 0; j < 4; j++) {
            __m256i v = w[2 * j + half];
            sums = add_line(sums, _mm256_and_si256(v, nibbles), four(x + 4 * j));
            sums = add_line(sums, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibbles), four(x + 16 + 4 * j));
        }
        __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(scales + 8 * half)));
        totals[half] = _mm256_add_ps(totals[half], _mm256_mul_ps(scale, _mm256_cvtepi32_ps(sums)));
    }
}

static void head_int4_avx2(const struct tern_head *h, size_t from, size_t to)
{
    size_t groups = h->k / TERN_HEAD_COLUMNS;
    for (size_t g = from; g < to; g++) {
        for (size_t b = 0; b < h->batch; b++) {
            __m256 y[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
            for (size_t c = 0; c < groups; c++)
                column_group((const __m256i *)(const void *)(h->w + g * h->group_bytes + c * 4 * TERN_HEAD_LINE),
                             h->x + b * h->x_stride + c * TERN_HEAD_COLUMNS, h->x_groups[b * groups + c],
                             h->halves + (g * groups + c) * TERN_HEAD_ROWS, y);
            y[0] = _mm256_mul_ps(y[0], _mm256_set1_ps(h->x_scale[b]));
            y[1] = _mm256_mul_ps(y[1], _mm256_set1_ps(h->x_scale[b]));
            store_rows(h, g, b, y);
        }
    }
}

void tern_avx2_head_overlay(struct tern_head_kernels *t)
{
    *t = (struct tern_head_kernels){ head_int8_avx2, head_int4_avx2 };
}
