/* SPDX-License-Identifier: Apache-2.0 */
#include "simd/amx_roof.h"
#include "simd/amx_unpack.h"

/* ---- products of 2 x 2 tiles, operands in registers or loaded anew each step from blocks of a and b bytes */

INLINE void roof_step(const uint8_t *a, const uint8_t *b)
{
    TILE_LOAD(4, a, 64);
    TILE_LOAD(6, b, 64);
    TILE_DOT(0, 4, 6);
    TILE_LOAD(7, b + TILE_BYTES, 64);
    TILE_DOT(1, 4, 7);
    TILE_LOAD(5, a + TILE_BYTES, 64);
    TILE_DOT(2, 5, 6);
    TILE_DOT(3, 5, 7);
}

INLINE void roof(uint64_t n, const uint8_t *operands, size_t a_bytes, size_t b_bytes, int32_t *lanes)
{
    static const uint8_t full[8] = { 16, 16, 16, 16, 16, 16, 16, 16 };
    struct tile_config config;
    const uint8_t *b = operands + a_bytes;
    size_t at_a = 0, at_b = 0;
    tiles_config(&config, full);
    tiles_open(&config);
    zero_sums();
    for (; n; n--) {
        roof_step(operands + at_a, b + at_b);
        at_a = at_a + 2 * TILE_BYTES < a_bytes ? at_a + 2 * TILE_BYTES : 0;
        at_b = at_b + 2 * TILE_BYTES < b_bytes ? at_b + 2 * TILE_BYTES : 0;
    }
    TILE_STORE(0, lanes, 64);
    TILES_CLOSE();
}

enum { ROOF_L1 = 8 << 10, ROOF_A_L2 = 16 << 10, ROOF_B_L2 = 768 << 10 };

static void peak_l1(uint64_t n, const uint8_t *operands, int32_t *lanes)
{
    roof(n, operands, ROOF_L1, ROOF_L1, lanes);
}

static void peak_l2(uint64_t n, const uint8_t *operands, int32_t *lanes)
{
    roof(n, operands, ROOF_A_L2, ROOF_B_L2, lanes);
}

static void peak_registers(uint64_t n, const uint8_t *operands, int32_t *lanes)
{
    static const uint8_t full[8] = { 16, 16, 16, 16, 16, 16, 16, 16 };
    struct tile_config config;
    tiles_config(&config, full);
    tiles_open(&config);
    zero_sums();
    TILE_LOAD(4, operands, 64);
    TILE_LOAD(5, operands + TILE_BYTES, 64);
    TILE_LOAD(6, operands + 2 * TILE_BYTES, 64);
    TILE_LOAD(7, operands + 3 * TILE_BYTES, 64);
    for (; n; n--) {
        TILE_DOT(0, 4, 6);
        TILE_DOT(1, 4, 7);
        TILE_DOT(2, 5, 6);
        TILE_DOT(3, 5, 7);
    }
    TILE_STORE(0, lanes, 64);
    TILES_CLOSE();
}

/* ---- products with weights unpacked before each: the next tile's while this one is multiplied by 16, 32 or 64 rows of activations */

enum { ROOF_PACKED = 512 << 10, ROOF_ROWS = 64 << 10 };

/* Sums of consecutive products are different tiles: one would wait for the other (52 cycles). */
INLINE void times_16(const uint8_t *a, size_t turn)
{
    TILE_LOAD(4, a, 64);
    switch (turn & 3) {
    case 0: TILE_DOT(0, 4, 6); break;
    case 1: TILE_DOT(1, 4, 6); break;
    case 2: TILE_DOT(2, 4, 6); break;
    default: TILE_DOT(3, 4, 6);
    }
}

INLINE void times_32(const uint8_t *a, size_t turn)
{
    TILE_LOAD(4, a, 64);
    TILE_LOAD(5, a + TILE_BYTES, 64);
    if (turn & 1) {
        TILE_DOT(2, 4, 6);
        TILE_DOT(3, 5, 6);
    } else {
        TILE_DOT(0, 4, 6);
        TILE_DOT(1, 5, 6);
    }
}

INLINE void times_64(const uint8_t *a)
{
    TILE_LOAD(4, a, 64);
    TILE_DOT(0, 4, 6);
    TILE_LOAD(5, a + TILE_BYTES, 64);
    TILE_DOT(1, 5, 6);
    TILE_LOAD(4, a + 2 * TILE_BYTES, 64);
    TILE_DOT(2, 4, 6);
    TILE_LOAD(5, a + 3 * TILE_BYTES, 64);
    TILE_DOT(3, 5, 6);
}

INLINE void times_rows(const uint8_t *a, const int rows, size_t turn)
{
    if (rows == 16)
        times_16(a, turn);
    else if (rows == 32)
        times_32(a, turn);
    else
        times_64(a);
}

INLINE void roof_unpack(uint64_t n, const uint8_t *operands, int32_t *lanes, const int rows)
{
    static const uint8_t full[8] = { 16, 16, 16, 16, 16, 16, 16, 16 };
    uint8_t ring[4][TILE_BYTES] __attribute__((aligned(64)));
    const struct unpacker u = make_unpacker();
    const uint8_t *w = operands + ROOF_ROWS;
    struct tile_config config;
    size_t at = 0, at_w = 0;
    tiles_config(&config, full);
    tiles_open(&config);
    zero_sums();
    for (size_t tile = 0; tile < 3; tile++)
        unpack_tile(w + tile * TERN_LINE, ring[tile], u);
    for (size_t tile = 3; n; n--, tile++) {
        at_w = tile % TERN_GROUPS ? at_w : at_w + PACKED < ROOF_PACKED ? at_w + PACKED : 0;
        TILE_LOAD(6, ring[(tile + 1) & 3], 64);
        unpack_tile(w + at_w + tile % TERN_GROUPS * TERN_LINE, ring[tile & 3], u);
        times_rows(operands + at, rows, tile - 3);
        at = at + (size_t)rows * 64 < ROOF_ROWS ? at + (size_t)rows * 64 : 0;
    }
    TILE_STORE(0, lanes, 64);
    TILES_CLOSE();
}

static void peak_unpack16(uint64_t n, const uint8_t *operands, int32_t *lanes)
{
    roof_unpack(n, operands, lanes, 16);
}

static void peak_unpack32(uint64_t n, const uint8_t *operands, int32_t *lanes)
{
    roof_unpack(n, operands, lanes, 32);
}

static void peak_unpack64(uint64_t n, const uint8_t *operands, int32_t *lanes)
{
    roof_unpack(n, operands, lanes, 64);
}

void tern_amx_roof_overlay(struct tern_roof_kernels *roof)
{
    const double tile = 2.0 * 16 * 16 * 64;
    roof->peak[TERN_PEAK_REGISTERS] = (struct tern_peak_kernel){ 4 * tile, 2 * TILE_BYTES, 2 * TILE_BYTES, false, peak_registers };
    roof->peak[TERN_PEAK_L1] = (struct tern_peak_kernel){ 4 * tile, ROOF_L1, ROOF_L1, false, peak_l1 };
    roof->peak[TERN_PEAK_L2] = (struct tern_peak_kernel){ 4 * tile, ROOF_A_L2, ROOF_B_L2, false, peak_l2 };
    roof->peak[TERN_PEAK_UNPACK16] = (struct tern_peak_kernel){ tile, ROOF_ROWS, ROOF_PACKED + AHEAD, true, peak_unpack16 };
    roof->peak[TERN_PEAK_UNPACK32] = (struct tern_peak_kernel){ 2 * tile, ROOF_ROWS, ROOF_PACKED + AHEAD, true, peak_unpack32 };
    roof->peak[TERN_PEAK_UNPACK64] = (struct tern_peak_kernel){ 4 * tile, ROOF_ROWS, ROOF_PACKED + AHEAD, true, peak_unpack64 };
}
