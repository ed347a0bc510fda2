/* SPDX-License-Identifier: Apache-2.0
 * The way from a test in C, or from the stub driver, to the emulated card. */
#ifndef CUDA_EMULATED_LAUNCH_H
#define CUDA_EMULATED_LAUNCH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct emulated_kernel {
    const char *name;
    void (*run)(const void *arguments);
    size_t bytes; /* of its one argument */
    unsigned cluster; /* blocks that run together, 0: all of them; their shared memory is what they ask for at launch */
};

/* Null: there is none of that name. */
const struct emulated_kernel *emulated_find(const char *name);

/* Runs a kernel over a grid of blocks, one after another. Device pointers are the host's. `threads`: a multiple of 32, at most 1024. */
void emulated_launch(const struct emulated_kernel *kernel, const unsigned grid[2], unsigned threads, const void *arguments);

#ifdef __cplusplus
}
#endif
#endif
