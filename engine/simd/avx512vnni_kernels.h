/* SPDX-License-Identifier: Apache-2.0
 * Kernels of avx512vnni in files of their own. */
#ifndef TERN_SIMD_AVX512VNNI_KERNELS_H
#define TERN_SIMD_AVX512VNNI_KERNELS_H

#include "core/kernels.h"

/* Each puts its kernels over scalar's where the CPU has the further feature that they need: VBMI for table3, BMI2 for planes. */
void tern_avx512vnni_table_overlay(struct tern_kernels *t);
void tern_avx512vnni_planes_overlay(struct tern_kernels *t);

#endif
