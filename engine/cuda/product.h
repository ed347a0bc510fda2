/* SPDX-License-Identifier: Apache-2.0
 *
 * One ternary product, ready to be launched on any operands of its shape: a choice (choice.h) with its kernel found.
 */
#ifndef CUDA_PRODUCT_H
#define CUDA_PRODUCT_H

#include "cuda/choice.h"
#include "cuda/kernels/arguments.h"

struct cuda_product {
    struct cuda_choice choice;
    struct cuda_shape shape; /* the batch it was chosen for; a launch may have fewer rows */
    void *function;
};

/* Device addresses of one product. x8: rows of quads * CUDA_QUAD bytes, as many as the shape's batch may be read. */
struct cuda_operands {
    uint64_t w, x8, sx, y;
    struct weight_scale scale;
    size_t batch;
    uint64_t marks; /* of the launch, see kernels/arguments.h; 0: not wanted */
};

enum cuda_outcome cuda_product_open(struct cuda_device *device, const struct cuda_choice *choice, const struct cuda_shape *shape, struct cuda_product *out, struct cuda_fault *fault);
enum cuda_outcome cuda_product_start(struct cuda_device *device, const struct cuda_product *product, const struct cuda_operands *operands, struct cuda_fault *fault);

#endif
