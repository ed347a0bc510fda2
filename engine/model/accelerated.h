/* SPDX-License-Identifier: Apache-2.0
 *
 * A model file on the card, with one session: what a plan and a session are on the CPU. Products take int8 activations; the output matrix is kept
 * as int8 (model/output.h), the embedding as floats. With a cache of floats, logits have the bits of the CPU's with the same (cache=f32, activations=int8, output=int8).
 */
#ifndef TERN_ACCELERATED_H
#define TERN_ACCELERATED_H

#include "model/settings.h"

struct tern_accelerated;

/* *out is the caller's until tern_accelerated_close (null is allowed); the model must outlive it. Errors: TERN_INVALID for a code that is no trit,
 * TERN_UNSUPPORTED for what the card's kernels do not serve, and those of the card. */
enum tern_status tern_accelerated_open(const struct tern_model *model, const struct tern_settings *settings, struct tern_accelerated **out, struct tern_error *error);
void tern_accelerated_close(struct tern_accelerated *a);

/* As tern_runner_feed and tern_runner_greedy; `logits` of greedy (null: not wanted) are those of the last token made. */
enum tern_status tern_accelerated_feed(struct tern_accelerated *a, const uint32_t *tokens, size_t n, bool every, float *logits, struct tern_error *error);
enum tern_status tern_accelerated_greedy(struct tern_accelerated *a, size_t n, uint32_t *out, struct tern_error *error);

size_t tern_accelerated_explain(const struct tern_accelerated *a, char *text, size_t size);

#endif
