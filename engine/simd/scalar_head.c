/* SPDX-License-Identifier: Apache-2.0
 * The head's products that define right. */
#include "simd/head.h"

#define HEAD_INT8 head_int8_scalar
#define HEAD_INT4 head_int4_scalar
#include "simd/head_plain.h"

void tern_scalar_head_overlay(struct tern_head_kernels *t)
{
    *t = (struct tern_head_kernels){ head_int8_scalar, head_int4_scalar };
}
