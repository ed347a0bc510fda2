/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TERN_SIMD_AVX512VNNI_TABLE_H
#define TERN_SIMD_AVX512VNNI_TABLE_H

#include "core/kernels.h"

/* Puts the kernels of table3 over scalar's, where the CPU has VBMI. */
void tern_avx512vnni_table_overlay(struct tern_kernels *t);

#endif
