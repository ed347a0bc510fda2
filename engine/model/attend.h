/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention of consecutive positions of one sequence over the keys and values of one group of heads:
 *
 *   o[t][h] = sum_{j <= before + t} softmax_j(sum_i (q[t][h][i] / sqrt(D)) k[j][i]) v[j],   t < tokens, h < heads
 *
 * There are two ways, each with a cache of its own:
 *
 *   f32    keys in panels of 64 positions, [panel][i][64], so that one load takes a value of many positions; values [position][i]. A score is one
 *          chain of fused multiply-adds in the order of i. A sum over positions is one such chain a panel, from 0, of exp(score - largest); the panels'
 *          sums are added in their order, and the result divided by the sum of the weights, as softmax has it (core/sums.h)
 *   bf16   q / sqrt(D), k, v and exp(score - largest) rounded to bfloat16, sums in floats in the order of multiply_pairs (core/vector.h); the sum that
 *          weights are divided by is that of the rounded ones. For int8 activations, whose rounding is four times as coarse as this one
 *
 * The bits depend neither on how positions are cut into calls nor on the backend. Sources: arXiv:1706.03762 Eq. (1); grouped queries
 * arXiv:2305.13245. Threads: any, on disjoint outputs and rooms.
 */
#ifndef TERN_ATTEND_H
#define TERN_ATTEND_H

#include "core/kernels.h"

enum { TERN_KEY_PANEL = 64 };

struct tern_attend {
    size_t tokens, before, heads, d;
    const float *q;   /* [token][head][i], tokens q_stride floats apart */
    size_t q_stride;
    const void *keys, *values; /* of the group, from position 0 on */
    float *out;       /* as q, tokens out_stride floats apart */
    size_t out_stride;
    float *room;      /* floats(tokens x heads, before + tokens, d), 64-byte aligned */
};

/* One position to be kept. All `length` positions of the sequence are there before any is attended to; threads may keep different ones at once. */
struct tern_kept {
    void *keys, *values;
    size_t position, length, d;
    const float *k, *v;
};

struct tern_attend_way {
    const char *name;
    size_t rows; /* tokens x heads of a call that fills the registers and stays in the second cache; any number works */
    size_t (*bytes)(size_t context, size_t d); /* of the keys of a group, and of its values */
    void (*keep)(const struct tern_vector_kernels *vector, const struct tern_kept *kept);
    size_t (*floats)(size_t rows, size_t context, size_t d);
    void (*attend)(const struct tern_vector_kernels *vector, const struct tern_attend *a);
};

extern const struct tern_attend_way tern_attend_f32, tern_attend_bf16;

#endif
