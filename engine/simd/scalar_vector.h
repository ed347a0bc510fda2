/* SPDX-License-Identifier: Apache-2.0
 * What the two files of the scalar backend share. */
#ifndef TERN_SIMD_SCALAR_VECTOR_H
#define TERN_SIMD_SCALAR_VECTOR_H

#include "core/vector.h"

/* Half to even, clamped to [-128, 127]; a NaN gives -128. */
int8_t tern_round_to_int8(float v);

/* The engine's exp. */
float tern_exp_scalar(float x);

void tern_scalar_vector_overlay(struct tern_vector_kernels *t);

#endif
