/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/pack.h"
#include "cuda/kernels/layout.h"

size_t cuda_pack_tiles(size_t n)
{
    return (n + CUDA_GROUP_ROWS - 1) / CUDA_GROUP_ROWS * (CUDA_GROUP_ROWS / CUDA_TILE_ROWS);
}

size_t cuda_pack_quads(size_t k)
{
    return (k + CUDA_QUAD - 1) / CUDA_QUAD;
}

size_t cuda_pack_bytes(size_t n, size_t k)
{
    return cuda_pack_tiles(n) * cuda_pack_quads(k) * CUDA_TILE_BYTES;
}

/* Byte and shift of a weight; the drawing is in layout.h. */
static size_t place(size_t quads, size_t row, size_t column, unsigned *shift)
{
    size_t tile = row / CUDA_TILE_ROWS, r = row % CUDA_TILE_ROWS, step = column % CUDA_QUAD / 32, c = column % 32;
    size_t lane = r % 8 * 4 + c % 16 / 4, word = r / 8 + c / 16 * 2;
    *shift = (unsigned)step * 2;
    return (tile * quads + column / CUDA_QUAD) * CUDA_TILE_BYTES + lane * 16 + word * 4 + c % 4;
}

void cuda_pack_row(uint8_t *packed, size_t quads, size_t row, const int8_t *trits, size_t k)
{
    for (size_t column = 0; column < k; column++) {
        unsigned shift;
        size_t at = place(quads, row, column, &shift);
        packed[at] = (uint8_t)(packed[at] | (trits[column] & 3) << shift);
    }
}

int cuda_pack_at(const uint8_t *packed, size_t quads, size_t row, size_t column)
{
    unsigned shift;
    size_t at = place(quads, row, column, &shift);
    int code = packed[at] >> shift & 3;
    return code == 3 ? -1 : code;
}
