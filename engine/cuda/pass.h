/* SPDX-License-Identifier: Apache-2.0
 * The launches of a pass, and the choice of its products. Inside a session (session.c). */
#ifndef CUDA_PASS_H
#define CUDA_PASS_H

#include "cuda/session.h"
#include "cuda/step.h"

enum { CUDA_SIZES = 17, CUDA_SEQUENCES_MOST = 256 }; /* sizes of passes: 2^i rows */

/* Products for passes of at most 2^i rows. */
struct cuda_size {
    bool is_chosen;
    struct cuda_product products[CUDA_MATRICES];
};

enum cuda_pass_kernel { PASS_embed, PASS_norm, PASS_remember, PASS_attend, PASS_token, PASS_head, PASS_heads, PASS_advance, PASS_KERNELS };

struct cuda_session {
    struct cuda_device *device;
    struct cuda_model *model;
    struct cuda_session_spec spec;
    struct cuda_share share;
    size_t positions, pitch; /* context in whole panels; elements of a row of values */
    size_t chosen, length, lengths[CUDA_SEQUENCES_MOST]; /* the sequence that calls mean, positions it has, and the others */
    struct cuda_memory state, history, keys, values, key_scales, value_scales, x[2], wide, tall, mixed, added, own, q8, sx, scores, logits; /* own: before a gather */
    void *kernels[PASS_KERNELS];
    struct cuda_step one; /* of one sequence in one launch */
    struct cuda_size sizes[CUDA_SIZES];
    struct cuda_loop step, step_of_all, rehearsal;
    size_t rehearsed; /* rows of the rehearsal's passes */
    struct cuda_memory marks; /* of the launches of a marked pass */
    struct cuda_mark *marked; /* their names; null: none are marked now */
    size_t n_marked, most_marked;
};

/* What of a pass is launched. */
struct cuda_pass {
    size_t rows, size, layers; /* size: products are those of passes of so many rows; 0: of `rows` */
    bool is_of_all;            /* one row of each sequence, not rows of the chosen one */
    bool has_head, keeps_best; /* logits of the last row, or of all where each is a sequence's; and the token they say */
    size_t advance;            /* positions to go on */
};

/* A layer's stages. Where several cards share the model, what a stage makes is gathered before the next. */
enum cuda_stage { CUDA_STAGE_attention, CUDA_STAGE_output, CUDA_STAGE_gate_up, CUDA_STAGE_down, CUDA_STAGES };
enum cuda_outcome cuda_pass_stage(struct cuda_session *session, const struct cuda_pass *pass, size_t layer, enum cuda_stage stage, struct cuda_fault *fault);

/* Where a stage of `rows` rows leaves this card's part, where all parts are to be, and how many floats each has. */
struct cuda_stage_result {
    uint64_t own, all;
    size_t floats;
};
struct cuda_stage_result cuda_pass_result(const struct cuda_session *session, size_t rows, enum cuda_stage stage);

/* What follows the layers. */
enum cuda_outcome cuda_pass_end(struct cuda_session *session, const struct cuda_pass *pass, struct cuda_fault *fault);

/* Inside the library: the checks of a feed; the sequence's length, on the card too. */
enum cuda_outcome cuda_session_check(const struct cuda_session *session, const uint32_t *tokens, size_t n, struct cuda_fault *fault);
enum cuda_outcome cuda_session_stand(struct cuda_session *session, size_t length, struct cuda_fault *fault);

/* Loads kernels. */
enum cuda_outcome cuda_pass_open(struct cuda_session *session, struct cuda_fault *fault);

/* What a step in one launch (step.h) is told: the cache of a layer, of all sequences or of the chosen one; where its embedding comes from; marks of its stages. */
struct cache_layer cuda_pass_cache(const struct cuda_session *session, size_t layer, bool is_of_all);
struct embed_args cuda_pass_embedding(const struct cuda_session *session, bool is_of_all);
uint64_t *cuda_pass_step_marks(struct cuda_session *session, size_t layers);

/* Shared memory of a block of one token's attention. */
size_t cuda_pass_token_bytes(const struct cuda_session *session);

/* Launches a pass whose size was chosen. */
enum cuda_outcome cuda_pass_start(struct cuda_session *session, const struct cuda_pass *pass, struct cuda_fault *fault);

/* Launches the logits of row `row` of the pass of `rows` rows of one sequence just launched. */
enum cuda_outcome cuda_pass_head(struct cuda_session *session, size_t rows, size_t row, struct cuda_fault *fault);

/* Tokens from one sequence's history to the next one's. */
static inline size_t cuda_session_pitch(const struct cuda_session *s)
{
    return s->spec.context + 1;
}

/* The size that serves `rows`, its products chosen: by timing passes of `rows` rows where the sequence stands, which leaves the cache as it is up to there. */
enum cuda_outcome cuda_pass_choose(struct cuda_session *session, size_t rows, struct cuda_fault *fault);
struct cuda_size *cuda_pass_size(struct cuda_session *session, size_t rows);

#endif
