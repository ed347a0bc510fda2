/* SPDX-License-Identifier: Apache-2.0
 * Stretches of memory: what the card's memory and its link to the host give. One kind is one row: what a call does with `bytes` bytes. */
#ifndef CUDA_STRETCH_H
#define CUDA_STRETCH_H

#include "cuda/device.h"

#define CUDA_STRETCH_KINDS(ROW)                                                  \
    ROW(read, "reads device memory")                                             \
    ROW(copy, "copies device memory to device memory")                           \
    ROW(up, "host to device")                                                    \
    ROW(down, "device to host")                                                  \
    ROW(both, "host to device and device to host, side by side")                 \
    ROW(staged, "host to device through a ring of locked memory")                \
    ROW(overlap, "host to device beside a kernel that reads as long")            \
    ROW(launch, "an empty kernel")

enum cuda_stretch_kind {
#define ROW(name, about) CUDA_STRETCH_##name,
    CUDA_STRETCH_KINDS(ROW)
#undef ROW
    CUDA_STRETCHES
};

struct cuda_stretch_spec {
    enum cuda_stretch_kind kind;
    size_t bytes;
    bool is_pinned; /* host memory is locked; where it is not, overlap takes the ring too */
};
struct cuda_stretch;

enum cuda_outcome cuda_stretch_bind(struct cuda_device *device, const struct cuda_stretch_spec *spec, struct cuda_stretch **out, struct cuda_fault *fault);
void cuda_stretch_close(struct cuda_stretch *stretch);
enum cuda_outcome cuda_stretch_run(struct cuda_stretch *stretch, uint64_t n, double *ns, struct cuda_fault *fault);

/* Fills, runs once, and compares what arrived with what was sent. */
enum cuda_outcome cuda_stretch_check(struct cuda_stretch *stretch, struct cuda_fault *fault);

#endif
