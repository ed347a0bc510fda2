/* SPDX-License-Identifier: Apache-2.0
 *
 * Gathers between cards, by NCCL: found by dlopen when several cards work on one model (TERN_NCCL names the library), never linked. NVLink multicast
 * stays off: NCCL_NVLS_ENABLE=0 is set where the environment does not say otherwise.
 */
#ifndef CUDA_NCCL_H
#define CUDA_NCCL_H

#include "cuda/device.h"

enum { CUDA_CARDS_MOST = 8 };

struct cuda_nccl {
    void *library;
    size_t n;
    struct cuda_device *const *devices;
    void *comms[CUDA_CARDS_MOST];
    int (*init_all)(void **comms, int n, const int *devices);
    int (*destroy)(void *comm);
    int (*begin)(void);
    int (*end)(void);
    int (*all_gather)(const void *from, void *to, size_t count, int type, void *comm, void *stream);
    const char *(*text)(int code);
};

/* One communicator for each of n opened devices, which must outlive it. mismatch: no library, or it refuses. */
enum cuda_outcome cuda_nccl_open(struct cuda_device *const *devices, size_t n, struct cuda_nccl *out, struct cuda_fault *fault);
void cuda_nccl_close(struct cuda_nccl *nccl);

/* to[r][i * count ...] = from[i], for all r and i < n; each in the order of its device's stream. */
enum cuda_outcome cuda_nccl_gather(struct cuda_nccl *nccl, const uint64_t *from, const uint64_t *to, size_t count, struct cuda_fault *fault);

#endif
