/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a pass: what they share, and those of float activations, which stand apart (steps_exact.c).
 */
#ifndef TERN_STEPS_H
#define TERN_STEPS_H

#include "model/session.h"

/* What the steps of one pass share. `positions` of the rows were found by counting each sequence's rows before them. */
struct tern_step_work {
    struct tern_session *s;
    const struct tern_plan *plan;
    const struct tern_config *c;
    const struct tern_pass *pass;
    const size_t *positions;
    size_t n, n_last;
    const struct tern_vector_kernels *vector;
    uint32_t layer;
    bool is_single; /* one row with int8 activations in one region: each thread makes it for itself */
};

/* Part id of n of a step. */
typedef void tern_step_fn(const struct tern_step_work *w, int id, int n);

static inline uint32_t tern_step_sequence(const struct tern_step_work *w, size_t row)
{
    return w->pass->sequences ? w->pass->sequences[row] : 0;
}

/* In the order of a pass, as forward.c names them. */
extern tern_step_fn *const tern_exact_steps[TERN_STEPS];

#endif
