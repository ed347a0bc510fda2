/* SPDX-License-Identifier: Apache-2.0
 * A seeded model for the card's operations: no file, the shape by name, weights from random streams. */
#ifndef TERN_GPU_SEEDED_H
#define TERN_GPU_SEEDED_H

#include "cuda/session.h"
#include "tern.h"

struct tern_gpu_seeded {
    struct cuda_model_spec spec; /* its source reads this struct, which may not move; context and what is the card's are the caller's to fill in */
    uint64_t seed;
    float *norms[CUDA_NORMS], scale;
};

/* Names of shapes, null-terminated. */
extern const char *const tern_gpu_seeded_names[];

/* Shape `i` of the names. Error: TERN_NO_MEMORY; it is to be closed then too. */
enum tern_status tern_gpu_seeded_open(size_t i, uint64_t seed, struct tern_gpu_seeded *out, struct tern_error *error);
void tern_gpu_seeded_close(struct tern_gpu_seeded *s);

#endif
