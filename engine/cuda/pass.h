/* SPDX-License-Identifier: Apache-2.0
 * The launches of a pass, and the choice of its products. Inside a session (session.c). */
#ifndef CUDA_PASS_H
#define CUDA_PASS_H

#include "cuda/session.h"

enum { CUDA_SIZES = 17 }; /* of passes: 2^i rows */

/* Products for passes of at most 2^i rows. */
struct cuda_size {
    bool is_chosen;
    struct cuda_product products[CUDA_MATRICES];
};

enum cuda_pass_kernel { PASS_norm, PASS_remember, PASS_score, PASS_mix, PASS_attend, PASS_head, PASS_advance, PASS_KERNELS };

struct cuda_session {
    struct cuda_device *device;
    struct cuda_model *model;
    struct cuda_session_spec spec;
    size_t positions, pitch, length; /* context in whole slices; elements of a row of values; positions the sequence has */
    struct cuda_memory state, history, keys, values, key_scales, value_scales, x[2], wide, tall, mixed, added, q8, sx, scores, logits;
    void *kernels[PASS_KERNELS];
    struct cuda_size sizes[CUDA_SIZES];
    struct cuda_loop step, rehearsal;
    size_t rehearsed; /* rows of the rehearsal's passes */
};

/* What of a pass is launched. */
struct cuda_pass {
    size_t rows, size, layers; /* size: products are those of passes of so many rows; 0: of `rows` */
    bool has_head, keeps_best; /* logits of the last row; and the token they say */
    size_t advance;            /* positions to go on */
};

/* Loads kernels. */
enum cuda_outcome cuda_pass_open(struct cuda_session *session, struct cuda_fault *fault);

/* Launches a pass whose size was chosen. */
enum cuda_outcome cuda_pass_start(struct cuda_session *session, const struct cuda_pass *pass, struct cuda_fault *fault);

/* Launches the logits of row `row` of the pass just launched. */
enum cuda_outcome cuda_pass_head(struct cuda_session *session, size_t row, bool keeps_best, struct cuda_fault *fault);

/* The size that serves `rows`, its products chosen: by timing passes of `rows` rows where the sequence stands, which leaves the cache as it is up to there. */
enum cuda_outcome cuda_pass_choose(struct cuda_session *session, size_t rows, struct cuda_fault *fault);
struct cuda_size *cuda_pass_size(struct cuda_session *session, size_t rows);

#endif
