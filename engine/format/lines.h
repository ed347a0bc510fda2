/* SPDX-License-Identifier: Apache-2.0
 * The order in which kernels read weights (core/kernels.h has the drawing): panels of 64 rows, 64-byte lines. Exact both ways. */
#ifndef TERN_FORMAT_LINES_H
#define TERN_FORMAT_LINES_H

#include "core/kernels.h"

/* Columns that one step covers. */
size_t tern_lines_step(enum tern_storage storage);

/* Steps of a panel of rows of k columns; for two-bit weights a multiple of 4 (64 columns), which is a tile of AMX. */
size_t tern_lines_count(enum tern_storage storage, size_t k);

/* Bytes of a panel of these rows (as for tern_lines_pack), a multiple of 64: steps * TERN_STEP, or for planes what their density asks for, at most as
 * much. */
size_t tern_lines_bytes(enum tern_storage storage, const int8_t *trits, size_t stride, size_t k);

/*
 * Packs 64 rows of k trits, row r at trits + r * stride, into tern_lines_bytes() at `panel`. Rows are readable up to the
 * last step's end: stride >= count * step, zeros beyond k.
 */
void tern_lines_pack(enum tern_storage storage, const int8_t *trits, size_t stride, size_t k, uint8_t *panel);

/* Row r (0..63) of a panel back into k trits. */
void tern_lines_unpack(enum tern_storage storage, const uint8_t *panel, size_t r, size_t k, int8_t *trits);

#endif
