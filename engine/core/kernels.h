/* SPDX-License-Identifier: Apache-2.0
 *
 * What a backend provides. A backend's file defines tern_<name>_overlay(), which puts its kernels over those of the weaker
 * backends in the table; a null entry does not occur, because scalar is complete.
 *
 * Packed weights ("storage", format/weights.def): rows go in panels of 64, which are four groups of 16. A panel is one stream of 64-byte
 * lines, so that a thread reads memory from end to end: for each step of columns the line of group 0, then of 1, 2 and 3. Lane r of a
 * line (4 bytes) belongs to row r of the group. Byte j of the lane holds one weight per field f, that of column  step + 4 f + j:
 *
 *     line of a step     byte 0            1            2            3            4 …
 *     2bit, step 16      r0 k+0,4,8,12     r0 k+1,5,…   r0 k+2,6,…   r0 k+3,7,…   r1 k+0,4,8,12 …
 *                        bits 0-1 are field 0, 6-7 field 3
 *     base3, step 20     the same with five fields, as the digits of a number in base 3
 *     table3, step 20    as base3, five fields in a byte that two look-ups of 64 entries take apart (format/table3.h)
 *     int8, step 4       the same with one field
 *
 * planes, step 4, is for sparse weights and has no lines but bits: first, for each step, a word of 64 bits for each group, bit 4 r + j for the weight
 * of row r in column step + j: set where it is not zero. Then one bit for each that is not zero, in the same order: set where it is -1. So a
 * weight takes 1 bit and as much again as the weights are dense. Panels of one matrix are as far apart as the largest needs.
 *
 * So a vector of any width holds whole rows, four activations are broadcast to all of them, and outputs come out side by side.
 * Codes are trit + 1 (0, 1, 2); kernels subtract the sum of the activations once per output. Padding has code 1; the
 * activations over it are zero.
 */
#ifndef TERN_CORE_KERNELS_H
#define TERN_CORE_KERNELS_H

#include "core/head.h"
#include "core/vector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERN_GROUP = 16, TERN_PANEL = 64, TERN_GROUPS = 4, TERN_LINE = 64, TERN_STEP = TERN_GROUPS * TERN_LINE,
       TERN_PLANE_STEP = TERN_GROUPS * 8 /* bytes of the first plane in a step of planes */ };

/* How weights lie in memory for the kernels. */
enum tern_storage { TERN_STORAGE_INT8, TERN_STORAGE_2BIT, TERN_STORAGE_BASE3, TERN_STORAGE_TABLE3, TERN_STORAGE_PLANES, TERN_STORAGES };

/*
 * y[b][n] = (scale[b] * weight_scale) * s   or, with scale null, s itself as int32;   s = sum_k t[n][k] x[b][k]
 *
 *   w      panels of one storage; panel i starts at w + i * panel_bytes and has `steps` steps of four lines. 16 bytes beyond the last are readable
 *   x      batch rows of int8, x_stride bytes apart (a multiple of 64, 64-byte aligned), zero beyond K up to the last line's end
 *   x_sum  batch sums of the rows of x
 *   y      batch rows of n float or int32, n apart; must not overlap x or w
 *
 * Exact in int32 while K <= TERN_K_MAX. Threads: any, on disjoint panels.
 */
struct tern_product {
    const uint8_t *w;
    size_t panel_bytes, steps, n;
    const int8_t *x;
    size_t x_stride;
    const int32_t *x_sum;
    size_t batch;
    const float *scale;
    float weight_scale;
    void *y;
};

/* Fields of two bits are multiplied unshifted, by up to 128 times 127, a quarter of the columns each: 2^31 / 2^14 * 4 columns. */
enum { TERN_K_MAX = 1 << 18 };

/* Does panels [from, to). */
typedef void tern_product_fn(const struct tern_product *p, size_t from, size_t to);

/* Batches that take different kernels: exactly one row, a few, many (these take any number, 0 included). */
enum tern_class { TERN_ONE, TERN_FEW, TERN_MANY, TERN_CLASSES };
enum { TERN_FEW_MAX = 8 };

struct tern_product_kernel {
    const char *name; /* <op>_<weights>_<activations>_<isa>[_<tile>] */
    tern_product_fn *run;
};

/*
 * Loops that measure what the machine gives, for the roofline. `operands` are 2 x 64 random bytes each (weights 0..2, activations) for the
 * register loop, and blocks of tile operands for the AMX loops.
 */
enum tern_peak {
    TERN_PEAK_REGISTERS, TERN_PEAK_L1, TERN_PEAK_L2, /* where operands come from */
    TERN_PEAK_UNPACK16, TERN_PEAK_UNPACK32, TERN_PEAK_UNPACK64, /* two-bit weights unpacked for each product by so many rows */
    TERN_PEAKS
};

struct tern_peak_kernel {
    double ops;          /* of one step */
    size_t a, b;         /* bytes of the operand blocks that a step walks through; b follows a */
    bool packed;         /* b holds two-bit weights in the order of lines */
    /* Does n steps. After one step lanes[r] is the sum that the loop's own check compares with a plain loop. */
    void (*run)(uint64_t n, const uint8_t *operands, int32_t *lanes);
};

struct tern_roof_kernels {
    struct tern_peak_kernel peak[TERN_PEAKS]; /* run is null where the instruction set has no such loop */
    /* Exclusive or of the 64-bit words of `bytes` (a multiple of 1024) at p (64-byte aligned), read `passes` times over (an odd number leaves what one
     * pass gives), with a software prefetch `ahead` bytes before use when it is not 0. */
    uint64_t (*read)(const uint8_t *p, size_t bytes, size_t passes, size_t ahead);
};

/* y[b][n] = sum_k w[n][k] x[b][k] by three plain loops, row-major, on one thread: what scalar kernels are held against. */
void tern_plain_product(const int8_t *w, const int8_t *x, size_t n, size_t k, size_t batch, int32_t *y);

struct tern_kernels {
    struct tern_product_kernel product[TERN_STORAGES][TERN_CLASSES];

    /*
     * a = max(max_k |x[k]|, 1e-5);  q[k] = round_half_even(x[k] * (127 / a)), clamped to [-128, 127];  returns a / 127
     *
     *   x    k floats        q    stride bytes (>= k), zeroed beyond k        sum   sum of q
     *
     * A NaN becomes -128 and does not count for a. Source: BitNet b1.58, arXiv:2402.17764, section 2, absmax per token.
     */
    float (*quantize)(const float *x, size_t k, int8_t *q, size_t stride, int32_t *sum);

    /* The same for rows k apart in x and stride apart in q; scale and sum have one number a row. */
    void (*quantize_rows)(const float *x, size_t rows, size_t k, int8_t *q, size_t stride, float *scale, int32_t *sum);

    struct tern_vector_kernels vector;
    struct tern_head_kernels head;
    struct tern_roof_kernels roof;
};

#define BACKEND(name, arch, flags, needs) void tern_##name##_overlay(struct tern_kernels *);
#include "core/backends.def"
#undef BACKEND

#endif
