/* SPDX-License-Identifier: Apache-2.0 */
#include "format/lines.h"
#include "format/table3.h"

#include <stdbool.h>
#include <string.h>

/* Four trits at once, one a byte, become codes: -1, 0, 1 -> 0, 1, 2. No byte carries: 0xff + 1 is caught by the mask. */
static uint32_t codes(const int8_t *trits)
{
    uint32_t t;
    memcpy(&t, trits, 4);
    return ((t & 0x7f7f7f7fu) + 0x01010101u) & 0x03030303u;
}

/* ceil(v * 256 / 243): then the carries out of repeated tripling are the digits of v, most significant first. The idea is that
 * of ggml's TQ1_0; v < 243 makes it exact, which tests/lines_test.c proves for every value. */
static uint8_t fraction(uint32_t v)
{
    return (uint8_t)((v * 256 + 242) / 243);
}

static uint32_t word_int8(const int8_t *t)
{
    return codes(t);
}

static uint32_t word_2bit(const int8_t *t)
{
    return codes(t) | codes(t + 4) << 2 | codes(t + 8) << 4 | codes(t + 12) << 6;
}

static uint32_t word_base3(const int8_t *t)
{
    uint32_t v = codes(t) * 81 + codes(t + 4) * 27 + codes(t + 8) * 9 + codes(t + 12) * 3 + codes(t + 16);
    return (uint32_t)fraction(v & 255) | (uint32_t)fraction(v >> 8 & 255) << 8 | (uint32_t)fraction(v >> 16 & 255) << 16 |
           (uint32_t)fraction(v >> 24) << 24;
}

static uint32_t word_table3(const int8_t *t)
{
    uint32_t word = 0;
    for (int j = 0; j < 4; j++) {
        uint8_t c[5];
        for (int f = 0; f < 5; f++)
            c[f] = (uint8_t)(t[4 * f + j] + 1);
        word |= (uint32_t)tern_table3_byte(c) << 8 * j;
    }
    return word;
}

static int code_int8(uint8_t byte, size_t field)
{
    (void)field;
    return byte;
}

static int code_2bit(uint8_t byte, size_t field)
{
    return byte >> (2 * field) & 3;
}

static int code_base3(uint8_t byte, size_t field)
{
    uint32_t q = byte;
    for (; field; field--)
        q = q * 3 & 255;
    return (int)(q * 3 >> 8);
}

static int code_table3(uint8_t byte, size_t field)
{
    uint8_t c[5];
    tern_table3_codes(byte, c);
    return c[field];
}

static const struct {
    size_t step, multiple;                         /* columns of a step; steps come in multiples of this */
    uint32_t (*word)(const int8_t *trits);         /* one row's lane of a line */
    int (*code)(uint8_t byte, size_t field);
} orders[TERN_STORAGES] = {
    [TERN_STORAGE_INT8] = { 4, 1, word_int8, code_int8 },
    [TERN_STORAGE_2BIT] = { 16, 4, word_2bit, code_2bit },
    [TERN_STORAGE_BASE3] = { 20, 1, word_base3, code_base3 },
    [TERN_STORAGE_TABLE3] = { 20, 1, word_table3, code_table3 },
    [TERN_STORAGE_PLANES] = { 4, 1, NULL, NULL },
};

size_t tern_lines_step(enum tern_storage storage)
{
    return orders[storage].step;
}

size_t tern_lines_count(enum tern_storage storage, size_t k)
{
    size_t unit = orders[storage].step * orders[storage].multiple;
    return (k + unit - 1) / unit * orders[storage].multiple;
}

/* ---- planes */

/* The word of a group at column k: where it is not zero, and where it is -1. */
static uint64_t plane_word(const int8_t *group, size_t stride, size_t k, uint64_t *minus)
{
    uint64_t word = 0;
    *minus = 0;
    for (size_t bit = 0; bit < 64; bit++) {
        int8_t trit = group[bit / 4 * stride + k + bit % 4];
        word |= (uint64_t)(trit != 0) << bit;
        *minus |= (uint64_t)(trit < 0) << bit;
    }
    return word;
}

struct sign_writer {
    uint8_t *at;
    uint64_t word;
    unsigned bits;
};

static void put_sign(struct sign_writer *w, bool sign)
{
    w->word |= (uint64_t)sign << w->bits;
    if (++w->bits < 64)
        return;
    memcpy(w->at, &w->word, 8);
    *w = (struct sign_writer){ .at = w->at + 8 };
}

static void pack_planes(const int8_t *trits, size_t stride, size_t k, uint8_t *panel)
{
    size_t steps = tern_lines_count(TERN_STORAGE_PLANES, k);
    struct sign_writer signs = { .at = panel + steps * TERN_PLANE_STEP };
    for (size_t i = 0; i < steps * TERN_GROUPS; i++) {
        uint64_t minus, word = plane_word(trits + i % TERN_GROUPS * TERN_GROUP * stride, stride, i / TERN_GROUPS * 4, &minus);
        memcpy(panel + 8 * i, &word, 8);
        for (; word; word &= word - 1)
            put_sign(&signs, minus >> __builtin_ctzll(word) & 1);
    }
    memcpy(signs.at, &signs.word, (signs.bits + 7) / 8);
}

static void unpack_planes(const uint8_t *panel, size_t r, size_t k, int8_t *trits)
{
    size_t steps = tern_lines_count(TERN_STORAGE_PLANES, k), at = 0;
    const uint8_t *signs = panel + steps * TERN_PLANE_STEP;
    memset(trits, 0, k);
    for (size_t i = 0; i < steps * TERN_GROUPS; i++) {
        uint64_t word;
        memcpy(&word, panel + 8 * i, 8);
        for (; word; word &= word - 1, at++) {
            size_t bit = (size_t)__builtin_ctzll(word), column = i / TERN_GROUPS * 4 + bit % 4;
            if (i % TERN_GROUPS * TERN_GROUP + bit / 4 == r && column < k)
                trits[column] = signs[at / 8] >> at % 8 & 1 ? -1 : 1;
        }
    }
}

size_t tern_lines_bytes(enum tern_storage storage, const int8_t *trits, size_t stride, size_t k)
{
    size_t steps = tern_lines_count(storage, k), signs = 0;
    if (storage != TERN_STORAGE_PLANES)
        return steps * TERN_STEP;
    for (size_t r = 0; r < TERN_PANEL; r++)
        for (size_t i = 0; i < k; i++)
            signs += trits[r * stride + i] != 0;
    return (steps * TERN_PLANE_STEP + (signs + 7) / 8 + 63) / 64 * 64;
}

void tern_lines_pack(enum tern_storage storage, const int8_t *trits, size_t stride, size_t k, uint8_t *panel)
{
    if (storage == TERN_STORAGE_PLANES) {
        pack_planes(trits, stride, k, panel);
        return;
    }
    size_t step = orders[storage].step, count = tern_lines_count(storage, k);
    for (size_t s = 0; s < count; s++)
        for (size_t r = 0; r < TERN_PANEL; r++) {
            uint32_t word = orders[storage].word(trits + r * stride + s * step);
            memcpy(panel + s * TERN_STEP + r * 4, &word, 4);
        }
}

void tern_lines_unpack(enum tern_storage storage, const uint8_t *panel, size_t r, size_t k, int8_t *trits)
{
    if (storage == TERN_STORAGE_PLANES) {
        unpack_planes(panel, r, k, trits);
        return;
    }
    size_t step = orders[storage].step;
    for (size_t i = 0; i < k; i++) {
        size_t within = i % step;
        uint8_t byte = panel[i / step * TERN_STEP + r * 4 + within % 4];
        trits[i] = (int8_t)(orders[storage].code(byte, within / 4) - 1);
    }
}
