/* SPDX-License-Identifier: Apache-2.0
 *
 * multiply_add of core/vector.h: a template that a backend's file includes once, after simd/vector.h and after defining
 *
 *   V_FMA(a, b, c)   a * b + c of three vf, rounded once
 *   FMA_COLUMNS      vectors of a tile: 4 rows of so many sums stay in registers, so that a row of b is loaded once for 4 of a
 */
#include <math.h>

/* R rows by C vectors of columns, over all k. */
INL void fma_tile(const struct tern_multiply_add *m, size_t row, size_t column, const int R, const int C)
{
    vf s[4][FMA_COLUMNS];
    const float *a = m->a + row * m->a_stride, *b = m->b + column;
    float *y = m->y + row * m->y_stride + column;
    UNROLL_PARTS for (int r = 0; r < R; r++)
        UNROLL_PARTS for (int c = 0; c < C; c++)
            s[r][c] = LOADF(y + (size_t)r * m->y_stride + c * VL);
    for (size_t k = 0; k < m->n; k++, b += m->b_stride) {
        vf v[FMA_COLUMNS];
        UNROLL_PARTS for (int c = 0; c < C; c++)
            v[c] = LOADF(b + c * VL);
        UNROLL_PARTS for (int r = 0; r < R; r++) {
            vf factor = splat(a[(size_t)r * m->a_stride + k]);
            UNROLL_PARTS for (int c = 0; c < C; c++)
                s[r][c] = V_FMA(factor, v[c], s[r][c]);
        }
    }
    UNROLL_PARTS for (int r = 0; r < R; r++)
        UNROLL_PARTS for (int c = 0; c < C; c++)
            STOREF(y + (size_t)r * m->y_stride + c * VL, s[r][c]);
}

INL void fma_rows(const struct tern_multiply_add *m, size_t column, const int C)
{
    size_t row = 0;
    for (; row + 4 <= m->rows; row += 4)
        fma_tile(m, row, column, 4, C);
    if (m->rows - row == 3)
        fma_tile(m, row, column, 3, C);
    else if (m->rows - row == 2)
        fma_tile(m, row, column, 2, C);
    else if (m->rows - row == 1)
        fma_tile(m, row, column, 1, C);
}

static void multiply_add(const struct tern_multiply_add *m)
{
    size_t column = 0;
    for (; column + FMA_COLUMNS * VL <= m->columns; column += FMA_COLUMNS * VL)
        fma_rows(m, column, FMA_COLUMNS);
    for (; column + VL <= m->columns; column += VL)
        fma_rows(m, column, 1);
    for (; column < m->columns; column++)
        for (size_t row = 0; row < m->rows; row++)
            for (size_t k = 0; k < m->n; k++)
                m->y[row * m->y_stride + column] = fmaf(m->a[row * m->a_stride + k], m->b[k * m->b_stride + column], m->y[row * m->y_stride + column]);
}
