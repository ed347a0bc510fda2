/* SPDX-License-Identifier: Apache-2.0
 * The head's products in plain C (core/head.h): what scalar is, and what a backend gets whose compiler does the rest. The file that
 * includes it defines HEAD_INT8 and HEAD_INT4, the names of the two functions. */
#include "core/head.h"
#include "format/quants.h"

/* Writes 16 sums of row group g for batch row b, as many as there are rows. */
static inline void store_rows(const struct tern_head *h, size_t g, size_t b, const float *y)
{
    size_t first = g * TERN_HEAD_ROWS, rows = h->n - first < TERN_HEAD_ROWS ? h->n - first : TERN_HEAD_ROWS;
    for (size_t r = 0; r < rows; r++)
        h->y[b * h->n + first + r] = y[r];
}

static inline void line_sums(const uint8_t *w, const int8_t *x, int shift, int mask, int32_t sums[TERN_HEAD_ROWS])
{
    for (int r = 0; r < TERN_HEAD_ROWS; r++)
        for (int i = 0; i < 4; i++)
            sums[r] += (w[4 * r + i] >> shift & mask) * x[i];
}

static void HEAD_INT8(const struct tern_head *h, size_t from, size_t to)
{
    float y[TERN_HEAD_ROWS];
    for (size_t g = from; g < to; g++) {
        for (size_t b = 0; b < h->batch; b++) {
            int32_t sums[TERN_HEAD_ROWS] = { 0 };
            for (size_t j = 0; j < h->k / 4; j++)
                line_sums(h->w + g * h->group_bytes + j * TERN_HEAD_LINE, h->x + b * h->x_stride + 4 * j, 0, 255, sums);
            for (int r = 0; r < TERN_HEAD_ROWS; r++)
                y[r] = (float)(sums[r] - 128 * h->x_sum[b]) * h->scales[g * TERN_HEAD_ROWS + (size_t)r] * h->x_scale[b];
            store_rows(h, g, b, y);
        }
    }
}

/* Adds the part of one group of 32 columns. */
static inline void column_group(const uint8_t *w, const int8_t *x, int32_t all, const uint16_t *scales, float totals[TERN_HEAD_ROWS])
{
    int32_t sums[TERN_HEAD_ROWS] = { 0 };
    for (int j = 0; j < 4; j++) {
        line_sums(w + j * TERN_HEAD_LINE, x + 4 * j, 0, 15, sums);
        line_sums(w + j * TERN_HEAD_LINE, x + 16 + 4 * j, 4, 15, sums);
    }
    for (int r = 0; r < TERN_HEAD_ROWS; r++)
        totals[r] += tern_half_to_float(scales[r]) * (float)(sums[r] - 8 * all);
}

static void HEAD_INT4(const struct tern_head *h, size_t from, size_t to)
{
    size_t groups = h->k / TERN_HEAD_COLUMNS;
    for (size_t g = from; g < to; g++) {
        for (size_t b = 0; b < h->batch; b++) {
            float y[TERN_HEAD_ROWS] = { 0 };
            for (size_t c = 0; c < groups; c++)
                column_group(h->w + g * h->group_bytes + c * 4 * TERN_HEAD_LINE, h->x + b * h->x_stride + c * TERN_HEAD_COLUMNS,
                             h->x_groups[b * groups + c], h->halves + (g * groups + c) * TERN_HEAD_ROWS, y);
            for (int r = 0; r < TERN_HEAD_ROWS; r++)
                y[r] *= h->x_scale[b];
            store_rows(h, g, b, y);
        }
    }
}
