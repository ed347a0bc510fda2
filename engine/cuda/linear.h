/* SPDX-License-Identifier: Apache-2.0
 *
 * One ternary layer on the card: y = (W q(x)) s_w s_x with float x (quantised by a kernel of its own, one launch ahead), or
 * int8 x with s_x = 1. Kernels come from kernels/linear.def; bind times the candidates on the layer itself and keeps the
 * fastest, against cuBLASLt too from 256 rows on (unpacked.h; "unpacked" asks for it), unless one is asked for: "name" times the launches of that kernel, "name/3" takes its launch 3 untimed. Every kernel
 * gives the same bits.
 */
#ifndef CUDA_LINEAR_H
#define CUDA_LINEAR_H

#include "cuda/device.h"

/* Gives row n as k trits; called from one thread, rows in order. */
typedef void cuda_row_source(const void *data, size_t n, size_t k, int8_t *trits);

struct cuda_linear_spec {
    size_t n, k, batch;
    float scale;           /* s_w */
    size_t copies;         /* of the weights, at different addresses; call i of a graph takes copy i mod copies */
    const float *x;        /* batch x k on the host; or */
    const int8_t *x8;      /* the same as int8, with s_x = 1 */
    const char *kernel;    /* null: the fastest */
    cuda_row_source *source;
    const void *data;
};

struct cuda_linear;

/* *out is the caller's until cuda_linear_close (null is allowed). */
enum cuda_outcome cuda_linear_bind(struct cuda_device *device, const struct cuda_linear_spec *spec, struct cuda_linear **out, struct cuda_fault *fault);
void cuda_linear_close(struct cuda_linear *linear);

/* n calls; *ns by the card's clock. */
enum cuda_outcome cuda_linear_run(struct cuda_linear *linear, uint64_t n, double *ns, struct cuda_fault *fault);

/* Clears y, calls once and copies y (batch x n) to the host. */
enum cuda_outcome cuda_linear_result(struct cuda_linear *linear, float *y, struct cuda_fault *fault);

/* Device bytes of one copy of the weights; the kernel's name, its shape of launch and its time at bind. */
size_t cuda_linear_weight_bytes(const struct cuda_linear *linear);
const char *cuda_linear_why(const struct cuda_linear *linear);

#endif
