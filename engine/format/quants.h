/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor types as files carry them: how large they are, and the exact values of their weights.
 *
 * Blocks (all numbers little-endian; d is a half-precision scale; q, s are fields of the block):
 *   F32 F16 BF16   the number itself; BF16 is the upper half of a float32
 *   Q8_0    32 weights, 34 bytes   d, int8 q[32]                                w = d q
 *   Q4_K   256 weights, 144 bytes  d, dmin, 12 bytes of 6-bit scales and minima, 128 bytes of nibbles
 *                                  w = (d s_j) q - (dmin m_j), j = weight / 32
 *   Q6_K   256 weights, 210 bytes  128 bytes low nibbles, 64 bytes high pairs, int8 s[16], d
 *                                  w = (d s_j) (q - 32), j = weight / 16
 *   TQ1_0  256 weights, 54 bytes   48 bytes with 5 trits each, 4 bytes with 4 trits each, d
 *   TQ2_0  256 weights, 66 bytes   64 bytes with 4 trits each, d                w = d (code - 1)
 *   I2_S   128 weights in 32 bytes, the scale after the whole tensor            w = scale (code - 1)
 *
 * I2_S, byte i of 32 (default order):
 *   bits   7 6     5 4      3 2      1 0
 *   weight  i    i + 32   i + 64   i + 96
 * The same id has been used for other orders and nothing in the file tells them apart, so the order is an option.
 *
 * Threads: all functions are pure. Source: the format definitions of ggml (block layouts of its quantised types) and of
 * bitnet.cpp (I2_S), read as descriptions; trits as in BitNet b1.58, arXiv:2402.17764.
 */
#ifndef TERN_QUANTS_H
#define TERN_QUANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tern_type {
#define TYPE(name, id, weights, bytes, extra, is_flat) TERN_TYPE_##name = id,
#include "types.def"
#undef TYPE
};

struct tern_type_row {
    const char *name;
    uint32_t id;
    uint32_t weights; /* per block */
    uint32_t bytes;   /* per block */
    uint32_t extra;   /* behind the last block of the tensor */
    bool is_flat;     /* blocks count through the whole tensor, not from the start of each row */
};

/* Orders of I2_S codes that public writers have used. */
enum tern_i2s_order {
    TERN_I2S_INTERLEAVED_128, /* 128 weights in 32 bytes: the default */
    TERN_I2S_INTERLEAVED_64,  /* 64 weights in 16 bytes, written on Arm */
    TERN_I2S_FOUR_ROWS,       /* a byte holds one column of 4 rows, the first row in the high bits */
};

/* A matrix of `n_rows` rows of `n_columns` weights, as its file stores it. */
struct tern_matrix {
    const uint8_t *bytes;
    uint64_t n_rows, n_columns;
    enum tern_type type;
    enum tern_i2s_order order; /* of I2_S; ignored else */
};

/* The row of a type id, or NULL when we do not read it. */
const struct tern_type_row *tern_type_find(uint32_t id);
/* The row of a name such as "TQ2_0", or NULL. */
const struct tern_type_row *tern_type_named(const char *name);
/* The name that a public engine gives to an id we do not read (TL2, Q4_0, …), or NULL. */
const char *tern_type_foreign(uint32_t id);
/* The order named "128", "64" or "rows"; false when there is none. */
bool tern_i2s_order_named(const char *name, enum tern_i2s_order *order);

/* Bytes of a tensor whose first dimension is `n_columns` and which has n_rows such rows; false when a row (a flat type: the
 * tensor) is no whole number of blocks or the size does not fit. */
bool tern_type_bytes(const struct tern_type_row *type, uint64_t n_columns, uint64_t n_rows, uint64_t *out);

/* Types whose weights are a scale times -1, 0 or +1. */
bool tern_type_is_ternary(enum tern_type type);

/* out[0 … n_columns) = the weights of one row, exactly as the format defines them in float32 arithmetic. */
void tern_matrix_row(const struct tern_matrix *m, uint64_t row, float *out);

/* Trits of one row of a ternary matrix as -1, 0, +1 and the scale of each block of 256 (or of the tensor, repeated).
 * `scales` has ceil(n_columns / 256) entries. False with *bad = the column whose code is 3, which is no trit. */
bool tern_matrix_trits(const struct tern_matrix *m, uint64_t row, int8_t *trits, float *scales, uint64_t *bad);

/* The scale of a whole I2_S tensor. */
float tern_i2s_scale(const struct tern_matrix *m);

/* dst = n_rows x n_columns trits (row-major, -1, 0, +1) packed as `type`, with one scale for all; dst has the bytes that
 * tern_type_bytes says. `type` is ternary. Bytes without meaning are 0. */
void tern_trits_pack(enum tern_type type, const int8_t *trits, float scale, uint64_t n_rows, uint64_t n_columns, uint8_t *dst);

/* dst = n floats packed as a type that is not ternary (nearest value; scales as written in quants_pack.c). */
void tern_floats_pack(enum tern_type type, const float *x, uint64_t n, uint8_t *dst);

float tern_half_to_float(uint16_t half);
uint16_t tern_float_to_half(float x); /* nearest, ties to even; overflow to infinity */

#endif
