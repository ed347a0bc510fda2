/* SPDX-License-Identifier: Apache-2.0
 * A kernel of the ternary product together with how it is launched for one shape. */
#ifndef CUDA_CHOICE_H
#define CUDA_CHOICE_H

#include "cuda/device.h"

enum cuda_family { CUDA_STREAM, CUDA_HELD, CUDA_RING, CUDA_GEMM, CUDA_TURNS, CUDA_PORTABLE };

/* A row of kernels/linear.def. */
struct cuda_kernel_row {
    const char *name;
    enum cuda_family family;
    int a, b, c, d; /* the row's numbers: STREAM warps, columns; HELD warps, quads, tiles; RING warps, quads; GEMM batch, groups, slices, quads; TURNS batch, groups, 1, quads; PORTABLE warps, tiles, columns */
};

struct cuda_choice {
    const struct cuda_kernel_row *row;
    struct cuda_grid grid;
    int units, stages; /* of the ring */
    size_t shared_bytes; /* that the kernel must be allowed */
};

/* What a layer asks of a kernel. */
struct cuda_shape {
    size_t rows, tiles, quads, batch;
};

/*
 * Launches that can serve the shape on this card, at most `room`; returns how many. `name` null: all rows. The count is 0 only when a name
 * was given that does not exist or does not fit here.
 */
enum { CUDA_CHOICES = 64 };
size_t cuda_choices(const struct cuda_info *info, const struct cuda_shape *shape, const char *name, struct cuda_choice *out, size_t room);

#endif
