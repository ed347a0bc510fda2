/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention of consecutive positions of one sequence over the keys and values of one group of heads:
 *
 *   o[t][h] = sum_{j <= before + t} softmax_j(sum_i (q[t][h][i] / sqrt(D)) k[j][i]) v[j],   t < tokens, h < heads
 *
 *   keys     panels of 64 positions: [panel][i][64], so that one load takes a value of many positions
 *   values   [position][i]
 *
 * Each sum is one chain of fused multiply-adds in the order of i, or of j, so the bits depend neither on how positions are cut into
 * calls nor on the backend. Sources: arXiv:1706.03762 Eq. (1); grouped queries arXiv:2305.13245.
 * Threads: any, on disjoint outputs and rooms.
 */
#ifndef TERN_ATTEND_H
#define TERN_ATTEND_H

#include "core/kernels.h"

enum {
    TERN_KEY_PANEL = 64,
    TERN_ATTEND_ROWS = 32 /* tokens x heads of a call that fills the registers and stays in the second cache; any number works */
};

struct tern_attend {
    size_t tokens, before, heads, d;
    const float *q;   /* [token][head][i], tokens q_stride floats apart */
    size_t q_stride;
    const float *keys, *values;
    float *out;       /* as q, tokens out_stride floats apart */
    size_t out_stride;
    float *room;      /* tern_attend_room floats */
};

/* Positions of a cache: whole panels. */
size_t tern_key_positions(size_t context);
/* Puts d values of one position into panels. */
void tern_key_store(float *keys, size_t position, const float *k, size_t d);

size_t tern_attend_room(size_t rows, size_t context, size_t d);
void tern_attend(const struct tern_vector_kernels *vector, const struct tern_attend *a);

#endif
