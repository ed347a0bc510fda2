/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments of the kernels of a pass over a whole model, as host and device both see them. Pointers are device addresses.
 *
 * A pass has `tokens` rows at positions `state->position` and on; where the sequence stands, and what was said, is on the card, so the
 * same launches serve every position:
 *
 *   history   [context + 1] tokens by position; a pass writes the most likely next one behind its rows
 *
 * or one row of each of `sequences` sequences, which have a state, a history and a cache of their own, side by side.
 *
 * The cache of one layer of one sequence, elements float, half, or int8 with one float scale a row:
 *
 *   keys     [group][position / 64][i][64]     so that one load takes an element of many positions
 *   values   [group][position][pitch]          pitch: d rounded up to 16
 *   scales   [group][position]                 of int8 keys, of int8 values
 *
 * `positions` is the context rounded up to whole slices of SCORE_SLICE positions.
 */
#ifndef CUDA_SESSION_ARGUMENTS_H
#define CUDA_SESSION_ARGUMENTS_H

#include "arguments.h"

#include <stddef.h>
#include <stdint.h>

enum {
    HEAD_MOST = 128,     /* elements of a head, a multiple of 4 */
    KEY_PANEL = 64,
    SCORE_SLICE = 128,   /* positions of a block that scores one token's */
    SCORE_THREADS = SCORE_SLICE / 2,
    MIX_COLUMNS = 32,    /* elements of a block that mixes values for one token */
    MIX_THREADS = 256,
    MIX_WARPS = MIX_THREADS / 32,
    MIX_RING_BYTES = MIX_WARPS * KEY_PANEL * MIX_COLUMNS * 4, /* panels of values on their way */
    REMEMBER_THREADS = 256,
    ATTEND_ROWS = 32,    /* tokens x heads of a group in a block of the attention of many */
    ATTEND_THREADS = 128,
    LOGITS_THREADS = 256,
    HEADS_AT_ONCE = 8,
};

struct session_state {
    int position;        /* of the next pass's first row */
    int unused;
    unsigned long long best; /* the largest logit so far and its row (order_logit) */
};

struct cache_layer {
    void *keys, *values;
    float *key_scales, *value_scales;
    int positions, groups, heads, d, pitch;
};

/* qkv: rows of queries of all heads, then keys, then values of all groups. */
struct attend_args {
    struct cache_layer cache;
    float *qkv;
    const float *cosine, *sine; /* [context][d / 2] */
    float *scores;              /* one token of each sequence: [sequence][head][positions]; many: [block][positions][ATTEND_ROWS] */
    float *out;                 /* rows of ldo, heads * d of them used */
    const struct session_state *state;
    int tokens, ldo;
    uint64_t *marks;
};

/* Rows of q: one, or one a sequence, `ldq` bytes apart, HEADS_AT_ONCE of them a block (blockIdx.y tells which). */
struct head_args {
    const int8_t *rows, *q; /* [vocabulary][width]; width a multiple of 16 */
    const float *scales, *scale;
    float *logits;               /* [sequence][vocabulary] */
    struct session_state *state; /* whose best is raised; null: not wanted */
    int width, vocabulary, sequences, ldq;
    uint64_t *marks;
};

struct advance_args {
    struct session_state *state;
    uint32_t *history;
    int tokens;
    int has_best, sequences, history_pitch;
};

/* Shared memory of a block that mixes: panels of values, their sums, scores, scales. */
CUDA_SHARED size_t mix_bytes(size_t positions, int is_int8)
{
    return MIX_RING_BYTES + (positions / KEY_PANEL * MIX_COLUMNS + positions * (is_int8 ? 2 : 1)) * sizeof(float);
}

#endif
