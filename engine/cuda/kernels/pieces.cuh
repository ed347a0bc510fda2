/* SPDX-License-Identifier: Apache-2.0
 *
 * The weights of a whole step as one stream a block (step.cu): which pieces it multiplies, in which matrix of which layer, is known from the start, so
 * its ring is filled again after every product, over matrices, layers and all waiting in between. What lies where is in a table, made once: with the
 * divisions at each piece a step of the 2B-4T shape took 981 us on an H100, without them 831. All pieces of a matrix are in the ring when it is multiplied.
 */
#ifndef CUDA_PIECES_CUH
#define CUDA_PIECES_CUH

#include "device.cuh"
#include "step.h"

#ifdef HAVE_BULK

/* The tiles of a matrix that a block has: a run of them, of gate and up one of each. A run is cut into even pieces. */
struct step_share {
    int tile0, tiles, runs, run, pieces; /* tiles, pieces: of all runs; run: units of one */
    __device__ __forceinline__ step_share(const step_args &p, int matrix) {
        runs = step_runs((step_matrix)matrix);
        const int all = p.tiles[matrix] / runs, b = blockIdx.x, blocks = gridDim.x;
        tile0 = step_first(all, b, blocks);
        const int own = step_first(all, b + 1, blocks) - tile0;
        run = own * p.quads[matrix], tiles = own * runs;
        pieces = (run + STEP_PIECE - 1) / STEP_PIECE * runs;
    }
};

static_assert(sizeof(step_share) == STEP_SHARE_BYTES, "room in the layout");

/* A warp's units of a matrix: [first, end) of one piece, the first of them quad q of the block's tile `tile`. Pieces are shared out evenly: a warp that
 * had some of each waited for all of them and added up as often. */
struct step_work {
    short piece, first, end, tile, q, none;
};

static_assert(sizeof(step_work) == STEP_WORK_BYTES, "room in the layout");

/* What a block does in every layer, in shared memory. */
struct step_plan {
    step_share *shares;
    int2 *pieces;    /* [matrix][piece]: the first unit, counted over the share's runs, and how many */
    step_work *work; /* [matrix][warp] */
    int most;        /* pieces of a matrix */

    __device__ __forceinline__ step_plan(const step_args &p, uint8_t *memory) {
        shares = (step_share *)memory, pieces = (int2 *)(shares + STEP_MATRICES), most = p.at.pieces, work = (step_work *)(pieces + STEP_MATRICES * most);
    }
    __device__ __forceinline__ void make(const step_args &p) {
        const int t = threadIdx.x, matrix = t / STEP_WARPS, warp = t % STEP_WARPS;
        if (matrix >= STEP_MATRICES) return;
        const step_share s(p, matrix);
        const int quads = p.quads[matrix], i = warp * s.pieces / STEP_WARPS, warp0 = step_up(i * STEP_WARPS, s.pieces) / s.pieces, warps = step_up((i + 1) * STEP_WARPS, s.pieces) / s.pieces - warp0;
        const int2 piece = piece_of(s, i);
        const int own = piece.y * (warp - warp0) / warps, unit = piece.x + own;
        work[t] = {(short)i, (short)own, (short)(piece.y * (warp - warp0 + 1) / warps), (short)(unit / quads), (short)(unit % quads), 0};
        if (warp == warp0) pieces[matrix * most + i] = piece;
        if (warp == 0) shares[matrix] = s;
    }
    __device__ __forceinline__ static int2 piece_of(const step_share &s, int i) {
        const int each = s.pieces / s.runs, run = i / each, first = s.run * (i % each) / each;
        return {run * s.run + first, s.run * (i % each + 1) / each - first};
    }
};

struct step_ring {
    unsigned slots, full;     /* shared memory of the pieces, and of their barriers */
    int taken, round;         /* the first of the matrix at hand: its slot, and how often that was read */
    int layer, matrix, piece; /* the next to be asked for, known to one thread; */
    int left;                 /* free slots */
    int to;

    __device__ __forceinline__ void fetch(const step_args &p, const step_plan &plan) {
#pragma unroll 1
        while (left && layer < p.layers) {
            const step_share &s = plan.shares[matrix];
            const int2 at = plan.pieces[matrix * plan.most + piece];
            const int bytes = at.y * CUDA_TILE_BYTES, quads = p.quads[matrix];
            const int skipped = at.x >= s.run && s.runs > 1 ? p.tiles[matrix] / 2 * quads - s.run : 0; /* units between the runs */
            barrier_expect(full + to * 8, bytes);
            bulk_copy(slots + to * STEP_PIECE * CUDA_TILE_BYTES, p.weights + layer * p.layer_bytes + p.matrix_at[matrix] + (size_t)(s.tile0 * quads + at.x + skipped) * CUDA_TILE_BYTES, bytes, full + to * 8);
            left--;
            if (++to == p.at.ring) to = 0;
            if (++piece < s.pieces) continue;
            piece = 0;
            if (++matrix == STEP_MATRICES) matrix = 0, layer++;
        }
    }
    /* By the block's last thread, whose warp has no outputs to add up. */
    __device__ __forceinline__ step_ring(const step_args &p, const step_plan &plan, uint8_t *memory) {
        slots = shared_address(memory), full = shared_address(memory + p.at.full);
        taken = round = layer = matrix = piece = to = 0, left = p.at.ring;
        if (threadIdx.x != STEP_THREADS - 1) return;
#pragma unroll 1
        for (int i = 0; i < p.at.ring; i++) barrier_init(full + i * 8, 1);
        barrier_publish();
        fetch(p, plan);
    }
    /* Waits for a piece of the matrix at hand; gives where it lies. */
    __device__ __forceinline__ unsigned take(const step_args &p, int i) const {
        const bool is_around = taken + i >= p.at.ring;
        const int slot = taken + i - (is_around ? p.at.ring : 0);
        barrier_wait(full + slot * 8, (round + is_around) & 1);
        return slots + slot * STEP_PIECE * CUDA_TILE_BYTES;
    }
    /* Goes on to the next matrix: fills the slots of the n pieces of this one, which all threads have read. */
    __device__ __forceinline__ void give(const step_args &p, const step_plan &plan, int n) {
        taken += n;
        if (taken >= p.at.ring) taken -= p.at.ring, round++;
        if (threadIdx.x != STEP_THREADS - 1) return;
        left += n;
        fetch(p, plan);
    }
};

#endif

#endif
