/* SPDX-License-Identifier: Apache-2.0
 *
 * Two-bit weights to tiles, for the AMX kernels and the roofs of them. Four lines of weights (core/kernels.h) are one tile of weights already in the
 * order that the machine wants: field f of line s is tile row 4 s + f. So unpacking a tile row is one instruction that gives -1, 0 or 1: a table
 * look-up by the lower six bits (vpermb) for fields 0 and 1, a linear map of bits (gf2p8affineqb) for fields 2 and 3.
 */
#ifndef TERN_SIMD_AMX_UNPACK_H
#define TERN_SIMD_AMX_UNPACK_H

#include "core/kernels.h"
#include "simd/amx_tiles.h"

#include <immintrin.h>

enum {
    TILE_BYTES = 1024,      /* 16 rows of 64 */
    PACKED = 4 * TERN_STEP, /* four steps: 64 columns of a panel, a tile of each group */
    AHEAD = 4096            /* prefetch in the packed weights */
};

#define INLINE static inline __attribute__((always_inline))

struct unpacker {
    __m512i field0, field1, field2, field3;
};

/* Codes 0, 1, 2 become -1, 0, 1: bit 0 is not b0, every higher bit is 1 + b0 + b1 modulo 2 (code 3 does not occur). A row of a bit matrix
 * is the byte of bits that are added; the row of result bit i is byte 7 - i; the constant 0xff adds the ones. */
static struct unpacker make_unpacker(void)
{
    struct unpacker u;
    int8_t table[2][64];
    for (int i = 0; i < 64; i++) {
        table[0][i] = (int8_t)((i & 3) - 1);
        table[1][i] = (int8_t)((i >> 2 & 3) - 1);
    }
    u.field0 = _mm512_loadu_si512(table[0]);
    u.field1 = _mm512_loadu_si512(table[1]);
    u.field2 = _mm512_set1_epi64(0x1030303030303030);
    u.field3 = _mm512_set1_epi64(0x40c0c0c0c0c0c0c0);
    return u;
}

/* A line to four tile rows. */
INLINE void unpack_line(const uint8_t *w, uint8_t *rows, struct unpacker u)
{
    __m512i v = _mm512_load_si512(w);
    _mm512_store_si512(rows, _mm512_permutexvar_epi8(v, u.field0));
    _mm512_store_si512(rows + 64, _mm512_permutexvar_epi8(v, u.field1));
    _mm512_store_si512(rows + 128, _mm512_gf2p8affine_epi64_epi8(v, u.field2, 0xff));
    _mm512_store_si512(rows + 192, _mm512_gf2p8affine_epi64_epi8(v, u.field3, 0xff));
}

/* Four steps of one group. */
INLINE void unpack_tile(const uint8_t *w, uint8_t *tile, struct unpacker u)
{
    for (int step = 0; step < 4; step++) {
        __builtin_prefetch(w + TERN_STEP * step + AHEAD, 0, 2);
        unpack_line(w + TERN_STEP * step, tile + 256 * step, u);
    }
}

INLINE void zero_sums(void)
{
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
}

#endif
