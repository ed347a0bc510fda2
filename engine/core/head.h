/* SPDX-License-Identifier: Apache-2.0
 *
 * The dense output matrix of a model ("head"), packed for kernels: 16 rows go together, lane r of a 64-byte line belongs to row r.
 *
 *   INT8   line j: byte i of lane r is weight 4 j + i of row r, plus 128; one float scale a row
 *   INT4   columns in groups of 32, four lines a group: line j of a group holds in the low nibbles columns 4 j + i, in the high
 *          ones columns 16 + 4 j + i, each plus 8; 16 half-precision scales a group, one a row
 *
 *   INT8   y[b][n] = ((sum_k w[n][k] x[b][k]) scale[n]) x_scale[b]              the sum exact in int32
 *   INT4   y[b][n] = (sum_g scale[n][g] (sum_{k in g} w[n][k] x[b][k])) x_scale[b]    inner sums exact, the outer in order of g
 *
 * The same bits on every backend. Threads: any, on disjoint groups of rows.
 */
#ifndef TERN_CORE_HEAD_H
#define TERN_CORE_HEAD_H

#include <stddef.h>
#include <stdint.h>

/* TERN_AHEAD: bytes that kernels prefetch ahead of what they read, and what a thread asks for before it begins. Weights of a token that come from
 * memory take .9 of the time with 8192 that they take with 2048 to 4096 (AMD Zen 4, 2026-11-26); hot ones take the same. */
enum { TERN_HEAD_ROWS = 16, TERN_HEAD_LINE = 64, TERN_HEAD_COLUMNS = 32, TERN_AHEAD = 8192 };

struct tern_head {
    const uint8_t *w;      /* 64-byte aligned */
    size_t group_bytes;    /* of 16 rows */
    size_t n, k;           /* k a multiple of 4 (INT8) or of 32 (INT4) */
    const float *scales;   /* INT8: of each row, to a multiple of 16 */
    const uint16_t *halves; /* INT4: [row group][column group][16] */
    const int8_t *x;       /* batch rows, x_stride bytes apart */
    size_t x_stride, batch;
    const int32_t *x_sum;  /* of each row of x */
    const int32_t *x_groups; /* INT4: of each group of 32 columns of each row of x */
    const float *x_scale;
    float *y;              /* batch x n */
};

/* Groups of rows [from, to). */
typedef void tern_head_fn(const struct tern_head *h, size_t from, size_t to);

struct tern_head_kernels {
    tern_head_fn *int8, *int4;
};

#endif
