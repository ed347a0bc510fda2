/* SPDX-License-Identifier: Apache-2.0
 * Inside a model (model.c): layers that do not stay on the card. */
#ifndef CUDA_STREAM_IN_H
#define CUDA_STREAM_IN_H

#include "cuda/model.h"

/* Events, the queue and host memory for the layers behind the resident ones; their places are the model's own. */
enum cuda_outcome cuda_stream_in_open(struct cuda_model *model, struct cuda_fault *fault);
void cuda_stream_in_close(struct cuda_model *model);

/* Where a layer is while it is computed. */
uint64_t cuda_stream_in_layer(const struct cuda_model *model, size_t layer);

#endif
