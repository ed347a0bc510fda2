/* SPDX-License-Identifier: Apache-2.0
 *
 * Ternary products over lines (core/kernels.h) for any vector width: a template that a backend's file includes once, after defining
 *
 *   ISA                       its name, as in matmul_2bit_i8_<ISA>
 *   V, V_BYTES                vector of weights; a line is 64 / V_BYTES of them, a lane of 4 bytes is one row
 *   V_LOAD(p)                 weights from 64-byte aligned memory
 *   V_FIELD(v, f)             (v >> 2 f) & 3 in each byte, f a constant 0..3
 *   V_TRIPLE(v)               3 v modulo 256 in each byte
 *   V_DIGIT(v)                3 v / 256 in each byte: 0, 1 or 2
 *   V_X4(p)                   four activations at p, repeated
 *   A, A_ZERO                 accumulator of products
 *   A_DOT(a, w, x)            adds four products per lane: w in 0..2, x in -128..127
 *   A_QUADS                   how many A_DOT an accumulator takes before it may overflow; 0: any number that K_MAX allows
 *   S, S_ZERO, S_ADD(s, a)    sums per row, int32; adds what an accumulator holds
 *   S_SUM(a, b)               a + b
 *   S_OUT(s, x_sum, out)      s - x_sum to int32;   S_SCALE(s, x_sum, factor, out)   (float)(s - x_sum) * factor
 *   OPAQUE(v)                 an empty statement that may change v, as far as the compiler knows; OPAQUE_A(a) where A is more than a vector
 *   TILE_R, TILE_C            groups (a divisor of 4) and columns of the largest tile that the registers hold
 * and where the accumulator takes any u8 (A_DOT_U8 defined, A the same as S):
 *   V_MASK(v, f)              v & (3 << 2 f), S_SHIFT(s, bits)  arithmetic shift right, S_PLUS, S_MINUS, TILE_FIELDS groups of a single row with a sum for each field
 *
 * Every tile does R groups (of 16 rows) times C columns over all of K, so a sum never leaves the registers before it is whole.
 */
#include "core/kernels.h"

#include <string.h>

#define GLUE_(a, b) a##b
#define GLUE(a, b) GLUE_(a, b)
#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Arrays have the largest tile's size and not the one at hand, which to the compiler would be a variable: they dissolve into registers. */
#ifndef TILE_FIELDS
#define TILE_FIELDS 1
#endif
enum { NV = TERN_LINE / V_BYTES, LANES = V_BYTES / 4, ROW_R = TILE_FIELDS < 2 ? 2 : TERN_GROUPS };

#ifndef OPAQUE_A
#define OPAQUE_A(a) OPAQUE(a)
#endif

/* One vector of sums to the outputs of LANES rows from row n of column b. */
INLINE void put(const struct tern_product *p, size_t n, size_t b, S s)
{
    float factor = p->scale ? p->scale[b] * p->weight_scale : 0;
    union {
        int32_t i[LANES];
        float f[LANES];
    } part;
    if (n >= p->n)
        return;
    size_t rows = p->n - n < LANES ? p->n - n : LANES;
    char *y = (char *)p->y + (b * p->n + n) * 4;
    char *out = rows == LANES ? y : (char *)&part;
    if (p->scale)
        S_SCALE(s, p->x_sum[b], factor, (float *)(void *)out);
    else
        S_OUT(s, p->x_sum[b], (int32_t *)(void *)out);
    if (rows < LANES)
        memcpy(y, &part, rows * 4);
}

/* Fields of a line: the vector as it lies in memory becomes codes for field f; base-3 vectors move on to the next digit. */
INLINE V codes(V *v, enum tern_storage storage, int f)
{
    if (storage == TERN_STORAGE_INT8)
        return *v;
    if (storage == TERN_STORAGE_2BIT)
        return f == 0 ? V_FIELD(*v, 0) : f == 1 ? V_FIELD(*v, 1) : f == 2 ? V_FIELD(*v, 2) : V_FIELD(*v, 3);
    V digit = V_DIGIT(*v);
    *v = V_TRIPLE(*v);
    return digit;
}

INLINE int fields_of(enum tern_storage storage)
{
    return storage == TERN_STORAGE_INT8 ? 1 : storage == TERN_STORAGE_2BIT ? 4 : 5;
}

/* R groups of a panel from group g, C columns from b, steps [from, to) added to s. */
INLINE void tile_steps(const struct tern_product *p, size_t panel, size_t g, size_t b, size_t from, size_t to, const int R, const int C,
                       enum tern_storage storage, S s[TILE_R][NV][TILE_C])
{
    const int fields = fields_of(storage);
    const size_t x_stride = p->x_stride;
    const uint8_t *w = p->w + panel * p->panel_bytes + g * TERN_LINE;
    const int8_t *x = p->x + b * x_stride;
    A a[TILE_R][NV][TILE_C];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < NV; v++)
            UNROLL for (int c = 0; c < C; c++)
                a[r][v][c] = A_ZERO;
    for (size_t step = from; step < to; step++) {
        V whole[TILE_R][NV];
        UNROLL for (int r = 0; r < R; r++) {
            const uint8_t *at = w + step * TERN_STEP + (size_t)r * TERN_LINE;
            __builtin_prefetch(at + TERN_AHEAD);
            UNROLL for (int v = 0; v < NV; v++)
                whole[r][v] = V_LOAD(at + v * V_BYTES);
        }
        UNROLL for (int f = 0; f < fields; f++) {
            V code[TILE_R][NV];
            UNROLL for (int r = 0; r < R; r++)
                UNROLL for (int v = 0; v < NV; v++)
                    code[r][v] = codes(&whole[r][v], storage, f);
            UNROLL for (int c = 0; c < C; c++) {
                V four = V_X4(x + (size_t)c * x_stride + step * (size_t)(4 * fields) + 4 * (size_t)f);
                UNROLL for (int r = 0; r < R; r++)
                    UNROLL for (int v = 0; v < NV; v++)
                        a[r][v][c] = A_DOT(a[r][v][c], code[r][v], four);
            }
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < NV; v++)
            UNROLL for (int c = 0; c < C; c++)
                s[r][v][c] = S_ADD(s[r][v][c], a[r][v][c]);
}

INLINE void tile(const struct tern_product *p, size_t panel, size_t g, size_t b, const int R, const int C, enum tern_storage storage)
{
    S s[TILE_R][NV][TILE_C];
    const size_t chunk = A_QUADS ? (size_t)(A_QUADS / fields_of(storage)) : p->steps;
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < NV; v++)
            UNROLL for (int c = 0; c < C; c++)
                s[r][v][c] = S_ZERO;
    for (size_t step = 0; step < p->steps; step += chunk)
        tile_steps(p, panel, g, b, step, step + chunk < p->steps ? step + chunk : p->steps, R, C, storage, s);
    UNROLL for (int c = 0; c < C; c++)
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int v = 0; v < NV; v++)
                put(p, panel * TERN_PANEL + (g + (size_t)r) * TERN_GROUP + (size_t)v * LANES, b + (size_t)c, s[r][v][c]);
}

/* All columns of R groups, the largest tiles first. */
INLINE void columns(const struct tern_product *p, size_t panel, size_t g, const int R, enum tern_storage storage)
{
    size_t b = 0;
    for (; b + TILE_C <= p->batch; b += TILE_C)
        tile(p, panel, g, b, R, TILE_C, storage);
    if (TILE_C > 4)
        for (; b + 4 <= p->batch; b += 4)
            tile(p, panel, g, b, R, 4, storage);
    if (TILE_C > 2)
        for (; b + 2 <= p->batch; b += 2)
            tile(p, panel, g, b, R, 2, storage);
    for (; b < p->batch; b++)
        tile(p, panel, g, b, R, 1, storage);
}

INLINE void panels(const struct tern_product *p, size_t from, size_t to, enum tern_storage storage)
{
    for (size_t panel = from; panel < to; panel++)
        for (size_t g = 0; g < TERN_GROUPS; g += TILE_R)
            columns(p, panel, g, TILE_R, storage);
}

#define PRODUCT(storage, enumerator) \
    static void GLUE(GLUE(matmul_, storage), GLUE(_i8_, ISA))(const struct tern_product *p, size_t from, size_t to) \
    { \
        panels(p, from, to, enumerator); \
    }
PRODUCT(int8, TERN_STORAGE_INT8)
PRODUCT(2bit, TERN_STORAGE_2BIT)
PRODUCT(base3, TERN_STORAGE_BASE3)

#ifdef A_DOT_U8
/*
 * One column, two-bit fields: masked where they are and multiplied unshifted, so a field costs one AND; field f gathers in its own sum
 * 4^f times what it should be, and is shifted once at the end (exactly: every term is a multiple of 4^f).
 */
INLINE void row_2bit(const struct tern_product *p, size_t panel, size_t g, const int R)
{
    const uint8_t *w = p->w + panel * p->panel_bytes + g * TERN_LINE;
    S s[ROW_R][NV][4];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < NV; v++)
            UNROLL for (int f = 0; f < 4; f++)
                s[r][v][f] = S_ZERO;
    for (size_t step = 0; step < p->steps; step++) {
        const int8_t *x = p->x + step * 16;
        V x0 = V_X4(x), x1 = V_X4(x + 4), x2 = V_X4(x + 8), x3 = V_X4(x + 12);
        UNROLL for (int r = 0; r < R; r++) {
            const uint8_t *at = w + step * TERN_STEP + (size_t)r * TERN_LINE;
            __builtin_prefetch(at + TERN_AHEAD);
            UNROLL for (int v = 0; v < NV; v++) {
                V whole = V_LOAD(at + v * V_BYTES);
                s[r][v][0] = A_DOT_U8(s[r][v][0], V_MASK(whole, 0), x0);
                s[r][v][1] = A_DOT_U8(s[r][v][1], V_MASK(whole, 1), x1);
                s[r][v][2] = A_DOT_U8(s[r][v][2], V_MASK(whole, 2), x2);
                s[r][v][3] = A_DOT_U8(s[r][v][3], V_MASK(whole, 3), x3);
            }
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < NV; v++) {
            S low = S_PLUS(s[r][v][0], S_SHIFT(s[r][v][1], 2)), high = S_PLUS(S_SHIFT(s[r][v][2], 4), S_SHIFT(s[r][v][3], 6));
            put(p, panel * TERN_PANEL + (g + (size_t)r) * TERN_GROUP + (size_t)v * LANES, 0, S_PLUS(low, high));
        }
}

/*
 * One column, base 3: with q[i+1] = 3 q[i] mod 256 and 3 q[i] = 256 t[i] + q[i+1],  sum t x = (3 sum q[i] x[i] - sum q[i+1] x[i]) / 256,
 * so no digit is ever taken out. 32-bit sums may wrap on the way: both are kept modulo 2^32, and the quotient is found exactly from
 * 24 bits only if |sum t x| < 2^23, which K < 2^15 ensures (t is 0..2 here, |x| <= 128).
 */
INLINE void row_base3(const struct tern_product *p, size_t panel, size_t g, const int R)
{
    const uint8_t *w = p->w + panel * p->panel_bytes + g * TERN_LINE;
    S s[ROW_R][NV][2];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < NV; v++)
            s[r][v][0] = s[r][v][1] = S_ZERO;
    for (size_t step = 0; step < p->steps; step++) {
        V q[ROW_R][NV];
        UNROLL for (int r = 0; r < R; r++) {
            const uint8_t *at = w + step * TERN_STEP + (size_t)r * TERN_LINE;
            __builtin_prefetch(at + TERN_AHEAD);
            UNROLL for (int v = 0; v < NV; v++)
                q[r][v] = V_LOAD(at + v * V_BYTES);
        }
        UNROLL for (int f = 0; f < 5; f++) {
            V x = V_X4(p->x + step * 20 + 4 * (size_t)f);
            UNROLL for (int r = 0; r < R; r++)
                UNROLL for (int v = 0; v < NV; v++) {
                    s[r][v][0] = A_DOT_U8(s[r][v][0], q[r][v], x);
                    q[r][v] = V_TRIPLE(q[r][v]);
                    s[r][v][1] = A_DOT_U8(s[r][v][1], q[r][v], x);
                }
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int v = 0; v < NV; v++) {
            S three = S_PLUS(s[r][v][0], S_PLUS(s[r][v][0], s[r][v][0]));
            put(p, panel * TERN_PANEL + (g + (size_t)r) * TERN_GROUP + (size_t)v * LANES, 0, S_SHIFT(S_MINUS(three, s[r][v][1]), 8));
        }
}

static void GLUE(matvec_2bit_i8_, ISA)(const struct tern_product *p, size_t from, size_t to)
{
    for (size_t panel = from; panel < to; panel++)
        for (size_t g = 0; g < TERN_GROUPS; g += TILE_FIELDS)
            row_2bit(p, panel, g, TILE_FIELDS);
}

static void GLUE(matvec_base3_i8_, ISA)(const struct tern_product *p, size_t from, size_t to)
{
    if (p->steps * 20 >= (size_t)1 << 15) {
        GLUE(matmul_base3_i8_, ISA)(p, from, to);
        return;
    }
    for (size_t panel = from; panel < to; panel++)
        for (size_t g = 0; g < TERN_GROUPS; g += ROW_R)
            row_base3(p, panel, g, ROW_R);
}
#endif

/*
 * The most that A_DOT can do: twelve accumulators, operands in registers. OPAQUE keeps the compiler from doing a product once for all and from
 * copying accumulators, which it would then keep in memory. 16-bit accumulators wrap, which costs no time; one step stays in their range.
 */
static void GLUE(peak_, ISA)(uint64_t n, const uint8_t *operands, int32_t *lanes)
{
    V w = V_LOAD(operands), x = V_LOAD(operands + 64);
    A a[12];
    S total = S_ZERO;
    UNROLL for (int i = 0; i < 12; i++)
        a[i] = A_ZERO;
    for (; n; n--)
        UNROLL for (int i = 0; i < 12; i++) {
            OPAQUE(x);
            a[i] = A_DOT(a[i], w, x);
            OPAQUE_A(a[i]);
        }
    UNROLL for (int i = 0; i < 12; i++)
        total = S_SUM(total, S_ADD(S_ZERO, a[i]));
    S_OUT(total, 0, lanes);
}

#define NAME_(prefix, isa) #prefix #isa
#define NAME(prefix, isa) NAME_(prefix, isa)
#define ROW(prefix) { NAME(prefix, ISA), GLUE(prefix, ISA) }
#define ROWS(one, rest) { ROW(one), ROW(rest), ROW(rest) }

static void overlay_products(struct tern_kernels *t)
{
    static const struct tern_product_kernel rows[TERN_STORAGES][TERN_CLASSES] = {
        [TERN_STORAGE_INT8] = ROWS(matmul_int8_i8_, matmul_int8_i8_),
#ifdef A_DOT_U8
        [TERN_STORAGE_2BIT] = ROWS(matvec_2bit_i8_, matmul_2bit_i8_),
        [TERN_STORAGE_BASE3] = ROWS(matvec_base3_i8_, matmul_base3_i8_),
#else
        [TERN_STORAGE_2BIT] = ROWS(matmul_2bit_i8_, matmul_2bit_i8_),
        [TERN_STORAGE_BASE3] = ROWS(matmul_base3_i8_, matmul_base3_i8_),
#endif
    };
    for (int storage = 0; storage < TERN_STORAGES; storage++)
        if (rows[storage][TERN_ONE].run)
            memcpy(t->product[storage], rows[storage], sizeof rows[storage]);
    t->roof.peak[TERN_PEAK_REGISTERS] = (struct tern_peak_kernel){ 12.0 * 2 * V_BYTES, 64, 64, false, GLUE(peak_, ISA) };
}
