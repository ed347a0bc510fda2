/* SPDX-License-Identifier: Apache-2.0
 * Rows of the embedding. Arguments: norm.h. */
#ifndef CUDA_EMBEDDING_CUH
#define CUDA_EMBEDDING_CUH

#include "device.cuh"
#include "norm.h"

/* The token of a row: rows follow each other in one sequence, or each is of a sequence of its own. */
__device__ __forceinline__ size_t embedded_token(const embed_args &p, int row) {
    const int sequence = p.history_pitch ? row : 0;
    return __ldcg(p.history + (size_t)sequence * p.history_pitch + p.state[sequence].position + row - sequence);
}
/* Element i of its row. */
__device__ __forceinline__ float embedded(const embed_args &p, size_t token, int i) {
    return p.table ? p.table[token * p.n + i] : __fmul_rn(p.scales[token], (float)p.rows[token * p.n + i]);
}

#endif
