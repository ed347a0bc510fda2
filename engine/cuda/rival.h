/* SPDX-License-Identifier: Apache-2.0
 * A matrix product of the same shape by cuBLAS, from 8-bit or 16-bit weights: what the ternary kernels are measured against. The library is
 * found when asked for (TERN_CUBLAS, else libcublas.so.13, .12); operands are random; weights rotate like the layer's. */
#ifndef CUDA_RIVAL_H
#define CUDA_RIVAL_H

#include "cuda/device.h"

struct cuda_rival_spec {
    size_t n, k, batch, copies;
    bool is_bf16; /* else int8 to int32 */
};
struct cuda_rival;

enum cuda_outcome cuda_rival_bind(struct cuda_device *device, const struct cuda_rival_spec *spec, struct cuda_rival **out, struct cuda_fault *fault);
void cuda_rival_close(struct cuda_rival *rival);
enum cuda_outcome cuda_rival_run(struct cuda_rival *rival, uint64_t n, double *ns, struct cuda_fault *fault);
const char *cuda_rival_why(const struct cuda_rival *rival);

#endif
