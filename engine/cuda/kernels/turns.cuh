/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of gemm.cuh for many rows of x. A block's two warpgroups take whole tiles in turn: while one stores its sums, the other has the tensor
 * cores to itself. Sums are four bytes each and go out at the memory's pace, so with few inputs a tile takes as long to store as to multiply (H100,
 * 13824x2560 at 2048 rows: 9.5 us of 22). A tile is 64 * GROUPS rows of W by BATCH rows of x, all of them one warpgroup's. Stages come in the order of the
 * tiles, and a warpgroup waits for those of its own only, which keeps the turns apart.
 */
#ifndef CUDA_TURNS_CUH
#define CUDA_TURNS_CUH

#include "gemm.cuh"

template <int BATCH_, int GROUPS_, int QUADS_, int PAIR_> struct turns_shape {
    enum {
        PAIR = PAIR_, BATCH = BATCH_, GROUPS = GROUPS_, SLICES = 1, QUADS = QUADS_, TURNS = 2, CONSUMERS = TURNS * 128, THREADS = CONSUMERS + 128,
        X_BYTES = BATCH * CUDA_QUAD, STAGE = QUADS * (X_BYTES + GROUPS * 4 * CUDA_TILE_BYTES),
    };
};

#ifdef HAVE_WGMMA

template <class S> __device__ __forceinline__ gemm_work turns_plan(const gemm_args &p) {
    gemm_work k = gemm_plan<S>(p);
    k.row_blocks = (k.row_blocks + S::PAIR - 1) / S::PAIR * S::PAIR;
    k.tiles = k.row_blocks * ((p.batch + S::BATCH - 1) / S::BATCH);
    return k;
}
__device__ __forceinline__ unsigned cluster_rank() { unsigned r; asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r)); return r; }
__device__ __forceinline__ void cluster_sync() { asm volatile("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory"); }
__device__ __forceinline__ void barrier_arrive_at(unsigned barrier, unsigned rank) {
    asm volatile("{\n.reg .b32 r;\nmapa.shared::cluster.u32 r, %0, %1;\nmbarrier.arrive.release.cluster.shared::cluster.b64 _, [r];\n}" ::"r"(barrier), "r"(rank) : "memory");
}
__device__ __forceinline__ void tensor_copy_both(unsigned to, const void *map, int y, int z, unsigned barrier) {
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3, %4}], [%5], %6;" ::"r"(to),
                 "l"(map), "r"(0), "r"(y), "r"(z), "r"(barrier), "h"((unsigned short)3) : "memory");
}
template <class S> __device__ __forceinline__ void turns_feed(const gemm_args &p, const gemm_work &k, const gemm_ring &r, const void *w_map, const void *x_map) {
    gemm_place w = {k.block, 0, 0, 0}, x = w;
    const int half = S::PAIR == 2 ? cluster_rank() : 0;
    tensor_prefetch(w_map);
    tensor_prefetch(x_map);
    for (int i = 0; i < p.stages && w.tile < k.tiles; i++) gemm_feed_w<S>(k, r, w, w_map), w.next(k, p.stages);
    wait_for_earlier();
    while (x.tile < k.tiles) {
        if (x.round) {
            barrier_wait(r.empty + 8 * x.slot, (x.round & 1) ^ 1);
            gemm_feed_w<S>(k, r, x, w_map);
        }
        const int m0 = x.tile / k.row_blocks * S::BATCH;
        if (S::PAIR == 2)
            tensor_copy_both(r.data + x.slot * S::STAGE + half * S::X_BYTES / 2, x_map, m0 + half * S::BATCH / 2, x.step * S::QUADS, r.full + 8 * x.slot);
        else
            tensor_copy(r.data + x.slot * S::STAGE, x_map, m0, x.step * S::QUADS, r.full + 8 * x.slot);
        x.next(k, p.stages);
    }
}
template <class S> __device__ __forceinline__ void turns_give_back(const gemm_ring &r, gemm_turn &t) {
    if (S::PAIR == 1) gemm_give_back(r, t);
    else if (t.before >= 0 && (threadIdx.x & 31) < 2) barrier_arrive_at(r.empty + 8 * t.before, threadIdx.x & 31);
}

/* One stage of this warpgroup's tile. The number of products is even, so the two sets of A registers alternate over stages too. */
template <class S> __device__ __forceinline__ void turns_step(int (&c)[S::GROUPS][S::BATCH / 2], unsigned (&a)[2][4][4], const gemm_ring &r, gemm_turn &t) {
    const int thread = threadIdx.x & 127;
    const unsigned x = r.data + t.slot * S::STAGE, w = x + S::QUADS * (S::X_BYTES + thread / 32 * CUDA_TILE_BYTES) + (thread & 31) * 16;
    barrier_wait(r.full + 8 * t.slot, t.round & 1);
#pragma unroll
    for (int i = 0; i < S::QUADS * S::GROUPS; i++) {
        const int j = i / S::GROUPS, g = i % S::GROUPS;
        gemm_quad<S>(c[g], a[i & 1], w + (g * 4 * S::QUADS + j) * CUDA_TILE_BYTES, x + j * S::X_BYTES);
        wgmma_wait<1>();
        if (i == 0) turns_give_back<S>(r, t);
    }
    t.before = t.slot;
    if (++t.slot == r.stages) t.slot = 0, t.round++;
}

/* Passes the stages of the other warpgroup's tile. */
__device__ __forceinline__ void turns_pass(const gemm_work &k, const gemm_ring &r, gemm_turn &t) {
    t.slot += k.steps;
    t.round += t.slot / r.stages;
    t.slot %= r.stages;
}

template <class S> __device__ __forceinline__ void turns_tile(const gemm_args &p, const gemm_work &k, const gemm_ring &r, gemm_turn &t, int tile) {
    int c[S::GROUPS][S::BATCH / 2];
    unsigned a[2][4][4];
#pragma unroll
    for (int g = 0; g < S::GROUPS; g++)
#pragma unroll
        for (int i = 0; i < S::BATCH / 2; i++) c[g][i] = 0;
#pragma unroll 1
    for (int step = 0; step < k.steps; step++) turns_step<S>(c, a, r, t);
    wgmma_wait<0>();
    turns_give_back<S>(r, t);
    t.before = -1;
    wait_for_earlier();
#pragma unroll
    for (int g = 0; g < S::GROUPS; g++) gemm_store_all<S>(p, c[g], 0, (tile % k.row_blocks * S::GROUPS + g) * CUDA_GROUP_ROWS, tile / k.row_blocks * S::BATCH);
}

template <class S> __device__ __forceinline__ void turns_body(const gemm_args &p, const void *w_map, const void *x_map) {
    DYNAMIC_SHARED(uint8_t, memory);
    const unsigned base = shared_address(memory), barriers = base + p.stages * S::STAGE;
    const gemm_ring r = {base, barriers, barriers + p.stages * 8, p.stages};
    const gemm_work k = turns_plan<S>(p);
    if (threadIdx.x == 0) {
        for (int s = 0; s < p.stages; s++) barrier_init(r.full + 8 * s, 1), barrier_init(r.empty + 8 * s, 4 * S::PAIR);
        barrier_publish();
    }
    if (S::PAIR == 2) cluster_sync();
    else __syncthreads();
    let_later_start();
    if (threadIdx.x >= S::CONSUMERS) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        if (threadIdx.x == S::CONSUMERS) turns_feed<S>(p, k, r, w_map, x_map);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
        const int turn = threadIdx.x >> 7;
        gemm_turn t = {0, 0, -1};
        if (turn) turns_pass(k, r, t);
        for (int tile = k.block + turn * k.blocks; tile < k.tiles; tile += S::TURNS * k.blocks) {
            turns_tile<S>(p, k, r, t, tile);
            turns_pass(k, r, t);
        }
    }
    if (S::PAIR == 2) {
        __syncwarp();
        cluster_sync();
    }
}
#endif

#endif
