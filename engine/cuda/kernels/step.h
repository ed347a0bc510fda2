/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments of the step of one sequence through all layers in one launch (step.cu), as host and device both see them. Pointers are device addresses.
 */
#ifndef CUDA_STEP_ARGUMENTS_H
#define CUDA_STEP_ARGUMENTS_H

#include "layout.h"
#include "norm.h"

enum {
    STEP_THREADS = NORM_THREADS,
    STEP_WARPS = STEP_THREADS / 32,
    STEP_PIECE = 48, /* units of weights copied at once, at most */
    STEP_RING_MOST = 6, STEP_RING_LEAST = 2,
    STEP_SHARE_BYTES = 20, STEP_WORK_BYTES = 12, /* of a plan (pieces.cuh) */
};

/* A layer's matrices, in the order of their products; its stages, as they are marked. */
enum step_matrix { STEP_QKV, STEP_OUTPUT, STEP_GATE_UP, STEP_DOWN, STEP_MATRICES };
enum step_stage { STAGE_QKV, STAGE_ATTENTION, STAGE_OUTPUT, STAGE_GATE_UP, STAGE_DOWN, STEP_STAGES };

/* Words between blocks (exchange.cuh). */
struct step_words {
    uint64_t *results[STEP_MATRICES]; /* queries, keys, values; added to the residual; gate times up; added */
    uint64_t *maxima;                 /* [head][half of a panel] */
    uint64_t *sums;                   /* [head][panel][16] */
    uint64_t *parts;                  /* [panel][output] */
    uint64_t *mixed;
};

/* Byte offsets in a block's shared memory, the weights' ring first. */
struct step_layout {
    int keys, values, barriers, x, heads, own, scores, scales, angles, sums, partial, maxima, outputs, output_sums, weight_scales, plan, bytes;
    int full, ring, pieces; /* barriers of the ring; its pieces; pieces of a matrix */
    int tasks, owned, owned_heads; /* of a block, at most: its tasks; mixed outputs, and heads that they are of */
};

struct step_args {
    const uint8_t *weights; /* layers lie layer_bytes apart */
    size_t layer_bytes, matrix_at[STEP_MATRICES];
    int tiles[STEP_MATRICES], quads[STEP_MATRICES];
    const float *norms; /* of a layer norm_floats, one before each matrix */
    int norm_floats, norm_at[STEP_MATRICES];
    const struct weight_scale *scales; /* [layer][STEP_MATRICES] */
    struct embed_args embed;           /* of the token; x is not used */
    struct cache_layer cache;          /* of the first layer; the others follow so far apart: */
    size_t key_bytes, value_bytes, scale_floats;
    const float *cosine, *sine;        /* [context][d / 2] */
    struct step_words words;
    unsigned *tag;                     /* of the first layer; raised by the number of layers at the end */
    float *x, *added;                  /* the last layer's residual, and what is to be added to it */
    float eps;
    int layers, width, ffn, panels;    /* panels: of a whole context */
    struct step_layout at;
    uint64_t *marks;                   /* [layer][STEP_STAGES][MARKS]; null: not wanted */
};

/* Tiles of a matrix that block b of several has: a run of them; of gate and up a run of each, as their rows are multiplied. */
CUDA_SHARED int step_runs(enum step_matrix matrix) { return matrix == STEP_GATE_UP ? 2 : 1; }
CUDA_SHARED int step_first(int tiles, int b, int blocks) { return (int)((long)tiles * b / blocks); }

CUDA_SHARED int step_up(int n, int to) { return (n + to - 1) / to * to; }

/* The layout for `blocks` blocks, cache elements of so many bytes, and a ring of so many pieces. */
CUDA_SHARED struct step_layout step_layout_of(const struct step_args *p, int blocks, int element, int ring)
{
    const int heads = p->cache.heads / p->cache.groups, outputs = p->cache.heads * p->cache.d;
    struct step_layout at;
    int tiles = 0, quads = 0;
    at.pieces = 0;
    for (int i = 0; i < STEP_MATRICES; i++) {
        const int runs = step_runs((enum step_matrix)i), most = runs * ((p->tiles[i] / runs + blocks - 1) / blocks);
        const int pieces = (most / runs * p->quads[i] + STEP_PIECE - 1) / STEP_PIECE * runs;
        tiles = most > tiles ? most : tiles;
        at.pieces = pieces > at.pieces ? pieces : at.pieces;
        quads = p->quads[i] > quads ? p->quads[i] : quads;
    }
    at.ring = ring;
    at.tasks = (p->cache.groups * p->panels + blocks - 1) / blocks;
    at.owned = (outputs + blocks - 1) / blocks;
    at.owned_heads = (at.owned - 1) / p->cache.d + 2;
    at.keys = at.ring * STEP_PIECE * CUDA_TILE_BYTES;
    at.values = at.keys + KEY_PANEL * p->cache.d * element;
    at.x = at.values + KEY_PANEL * p->cache.pitch * element;
    at.heads = at.x + step_up(quads * CUDA_QUAD, NORM_MANY * STEP_THREADS);
    at.own = at.heads + heads * HEAD_MOST * 4;
    at.scores = at.own + HEAD_MOST * 4;
    at.scales = at.scores + at.tasks * heads * KEY_PANEL * 4;
    at.angles = at.scales + 2 * KEY_PANEL * 4;
    at.barriers = at.angles + HEAD_MOST * 4;
    at.full = at.barriers + 16;
    at.partial = at.full + STEP_RING_MOST * 8;
    at.maxima = at.partial + STEP_THREADS * 4;
    at.outputs = at.maxima + 2 * STEP_WARPS * 4;
    at.output_sums = at.outputs + at.owned * p->panels * 4;
    at.sums = at.output_sums + at.owned_heads * p->panels * 16 * 4;
    at.weight_scales = at.sums + tiles * CUDA_TILE_ROWS * 4;
    at.plan = step_up(at.weight_scales + p->layers * STEP_MATRICES * (int)sizeof(struct weight_scale), 16);
    at.bytes = at.plan + STEP_MATRICES * (STEP_SHARE_BYTES + at.pieces * 8 + STEP_WARPS * STEP_WORK_BYTES);
    return at;
}

#endif
