/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention of one layer with grouped queries over a cache of keys and values, for one new token (decode) or many (prefill):
 *
 *   o[t][h] = sum_{j <= t} softmax_j(q[t][h] . k[j][g] / sqrt(D)) v[j][g],   g = h / (H / G)
 *
 *   q, o    T x H x D floats;  token t stands at position `before + t` and sees positions 0 .. before + t
 *   k, v    of each of the G groups, rows of D elements (float, half, or int8 with a scale): row j is position j
 *
 * A (token, head) pair is computed whole by one thread, in one order, so threads change no bit. Source: arXiv:1706.03762 Eq. (1),
 * grouped queries arXiv:2305.13245.
 */
#ifndef TERN_CORE_ATTENTION_H
#define TERN_CORE_ATTENTION_H

#include "core/kernels.h"

struct tern_attention {
    size_t tokens, before, heads, groups, d;
    const float *q;
    const struct tern_rows *k, *v; /* one per group */
    float *out;
    float *scores;                 /* per part: before + tokens floats, score_stride apart */
    size_t score_stride;
};

/* Part id of n. */
void tern_attention_part(const struct tern_kernels *kernels, const struct tern_attention *a, int id, int n);

/*
 * logits[v] = rows[v] . x over a vocabulary of n rows of d elements: part id of parts. With int8 rows and `q` not null the product is taken
 * in integers with the quantised x (q, scale), else in floats.
 */
void tern_logits_part(const struct tern_kernels *kernels, const struct tern_rows *rows, size_t n, size_t d, const float *x,
                      const int8_t *q, float scale, float *logits, int id, int parts);

#endif
