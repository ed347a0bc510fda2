/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments of the kernels of a decode step, as host and device both see them. Pointers are device addresses.
 *
 *   keys, values   [group][context][D] halves. Values in order; of a key, element i lies at (i % 16) * (D / 16) + i / 16, so that the
 *                  elements of one partial sum are side by side.
 */
#ifndef CUDA_DECODE_ARGUMENTS_H
#define CUDA_DECODE_ARGUMENTS_H

#include <stdint.h>

/* What is normalised: a row of the embedding (into x) · x · x + added (into x) · relu(x)^2 * added */
enum norm_kind { NORM_EMBEDDING, NORM_PLAIN, NORM_RESIDUAL, NORM_GATE };

struct norm_args {
    float *x;
    const float *added, *w;
    const int8_t *rows;  /* of the embedding, n apart */
    const float *scales; /* one a row */
    int8_t *q;
    float *scale;
    float eps;
    int kind, n, ldq, token;
};

struct attend_args {
    const float *qkv; /* queries of all heads, then keys, then values of all groups */
    void *keys, *values;
    const float *cosine, *sine; /* D / 2 of this position */
    float *out;
    int heads, groups, context, at;
};

struct logits_args {
    const int8_t *rows, *q;
    const float *scales, *scale;
    float *logits;
    int width, vocabulary;
};

#endif
