/* SPDX-License-Identifier: Apache-2.0
 *
 * y[m][n] = scale * sx[m] * sum_k W[n][k] * x[m][k] on the warpgroup tensor cores. A tile of work is 64 * GROUPS rows of W
 * by BATCH rows of x; a block takes tiles in turn. One thread feeds a ring of stages, each QUADS quads of x, swizzled by its
 * tensor copy, and of W, still in 2 bits: two copies a stage, because copies cost more than their bytes. Warpgroup (g, s) of
 * GROUPS x SLICES unpacks its 64 rows of every SLICES-th quad into one of two sets of A registers, so that unpacking runs
 * beside the product before. The slices' sums meet in the stages' memory, once the tile is done (so with slices a block has
 * one tile).
 *
 * Before waiting for the launch it depends on, the feeder asks for the weights of the whole ring, so the bus does not rest
 * between launches. The ring runs on over the tiles: the next tile's operands come in while this one's sums go out.
 *
 *   x   [batch][ldx] bytes, seen by its tensor map as (128 columns, batch rows, quads); box 128 x BATCH x QUADS
 *   w   seen by its tensor map as (128 words, quads, tiles); box 128 x QUADS x 4 GROUPS
 */
#ifndef CUDA_GEMM_CUH
#define CUDA_GEMM_CUH

#include "arguments.h"
#include "wgmma.cuh"

template <int BATCH_, int GROUPS_, int SLICES_, int QUADS_> struct gemm_shape {
    enum {
        BATCH = BATCH_, GROUPS = GROUPS_, SLICES = SLICES_, QUADS = QUADS_, EACH = QUADS / SLICES, CONSUMERS = GROUPS * SLICES * 128,
        WIDE = BATCH * CONSUMERS > 32768, /* accumulators fill the register file: the feeder gives its registers away */
        FEEDERS = WIDE ? 128 : 32, THREADS = CONSUMERS + FEEDERS,
        REGISTERS = CONSUMERS == 256 ? 240 : 112, /* consumers and feeders (24) share what the block was launched with */
        X_BYTES = BATCH * CUDA_QUAD, STAGE = QUADS * (X_BYTES + GROUPS * 4 * CUDA_TILE_BYTES),
        EXCHANGE = SLICES > 1 ? CONSUMERS * BATCH * 2 : 0, /* bytes the slices' sums take, over the stages */
    };
};

#ifdef HAVE_WGMMA

struct gemm_ring {
    unsigned data, full, empty; /* shared addresses: stages, and one barrier a stage each */
    int stages;
};

/* What a block has to do: tiles block, block + blocks, ... */
struct gemm_work {
    int block, blocks, row_blocks, tiles, steps;
};
template <class S> __device__ __forceinline__ gemm_work gemm_plan(const gemm_args &p) {
    gemm_work k;
    k.block = blockIdx.x;
    k.blocks = gridDim.x;
    k.row_blocks = (p.tiles / 4 + S::GROUPS - 1) / S::GROUPS;
    k.tiles = k.row_blocks * ((p.batch + S::BATCH - 1) / S::BATCH);
    k.steps = (p.quads + S::QUADS - 1) / S::QUADS;
    return k;
}

/* Stage `step` of tile `tile`, in slot `slot` for the `round`th time. */
struct gemm_place {
    int tile, step, slot, round;
    __device__ __forceinline__ void next(const gemm_work &k, int stages) {
        if (++step == k.steps) step = 0, tile += k.blocks;
        if (++slot == stages) slot = 0, round++;
    }
};

template <class S> __device__ __forceinline__ void gemm_feed_w(const gemm_work &k, const gemm_ring &r, const gemm_place &at, const void *w_map) {
    barrier_expect(r.full + 8 * at.slot, S::STAGE);
    tensor_copy(r.data + at.slot * S::STAGE + S::QUADS * S::X_BYTES, w_map, at.step * S::QUADS, at.tile % k.row_blocks * S::GROUPS * 4, r.full + 8 * at.slot);
}

template <class S> __device__ __forceinline__ void gemm_feed(const gemm_args &p, const gemm_work &k, const gemm_ring &r, const void *w_map, const void *x_map) {
    gemm_place w = {k.block, 0, 0, 0}, x = w;
    tensor_prefetch(w_map);
    tensor_prefetch(x_map);
    for (int i = 0; i < p.stages && w.tile < k.tiles; i++) gemm_feed_w<S>(k, r, w, w_map), w.next(k, p.stages);
    wait_for_earlier();
    while (x.tile < k.tiles) {
        if (x.round) {
            barrier_wait(r.empty + 8 * x.slot, (x.round & 1) ^ 1);
            gemm_feed_w<S>(k, r, x, w_map);
        }
        tensor_copy(r.data + x.slot * S::STAGE, x_map, x.tile / k.row_blocks * S::BATCH, x.step * S::QUADS, r.full + 8 * x.slot);
        x.next(k, p.stages);
    }
}

/* A consumer's place in the ring: its next slot, and the one it has not given back yet (-1: none). */
struct gemm_turn {
    int slot, round, before;
};

/* One quad: unpacks it and begins its four k-steps. */
template <class S> __device__ __forceinline__ void gemm_quad(int (&c)[S::BATCH / 2], unsigned (&a)[4][4], unsigned w, unsigned x) {
    const uint4 v = load_shared(w);
#pragma unroll
    for (int f = 0; f < 4; f++) unpack_step(a[f], v, f);
    const uint64_t b = wgmma_descriptor(x);
    wgmma_fence();
#pragma unroll
    for (int f = 0; f < 4; f++) wgmma<S::BATCH>::product(c, a[f], b + 2 * f);
    wgmma_commit();
}

__device__ __forceinline__ void gemm_give_back(const gemm_ring &r, gemm_turn &t) {
    if (t.before >= 0 && (threadIdx.x & 31) == 0) barrier_arrive(r.empty + 8 * t.before);
}

/* This warpgroup's part of a stage; FIRST is the set of A registers that its first quad takes. Quads beyond K are zeros. */
template <class S, int FIRST>
__device__ __forceinline__ void gemm_step(int (&c)[S::BATCH / 2], unsigned (&a)[2][4][4], const gemm_ring &r, gemm_turn &t) {
    const int part = threadIdx.x >> 7, thread = threadIdx.x & 127, tile = part / S::SLICES * 4 + thread / 32;
    const unsigned at = r.data + t.slot * S::STAGE, w = at + S::QUADS * (S::X_BYTES + tile * CUDA_TILE_BYTES) + (thread & 31) * 16;
    barrier_wait(r.full + 8 * t.slot, t.round & 1);
#pragma unroll
    for (int h = 0; h < S::EACH; h++) {
        const int j = h * S::SLICES + part % S::SLICES;
        gemm_quad<S>(c, a[(FIRST + h) & 1], w + j * CUDA_TILE_BYTES, at + j * S::X_BYTES);
        wgmma_wait<1>(); /* all but the quad just begun: their registers and stages are free */
        if (h == 0) gemm_give_back(r, t);
    }
    t.before = t.slot;
    if (++t.slot == r.stages) t.slot = 0, t.round++;
}

/* One tile's sums. */
template <class S>
__device__ __forceinline__ void gemm_consume(int (&c)[S::BATCH / 2], const gemm_work &k, const gemm_ring &r, gemm_turn &t) {
    unsigned a[2][4][4];
    int step = 0;
#pragma unroll 1
    for (; step + 2 <= k.steps; step += 2) {
        gemm_step<S, 0>(c, a, r, t);
        gemm_step<S, S::EACH & 1>(c, a, r, t);
    }
    if (step < k.steps) gemm_step<S, 0>(c, a, r, t);
    wgmma_wait<0>();
    gemm_give_back(r, t);
    t.before = -1;
}

/* Columns 8j .. 8j + 7 of the warpgroup's 64 rows; the scales of this thread's two. */
template <class S> __device__ __forceinline__ void gemm_store(const gemm_args &p, const int *c, const float (&scale)[2], int j, int row0, int m0) {
    const int lane = threadIdx.x & 31, n = row0 + (threadIdx.x >> 5 & 3) * 16 + lane / 4, m = m0 + j * 8 + (lane & 3) * 2;
    float *y = p.y + (size_t)m * p.rows + n;
#pragma unroll
    for (int i = 0; i < 2; i++)
        if (m + i < p.batch) {
            if (n < p.rows) y[(size_t)i * p.rows] = (float)(c[i] >> 6) * (weight_scale_of(&p.scale, n) * scale[i]);
            if (n + 8 < p.rows) y[(size_t)i * p.rows + 8] = (float)(c[2 + i] >> 6) * (weight_scale_of(&p.scale, n + 8) * scale[i]);
        }
}

/* The columns that this slice finishes. Scales of several are asked for before the first is stored: a load waits behind the stores before it. They go
 * through the first cache (not as read-only: a launch before wrote them): all blocks read the same line, and at the second it took 10.5 us for 6.2 (H100,
 * 13824x2560 at 32 rows). */
template <class S> __device__ __forceinline__ void gemm_store_all(const gemm_args &p, const int (&c)[S::BATCH / 2], int slice, int row0, int m0) {
    enum { TILES = S::BATCH / 8, AT_ONCE = TILES < 8 ? TILES : 8 };
#pragma unroll
    for (int j0 = 0; j0 < TILES; j0 += AT_ONCE) {
        float scale[AT_ONCE][2];
#pragma unroll
        for (int h = 0; h < AT_ONCE; h++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const int m = m0 + (j0 + h) * 8 + (threadIdx.x & 3) * 2 + i;
                scale[h][i] = m < p.batch && (j0 + h) % S::SLICES == slice ? p.sx[m] : 0.0f;
            }
#pragma unroll
        for (int h = 0; h < AT_ONCE; h++)
            if ((j0 + h) % S::SLICES == slice) gemm_store<S>(p, c + 4 * (j0 + h), scale[h], j0 + h, row0, m0);
    }
}

/* Slices swap sums: slice s finishes the columns j = s mod SLICES. The ring is empty: every stage was consumed. */
template <class S> __device__ __forceinline__ void gemm_exchange(int (&c)[S::BATCH / 2], uint8_t *memory) {
    const int part = threadIdx.x >> 7, slice = part % S::SLICES, first = part - slice, thread = threadIdx.x & 127;
    int4 *sums = (int4 *)memory;
    part_sync(1, S::CONSUMERS);
#pragma unroll
    for (int j = 0; j < S::BATCH / 8; j++)
        if (j % S::SLICES != slice) sums[(part * (S::BATCH / 8) + j) * 128 + thread] = make_int4(c[4 * j], c[4 * j + 1], c[4 * j + 2], c[4 * j + 3]);
    part_sync(1, S::CONSUMERS);
#pragma unroll
    for (int j = 0; j < S::BATCH / 8; j++)
        if (j % S::SLICES == slice)
#pragma unroll
            for (int other = 0; other < S::SLICES; other++)
                if (other != slice) {
                    const int4 v = sums[((first + other) * (S::BATCH / 8) + j) * 128 + thread];
                    c[4 * j] += v.x, c[4 * j + 1] += v.y, c[4 * j + 2] += v.z, c[4 * j + 3] += v.w;
                }
}

/* The consumers' side of one tile. */
template <class S> __device__ __forceinline__ void gemm_tile(const gemm_args &p, const gemm_work &k, const gemm_ring &r, gemm_turn &t, int tile, uint8_t *memory) {
    const int part = threadIdx.x >> 7, slice = part % S::SLICES;
    const int row0 = (tile % k.row_blocks * S::GROUPS + part / S::SLICES) * CUDA_GROUP_ROWS, m0 = tile / k.row_blocks * S::BATCH;
    int c[S::BATCH / 2];
#pragma unroll
    for (int i = 0; i < S::BATCH / 2; i++) c[i] = 0;
    gemm_consume<S>(c, k, r, t);
    if (S::SLICES > 1) gemm_exchange<S>(c, memory);
    wait_for_earlier();
    gemm_store_all<S>(p, c, slice, row0, m0);
}

template <class S> __device__ __forceinline__ void gemm_body(const gemm_args &p, const void *w_map, const void *x_map) {
    DYNAMIC_SHARED(uint8_t, memory);
    /* Behind the exchange too: memory of a barrier is nobody else's while it lives. With one stage sums lay over barriers that were done with, and were
     * wrong under racecheck, which still kept count there (seen on an H100, 2026-11-26). */
    const unsigned base = shared_address(memory), barriers = base + max(p.stages * S::STAGE, (int)S::EXCHANGE);
    const gemm_ring r = {base, barriers, barriers + p.stages * 8, p.stages};
    const gemm_work k = gemm_plan<S>(p);
    if (threadIdx.x == 0) {
        for (int s = 0; s < p.stages; s++) barrier_init(r.full + 8 * s, 1), barrier_init(r.empty + 8 * s, S::CONSUMERS / 32);
        barrier_publish();
    }
    __syncthreads();
    let_later_start();
    if (threadIdx.x >= S::CONSUMERS) {
        if (S::WIDE) asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        if (threadIdx.x == S::CONSUMERS) gemm_feed<S>(p, k, r, w_map, x_map);
    } else {
        if (S::WIDE) asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(S::WIDE ? S::REGISTERS : 240));
        gemm_turn t = {0, 0, -1};
        for (int tile = k.block; tile < k.tiles; tile += k.blocks) gemm_tile<S>(p, k, r, t, tile, memory);
    }
}
#endif

#endif
