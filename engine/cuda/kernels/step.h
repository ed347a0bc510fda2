/* SPDX-License-Identifier: Apache-2.0
 *
 * A decode step in one launch: who does what, and how it lies in memory. Shared by the host, which makes the list of copies, and by the kernel.
 *
 * Every block keeps a ring of slots in shared memory that one warp fills from the block's list of copies, in the order in which the block
 * uses them; a slot is filled again as soon as it is free, so weights and cache come in while the step waits for its own sums.
 *
 * A block's list: in each layer its tiles of the matrix of queries, keys and values; its keys; its values; its tiles of the output matrix;
 * its pairs of gate and up tiles; its tiles of the down matrix. Then its rows of the output of the model.
 *
 *   weights   as layout.h, but a trit t is kept as t + 1. A tile is cut into equal pieces of at most STEP_SLOT_QUADS quads
 *   keys      as decode.h; a block takes the positions of one slice of one group
 *   values    [group][D / 32][context][32] halves; a block mixes 32 elements of one head
 *
 * A number on its way between blocks is a word of 64 bits: float bits below, the step's and layer's number above, written and read whole.
 */
#ifndef CUDA_STEP_ARGUMENTS_H
#define CUDA_STEP_ARGUMENTS_H

#include <stdint.h>

enum {
    STEP_WARPS = 16, STEP_THREADS = 512, /* that compute; one more warp copies */
    STEP_SLOTS = 32, STEP_SLOT_BYTES = 5120, STEP_SLOT_QUADS = 10, STEP_SLICE = 32,
    STEP_SHORT = 3, STEP_LONG = 7, /* pairs of numbers a thread holds of a row: width and ffn are at most 1024 times these */
    STEP_TILES = 16,               /* most tiles of a block in one product */
    STEP_AHEAD = 4,                /* entries of the list of copies that a slot has at hand */
};
enum step_part { STEP_qkv, STEP_output, STEP_gate_up, STEP_down, STEP_scores, STEP_mixing };
enum step_norm { STEP_attention_norm, STEP_sub_norm, STEP_ffn_norm, STEP_ffn_sub_norm, STEP_last_norm, STEP_NORMS };

struct step_copy {
    uint64_t from;
    uint32_t bytes, unused; /* 0 bytes: the end of a block's list */
};

struct step_args {
    const struct step_copy *copies; /* [blocks][per_block] */
    uint32_t *epochs;               /* of each block: the number of its last layer ever */
    uint64_t *wide, *scores, *mixed, *added, *gated, *down; /* numbers on their way; scores [head][context rounded up to even] */
    const float *norms[STEP_NORMS], *cosine, *sine, *scales;
    const int8_t *rows;
    void *keys, *values;
    float *logits;
    uint64_t *marks; /* [blocks][marks of a step] nanoseconds, or null */
    float eps, scale;
    int per_block, layers, width, heads, groups, head, ffn, vocabulary, context, token;
};

#ifdef __CUDACC__
#define STEP_SHARED __host__ __device__ static __forceinline__
#else
#define STEP_SHARED static inline
#endif

/* Of n things, those of share `i` of `shares`. */
struct step_range {
    int first, end;
};
STEP_SHARED struct step_range step_share(int n, int i, int shares) {
    struct step_range s = {(int)((int64_t)n * i / shares), (int)((int64_t)n * (i + 1) / shares)};
    return s;
}

/* A block's number in a part of a layer: another in each, so that nobody always has the larger share. */
STEP_SHARED int step_turn(int block, int blocks, int layer, enum step_part part) { return (block + layer * 29 + (int)part * 47) % blocks; }

STEP_SHARED int step_quads(int k) { return (k + 127) / 128; }
/* Quads of a piece of a tile; pieces of a tile. */
STEP_SHARED int step_piece(int quads) {
    const int pieces = (quads + STEP_SLOT_QUADS - 1) / STEP_SLOT_QUADS;
    return (quads + pieces - 1) / pieces;
}
STEP_SHARED int step_pieces(int quads) { return (quads + step_piece(quads) - 1) / step_piece(quads); }

/* Slices of a group's positions; positions a slot holds. */
STEP_SHARED int step_slices(int blocks, int groups) { return blocks / groups; }
STEP_SHARED struct step_range step_positions(int context, int slice, int slices) {
    const int each = (context + slices - 1) / slices;
    struct step_range s = {slice * each < context ? slice * each : context, (slice + 1) * each < context ? (slice + 1) * each : context};
    return s;
}
STEP_SHARED int step_keys_a_slot(int head) { return STEP_SLOT_BYTES / (2 * head); }
enum { STEP_VALUES_A_SLOT = STEP_SLOT_BYTES / (2 * STEP_SLICE) };
STEP_SHARED int step_rows_a_slot(int width) { return STEP_SLOT_BYTES / width; }
STEP_SHARED int step_score_stride(int context) { return (context + 1) / 2 * 2; }

/* Floats between the sixteen rows of squares: free of bank conflicts. */
STEP_SHARED int step_stride(int n) { return (n / 16 + 31) / 32 * 32 + 4; }

/* Shared memory, in bytes from its start. */
struct step_layout {
    int full, empty, small, ahead, sums, x, q, squares, queries, own, scores, bytes;
};
STEP_SHARED struct step_layout step_lay(int width, int ffn, int head, int each, int context) {
    struct step_layout l;
    const int longest = ffn > width ? ffn : width;
    l.full = STEP_SLOTS * STEP_SLOT_BYTES;
    l.empty = l.full + STEP_SLOTS * 8;
    l.small = l.empty + STEP_SLOTS * 8;
    l.ahead = l.small + 256;
    l.sums = l.ahead + STEP_SLOTS * STEP_AHEAD * 16;
    l.x = l.sums + STEP_TILES * 16 * 4;
    l.q = l.x + width * 4;
    l.squares = l.q + step_quads(longest) * 128;
    l.queries = l.squares + 16 * step_stride(longest) * 4;
    l.own = l.queries + each * head * 4;
    l.scores = l.own + head * 2;
    l.bytes = l.scores + (context + 15) / 4 * 16;
    return l;
}

/* Marks of a step: a few a layer, and the end. */
enum { STEP_MARKS = 12 };

#endif
