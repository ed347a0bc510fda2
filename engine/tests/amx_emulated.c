/* SPDX-License-Identifier: Apache-2.0
 * The AMX kernels once more, with their tile registers emulated (simd/amx_tiles.h): an object of its own, because it takes the flags of amx.c. */
#define TERN_AMX_EMULATED
#define tern_amx_overlay tern_amx_emulated_overlay
#define tern_amx_pairs_overlay tern_amx_emulated_pairs_overlay
#define tern_amx_roof_overlay tern_amx_emulated_roof_overlay
#include "simd/amx.c"
#include "simd/amx_pairs.c"
#include "simd/amx_roof.c"
