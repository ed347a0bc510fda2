/* SPDX-License-Identifier: Apache-2.0
 *
 * One ternary product, ready to be launched on any operands of its shape: a choice (choice.h) with its kernel found. Within one launch the
 * norm of a single row may come before it.
 */
#ifndef CUDA_PRODUCT_H
#define CUDA_PRODUCT_H

#include "cuda/choice.h"
#include "cuda/kernels/norm.h"

struct cuda_product {
    struct cuda_choice choice;
    struct cuda_shape shape; /* the batch it was chosen for; a launch may have fewer rows */
    void *function;
    bool has_norm;
};

/* Device addresses of one product. x8: rows of quads * CUDA_QUAD bytes, as many as the shape's batch may be read. */
struct cuda_operands {
    uint64_t w, x8, sx, y;
    struct weight_scale scale;
    size_t batch;
    uint64_t marks; /* of the launch, see kernels/arguments.h; 0: not wanted */
};

/* Whether the norm's weights of k inputs fit in beside what the choice needs. */
bool cuda_product_can_norm(const struct cuda_info *info, const struct cuda_choice *choice, size_t k);

enum cuda_outcome cuda_product_open(struct cuda_device *device, const struct cuda_choice *choice, const struct cuda_shape *shape, bool has_norm, struct cuda_product *out,
                                    struct cuda_fault *fault);

/* `norm` is given exactly where the product has one. */
enum cuda_outcome cuda_product_start(struct cuda_device *device, const struct cuda_product *product, const struct cuda_operands *operands, const struct norm_args *norm,
                                     struct cuda_fault *fault);

#endif
