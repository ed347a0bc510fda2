/* SPDX-License-Identifier: Apache-2.0
 *
 * A step of one sequence through all layers in one launch (kernels/step.cu). Inside a session (session.c). It serves models that lie whole on one card of 9.0
 * or later, of the 2B-4T shape or smaller; others are stepped launch by launch (pass.c).
 */
#ifndef CUDA_STEP_H
#define CUDA_STEP_H

#include "cuda/model.h"
#include "cuda/kernels/step.h"

struct cuda_session;

struct cuda_step {
    void *function; /* null: it does not serve this session */
    unsigned blocks;
    struct cuda_memory words, tag, scales;
    struct step_words at; /* of words */
    struct step_layout layout;
};

/* Finds the kernel and takes what it needs; leaves `function` null where it does not serve. */
enum cuda_outcome cuda_step_open(struct cuda_session *session, struct cuda_fault *fault);
void cuda_step_close(struct cuda_session *session);

/* Launches `layers` layers of the chosen sequence's next position. Leaves what the pass's end reads. */
enum cuda_outcome cuda_step_start(struct cuda_session *session, size_t layers, struct cuda_fault *fault);

#endif
