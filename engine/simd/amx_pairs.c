/* SPDX-License-Identifier: Apache-2.0
 *
 * multiply_pairs (core/vector.h) by AMX: tiles 0-3 are sums of 32 rows by 32 columns, 4 and 5 rows of a, 6 and 7 the two halves of a block of b,
 * which lies in memory as the machine wants it. One tile product does 16 rows, 32 k and 16 columns in the order that the operation is defined by.
 */
#include "simd/amx_pairs.h"
#include "simd/amx_tiles.h"

enum {
    ROWS_A_TILE = 16,
    ROWS_LEAST = 8 /* below, vectors are faster than a tile that is mostly empty */
};

static void (*pairs_without_tiles)(const struct tern_multiply_pairs *m);

/* Up to 16 rows, or 17 to 32 where is_two says so, by all columns. */
static inline __attribute__((always_inline)) void pairs_of_rows(const struct tern_multiply_pairs *m, size_t row, const int is_two)
{
    const int64_t a_bytes = (int64_t)m->a_stride * 2, y_bytes = (int64_t)m->y_stride * 4, b_bytes = 4 * TERN_PAIRS_BLOCK;
    for (size_t column = 0; column < m->columns; column += TERN_PAIRS_BLOCK) {
        const uint16_t *a = m->a + row * m->a_stride, *b = m->b + column / TERN_PAIRS_BLOCK * m->column_stride;
        float *y = m->y + row * m->y_stride + column;
        TILE_ZERO(0);
        TILE_ZERO(1);
        if (is_two) {
            TILE_ZERO(2);
            TILE_ZERO(3);
        }
        for (size_t k = 0; k < m->n; k += TERN_PAIRS_BLOCK, a += TERN_PAIRS_BLOCK, b += m->k_stride) {
            TILE_LOAD(4, a, a_bytes);
            TILE_LOAD(6, b, b_bytes);
            TILE_DOT_BF16(0, 4, 6);
            TILE_LOAD(7, b + TERN_PAIRS_BLOCK, b_bytes);
            TILE_DOT_BF16(1, 4, 7);
            if (is_two) {
                TILE_LOAD(5, a + ROWS_A_TILE * m->a_stride, a_bytes);
                TILE_DOT_BF16(2, 5, 6);
                TILE_DOT_BF16(3, 5, 7);
            }
        }
        TILE_STORE(0, y, y_bytes);
        TILE_STORE(1, y + 16, y_bytes);
        if (is_two) {
            TILE_STORE(2, y + ROWS_A_TILE * m->y_stride, y_bytes);
            TILE_STORE(3, y + ROWS_A_TILE * m->y_stride + 16, y_bytes);
        }
    }
}

static void open_for_rows(struct tile_config *config, int rows)
{
    const uint8_t first = (uint8_t)(rows < ROWS_A_TILE ? rows : ROWS_A_TILE), second = (uint8_t)(rows - first);
    const uint8_t shape[8] = { first, first, second, second, first, second, 16, 16 };
    tiles_config(config, shape);
    tiles_open(config);
}

static void multiply_pairs_amx(const struct tern_multiply_pairs *m)
{
    struct tile_config config;
    int open = 0;
    if (m->rows < ROWS_LEAST) {
        pairs_without_tiles(m);
        return;
    }
    for (size_t row = 0; row < m->rows; row += 2 * ROWS_A_TILE) {
        int rows = m->rows - row < 2 * ROWS_A_TILE ? (int)(m->rows - row) : 2 * ROWS_A_TILE;
        if (rows != open)
            open_for_rows(&config, open = rows);
        if (rows > ROWS_A_TILE)
            pairs_of_rows(m, row, 1);
        else
            pairs_of_rows(m, row, 0);
    }
    TILES_CLOSE();
}

void tern_amx_pairs_overlay(struct tern_vector_kernels *t)
{
    pairs_without_tiles = t->multiply_pairs;
    t->multiply_pairs = multiply_pairs_amx;
}
