/* SPDX-License-Identifier: Apache-2.0
 *
 * The product by cuBLASLt's int8 kernels: weights are unpacked into a workspace of a byte each at every call, sums are written where outputs go and
 * scaled there. All three launches count. Found by dlopen (TERN_CUBLASLT names the library); sums are exact, so the bits are those of every kernel.
 */
#ifndef CUDA_UNPACKED_H
#define CUDA_UNPACKED_H

#include "cuda/product.h"

struct cuda_unpacked;

/* Whether a shape can be served at all: cuBLASLt takes multiples of four. */
bool cuda_unpacked_can(const struct cuda_shape *shape);

/* *out is the caller's until cuda_unpacked_close (null is allowed). mismatch: no library, or it has no kernel for the shape. */
enum cuda_outcome cuda_unpacked_open(struct cuda_device *device, const struct cuda_shape *shape, struct cuda_unpacked **out, struct cuda_fault *fault);
void cuda_unpacked_close(struct cuda_unpacked *unpacked);

enum cuda_outcome cuda_unpacked_start(struct cuda_unpacked *unpacked, const struct cuda_operands *operands, struct cuda_fault *fault);

/* Bytes of the workspace, cuBLASLt's own included. */
size_t cuda_unpacked_bytes(const struct cuda_unpacked *unpacked);

#endif
