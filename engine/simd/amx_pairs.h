/* SPDX-License-Identifier: Apache-2.0
 * multiply_pairs by tile registers, where the processor has the bfloat16 tile product; called by the overlay of amx. */
#ifndef TERN_SIMD_AMX_PAIRS_H
#define TERN_SIMD_AMX_PAIRS_H

#include "core/vector.h"

void tern_amx_pairs_overlay(struct tern_vector_kernels *t);

#endif
