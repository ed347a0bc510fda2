/* SPDX-License-Identifier: Apache-2.0
 *
 * multiply_pairs of core/vector.h: a template that a backend's file includes once, after simd/multiply_add.h and after defining
 *
 *   PAIR_ROWS, PAIR_VECTORS   rows of a by vectors of columns whose two chains and sum stay in registers; PAIR_VECTORS divides 32 / VL
 *
 * A float with the bits of a pair's first element moved up, or of its second with the first cleared, is that element exactly.
 */
INL vf first_of(vu pair)
{
    return (vf)(pair << 16);
}

INL vf second_of(vu pair)
{
    return (vf)(pair & 0xffff0000u);
}

/* The two chains of a block of 32 k, and their sum onto s. Lines of `next`, as many as those read, are asked for: a decoded token's keys and values
 * come from memory, and streams of blocks are shorter than hardware looks ahead. */
INL void pairs_block(const uint16_t *a, size_t a_stride, const uint16_t *b, const uint16_t *next, const int R, vf s[PAIR_ROWS][PAIR_VECTORS])
{
    vf e[PAIR_ROWS][PAIR_VECTORS], o[PAIR_ROWS][PAIR_VECTORS];
    UNROLL_PARTS for (int r = 0; r < R; r++)
        UNROLL_PARTS for (int c = 0; c < PAIR_VECTORS; c++)
            e[r][c] = o[r][c] = splat(0);
    for (size_t k = 0; k < TERN_PAIRS_BLOCK; k += 2, b += 2 * TERN_PAIRS_BLOCK, next += 2 * TERN_PAIRS_BLOCK) {
        vf first[PAIR_VECTORS], second[PAIR_VECTORS];
        UNROLL_PARTS for (size_t line = 0; line < PAIR_VECTORS * W; line += 64)
            __builtin_prefetch((const char *)next + line);
        UNROLL_PARTS for (int c = 0; c < PAIR_VECTORS; c++) {
            vu pairs = *(const vu *)(const void *)(b + 2 * c * VL);
            first[c] = first_of(pairs);
            second[c] = second_of(pairs);
        }
        UNROLL_PARTS for (int r = 0; r < R; r++) {
            uint32_t word;
            memcpy(&word, a + (size_t)r * a_stride + k, sizeof word);
            vu pair = word - (vu){ 0 };
            UNROLL_PARTS for (int c = 0; c < PAIR_VECTORS; c++) {
                e[r][c] = V_FMA(first_of(pair), first[c], e[r][c]);
                o[r][c] = V_FMA(second_of(pair), second[c], o[r][c]);
            }
        }
    }
    UNROLL_PARTS for (int r = 0; r < R; r++)
        UNROLL_PARTS for (int c = 0; c < PAIR_VECTORS; c++)
            s[r][c] += e[r][c] + o[r][c];
}

/* Where columns from `column` on begin. */
INL const uint16_t *pairs_column(const struct tern_multiply_pairs *m, size_t column)
{
    return m->b + column / TERN_PAIRS_BLOCK * m->column_stride + column % TERN_PAIRS_BLOCK * 2;
}

/* R rows from `row` by PAIR_VECTORS vectors from `column`, over all k. */
INL void pairs_tile(const struct tern_multiply_pairs *m, size_t row, size_t column, const int R)
{
    vf s[PAIR_ROWS][PAIR_VECTORS];
    const uint16_t *a = m->a + row * m->a_stride;
    const uint16_t *b = pairs_column(m, column), *after = pairs_column(m, column + PAIR_VECTORS * VL < m->columns ? column + PAIR_VECTORS * VL : 0);
    UNROLL_PARTS for (int r = 0; r < R; r++)
        UNROLL_PARTS for (int c = 0; c < PAIR_VECTORS; c++)
            s[r][c] = splat(0);
    for (size_t k = 0; k < m->n; k += TERN_PAIRS_BLOCK, b += m->k_stride)
        pairs_block(a + k, m->a_stride, b, k + TERN_PAIRS_BLOCK < m->n ? b + m->k_stride : after, R, s);
    UNROLL_PARTS for (int r = 0; r < R; r++)
        UNROLL_PARTS for (int c = 0; c < PAIR_VECTORS; c++)
            STOREF(m->y + (row + (size_t)r) * m->y_stride + column + (size_t)(c * VL), s[r][c]);
}

static void multiply_pairs(const struct tern_multiply_pairs *m)
{
    for (size_t column = 0; column < m->columns; column += PAIR_VECTORS * VL) {
        size_t row = 0;
        for (; row + PAIR_ROWS <= m->rows; row += PAIR_ROWS)
            pairs_tile(m, row, column, PAIR_ROWS);
        if (m->rows - row >= 2) {
            pairs_tile(m, row, column, 2);
            row += 2;
        }
        if (m->rows > row)
            pairs_tile(m, row, column, 1);
    }
}
