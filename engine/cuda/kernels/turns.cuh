/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of gemm.cuh for many rows of x. A block's two warpgroups take whole tiles in turn: while one stores its sums, the other has the tensor
 * cores to itself. Sums are four bytes each and go out at the memory's pace: 4.7 us of the 17 that a tile of 128 x 256 takes where nothing is
 * multiplied beside it (H100, 2560 inputs). A tile is 64 * GROUPS rows of W by BATCH rows of x, all of them one warpgroup's. Stages come in the order
 * of the tiles.
 *
 * Slower on an H100, 13824x2560 at 2048 rows (this one takes 108 us): one quad a stage, 128; tiles of 256 x 128 that both warpgroups share, 120; x sent
 * to pairs of blocks by multicast, 232.
 */
#ifndef CUDA_TURNS_CUH
#define CUDA_TURNS_CUH

#include "gemm.cuh"

template <int BATCH_, int GROUPS_, int QUADS_> struct turns_shape {
    enum {
        BATCH = BATCH_, GROUPS = GROUPS_, SLICES = 1, QUADS = QUADS_, TURNS = 2, CONSUMERS = TURNS * 128, THREADS = CONSUMERS + 128,
        X_BYTES = BATCH * CUDA_QUAD, STAGE = QUADS * (X_BYTES + GROUPS * 4 * CUDA_TILE_BYTES),
    };
    static_assert(GROUPS % 2 == 0 && QUADS == 2, "products come in pairs, and a last stage has one quad or all");
};

#ifdef HAVE_WGMMA

/* QUADS quads of a stage of this warpgroup's tile. The number of products is even, so the two sets of A registers alternate over stages too. */
template <class S, int QUADS> __device__ __forceinline__ void turns_step(int (&c)[S::GROUPS][S::BATCH / 2], unsigned (&a)[2][4][4], const gemm_ring &r, gemm_turn &t) {
    const int thread = threadIdx.x & 127;
    const unsigned x = r.data + t.slot * S::STAGE, w = x + S::QUADS * (S::X_BYTES + thread / 32 * CUDA_TILE_BYTES) + (thread & 31) * 16;
    barrier_wait(r.full + 8 * t.slot, t.round & 1);
#pragma unroll
    for (int i = 0; i < QUADS * S::GROUPS; i++) {
        const int j = i / S::GROUPS, g = i % S::GROUPS;
        gemm_quad<S>(c[g], a[i & 1], w + (g * 4 * S::QUADS + j) * CUDA_TILE_BYTES, x + j * S::X_BYTES);
        wgmma_wait<1>();
        if (i == 0) gemm_give_back(r, t);
    }
    t.before = t.slot;
    if (++t.slot == r.stages) t.slot = 0, t.round++;
}

/* Whose turn it is, by named barriers 1 and 2. A warpgroup that went on before all stages of the other's tile have landed would look two phases ahead,
 * where the parity of a stage's barrier tells nothing. */
__device__ __forceinline__ void turns_wait(int turn) { asm volatile("bar.sync %0, 256;" ::"r"(1 + turn) : "memory"); }
__device__ __forceinline__ void turns_let(int turn) { asm volatile("bar.arrive %0, 256;" ::"r"(1 + turn) : "memory"); }

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
    const int turn = threadIdx.x >> 7;
    if (tile != k.block) turns_wait(turn);
#pragma unroll 1
    for (int step = 0; step < p.quads / S::QUADS; step++) turns_step<S, S::QUADS>(c, a, r, t);
    if (p.quads % S::QUADS) turns_step<S, 1>(c, a, r, t);
    if (tile + k.blocks < k.tiles) turns_let(1 - turn);
    wgmma_wait<0>();
    gemm_give_back(r, t);
    t.before = -1;
    wait_for_earlier();
#pragma unroll
    for (int g = 0; g < S::GROUPS; g++) gemm_store_all<S>(p, c[g], 0, (tile % k.row_blocks * S::GROUPS + g) * CUDA_GROUP_ROWS, tile / k.row_blocks * S::BATCH);
}

template <class S> __device__ __forceinline__ void turns_body(const gemm_args &p, const void *w_map, const void *x_map) {
    DYNAMIC_SHARED(uint8_t, memory);
    const unsigned base = shared_address(memory), barriers = base + p.stages * S::STAGE;
    const gemm_ring r = {base, barriers, barriers + p.stages * 8, p.stages};
    const gemm_work k = gemm_plan<S>(p);
    if (threadIdx.x == 0) {
        for (int s = 0; s < p.stages; s++) barrier_init(r.full + 8 * s, 1), barrier_init(r.empty + 8 * s, 4);
        barrier_publish();
    }
    __syncthreads();
    let_later_start();
    if (threadIdx.x >= S::CONSUMERS) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        if (threadIdx.x == S::CONSUMERS) gemm_feed<S>(p, k, r, w_map, x_map);
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
}
#endif

#endif
