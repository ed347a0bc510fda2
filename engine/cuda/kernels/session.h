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
 * `positions` is the context rounded up to whole panels.
 */
#ifndef CUDA_SESSION_ARGUMENTS_H
#define CUDA_SESSION_ARGUMENTS_H

#include "arguments.h"

#include <stddef.h>
#include <stdint.h>

enum {
    HEAD_MOST = 128,     /* elements of a head, a multiple of 4 */
    KEY_PANEL = 64,
    TOKEN_THREADS = 256, /* of a block of one token's attention */
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

/* One token's attention (token.cu): blocks of a cluster, which share the positions of a group; panels of keys, and of values, on their way to a block. */
CUDA_SHARED int token_ranks(int major) { return major >= 9 ? 8 : 1; }
#define TOKEN_SLOTS(element) ((element) == 4 ? 1 : 2)

/* Byte offsets in a block's shared memory, keys first. */
struct token_layout {
    int values, q, own, scores, key_scales, value_scales, maxima, sums, parts, shares, bytes;
    int owned, heads, stride; /* outputs that the block owns; heads that it may have outputs of; positions of its panels */
};
CUDA_SHARED struct token_layout token_layout_of(int positions, int each, int d, int pitch, int element, int ranks)
{
    const int panels = positions / KEY_PANEL, slot = TOKEN_SLOTS(element) * KEY_PANEL * element;
    struct token_layout at;
    at.owned = (each * d + 4 * ranks - 1) / (4 * ranks) * 4;
    at.heads = (at.owned - 1) / d + 2;
    at.stride = (panels + ranks - 1) / ranks * KEY_PANEL;
    const int scales = element == 1 ? at.stride * 4 : 0;
    at.values = slot * d;
    at.q = at.values + slot * pitch;
    at.own = at.q + each * HEAD_MOST * 4;
    at.scores = at.own + 2 * HEAD_MOST * element;
    at.key_scales = at.scores + each * at.stride * 4;
    at.value_scales = at.key_scales + scales;
    at.maxima = at.value_scales + scales;
    at.sums = at.maxima + ranks * each * 4;
    at.parts = at.sums + panels * at.heads * 16 * 4;
    at.parts = (at.parts + 7) / 8 * 8;
    at.shares = at.parts + panels * at.owned * 4;
    at.bytes = at.shares + each * 4;
    return at;
}

/* qkv: rows of queries of all heads, then keys, then values of all groups. */
struct attend_args {
    struct cache_layer cache;
    float *qkv;
    const float *cosine, *sine; /* [context][d / 2] */
    float *scores;              /* of many tokens: [block][positions][ATTEND_ROWS] */
    float *out;                 /* rows of ldo, heads * d of them used */
    const struct session_state *state;
    int tokens, ldo;
    struct token_layout at;     /* of one token's attention */
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

#endif
