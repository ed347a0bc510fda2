/* SPDX-License-Identifier: Apache-2.0
 * The roofs of AMX: products of tiles with operands from registers, L1 or L2, and with weights unpacked on the way. */
#ifndef TERN_SIMD_AMX_ROOF_H
#define TERN_SIMD_AMX_ROOF_H

#include "core/kernels.h"

void tern_amx_roof_overlay(struct tern_roof_kernels *roof);

#endif
