/* SPDX-License-Identifier: Apache-2.0
 *
 * y[n] = scale * sx * sum_k W[n][k] * x[k] for one row of x whose weights wait in registers. Block b owns a run of at most TILES tiles; warp w has
 * quads w * QUADS and on of each of them, one 16-byte word a lane, unit and tile. All weights are asked for before the kernel waits for the launch it
 * depends on, and only then later launches may start; what is left once x is there is a word of x a lane and quad, handed round by shuffles, the products,
 * and one meeting of the block. Sums are integers, so the order is free. Arguments: arguments.h.
 *
 * A launch is 1.4 us long where that of stream.cuh takes 2.1 (H100, 2560x2560).
 */
#ifndef CUDA_HELD_CUH
#define CUDA_HELD_CUH

#include "arguments.h"
#include "device.cuh"

/* A block's run of tiles. */
struct held_run {
    int tile0, tiles;
};
__device__ __forceinline__ held_run held_share(const stream_args &p) {
    const unsigned tiles = p.tiles, blocks = gridDim.x, b = blockIdx.x, tile0 = tiles * b / blocks; /* a division of 64 bits takes hundreds of clocks */
    return {(int)tile0, (int)(tiles * (b + 1) / blocks - tile0)};
}

/* This warp's weights of a tile; zeros beyond the block's tiles and beyond K. */
template <int QUADS> __device__ __forceinline__ void held_take(const stream_args &p, const held_run &r, int t, uint4 (&w)[QUADS]) {
    const int quad0 = (threadIdx.x >> 5) * QUADS;
    const uint4 *from = (const uint4 *)(p.w + ((size_t)(r.tile0 + t) * p.quads + quad0) * CUDA_TILE_BYTES) + (threadIdx.x & 31);
#pragma unroll
    for (int j = 0; j < QUADS; j++) w[j] = t < r.tiles && quad0 + j < p.quads ? load_streaming(from + j * (CUDA_TILE_BYTES / 16)) : make_uint4(0, 0, 0, 0);
}

/* The words of x that a lane multiplies by, of a quad of which every lane has one. */
__device__ __forceinline__ void held_spread(unsigned (&x)[8], unsigned word) {
#pragma unroll
    for (int i = 0; i < 8; i++) x[i] = __shfl_sync(~0u, word, i * 4 + (threadIdx.x & 3));
}

/* The sums of all tiles over one quad, of which every lane has a word of x. */
template <int QUADS, int TILES> __device__ __forceinline__ void held_quad(int (&c)[TILES][4], const uint4 (&w)[TILES][QUADS], int j, unsigned word) {
    unsigned x[8];
    held_spread(x, word);
#pragma unroll
    for (int f = 0; f < 4; f++)
#pragma unroll
        for (int t = 0; t < TILES; t++) {
            unsigned a[4];
            unpack_step(a, w[t][j], f);
            mma_16x8x32(c[t], a, x[2 * f], x[2 * f + 1]);
        }
}

/* This warp's words of x, one a lane and quad; gives the scale of x. */
template <int QUADS> __device__ __forceinline__ float held_take_x(const stream_args &p, unsigned (&words)[QUADS]) {
    const int quad0 = (threadIdx.x >> 5) * QUADS, lane = threadIdx.x & 31;
#pragma unroll
    for (int j = 0; j < QUADS; j++) words[j] = quad0 + j < p.quads ? __ldcg((const unsigned *)(p.x + (quad0 + j) * CUDA_QUAD) + lane) : 0;
    return __ldcg(p.sx);
}

/* The scale of the weights of this thread's first output, to be had before x is there. */
__device__ __forceinline__ float held_weight(const stream_args &p, const held_run &r) {
    return weight_scale_of(&p.scale, r.tile0 * CUDA_TILE_ROWS + (int)threadIdx.x);
}

/* sums: [warp][tile][16]. */
template <int WARPS> __device__ __forceinline__ void held_store(const stream_args &p, const held_run &r, const int *sums, float scale, float weight) {
    for (int e = threadIdx.x; e < r.tiles * CUDA_TILE_ROWS; e += WARPS * 32) {
        const int n = r.tile0 * CUDA_TILE_ROWS + e;
        int sum = 0;
        if (e != (int)threadIdx.x) weight = weight_scale_of(&p.scale, n);
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++) sum += sums[warp * r.tiles * CUDA_TILE_ROWS + e];
        if (n < p.rows) p.y[n] = (float)(sum >> 6) * (weight * scale);
    }
}

template <int WARPS, int QUADS, int TILES> __device__ __forceinline__ void held_body(const stream_args &p) {
    __shared__ int sums[WARPS * TILES * CUDA_TILE_ROWS];
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const held_run r = held_share(p);
    uint4 w[TILES][QUADS];
    unsigned words[QUADS];
    int c[TILES][4] = {};
    mark(p.marks, MARK_BEGIN);
#pragma unroll
    for (int t = 0; t < TILES; t++) held_take(p, r, t, w[t]);
    const float weight = held_weight(p, r);
    let_later_start(); /* the compiler moves no load beyond this; it does beyond the wait */
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    const float scale = held_take_x(p, words);
#pragma unroll
    for (int j = 0; j < QUADS; j++) held_quad(c, w, j, words[j]);
#pragma unroll
    for (int t = 0; t < TILES; t++)
        if (t < r.tiles && (lane & 3) == 0) {
            int *at = sums + (warp * r.tiles + t) * CUDA_TILE_ROWS + lane / 4;
            at[0] = c[t][0];
            at[8] = c[t][2];
        }
    __syncthreads();
    held_store<WARPS>(p, r, sums, scale, weight);
    mark(p.marks, MARK_END);
}

#endif
