/* SPDX-License-Identifier: Apache-2.0
 * Tile registers of AMX as the kernels of amx.c use them: 8 tiles of up to 16 rows of 64 bytes. Compiled with TERN_AMX_EMULATED the
 * same operations are done in plain C, so that the kernels' logic is tested on machines without AMX.
 * Source: Intel Architecture Instruction Set Extensions Programming Reference, chapter 3. */
#ifndef TERN_SIMD_AMX_TILES_H
#define TERN_SIMD_AMX_TILES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Palette 1: 64 bytes a row in every tile; rows[t] rows in tile t. */
struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} __attribute__((aligned(64)));

static inline void tiles_config(struct tile_config *c, const uint8_t rows[8])
{
    memset(c, 0, sizeof *c);
    c->palette = 1;
    for (int t = 0; t < 8; t++) {
        c->bytes[t] = rows[t] ? 64 : 0;
        c->rows[t] = rows[t];
    }
}

#ifdef TERN_AMX_EMULATED
static struct {
    struct tile_config config;
    uint8_t data[8][16][64];
} tiles;

static inline void tiles_open(const struct tile_config *c)
{
    tiles.config = *c;
    memset(tiles.data, 0, sizeof tiles.data);
}

static inline void tile_move(int t, void *p, int64_t stride, int store)
{
    for (int r = 0; r < tiles.config.rows[t]; r++)
        if (store)
            memcpy((char *)p + r * stride, tiles.data[t][r], 64);
        else
            memcpy(tiles.data[t][r], (char *)p + r * stride, 64);
}

static inline void tile_dot(int c, int a, int b)
{
    for (int m = 0; m < tiles.config.rows[c]; m++)
        for (int k = 0; k < tiles.config.rows[b]; k++)
            for (int n = 0; n < 64; n++) {
                int32_t sum;
                memcpy(&sum, &tiles.data[c][m][n & ~3], 4);
                sum += (int8_t)tiles.data[a][m][4 * k + (n & 3)] * (int8_t)tiles.data[b][k][n];
                memcpy(&tiles.data[c][m][n & ~3], &sum, 4);
            }
}

static inline float tile_bf16(const uint8_t *p)
{
    uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Two chains over the pairs, then their sum onto c. Operands are never subnormal here. */
static inline void tile_dot_bf16(int c, int a, int b)
{
    for (int m = 0; m < tiles.config.rows[c]; m++)
        for (int n = 0; n < 64; n += 4) {
            float sum, e = 0, o = 0;
            for (int k = 0; k < tiles.config.rows[b]; k++) {
                e = fmaf(tile_bf16(&tiles.data[a][m][4 * k]), tile_bf16(&tiles.data[b][k][n]), e);
                o = fmaf(tile_bf16(&tiles.data[a][m][4 * k + 2]), tile_bf16(&tiles.data[b][k][n + 2]), o);
            }
            memcpy(&sum, &tiles.data[c][m][n], 4);
            sum += e + o;
            memcpy(&tiles.data[c][m][n], &sum, 4);
        }
}
#define TILES_CLOSE() ((void)0)
#define TILE_ZERO(t) memset(tiles.data[t], 0, sizeof tiles.data[t])
#define TILE_LOAD(t, p, stride) tile_move(t, (void *)(uintptr_t)(p), (int64_t)(stride), 0)
#define TILE_STORE(t, p, stride) tile_move(t, p, (int64_t)(stride), 1)
#define TILE_DOT(c, a, b) tile_dot(c, a, b)
#define TILE_DOT_BF16(c, a, b) tile_dot_bf16(c, a, b)
#else
/* gcc 12 takes ldtilecfg to read 8 bytes and may drop the stores to the rest: the clobber keeps them. The same clobber on loads and stores
 * keeps the compiler from moving memory accesses across them. */
static inline void tiles_open(const struct tile_config *c)
{
    __asm__ volatile("ldtilecfg (%0)" ::"r"(c) : "memory");
}
#define TILES_CLOSE() __asm__ volatile("tilerelease" ::: "memory")
#define TILE_ZERO(t) __asm__ volatile("tilezero %%tmm" #t ::: "memory")
#define TILE_LOAD(t, p, stride) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t ::"r"(p), "r"((int64_t)(stride)) : "memory")
#define TILE_STORE(t, p, stride) __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" ::"r"(p), "r"((int64_t)(stride)) : "memory")
/* c += a (rows of s8) times b (rows of four s8 per column) */
#define TILE_DOT(c, a, b) __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
/* c += a (rows of bfloat16) times b (rows of pairs of bfloat16 per column), in floats */
#define TILE_DOT_BF16(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)
#endif

#endif
