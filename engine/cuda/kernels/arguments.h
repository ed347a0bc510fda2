/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments of the kernels of the ternary product, as host and device both see them. Pointers are device addresses.
 *
 *   y[m][n] = scale[n] * sx[m] * sum_k W[n][k] * x[m][k]
 *
 *   w   packed weights (layout.h), `tiles` tiles of 16 rows by `quads` quads of 128 columns
 *   x   batch rows of `ldx` bytes (a multiple of 128, zeros after K)     sx  one float a row
 *   y   batch rows of `rows` floats
 */
#ifndef CUDA_ARGUMENTS_H
#define CUDA_ARGUMENTS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#define CUDA_SHARED __host__ __device__ static __forceinline__
#else
#define CUDA_SHARED static inline
#endif

/* s_w of matrices that lie one under another: rows before from[0] have part[0], before from[1] part[1], the others part[2]. */
struct weight_scale {
    float part[3];
    int from[2];
};
CUDA_SHARED float weight_scale_of(const struct weight_scale *s, int row) { return row < s->from[0] ? s->part[0] : row < s->from[1] ? s->part[1] : s->part[2]; }
CUDA_SHARED struct weight_scale weight_scale_one(float scale)
{
    const struct weight_scale s = {{scale, scale, scale}, {0, 0}};
    return s;
}

/* Times of one launch, or of a stage of one, by the card's clock, written by its first block where they are asked for: it began, what it follows was done,
 * its norm was done (where it has one), it ended. */
enum { MARK_BEGIN, MARK_READY, MARK_NORM, MARK_END, MARKS };

struct stream_args {
    const uint8_t *w;
    const int8_t *x;
    const float *sx;
    float *y;
    struct weight_scale scale;
    int rows, tiles, quads, ldx, batch;
    int units, stages; /* of a warp's ring: units a stage, stages */
    uint64_t *marks;   /* MARKS words; null: not wanted */
};

/* n words of random contents. */
struct fill_args {
    unsigned *p;
    size_t n;
    unsigned seed;
};

/* Packed weights to plain rows of signed bytes, quads * CUDA_QUAD each. */
struct unpack_args {
    const uint8_t *w;
    int8_t *out;
    int rows, quads;
    size_t units; /* tiles * quads */
};

/* y[m][n] = scale[n] * sx[m] * y[m][n], of sums kept as int32 to floats in their place. */
struct scale_args {
    void *y;
    const float *sx;
    struct weight_scale scale;
    int rows, batch;
};

struct gemm_args {
    const float *sx;
    float *y;
    struct weight_scale scale;
    int rows, tiles, quads, batch;
    int stages; /* of a block's ring */
};

#endif
