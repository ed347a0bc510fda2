/* SPDX-License-Identifier: Apache-2.0
 * The same matrix product by somebody else's library: what the ternary kernels are measured against. Operands are random; weights rotate like
 * the layer's. Libraries are found when asked for.
 *
 *   int8, bf16   cuBLAS: TERN_CUBLAS, else libcublas.so.13, .12
 *   w2a8         single rows from 2-bit weights: the library that microsoft/BitNet's gpu/bitnet_kernels builds, named by TERN_W2A8 */
#ifndef CUDA_RIVAL_H
#define CUDA_RIVAL_H

#include "cuda/device.h"

enum cuda_rival_type { CUDA_RIVAL_int8, CUDA_RIVAL_bf16, CUDA_RIVAL_w2a8 };

struct cuda_rival_spec {
    size_t n, k, batch, copies;
    enum cuda_rival_type type;
};
struct cuda_rival;

enum cuda_outcome cuda_rival_bind(struct cuda_device *device, const struct cuda_rival_spec *spec, struct cuda_rival **out, struct cuda_fault *fault);
void cuda_rival_close(struct cuda_rival *rival);
enum cuda_outcome cuda_rival_run(struct cuda_rival *rival, uint64_t n, double *ns, struct cuda_fault *fault);
const char *cuda_rival_why(const struct cuda_rival *rival);

#endif
