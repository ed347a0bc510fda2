/* SPDX-License-Identifier: Apache-2.0
 * Files of this folder that have kernels for the output matrix; each is called by its backend's overlay. */
#ifndef TERN_SIMD_HEAD_H
#define TERN_SIMD_HEAD_H

#include "core/head.h"

void tern_scalar_head_overlay(struct tern_head_kernels *t);
void tern_avx2_head_overlay(struct tern_head_kernels *t);
void tern_avx512vnni_head_overlay(struct tern_head_kernels *t);

#endif
