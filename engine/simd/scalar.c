/* SPDX-License-Identifier: Apache-2.0
 * The backend that defines right: complete, plain C, no vector instructions (the row's flags switch auto-vectorisation off). */
#include "simd/head.h"
#include "core/kernels.h"
#include "format/table3.h"
#include "simd/scalar_vector.h"

#include <string.h>

/* Adds one line of one row (four bytes) times the activations under it: one function per storage. Fields of the two-bit code are
 * masked in place and multiplied unshifted, each into its own sum, as the vector kernels do. */
typedef void add_line_fn(const uint8_t *w, const int8_t *x, int32_t *sum);

static inline __attribute__((always_inline)) void add_int8(const uint8_t *w, const int8_t *x, int32_t *sum)
{
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        sum[0] += w[j] * x[j];
}

static inline __attribute__((always_inline)) void add_2bit(const uint8_t *w, const int8_t *x, int32_t *sum)
{
    for (int j = 0; j < 4; j++) {
        sum[0] += (w[j] & 3) * x[j];
        sum[1] += (w[j] & 12) * x[j + 4];
        sum[2] += (w[j] & 48) * x[j + 8];
        sum[3] += (w[j] >> 6) * x[j + 12];
    }
}

/* Five codes of every byte, by storage: looking up is as fast as the loads of a plain loop over int8, dividing is not, and neither is a loop
 * around the five. */
static uint8_t base3_codes[256][5], table3_codes[256][5];

static void base3_digits(uint8_t byte, uint8_t codes[5])
{
    uint32_t q = byte;
    for (int f = 0; f < 5; f++, q &= 255) {
        q *= 3;
        codes[f] = (uint8_t)(q >> 8);
    }
}

static inline __attribute__((always_inline)) void add_five(const uint8_t codes_of[256][5], const uint8_t *w, const int8_t *x, int32_t *sum)
{
    for (int j = 0; j < 4; j++) {
        const uint8_t *codes = codes_of[w[j]];
#pragma GCC unroll 5
        for (int f = 0; f < 5; f++)
            sum[0] += codes[f] * x[4 * f + j];
    }
}

static inline __attribute__((always_inline)) void add_base3(const uint8_t *w, const int8_t *x, int32_t *sum)
{
    add_five(base3_codes, w, x, sum);
}

static inline __attribute__((always_inline)) void add_table3(const uint8_t *w, const int8_t *x, int32_t *sum)
{
    add_five(table3_codes, w, x, sum);
}

static void store(const struct tern_product *p, size_t b, size_t n, int32_t s)
{
    if (n >= p->n)
        return;
    s -= p->x_sum[b];
    if (p->scale)
        ((float *)p->y)[b * p->n + n] = (float)s * (p->scale[b] * p->weight_scale);
    else
        ((int32_t *)p->y)[b * p->n + n] = s;
}

/* Four rows at a time share the loads of the activations; rows beyond the last are padding of the panel. */
static inline __attribute__((always_inline)) void product(const struct tern_product *p, size_t from, size_t to, size_t step, add_line_fn *add)
{
    size_t end = to * TERN_PANEL < p->n ? to * TERN_PANEL : p->n;
    for (size_t n = from * TERN_PANEL; n < end; n += 4) {
        const uint8_t *w = p->w + n / TERN_PANEL * p->panel_bytes + n % TERN_PANEL * 4;
        for (size_t b = 0; b < p->batch; b++) {
            int32_t sum[4][4] = { { 0 } };
            const int8_t *x = p->x + b * p->x_stride;
            for (size_t s = 0; s < p->steps; s++)
                for (size_t r = 0; r < 4; r++)
                    add(w + s * TERN_STEP + 4 * r, x + s * step, sum[r]);
            for (size_t r = 0; r < 4; r++)
                store(p, b, n + r, sum[r][0] + (sum[r][1] >> 2) + (sum[r][2] >> 4) + sum[r][3]);
        }
    }
}

static void matmul_int8_i8_scalar(const struct tern_product *p, size_t from, size_t to)
{
    product(p, from, to, 4, add_int8);
}

static void matmul_2bit_i8_scalar(const struct tern_product *p, size_t from, size_t to)
{
    product(p, from, to, 16, add_2bit);
}

static void matmul_base3_i8_scalar(const struct tern_product *p, size_t from, size_t to)
{
    product(p, from, to, 20, add_base3);
}

static void matmul_table3_i8_scalar(const struct tern_product *p, size_t from, size_t to)
{
    product(p, from, to, 20, add_table3);
}

/* For four columns: how many of them a mask has, and the next sign bits spread over those that it has. */
static uint8_t plane_count[16], plane_minus[16][16];

static void plane_tables(void)
{
    for (unsigned mask = 0; mask < 16; mask++)
        for (unsigned signs = 0; signs < 16; signs++) {
            unsigned minus = 0, count = 0;
            for (unsigned j = 0; j < 4; j++)
                if (mask >> j & 1)
                    minus |= (signs >> count++ & 1) << j;
            plane_minus[mask][signs] = (uint8_t)minus;
            plane_count[mask] = (uint8_t)count;
        }
}

/* Sums over every subset of four columns. */
static void subset_sums(const int8_t *x, int32_t sums[16])
{
    sums[0] = 0;
    for (size_t j = 0; j < 4; j++)
        for (size_t i = 0; i < (size_t)1 << j; i++)
            sums[((size_t)1 << j) + i] = sums[i] + x[j];
}

/* Sums of one panel of planes (core/kernels.h): a row takes four columns by two look-ups, the sum of all that it has less twice the sum of those
 * with a minus. */
static void panel_planes(const struct tern_product *p, const uint8_t *w, const int8_t *x, int32_t sums[TERN_PANEL])
{
    const uint8_t *signs = w + p->steps * TERN_PLANE_STEP;
    size_t at = 0;
    memset(sums, 0, TERN_PANEL * sizeof *sums);
    for (size_t step = 0; step < p->steps; step++) {
        int32_t subset[16];
        subset_sums(x + 4 * step, subset);
        for (size_t g = 0; g < TERN_GROUPS; g++) {
            uint64_t word;
            memcpy(&word, w + 8 * (TERN_GROUPS * step + g), 8);
            for (size_t r = 0; r < TERN_GROUP; r++, word >>= 4) {
                uint32_t next;
                size_t mask = word & 15;
                memcpy(&next, signs + at / 8, 4);
                sums[g * TERN_GROUP + r] += subset[mask] - 2 * subset[plane_minus[mask][next >> at % 8 & 15]];
                at += plane_count[mask];
            }
        }
    }
}

static void matmul_planes_i8_scalar(const struct tern_product *p, size_t from, size_t to)
{
    int32_t sums[TERN_PANEL];
    for (size_t panel = from; panel < to; panel++)
        for (size_t b = 0; b < p->batch; b++) {
            panel_planes(p, p->w + panel * p->panel_bytes, p->x + b * p->x_stride, sums);
            for (size_t r = 0; r < TERN_PANEL; r++)
                store(p, b, panel * TERN_PANEL + r, sums[r] + p->x_sum[b]);
        }
}

/* Adding 1.5 * 2^23 rounds |v| < 2^22 to an integer, half to even, and leaves it in the low bits (IEEE 754 default rounding). */
int8_t tern_round_to_int8(float v)
{
    const float magic = 12582912.0f;
    float shifted = v + magic;
    int32_t bits;
    if (!(v > -128.0f))
        return -128;
    if (v > 127.0f)
        return 127;
    memcpy(&bits, &shifted, sizeof bits);
    return (int8_t)(bits - 0x4b400000);
}

static float quantize_scalar(const float *x, size_t k, int8_t *q, size_t stride, int32_t *sum)
{
    float a = 1e-5f;
    for (size_t i = 0; i < k; i++) {
        float v = __builtin_fabsf(x[i]);
        a = v > a ? v : a;
    }
    float to_int = 127.0f / a;
    int32_t total = 0;
    for (size_t i = 0; i < k; i++) {
        q[i] = tern_round_to_int8(x[i] * to_int);
        total += q[i];
    }
    memset(q + k, 0, stride - k);
    *sum = total;
    return a / 127.0f;
}

static void quantize_rows_scalar(const float *x, size_t rows, size_t k, int8_t *q, size_t stride, float *scale, int32_t *sum)
{
    for (size_t b = 0; b < rows; b++)
        scale[b] = quantize_scalar(x + b * k, k, q + b * stride, stride, &sum[b]);
}

/* What multiplying and adding bytes costs without vectors. Unrolled, so that the arrays dissolve into registers. */
static void peak_scalar(uint64_t n, const uint8_t *operands, int32_t *lanes)
{
    int32_t sum[4] = { 0 }, w[4], x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        w[i] = operands[i];
        x[i] = ((const int8_t *)operands)[64 + i];
    }
    for (; n; n--) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __asm__ volatile("" : "+r"(x[i]));
            sum[i] += w[i] * x[i];
        }
    }
    lanes[0] = sum[0] + sum[1] + sum[2] + sum[3];
}

static uint64_t read_scalar(const uint8_t *p, size_t bytes, size_t passes, size_t ahead)
{
    uint64_t all = 0, word;
    for (; passes; passes--)
        for (size_t i = 0; i < bytes; i += 8) {
            if (ahead && i % 64 == 0)
                __builtin_prefetch(p + i + ahead);
            memcpy(&word, p + i, sizeof word);
            all ^= word;
        }
    return all;
}

#define ALL(storage) { { #storage "_scalar", storage##_scalar }, { #storage "_scalar", storage##_scalar }, { #storage "_scalar", storage##_scalar } }

void tern_scalar_overlay(struct tern_kernels *t)
{
    static const struct tern_product_kernel products[TERN_STORAGES][TERN_CLASSES] = {
        [TERN_STORAGE_INT8] = ALL(matmul_int8_i8),
        [TERN_STORAGE_2BIT] = ALL(matmul_2bit_i8),
        [TERN_STORAGE_BASE3] = ALL(matmul_base3_i8),
        [TERN_STORAGE_TABLE3] = ALL(matmul_table3_i8),
        [TERN_STORAGE_PLANES] = ALL(matmul_planes_i8),
    };
    for (int byte = 0; byte < 256; byte++) {
        base3_digits((uint8_t)byte, base3_codes[byte]);
        tern_table3_codes((uint8_t)byte, table3_codes[byte]);
    }
    plane_tables();
    memcpy(t->product, products, sizeof products);
    t->quantize = quantize_scalar;
    t->quantize_rows = quantize_rows_scalar;
    tern_scalar_vector_overlay(&t->vector);
    tern_scalar_head_overlay(&t->head);
    t->roof.read = read_scalar;
    t->roof.peak[TERN_PEAK_REGISTERS] = (struct tern_peak_kernel){ 8, 64, 64, false, peak_scalar };
}
