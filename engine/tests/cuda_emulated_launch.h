/* SPDX-License-Identifier: Apache-2.0
 * The way from a test in C to the emulated card. */
#ifndef CUDA_EMULATED_LAUNCH_H
#define CUDA_EMULATED_LAUNCH_H

#ifdef __cplusplus
extern "C" {
#endif

struct emulated_kernel {
    const char *name;
    void (*run)(const void *arguments);
};

/* Runs a kernel over a grid of blocks, one after another or `together` (few); 0 when there is none of that name. Device pointers are the host's. */
int emulated_launch(const char *name, const unsigned grid[2], unsigned threads, int together, const void *arguments);

#ifdef __cplusplus
}
#endif
#endif
