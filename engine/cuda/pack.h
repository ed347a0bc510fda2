/* SPDX-License-Identifier: Apache-2.0
 * Trits into the order of kernels/layout.h, and back. Nothing here is on a hot path. */
#ifndef CUDA_PACK_H
#define CUDA_PACK_H

#include <stddef.h>
#include <stdint.h>

/* Tiles of 16 rows (a multiple of 4), quads of 128 columns, and the bytes of an N x K matrix. */
size_t cuda_pack_tiles(size_t n);
size_t cuda_pack_quads(size_t k);
size_t cuda_pack_bytes(size_t n, size_t k);

/* Adds row `row` of k trits (-1, 0, 1) to packed memory that was zero there. Threads: one at a time per tile. */
void cuda_pack_row(uint8_t *packed, size_t quads, size_t row, const int8_t *trits, size_t k);

/* Weight (row, column) of packed memory. */
int cuda_pack_at(const uint8_t *packed, size_t quads, size_t row, size_t column);

#endif
