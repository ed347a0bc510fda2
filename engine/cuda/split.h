/* SPDX-License-Identifier: Apache-2.0
 *
 * One model over several cards (tensor parallelism): each card has the rows of every matrix that make its share of heads, of the feed-forward part
 * and of the outputs (model.h), and its heads' keys and values. After attention, gate and each projection the shares are gathered (nccl.h), so that
 * norms and quantisation see whole rows: logits have the bits of one card. One thread drives all.
 */
#ifndef CUDA_SPLIT_H
#define CUDA_SPLIT_H

#include "cuda/nccl.h"
#include "cuda/session.h"

struct cuda_split;

/* Devices must outlive it. *out is the caller's until cuda_split_close (null is allowed). */
enum cuda_outcome cuda_split_open(struct cuda_device *const *devices, size_t n, const struct cuda_model_spec *spec, const struct cuda_session_spec *sizes,
                                  struct cuda_split **out, struct cuda_fault *fault);
void cuda_split_close(struct cuda_split *split);

/* As those of a session. */
enum cuda_outcome cuda_split_feed(struct cuda_split *split, const uint32_t *tokens, size_t n, float *logits, struct cuda_fault *fault);
enum cuda_outcome cuda_split_generate(struct cuda_split *split, size_t n, uint32_t *out, double *ns, struct cuda_fault *fault);
enum cuda_outcome cuda_split_rewind(struct cuda_split *split, size_t length, struct cuda_fault *fault);

#endif
