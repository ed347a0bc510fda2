/* SPDX-License-Identifier: Apache-2.0
 *
 * y[m][n] = scale * sx[m] * sum_k W[n][k] * x[m][k] for few m: weights stream once through every multiprocessor.
 *
 * Block b owns a run of tiles, one contiguous stream of 512-byte units (tile, quad); its warps share the units evenly,
 * each with a ring of its own that the copy engine fills. The rings are asked for before the kernel waits for the launch
 * it depends on: while one product ends, the next one's weights already come in, so the memory bus has no gap between the
 * products of a decode step. A warp adds what it has of a tile to sums in shared memory (its own ones for one row of x, so
 * that no warp waits for another's atomics); integers, so the order is free. Arguments: arguments.h.
 */
#ifndef CUDA_STREAM_CUH
#define CUDA_STREAM_CUH

#include "arguments.h"
#include "device.cuh"

#ifdef HAVE_BULK

/* Shared memory: rings, barriers, x, sums. `share`: the most tiles a block has. */
template <int WARPS, int COLS> struct stream_shared {
    unsigned ring;        /* this warp's */
    unsigned full;        /* its barriers */
    uint8_t *x;           /* [COLS][pitch] */
    int *sums;            /* [SETS][tile][COLS][16] */
    int pitch;
    enum { SETS = COLS == 1 ? WARPS : 1 };
    __device__ stream_shared(const stream_args &p, uint8_t *memory) {
        const int warp = threadIdx.x >> 5, ring_bytes = p.stages * p.units * CUDA_TILE_BYTES;
        ring = shared_address(memory) + warp * ring_bytes;
        full = shared_address(memory) + WARPS * ring_bytes + warp * p.stages * 8;
        pitch = p.quads * CUDA_QUAD + 16;
        x = memory + WARPS * p.stages * (p.units * CUDA_TILE_BYTES + 8);
        sums = (int *)(x + COLS * pitch);
    }
};

/* A warp's run of units, counted from the block's first. */
struct stream_run {
    int first, end, tile0, tiles;
};
template <int WARPS> __device__ __forceinline__ stream_run stream_share(const stream_args &p) {
    const int warp = threadIdx.x >> 5, blocks = gridDim.x, b = blockIdx.x;
    stream_run r;
    r.tile0 = (int)((long)p.tiles * b / blocks);
    r.tiles = (int)((long)p.tiles * (b + 1) / blocks) - r.tile0;
    r.first = (int)((long)r.tiles * p.quads * warp / WARPS);
    r.end = (int)((long)r.tiles * p.quads * (warp + 1) / WARPS);
    return r;
}

/* Asks for the units of a stage; one lane. */
template <int WARPS, int COLS>
__device__ __forceinline__ void stream_fetch(const stream_args &p, const stream_shared<WARPS, COLS> &m, const stream_run &r, int at, int stage) {
    const int n = min(p.units, r.end - at), bytes = n * CUDA_TILE_BYTES;
    barrier_expect(m.full + stage * 8, bytes);
    bulk_copy(m.ring + stage * p.units * CUDA_TILE_BYTES, p.w + ((size_t)r.tile0 * p.quads + at) * CUDA_TILE_BYTES, bytes, m.full + stage * 8);
}

template <int WARPS, int COLS>
__device__ __forceinline__ void stream_start(const stream_args &p, const stream_shared<WARPS, COLS> &m, const stream_run &r) {
    if ((threadIdx.x & 31) == 0) {
#pragma unroll 1
        for (int s = 0; s < p.stages; s++) barrier_init(m.full + s * 8, 1);
        barrier_publish();
#pragma unroll 1
        for (int s = 0, at = r.first; s < p.stages && at < r.end; s++, at += p.units) stream_fetch(p, m, r, at, s);
    }
#pragma unroll 1
    for (int i = threadIdx.x; i < stream_shared<WARPS, COLS>::SETS * r.tiles * COLS * CUDA_TILE_ROWS; i += WARPS * 32) m.sums[i] = 0;
}

template <int WARPS, int COLS> __device__ __forceinline__ void stream_take_x(const stream_args &p, const stream_shared<WARPS, COLS> &m) {
    const int pieces = p.quads * 8;
#pragma unroll 1
    for (int i = threadIdx.x; i < COLS * pieces; i += WARPS * 32) {
        const int row = COLS == 1 ? 0 : i / pieces, c = COLS == 1 ? i : i % pieces;
        uint4 v = make_uint4(0, 0, 0, 0);
        if (row < p.batch) v = __ldcg((const uint4 *)(p.x + (size_t)row * p.ldx) + c);
        *(uint4 *)(m.x + row * m.pitch + c * 16) = v;
    }
}

/* Column tiles of eight. */
template <int COLS> struct stream_columns {
    enum { TILES = (COLS + 7) / 8 };
};

/* One unit: four k-steps. Columns of B are rows of x; with one row all eight columns carry it. */
template <int COLS> __device__ __forceinline__ void stream_unit(int (&c)[stream_columns<COLS>::TILES][2][4], unsigned at, const uint8_t *x, int pitch) {
    const uint4 v = load_shared(at);
    unsigned a[4][4];
#pragma unroll
    for (int f = 0; f < 4; f++) unpack_step(a[f], v, f);
#pragma unroll
    for (int t = 0; t < stream_columns<COLS>::TILES; t++, x += 8 * pitch) {
        unsigned b[8];
#pragma unroll
        for (int i = 0; i < 8; i++) b[i] = *(const unsigned *)(x + i * 16);
#pragma unroll
        for (int f = 0; f < 4; f++) mma_16x8x32(c[t][f & 1], a[f], b[2 * f], b[2 * f + 1]);
    }
}

/* Adds a warp's part of a tile to the block's sums and starts anew. */
template <int COLS> __device__ __forceinline__ void stream_flush(int (&c)[stream_columns<COLS>::TILES][2][4], int *sums) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int t = 0; t < stream_columns<COLS>::TILES; t++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int row = lane / 4 + (i >> 1) * 8, col = t * 8 + (lane & 3) * 2 + (i & 1);
            if (COLS == 1 && col == 0) sums[row] = c[t][0][i] + c[t][1][i];
            if (COLS > 1) atomicAdd(sums + col * CUDA_TILE_ROWS + row, c[t][0][i] + c[t][1][i]);
            c[t][0][i] = c[t][1][i] = 0;
        }
}

template <int WARPS, int COLS>
__device__ __forceinline__ void stream_product(const stream_args &p, const stream_shared<WARPS, COLS> &m, const stream_run &r) {
    const int lane = threadIdx.x & 31;
    const uint8_t *x = m.x + (COLS == 1 ? 0 : lane / 4 * m.pitch) + (lane & 3) * 4;
    int *sums = m.sums + (COLS == 1 ? (threadIdx.x >> 5) * r.tiles * CUDA_TILE_ROWS : 0);
    int c[stream_columns<COLS>::TILES][2][4] = {}, tile = r.first / p.quads, q = r.first % p.quads, stage = 0, round = 0;
#pragma unroll 1
    for (int at = r.first; at < r.end; at += p.units) {
        const int n = min(p.units, r.end - at);
        const unsigned data = m.ring + stage * p.units * CUDA_TILE_BYTES + lane * 16;
        barrier_wait(m.full + stage * 8, round & 1);
#pragma unroll 2
        for (int i = 0; i < n; i++) {
            stream_unit<COLS>(c, data + i * CUDA_TILE_BYTES, x + q * CUDA_QUAD, m.pitch);
            if (++q == p.quads) stream_flush<COLS>(c, sums + tile * COLS * CUDA_TILE_ROWS), q = 0, tile++;
        }
        __syncwarp();
        const int ahead = at + p.stages * p.units;
        if (lane == 0 && ahead < r.end) stream_fetch(p, m, r, ahead, stage);
        if (++stage == p.stages) stage = 0, round++;
    }
    if (q) stream_flush<COLS>(c, sums + tile * COLS * CUDA_TILE_ROWS);
}

template <int WARPS, int COLS>
__device__ __forceinline__ void stream_store(const stream_args &p, const stream_shared<WARPS, COLS> &m, const stream_run &r) {
#pragma unroll 1
    for (int e = threadIdx.x; e < r.tiles * CUDA_TILE_ROWS * COLS; e += WARPS * 32) {
        const int row = e % CUDA_TILE_ROWS, b = COLS == 1 ? 0 : e / CUDA_TILE_ROWS % COLS, tile = e / (CUDA_TILE_ROWS * COLS);
        const int n = (r.tile0 + tile) * CUDA_TILE_ROWS + row;
        int sum = 0;
#pragma unroll
        for (int set = 0; set < stream_shared<WARPS, COLS>::SETS; set++) sum += m.sums[set * r.tiles * COLS * CUDA_TILE_ROWS + e];
        if (n < p.rows && b < p.batch) p.y[(size_t)b * p.rows + n] = (float)(sum >> 6) * (weight_scale_of(&p.scale, n) * p.sx[b]);
    }
}

template <int WARPS, int COLS> __device__ __forceinline__ void stream_body(const stream_args &p) {
    DYNAMIC_SHARED(uint8_t, memory);
    const stream_shared<WARPS, COLS> m(p, memory);
    const stream_run r = stream_share<WARPS>(p);
    mark(p.marks, MARK_BEGIN);
    stream_start(p, m, r);
    let_later_start();
    wait_for_earlier();
    mark(p.marks, MARK_READY);
    stream_take_x(p, m);
    __syncthreads();
    stream_product(p, m, r);
    __syncthreads();
    stream_store(p, m, r);
    mark(p.marks, MARK_END);
}
#endif

#endif
