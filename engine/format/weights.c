/* SPDX-License-Identifier: Apache-2.0 */
#include "format/weights.h"
#include "format/quants.h"
#include "format/table3.h"

#include <string.h>

static const int8_t trit_of_code[4] = { -1, 0, 1, 0 };

static void pack_int8(const int8_t *trits, size_t k, uint8_t *row)
{
    memcpy(row, trits, k);
}

static void unpack_int8(const uint8_t *row, size_t k, int8_t *trits)
{
    memcpy(trits, row, k);
}

/* Four weights a byte, the first in the low bits. */
static void pack_2bit(const int8_t *trits, size_t k, uint8_t *row)
{
    memset(row, 0x55, (k + 3) / 4);
    for (size_t i = 0; i < k; i++) {
        unsigned shift = 2 * (i % 4), code = (unsigned)(trits[i] + 1);
        row[i / 4] = (uint8_t)((row[i / 4] & ~(3u << shift)) | code << shift);
    }
}

static void unpack_2bit(const uint8_t *row, size_t k, int8_t *trits)
{
    for (size_t i = 0; i < k; i++)
        trits[i] = trit_of_code[row[i / 4] >> (2 * (i % 4)) & 3];
}

/* Five weights a byte: their codes are the digits of v in base 3, first digit most significant; the byte is ceil(256 v / 243), whose
 * repeated tripling carries the digits out in order. */
static void pack_base3(const int8_t *trits, size_t k, uint8_t *row)
{
    for (size_t i = 0; i < k; i += 5) {
        unsigned v = 0;
        for (size_t j = i; j < i + 5; j++)
            v = v * 3 + (j < k ? (unsigned)(trits[j] + 1) : 1);
        row[i / 5] = (uint8_t)((v * 256 + 242) / 243);
    }
}

static void unpack_base3(const uint8_t *row, size_t k, int8_t *trits)
{
    unsigned q = 0;
    for (size_t i = 0; i < k; i++) {
        q = (i % 5 ? q & 255 : row[i / 5]) * 3;
        trits[i] = (int8_t)((int)(q >> 8) - 1);
    }
}

/* Five weights a byte as in format/table3.h. */
static void pack_table3(const int8_t *trits, size_t k, uint8_t *row)
{
    for (size_t i = 0; i < k; i += 5) {
        uint8_t codes[5];
        for (size_t j = 0; j < 5; j++)
            codes[j] = i + j < k ? (uint8_t)(trits[i + j] + 1) : 1;
        row[i / 5] = tern_table3_byte(codes);
    }
}

static void unpack_table3(const uint8_t *row, size_t k, int8_t *trits)
{
    uint8_t codes[5] = { 0 };
    for (size_t i = 0; i < k; i++) {
        if (i % 5 == 0)
            tern_table3_codes(row[i / 5], codes);
        trits[i] = (int8_t)(codes[i % 5] - 1);
    }
}

/* Bit planes: ceil(k / 8) bytes say which weights are not zero; then a bit for each of those says which are negative. The row has room for all, but
 * what sparse rows leave of it stays zero. */
static void pack_planes(const int8_t *trits, size_t k, uint8_t *row)
{
    uint8_t *signs = row + (k + 7) / 8;
    size_t at = 0;
    memset(row, 0, (k + 7) / 8 * 2);
    for (size_t i = 0; i < k; i++) {
        if (!trits[i])
            continue;
        row[i / 8] = (uint8_t)(row[i / 8] | 1 << i % 8);
        signs[at / 8] = (uint8_t)(signs[at / 8] | (trits[i] < 0) << at % 8);
        at++;
    }
}

static void unpack_planes(const uint8_t *row, size_t k, int8_t *trits)
{
    const uint8_t *signs = row + (k + 7) / 8;
    for (size_t i = 0, at = 0; i < k; i++) {
        trits[i] = 0;
        if (row[i / 8] >> i % 8 & 1) {
            trits[i] = signs[at / 8] >> at % 8 & 1 ? -1 : 1;
            at++;
        }
    }
}

/* Layouts of files, by the code that reads and writes files (format/quants.h). A row of I2_S stands here without the tensor's scale. */
static void pack_tq(enum tern_type type, const int8_t *trits, size_t k, uint8_t *row)
{
    tern_trits_pack(type, trits, 1.0f, 1, k, row);
}

static void unpack_file(enum tern_type type, const uint8_t *row, size_t k, int8_t *trits)
{
    const struct tern_matrix m = { .bytes = row, .n_rows = 1, .n_columns = k, .type = type, .order = TERN_I2S_INTERLEAVED_128 };
    float scales[TERN_K_MAX / 256 + 1]; /* one per block, unused */
    uint64_t bad;
    if (!tern_matrix_trits(&m, 0, trits, scales, &bad))
        memset(trits, 0, k);
}

static void pack_tq1_0(const int8_t *trits, size_t k, uint8_t *row)
{
    pack_tq(TERN_TYPE_TQ1_0, trits, k, row);
}

static void unpack_tq1_0(const uint8_t *row, size_t k, int8_t *trits)
{
    unpack_file(TERN_TYPE_TQ1_0, row, k, trits);
}

static void pack_tq2_0(const int8_t *trits, size_t k, uint8_t *row)
{
    pack_tq(TERN_TYPE_TQ2_0, trits, k, row);
}

/* Read here and not by format/quants.h, which refuses the code that no trit has; in a row by itself it is 0, as everywhere. */
static void unpack_tq2_0(const uint8_t *row, size_t k, int8_t *trits)
{
    for (size_t i = 0; i < k; i++)
        trits[i] = trit_of_code[row[i / 256 * 66 + i % 256 / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3];
}

/* 128 weights in 32 bytes: byte i holds i, i + 32, i + 64, i + 96 from the high bits down. */
static void pack_i2_s(const int8_t *trits, size_t k, uint8_t *row)
{
    memset(row, 0, k / 4);
    for (size_t i = 0; i < k; i++)
        row[i / 128 * 32 + i % 32] |= (uint8_t)((trits[i] + 1) << (6 - 2 * (i % 128 / 32)));
}

static void unpack_i2_s(const uint8_t *row, size_t k, int8_t *trits)
{
    for (size_t i = 0; i < k; i++)
        trits[i] = trit_of_code[row[i / 128 * 32 + i % 32] >> (6 - 2 * (i % 128 / 32)) & 3];
}

static const struct tern_weight_format formats[] = {
#define FORMAT(name, block, bytes, storage) { #name, block, bytes, TERN_STORAGE_##storage, pack_##name, unpack_##name },
#include "format/weights.def"
#undef FORMAT
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

const struct tern_weight_format *tern_weight_format_at(size_t i)
{
    return i < N_FORMATS ? &formats[i] : NULL;
}

const struct tern_weight_format *tern_weight_format_find(const char *name)
{
    for (size_t i = 0; i < N_FORMATS; i++)
        if (!strcmp(formats[i].name, name))
            return &formats[i];
    return NULL;
}

size_t tern_weight_row_bytes(const struct tern_weight_format *f, size_t k)
{
    return (k + f->block - 1) / f->block * f->bytes;
}
