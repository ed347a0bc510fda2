/* SPDX-License-Identifier: Apache-2.0
 *
 * A session: the timelines of one or more sequences over a plan. It owns the KV cache and the scratch of a pass.
 *
 *   row   one token of one sequence in a pass; a pass has up to `rows` of them, of any sequences in any mixture
 *
 * Rows of one sequence in a pass come one after another in time; each sees what its sequence saw before it, and no other.
 *
 * KV cache, per layer, sequence and group of heads: `context` positions of head size values, keys and values apart (model/attend.h). With
 * float activations a pass is computed in double precision (steps_exact.c) and has scratch and cache of its own.
 * Threads: a session is used by one thread at a time; it runs on the plan's threads. Results are the same bits for any number.
 */
#ifndef TERN_SESSION_H
#define TERN_SESSION_H

#include "memory/arena.h"
#include "model/attend.h"
#include "model/plan.h"

struct tern_session_options {
    size_t sequences; /* 0: 1 */
    size_t context;   /* positions of each; 0: the model's, at most 4096 */
    size_t rows;      /* of a pass; 0: 256 or the context, whichever is less */
    const struct tern_attend_way *attention; /* of int8 activations; NULL: bfloat16 */
};

/* Where the time of passes goes: wall time of each step by the caller's clock, its barrier included. */
enum { TERN_STEPS = 13 };
struct tern_step_times {
    uint64_t ns[TERN_STEPS];
    size_t passes, rows;
};

/* What a pass with float activations has in place of the floats below: scratch, row-major, `rows` rows each, h as wide as the widest; keys
 * and values [layer][sequence][position][kv]; a thread's scores. */
struct tern_exact {
    double *x, *h, *q, *k, *v, *mixed, *gate, *up, *keys, *values, *scores;
};

/* Rows that steps make for the products after them: `x` is what layers add to, the others are its norms as the products take them. */
struct tern_made {
    float *x, *last_x;
    struct tern_activations wide, tall, last; /* of width, ffn; of the rows whose logits are wanted */
    int32_t *last_groups; /* of the quantised last_x: width / 32 a row */
};

struct tern_session {
    const struct tern_plan *plan;
    size_t sequences, context, rows;
    size_t *lengths;     /* positions each sequence has */
    size_t *positions;   /* of the rows of the pass at hand */
    uint8_t *wants;      /* of its rows, where the caller says none */
    const struct tern_attend_way *attention;
    char *keys, *values;
    size_t group_bytes;  /* of the keys of a group of a sequence in a layer, and of its values */
    float *cosine, *sine; /* context x head_size / 2 */
    struct tern_exact exact;
    /* scratch of a pass, row-major: `rows` rows each */
    float *q, *k, *v, *mixed, *added, *gate, *up;
    struct tern_made *made; /* of the rows of a pass, then a single row for each thread: one row is sooner made by all than handed over */
    float *own;          /* threads x own_floats: a thread's scores or decoded row */
    size_t own_floats;
    struct tern_arena arena; /* holds all of the above but `made` and its activations */
    size_t bytes;
    struct tern_step_times *times; /* the caller's, passes add to it; NULL: none wanted */
};

/* A pass. Rows with wants[i] != 0 get logits, in order: logits is their number x vocabulary. NULL wants: the last row only, or every one. */
struct tern_pass {
    size_t n;
    const uint32_t *tokens;
    const uint32_t *sequences; /* NULL: all 0 */
    const uint8_t *wants;
    float *logits;             /* NULL: none wanted */
    bool every;                /* with NULL wants: every row */
};

/* The plan must outlive the session. Errors: TERN_INVALID (context above the model's), TERN_NO_MEMORY. */
enum tern_status tern_session_open(const struct tern_plan *plan, const struct tern_session_options *options, struct tern_session **out,
                                   struct tern_error *err);
void tern_session_close(struct tern_session *session);

/* Tokens of one sequence that a part of attention takes together. */
size_t tern_session_block(const struct tern_session *session);
/* Where the keys (or values) of a layer, sequence and group start. */
char *tern_session_cache(const struct tern_session *session, char *cache, size_t layer, size_t sequence, size_t group);

/* Forgets all positions of a sequence from `length` on. */
void tern_session_rewind(struct tern_session *session, size_t sequence, size_t length);

/* Runs any number of rows, in pieces of `rows`. Errors, before anything is run: TERN_INVALID for a token outside the vocabulary, a
 * sequence that is not there, a position beyond the context. */
enum tern_status tern_session_forward(struct tern_session *session, const struct tern_pass *pass, struct tern_error *err);

/* Writes the session's times to `text`: a line a step with its time a row, its share, and what its products reach; returns the bytes it has
 * (more than `size`: cut). */
size_t tern_session_times_explain(const struct tern_session *session, char *text, size_t size);

/* Appends the most likely token n times after what was fed last; ids to `out`. `logits` are those of the last row, and hold those
 * of the last token made at the end. */
enum tern_status tern_session_greedy(struct tern_session *session, float *logits, size_t n, uint32_t *out, struct tern_error *err);

#endif
