/* SPDX-License-Identifier: Apache-2.0
 * The order in which kernels read weights (core/kernels.h has the drawing): groups of 16 rows, 64-byte lines. Exact both ways. */
#ifndef TERN_FORMAT_LINES_H
#define TERN_FORMAT_LINES_H

#include "core/kernels.h"

/* Columns that one line covers. */
size_t tern_lines_step(enum tern_storage storage);

/* Lines of a group of rows of k columns; for two-bit weights a multiple of 4 (64 columns), which is a tile of AMX. */
size_t tern_lines_count(enum tern_storage storage, size_t k);

/*
 * Packs 16 rows of k trits, row r at trits + r * stride, into tern_lines_count() lines at `lines`. Rows are readable up to the
 * last line's end, rounded up: stride >= count * step, zeros beyond k.
 */
void tern_lines_pack(enum tern_storage storage, const int8_t *trits, size_t stride, size_t k, uint8_t *lines);

/* Row r (0..15) of a group back into k trits. */
void tern_lines_unpack(enum tern_storage storage, const uint8_t *lines, size_t r, size_t k, int8_t *trits);

#endif
