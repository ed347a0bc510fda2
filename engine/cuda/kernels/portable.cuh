/* SPDX-License-Identifier: Apache-2.0
 *
 * The same product for any card since compute capability 8.0: a block owns 16 * TILES rows and COLS rows of x, its warps
 * divide K, weights go from device memory straight into registers one quad ahead.
 */
#ifndef CUDA_PORTABLE_CUH
#define CUDA_PORTABLE_CUH

#include "stream.cuh"

/* B words of one quad and one column tile, zero beyond the batch. */
__device__ __forceinline__ void portable_b(unsigned (&b)[8], const stream_args &p, int m, int q) {
    const int at = q * CUDA_QUAD + (threadIdx.x & 3) * 4;
    const int8_t *row = p.x + (size_t)m * p.ldx + at;
#pragma unroll
    for (int i = 0; i < 8; i++) b[i] = m < p.batch ? *(const unsigned *)(row + i * 16) : 0;
}

template <int TILES> __device__ __forceinline__ void portable_load(uint4 (&v)[TILES], const stream_args &p, int q) {
    const int lane = threadIdx.x & 31, first = blockIdx.x * TILES;
    const uint8_t *from = p.w + ((size_t)first * p.quads + q) * CUDA_TILE_BYTES + lane * 16;
#pragma unroll
    for (int t = 0; t < TILES; t++) v[t] = load_streaming((const uint4 *)(from + (size_t)t * p.quads * CUDA_TILE_BYTES));
}

template <int WARPS, int TILES, int COLS>
__device__ __forceinline__ void portable_product(int (&c)[TILES][COLS / 8][4], const stream_args &p, int m0) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    uint4 v[TILES], next[TILES];
    if (warp < p.quads) portable_load<TILES>(next, p, warp);
    wait_for_earlier();
    let_later_start();
    for (int q = warp; q < p.quads; q += WARPS) {
#pragma unroll
        for (int t = 0; t < TILES; t++) v[t] = next[t];
        if (q + WARPS < p.quads) portable_load<TILES>(next, p, q + WARPS);
#pragma unroll
        for (int j = 0; j < COLS / 8; j++) {
            unsigned b[8];
            portable_b(b, p, m0 + j * 8 + lane / 4, q);
#pragma unroll
            for (int t = 0; t < TILES; t++)
#pragma unroll
                for (int f = 0; f < 4; f++) {
                    unsigned a[4];
                    unpack_step(a, v[t], f);
                    mma_16x8x32(c[t][j], a, b[2 * f], b[2 * f + 1]);
                }
        }
    }
}

template <int WARPS, int TILES, int COLS> __device__ __forceinline__ void portable_body(const stream_args &p) {
    __shared__ int sums[WARPS][COLS][16 * TILES + 4];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, rows = 16 * TILES, m0 = blockIdx.y * COLS;
    int c[TILES][COLS / 8][4] = {};
    portable_product<WARPS, TILES, COLS>(c, p, m0);
#pragma unroll
    for (int t = 0; t < TILES; t++)
#pragma unroll
        for (int j = 0; j < COLS / 8; j++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                sums[warp][j * 8 + (lane & 3) * 2 + (i & 1)][t * 16 + lane / 4 + (i >> 1) * 8] = c[t][j][i];
    __syncthreads();
    for (int e = threadIdx.x; e < rows * COLS; e += WARPS * 32) {
        int row = e % rows, j = e / rows, n = blockIdx.x * rows + row, m = m0 + j, sum = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) sum += sums[w][j][row];
        if (n < p.rows && m < p.batch) p.y[(size_t)m * p.rows + n] = (float)(sum >> 6) * (weight_scale_of(&p.scale, n) * p.sx[m]);
    }
}

#endif
