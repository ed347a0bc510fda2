/* SPDX-License-Identifier: Apache-2.0
 * What the one launch of a decode step (kernels/step.cu) needs beside its operands: whether the card and the model suit it, and every block's list of copies. */
#ifndef CUDA_STEP_H
#define CUDA_STEP_H

#include "cuda/device.h"
#include "cuda/kernels/step.h"

/* Addresses and bytes of a layer's operands. */
struct cuda_step_layer {
    uint64_t matrices[4], keys, values; /* of layer 0 */
    size_t matrix_bytes[4], cache_bytes; /* to the next layer */
};

/* Blocks of the launch, 0 where it cannot be done. `a` has the sizes. */
unsigned cuda_step_blocks(const struct cuda_info *info, const struct step_args *a);

/* The lists of all blocks, each `*per_block` copies long, for a->layers layers; null: no memory. The caller frees it. */
struct step_copy *cuda_step_copies(const struct step_args *a, const struct cuda_step_layer *l, unsigned blocks, int *per_block);

#endif
