/* SPDX-License-Identifier: Apache-2.0
 *
 * y[n] = scale * sx * sum_k W[n][k] * x[k] for one row of x and many tiles a block. Block b owns a run of tiles; warp w has quads w * QUADS and on of each
 * of them, and x of these in registers throughout. One more warp asks for the tiles, `units` of them a stage, each stage as soon as the one before it has
 * landed and its slot is free: where a whole ring is asked for at once, what the launch before still awaits comes behind it (H100, 20480x3200: 7.1 us for
 * 6.1). Sums as in held.cuh. Arguments: arguments.h.
 *
 * Shared memory: [stages][units] tiles, two barriers a stage, sums [warp][tile][16].
 */
#ifndef CUDA_RING_CUH
#define CUDA_RING_CUH

#include "held.cuh"

#ifdef HAVE_BULK

struct ring_place {
    unsigned data, full, empty; /* shared addresses: of the stages, and of a barrier a stage each */
    int *sums;
    int tile_bytes, steps;
    __device__ __forceinline__ ring_place(const stream_args &p, const held_run &r, uint8_t *memory) {
        tile_bytes = p.quads * CUDA_TILE_BYTES;
        steps = (r.tiles + p.units - 1) / p.units;
        const int data_bytes = p.stages * p.units * tile_bytes;
        data = shared_address(memory);
        full = data + data_bytes;
        empty = full + p.stages * 8;
        sums = (int *)(memory + data_bytes + p.stages * 16);
    }
};

/* Asks for all stages; one thread. */
__device__ __forceinline__ void ring_feed(const stream_args &p, const held_run &r, const ring_place &m) {
    for (int s = 0, slot = 0, before = 0, round = 0, round_before = 0; s < m.steps; s++) {
        const int bytes = min(p.units, r.tiles - s * p.units) * m.tile_bytes;
        if (s) barrier_wait(m.full + before * 8, round_before & 1);
        if (round) barrier_wait(m.empty + slot * 8, (round & 1) ^ 1);
        barrier_expect(m.full + slot * 8, bytes);
        bulk_copy(m.data + slot * p.units * m.tile_bytes, p.w + (size_t)(r.tile0 + s * p.units) * m.tile_bytes, bytes, m.full + slot * 8);
        before = slot, round_before = round;
        if (++slot == p.stages) slot = 0, round++;
    }
}

/* One tile's sums over this warp's quads, its weights at shared address `at`. */
template <int QUADS> __device__ __forceinline__ void ring_tile(const stream_args &p, const unsigned (&x)[QUADS][8], unsigned at, int *sums) {
    const int lane = threadIdx.x & 31, quad0 = (threadIdx.x >> 5) * QUADS;
    enum { CHAINS = QUADS < 3 ? 2 : 1 }; /* x of more quads leaves no registers for two */
    int c[CHAINS][4] = {};
#pragma unroll
    for (int j = 0; j < QUADS; j++)
        if (quad0 + j < p.quads) {
            const uint4 v = load_shared(at + j * CUDA_TILE_BYTES);
#pragma unroll
            for (int f = 0; f < 4; f++) {
                unsigned a[4];
                unpack_step(a, v, f);
                mma_16x8x32(c[f % CHAINS], a, x[j][2 * f], x[j][2 * f + 1]);
            }
        }
    if ((lane & 3) == 0) {
        sums[lane / 4] = c[0][0] + (CHAINS > 1 ? c[CHAINS - 1][0] : 0);
        sums[lane / 4 + 8] = c[0][2] + (CHAINS > 1 ? c[CHAINS - 1][2] : 0);
    }
}

template <int QUADS> __device__ __forceinline__ void ring_consume(const stream_args &p, const held_run &r, const ring_place &m, const unsigned (&x)[QUADS][8]) {
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    for (int s = 0, t = 0, slot = 0, round = 0; s < m.steps; s++) {
        const int end = min(r.tiles, t + p.units);
        unsigned at = m.data + slot * p.units * m.tile_bytes + warp * QUADS * CUDA_TILE_BYTES + lane * 16;
        barrier_wait(m.full + slot * 8, round & 1);
#pragma unroll(QUADS == 1 ? 4 : QUADS == 2 ? 2 : 1)
        for (; t < end; t++, at += m.tile_bytes) ring_tile<QUADS>(p, x, at, m.sums + (warp * r.tiles + t) * CUDA_TILE_ROWS);
        __syncwarp();
        if (lane == 0) barrier_arrive(m.empty + slot * 8);
        if (++slot == p.stages) slot = 0, round++;
    }
}

template <int WARPS, int QUADS> __device__ __forceinline__ void ring_body(const stream_args &p) {
    DYNAMIC_SHARED(uint8_t, memory);
    const int warp = threadIdx.x >> 5;
    const held_run r = held_share(p);
    const ring_place m(p, r, memory);
    const float weight = held_weight(p, r);
    float scale = 0;
    let_later_start();
    mark(p.marks, MARK_BEGIN);
    if (threadIdx.x == WARPS * 32) {
        for (int s = 0; s < p.stages; s++) barrier_init(m.full + s * 8, 1), barrier_init(m.empty + s * 8, WARPS);
        barrier_publish();
    }
    __syncthreads();
    if (threadIdx.x == WARPS * 32) ring_feed(p, r, m);
    if (warp < WARPS) {
        unsigned words[QUADS], x[QUADS][8];
        if (m.steps == 1) barrier_wait(m.full, 0); /* what is left then has no loop: weights first, x last */
        wait_for_earlier();
        mark(p.marks, MARK_READY);
        scale = held_take_x(p, words);
#pragma unroll
        for (int j = 0; j < QUADS; j++) held_spread(x[j], words[j]);
        ring_consume<QUADS>(p, r, m, x);
    }
    __syncthreads();
    if (warp < WARPS) held_store<WARPS>(p, r, m.sums, scale, weight);
    mark(p.marks, MARK_END);
}
#endif

#endif
