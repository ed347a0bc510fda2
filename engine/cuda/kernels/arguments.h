/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments of the kernels of the ternary product, as host and device both see them. Pointers are device addresses.
 *
 *   y[m][n] = scale * sx[m] * sum_k W[n][k] * x[m][k]
 *
 *   w   packed weights (layout.h), `tiles` tiles of 16 rows by `quads` quads of 128 columns
 *   x   batch rows of `ldx` bytes (a multiple of 128, zeros after K)     sx  one float a row
 *   y   batch rows of `rows` floats
 */
#ifndef CUDA_ARGUMENTS_H
#define CUDA_ARGUMENTS_H

#include <stdint.h>

struct stream_args {
    const uint8_t *w;
    const int8_t *x;
    const float *sx;
    float *y;
    float scale;
    int rows, tiles, quads, ldx, batch;
    int units, stages; /* of a warp's ring: units a stage, stages */
};

struct gemm_args {
    const float *sx;
    float *y;
    float scale;
    int rows, tiles, quads, batch;
    int stages; /* of a block's ring */
};

#endif
