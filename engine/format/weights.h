/* SPDX-License-Identifier: Apache-2.0
 * Weight formats as rows, each with exact, slow packing and unpacking of one row of a matrix. Nothing here is on a hot path:
 * kernels read the order of format/lines.h, into which weights are packed once at bind. */
#ifndef TERN_FORMAT_WEIGHTS_H
#define TERN_FORMAT_WEIGHTS_H

#include "core/kernels.h"
#include "tern.h"

struct tern_weight_format {
    const char *name;
    size_t block, bytes;       /* weights and bytes of one block */
    enum tern_storage storage; /* what kernels read it as */
    /* k trits -> ceil(k / block) blocks, and back. The two-bit code that no trit has (3) reads as 0. */
    void (*pack)(const int8_t *trits, size_t k, uint8_t *row);
    void (*unpack)(const uint8_t *row, size_t k, int8_t *trits);
};

/* The row of that name, or null. */
const struct tern_weight_format *tern_weight_format_find(const char *name);

/* Row i, or null beyond the last. */
const struct tern_weight_format *tern_weight_format_at(size_t i);

/* Bytes of a row of k weights. */
size_t tern_weight_row_bytes(const struct tern_weight_format *format, size_t k);

#endif
