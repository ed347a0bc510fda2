/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor types, from bytes written by hand: each layout's corners by value, every byte of the ternary types against a
 * second way to say the same, and packing as the inverse of reading.
 */
#include "format/quants.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t seed = 12345;

static uint32_t next(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

static struct tern_matrix matrix(enum tern_type type, const uint8_t *bytes, uint64_t rows, uint64_t columns)
{
    return (struct tern_matrix){bytes, rows, columns, type, TERN_I2S_INTERLEAVED_128};
}

static void expect_float(float got, float wanted)
{
    if (memcmp(&got, &wanted, sizeof got))
        fail_msg("%.9g, wanted %.9g", (double)got, (double)wanted);
}

/* Every half-precision number, against its definition (IEEE 754, binary16) in double. */
static void test_halves(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        double value = exponent == 31 ? (fraction ? NAN : INFINITY) : exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        float got = tern_half_to_float((uint16_t)h);
        if (isnan(value)) {
            assert_true(isnan(got) && tern_float_to_half(got) == (0x7e00 | (h & 0x8000)));
            continue;
        }
        expect_float(got, (float)(h & 0x8000 ? -value : value));
        assert_int_equal(tern_float_to_half(got), h);
    }
    static const struct { float x; uint16_t half; } rounded[] = {
        {65519.0f, 0x7bff}, {65520.0f, 0x7c00}, {1e30f, 0x7c00},  {-1e30f, 0xfc00}, {0x1p-25f, 0}, {0x1.8p-25f, 1}, {0x1p-26f, 0},
        {1.00048828125f, 0x3c00}, {1.00146484375f, 0x3c02}, {0x1.ffep-15f, 0x0400},
    };
    for (size_t i = 0; i < sizeof rounded / sizeof *rounded; i++)
        assert_int_equal(tern_float_to_half(rounded[i].x), rounded[i].half);
}

static void test_plain(void **state)
{
    (void)state;
    float w[2];
    struct tern_matrix m = matrix(TERN_TYPE_F32, (const uint8_t *)"\0\0\200\77\0\0\40\300", 1, 2);
    tern_matrix_row(&m, 0, w);
    expect_float(w[0], 1.0f);
    expect_float(w[1], -2.5f);
    m = matrix(TERN_TYPE_F16, (const uint8_t *)"\0\74\0\301", 2, 1);
    tern_matrix_row(&m, 1, w);
    expect_float(w[0], -2.5f);
    m = matrix(TERN_TYPE_BF16, (const uint8_t *)"\200\77\40\300", 1, 2);
    tern_matrix_row(&m, 0, w);
    expect_float(w[0], 1.0f);
    expect_float(w[1], -2.5f);
}

static void test_q8_0(void **state)
{
    (void)state;
    uint8_t block[34] = {0x00, 0x38}; /* d = 0.5 */
    float w[32];
    block[2] = 127;
    block[3] = 0x80;
    block[33] = 0xff;
    struct tern_matrix m = matrix(TERN_TYPE_Q8_0, block, 1, 32);
    tern_matrix_row(&m, 0, w);
    expect_float(w[0], 63.5f);
    expect_float(w[1], -64.0f);
    expect_float(w[31], -0.5f);
    expect_float(w[2], 0.0f);
}

/* One field set at a time: the weight it belongs to changes, by as much as its place says, and no other. */
static void test_q4_k(void **state)
{
    (void)state;
    uint8_t block[144];
    float w[256];
    struct tern_matrix m = matrix(TERN_TYPE_Q4_K, block, 1, 256);
    for (int i = 0; i < 256; i++) {
        memset(block, 0, sizeof block);
        block[1] = 0x3c; /* d = 1 */
        for (int j = 0; j < 4; j++) {
            block[4 + j] = 1;                 /* scales 0-3 = 1 */
            block[12 + j] = 1;                /* scales 4-7 = 1, low nibbles */
        }
        block[16 + i / 64 * 32 + i % 32] = (uint8_t)(13 << (i % 64 / 32 * 4));
        tern_matrix_row(&m, 0, w);
        for (int k = 0; k < 256; k++)
            expect_float(w[k], k == i ? 13.0f : 0.0f);
    }
    for (int j = 0; j < 8; j++) { /* scale 63 and minimum 42 of group j, all quants 1: 63 d - 42 dmin */
        memset(block, 0, 16);
        memset(block + 16, 0x11, 128);
        block[1] = 0x3c;
        block[3] = 0x38; /* dmin = 0.5 */
        if (j < 4) {
            block[4 + j] = 63;
            block[8 + j] = 42;
        } else {
            block[8 + j] = 15 | 10 << 4;                  /* low nibbles */
            block[j] = 3 << 6;                            /* high bits of the scale */
            block[4 + j] = 2 << 6;                        /* high bits of the minimum */
        }
        tern_matrix_row(&m, 0, w);
        for (int k = 0; k < 256; k++)
            expect_float(w[k], k / 32 == j ? 63.0f - 21.0f : 0.0f);
    }
}

static void test_q6_k(void **state)
{
    (void)state;
    uint8_t block[210];
    float w[256];
    struct tern_matrix m = matrix(TERN_TYPE_Q6_K, block, 1, 256);
    for (int i = 0; i < 256; i++) {
        int half = i / 128, quarter = i % 128 / 32, l = i % 32;
        memset(block, 0, 128);
        memset(block + 128, 0xaa, 64); /* high pairs 2: q = 32, weight 0 */
        memset(block + 192, 1, 16);
        block[208] = 0;
        block[209] = 0x3c;
        block[192 + i / 16] = (uint8_t)-3;
        block[half * 64 + (quarter & 1) * 32 + l] = (uint8_t)(5 << (quarter >> 1) * 4);
        block[128 + half * 32 + l] ^= (uint8_t)(3 << 2 * quarter); /* 2 to 1: q = 16 + 5 - 32 = -11 */
        tern_matrix_row(&m, 0, w);
        for (int k = 0; k < 256; k++)
            expect_float(w[k] + 0.0f, k == i ? 33.0f : 0.0f);
    }
}

/* The trits of a byte v, as the number in base 3 it was rounded up from. */
static void test_tq1_0_bytes(void **state)
{
    (void)state;
    uint8_t block[54] = {0};
    float w[256];
    block[53] = 0x3c;
    struct tern_matrix m = matrix(TERN_TYPE_TQ1_0, block, 1, 256);
    for (int v = 0; v < 243; v++) {
        int digits[5];
        for (int k = 4, rest = v; k >= 0; k--, rest /= 3)
            digits[k] = rest % 3 - 1;
        block[7] = block[32 + 5] = block[48 + 3] = (uint8_t)((v * 256 + 242) / 243);
        tern_matrix_row(&m, 0, w);
        for (int k = 0; k < 5; k++) {
            expect_float(w[32 * k + 7], (float)digits[k]);
            expect_float(w[160 + 16 * k + 5], (float)digits[k]);
            if (k < 4)
                expect_float(w[240 + 4 * k + 3], (float)digits[k]);
        }
    }
}

static void test_tq2_0_bytes(void **state)
{
    (void)state;
    uint8_t block[66] = {0};
    int8_t trits[256];
    float scale;
    uint64_t bad;
    struct tern_matrix m = matrix(TERN_TYPE_TQ2_0, block, 1, 256);
    memset(block, 0x55, 64);
    block[65] = 0x38;
    for (int v = 0; v < 256; v++) {
        block[32 + 9] = (uint8_t)v;
        int code3 = -1;
        for (int k = 3; k >= 0; k--)
            if ((v >> 2 * k & 3) == 3)
                code3 = 128 + 32 * k + 9;
        assert_int_equal(tern_matrix_trits(&m, 0, trits, &scale, &bad), code3 < 0);
        if (code3 >= 0)
            assert_int_equal(bad, code3);
        for (int k = 0; k < 4; k++)
            assert_int_equal(trits[128 + 32 * k + 9], (v >> 2 * k & 3) - 1);
        expect_float(scale, 0.5f);
    }
}

/* One weight that is +1 among -1, in every order: where the code is, and that the scale comes after n/4 bytes. */
static void test_i2s_orders(void **state)
{
    (void)state;
    enum { ROWS = 4, COLUMNS = 128, N = ROWS * COLUMNS };
    uint8_t bytes[N / 4 + 32];
    float w[COLUMNS];
    for (int order = 0; order < 3; order++) {
        for (int i = 0; i < N; i++) {
            int byte, shift, row = i / COLUMNS, column = i % COLUMNS;
            switch (order) {
            case TERN_I2S_INTERLEAVED_128: byte = i / 128 * 32 + i % 32; shift = 6 - i % 128 / 32 * 2; break;
            case TERN_I2S_INTERLEAVED_64: byte = i / 64 * 16 + i % 16; shift = 6 - i % 64 / 16 * 2; break;
            default: byte = column; shift = 6 - 2 * row; break;
            }
            memset(bytes, 0, sizeof bytes);
            memset(bytes + N / 4 + 4, 0xee, 28); /* bytes that mean nothing */
            bytes[byte] = (uint8_t)(2 << shift);
            memcpy(bytes + N / 4, "\0\0\300\77", 4); /* 1.5 */
            struct tern_matrix m = matrix(TERN_TYPE_I2_S, bytes, ROWS, COLUMNS);
            m.order = (enum tern_i2s_order)order;
            for (int r = 0; r < ROWS; r++) {
                tern_matrix_row(&m, (uint64_t)r, w);
                for (int c = 0; c < COLUMNS; c++)
                    expect_float(w[c], r == row && c == column ? 1.5f : -1.5f);
            }
        }
    }
}

static void test_trits_round_trip(void **state)
{
    (void)state;
    static const enum tern_type kinds[] = {TERN_TYPE_I2_S, TERN_TYPE_TQ1_0, TERN_TYPE_TQ2_0};
    enum { ROWS = 3, COLUMNS = 512 };
    int8_t in[ROWS * COLUMNS], out[COLUMNS];
    uint8_t bytes[ROWS * COLUMNS];
    float scales[2], row[COLUMNS];
    uint64_t bad, size;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        in[i] = (int8_t)(i / 256 == 3 ? 0 : (int)(next() % 3) - 1); /* one block of zeros */
    for (size_t k = 0; k < 3; k++) {
        assert_true(tern_type_bytes(tern_type_find(kinds[k]), COLUMNS, ROWS, &size) && size <= sizeof bytes);
        tern_trits_pack(kinds[k], in, 0.375f, ROWS, COLUMNS, bytes);
        struct tern_matrix m = matrix(kinds[k], bytes, ROWS, COLUMNS);
        for (uint64_t r = 0; r < ROWS; r++) {
            assert_true(tern_matrix_trits(&m, r, out, scales, &bad));
            assert_memory_equal(out, in + r * COLUMNS, COLUMNS);
            expect_float(scales[0], 0.375f);
            expect_float(scales[1], r == 1 && kinds[k] != TERN_TYPE_I2_S ? 0.0f : 0.375f);
            tern_matrix_row(&m, r, row);
            for (int c = 0; c < COLUMNS; c++)
                expect_float(row[c] + 0.0f, 0.375f * (float)in[r * COLUMNS + (uint64_t)c] + 0.0f);
        }
    }
}

/* Packing floats loses at most half a step of the format's grid (Q4_K: of its range per 32, and the minimum's own step). */
static void test_floats_round_trip(void **state)
{
    (void)state;
    static const struct { enum tern_type type; float most; } kinds[] = {
        {TERN_TYPE_F32, 0}, {TERN_TYPE_F16, 0.0005f}, {TERN_TYPE_BF16, 0.004f}, {TERN_TYPE_Q8_0, 0.0045f}, {TERN_TYPE_Q6_K, 0.0205f},
        {TERN_TYPE_Q4_K, 0.1f},
    };
    float in[512], out[512];
    uint8_t bytes[2048];
    for (int i = 0; i < 512; i++)
        in[i] = ((float)(next() % 2001) - 1000) * 1e-3f;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        tern_floats_pack(kinds[k].type, in, 512, bytes);
        struct tern_matrix m = matrix(kinds[k].type, bytes, 1, 512);
        tern_matrix_row(&m, 0, out);
        for (int i = 0; i < 512; i++)
            if (fabsf(out[i] - in[i]) > kinds[k].most)
                fail_msg("%s: %g came back as %g", tern_type_find(kinds[k].type)->name, (double)in[i], (double)out[i]);
    }
}

static void test_table(void **state)
{
    (void)state;
    uint64_t bytes;
    assert_string_equal(tern_type_find(36)->name, "I2_S");
    assert_ptr_equal(tern_type_named("Q6_K"), tern_type_find(14));
    assert_null(tern_type_find(39));
    assert_string_equal(tern_type_foreign(39), "TL2");
    assert_null(tern_type_foreign(255));
    assert_false(tern_type_bytes(tern_type_find(34), 255, 1, &bytes));
    assert_false(tern_type_bytes(tern_type_find(0), UINT64_MAX, 1, &bytes));
    assert_true(tern_type_bytes(tern_type_find(36), 2560, 2560, &bytes) && bytes == 2560 * 2560 / 4 + 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves),      cmocka_unit_test(test_plain),          cmocka_unit_test(test_q8_0),
        cmocka_unit_test(test_q4_k),        cmocka_unit_test(test_q6_k),           cmocka_unit_test(test_tq1_0_bytes),
        cmocka_unit_test(test_tq2_0_bytes), cmocka_unit_test(test_i2s_orders),     cmocka_unit_test(test_trits_round_trip),
        cmocka_unit_test(test_floats_round_trip), cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
