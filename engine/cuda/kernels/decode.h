/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments of the kernels of a decode step, as host and device both see them. Pointers are device addresses.
 *
 *   keys, values   [group][context][D] halves. Values in order; of a key, element i lies at (i % 16) * (D / 16) + i / 16, so that the
 *                  elements of one partial sum are side by side.
 */
#ifndef CUDA_DECODE_ARGUMENTS_H
#define CUDA_DECODE_ARGUMENTS_H

#include "arguments.h"

#include <stdint.h>

/* Threads of the attention kernel, and positions of one of its two tiles of values: its shared memory is 2 * ATTEND_TILE * D halves, then
 * `context` floats. */
enum { ATTEND_THREADS = 512, ATTEND_TILE = 256 };

#ifdef __CUDACC__
#define DECODE_SHARED __host__ __device__ static __forceinline__
#else
#define DECODE_SHARED static inline
#endif

/* A norm's n floats lie in shared memory in sixteen rows, one a partial sum: element i at (i % 16) * norm_stride(n) + i / 16. Rows begin at
 * multiples of 16 bytes, in banks of their own for eight lanes that read 16 bytes each. */
DECODE_SHARED int norm_stride(int n) { return ((n + 15) / 16 + 3) / 8 * 8 + 4; }
DECODE_SHARED int norm_place(int i, int stride) { return i % 16 * stride + i / 16; }
DECODE_SHARED int norm_bytes(int n) { return 16 * norm_stride(n) * 4; }

/* What is normalised: a row of the embedding (kept) · x · x + added (kept) · relu(x)^2 * added */
enum norm_kind { NORM_EMBEDDING, NORM_PLAIN, NORM_RESIDUAL, NORM_GATE };

struct norm_args {
    const float *x, *added, *w;
    float *kept;         /* the new residual; not x, which other blocks may still read */
    const int8_t *rows;  /* of the embedding, n apart */
    const float *scales; /* one a row */
    int8_t *q;
    float *scale;
    float eps;
    int kind, n, ldq, token;
};

struct norm_stream_args {
    struct stream_args product; /* x and sx come from the norm */
    struct norm_args norm;
    int values_at; /* bytes of shared memory before the norm's; a multiple of 16 */
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
