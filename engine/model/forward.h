/* SPDX-License-Identifier: Apache-2.0
 *
 * The forward pass of BitNet b1.58:
 *
 *   x = embedding[token]
 *   each layer   h = norm(x);  q, k, v = Wq h, Wk h, Wv h;  q, k rotated;  o = attention
 *                x = x + Wo norm_attn_sub(o)
 *                h = norm(x);  g = act(Wgate h) * (Wup h)
 *                x = x + Wdown norm_ffn_sub(g)
 *   logits = Wout norm(x)
 *
 * The sub-norms come before the projection that follows them. In int8 mode the input of every W of a layer is quantised per row.
 * A pass is a list of steps; between two steps stands a barrier, and within a step threads share rows, heads or outputs. A pass of one row in int8 mode has
 * none after steps on rows, which every thread does for itself: that takes less time than handing the row over.
 * Source: BitNet b1.58 2B4T report, arXiv:2504.12285, section 2.
 */
#ifndef TERN_FORWARD_H
#define TERN_FORWARD_H

#include "model/session.h"

/* Runs a checked pass of at most session->rows rows; every row's `wants` is given. Returns the rows whose logits were written. */
size_t tern_forward(struct tern_session *session, const struct tern_pass *pass);

/* The name of step 0 … TERN_STEPS - 1, in the order of a pass. */
const char *tern_step_name(size_t step);
/* The matrices of a step as roles [*from, *to); an empty range where it has none. The output's is not among them. */
void tern_step_roles(size_t step, enum tern_role *from, enum tern_role *to);

#endif
