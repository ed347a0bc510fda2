/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of the weights of each tensor type. One small function a format; the table at the end joins them.
 */
#include "format/quants.h"

#include "format/checked.h"

#include <string.h>

static const struct tern_type_row types[] = {
#define TYPE(name, id, weights, bytes, extra, is_flat) {#name, id, weights, bytes, extra, is_flat},
#include "format/types.def"
#undef TYPE
};

static const struct {
    uint32_t id;
    const char *name;
} foreign[] = {
    {2, "Q4_0"},    {3, "Q4_1"},     {4, "Q4_2, removed"}, {5, "Q4_3, removed"}, {6, "Q5_0"},  {7, "Q5_1"},   {9, "Q8_1"},
    {10, "Q2_K"},   {11, "Q3_K"},    {13, "Q5_K"},         {15, "Q8_K"},         {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"},  {20, "IQ4_NL"},  {21, "IQ3_S"},        {22, "IQ2_S"},        {23, "IQ4_XS"},  {24, "I8"},     {25, "I16"},
    {26, "I32"},    {27, "I64"},     {28, "F64"},          {29, "IQ1_M"},        {31, "Q4_0_4_4, removed"}, {32, "Q4_0_4_8, removed"},
    {33, "Q4_0_8_8, removed"}, {37, "I8_S"}, {38, "TL1"},  {39, "TL2"},
};

const struct tern_type_row *tern_type_find(uint32_t id)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].id == id)
            return &types[i];
    return NULL;
}

const struct tern_type_row *tern_type_named(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const char *tern_type_foreign(uint32_t id)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (foreign[i].id == id)
            return foreign[i].name;
    return NULL;
}

bool tern_i2s_order_named(const char *name, enum tern_i2s_order *order)
{
    static const char *const names[] = {"128", "64", "rows"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) {
            *order = (enum tern_i2s_order)i;
            return true;
        }
    }
    return false;
}

bool tern_type_bytes(const struct tern_type_row *type, uint64_t n_columns, uint64_t n_rows, uint64_t *out)
{
    uint64_t weights, bytes;
    return tern_checked_mul(n_columns, n_rows, &weights) && (type->is_flat ? weights : n_columns) % type->weights == 0 &&
           tern_checked_mul(weights / type->weights, type->bytes, &bytes) && tern_checked_add(bytes, type->extra, out);
}

bool tern_type_is_ternary(enum tern_type type)
{
    return type == TERN_TYPE_TQ1_0 || type == TERN_TYPE_TQ2_0 || type == TERN_TYPE_I2_S;
}

static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static float from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Without branches, so that loops of it vectorise: the bits in a float's places stand for 2^-112 of the number, denormals included; all ones in the
 * exponent stay so. */
float tern_half_to_float(uint16_t half)
{
    const uint32_t magnitude = (half & 0x7fffu) << 13, sign = (uint32_t)(half >> 15) << 31;
    const float scaled = from_bits(magnitude) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof bits);
    return from_bits(sign | bits | (magnitude >= 0x0f800000 ? 0x7f800000 : 0));
}

static float load_half(const uint8_t *p)
{
    return tern_half_to_float(load16(p));
}

static float load_float(const uint8_t *p)
{
    return from_bits((uint32_t)load16(p) | (uint32_t)load16(p + 2) << 16);
}

/* ---- blocks of each type that has float weights */

static void blocks_f32(const uint8_t *p, uint64_t n, float *w)
{
    memcpy(w, p, n * sizeof *w); /* the machine is little-endian, as the file is */
}

static void blocks_f16(const uint8_t *p, uint64_t n, float *w)
{
    for (uint64_t i = 0; i < n; i++)
        w[i] = load_half(p + 2 * i);
}

static void blocks_bf16(const uint8_t *p, uint64_t n, float *w)
{
    for (uint64_t i = 0; i < n; i++)
        w[i] = from_bits((uint32_t)load16(p + 2 * i) << 16);
}

static void block_q8_0(const uint8_t *p, float *w)
{
    float d = load_half(p);
    for (int i = 0; i < 32; i++)
        w[i] = d * (float)(int8_t)p[2 + i];
}

static void blocks_q8_0(const uint8_t *p, uint64_t n, float *w)
{
    for (; n; n--, p += 34, w += 32)
        block_q8_0(p, w);
}

/* Scale and minimum j of 8, 6 bits each: j < 4 in the low bits of bytes j and j + 4, j >= 4 with their low nibbles in
 * byte j + 4 and their two high bits on top of bytes j - 4 and j. */
static void q4_k_scale(const uint8_t *s, int j, unsigned *scale, unsigned *min)
{
    if (j < 4) {
        *scale = s[j] & 63u;
        *min = s[j + 4] & 63u;
    } else {
        *scale = (s[j + 4] & 15u) | (unsigned)(s[j - 4] >> 6) << 4;
        *min = (unsigned)(s[j + 4] >> 4) | (unsigned)(s[j] >> 6) << 4;
    }
}

/* Weights come in four groups of 64 that share 32 bytes: the low nibbles are the first 32, the high ones the rest. */
static void block_q4_k(const uint8_t *p, float *w)
{
    float d = load_half(p), dmin = load_half(p + 2);
    for (int j = 0; j < 8; j++) {
        unsigned scale, min;
        q4_k_scale(p + 4, j, &scale, &min);
        float ds = d * (float)scale, dm = dmin * (float)min;
        const uint8_t *q = p + 16 + (j / 2) * 32;
        for (int i = 0; i < 32; i++)
            w[j * 32 + i] = ds * (float)(j % 2 ? q[i] >> 4 : q[i] & 15) - dm;
    }
}

static void blocks_q4_k(const uint8_t *p, uint64_t n, float *w)
{
    for (; n; n--, p += 144, w += 256)
        block_q4_k(p, w);
}

/* 32 weights of one quarter of a half: 4 bits of each from `low`, 2 from `high`, a scale for each 16. */
static void q6_k_quarter(const uint8_t *low, int low_shift, const uint8_t *high, int high_shift, const float *scale, float *restrict w)
{
    for (int side = 0; side < 32; side += 16)
        for (int i = side; i < side + 16; i++)
            w[i] = scale[side / 16] * (float)(((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4) - 32);
}

/* Two halves of 128 weights; quarter k of a half takes nibbles k / 2 of byte (k % 2) * 32 + i and bit pair k of byte i. */
static void block_q6_k(const uint8_t *p, float *w)
{
    float d = load_half(p + 208), scales[16];
    for (int j = 0; j < 16; j++)
        scales[j] = d * (float)(int8_t)p[192 + j];
    for (int half = 0; half < 2; half++)
        for (int k = 0; k < 4; k++)
            q6_k_quarter(p + half * 64 + k % 2 * 32, k / 2 * 4, p + 128 + half * 32, 2 * k, scales + half * 8 + k * 2, w + half * 128 + k * 32);
}

static void blocks_q6_k(const uint8_t *p, uint64_t n, float *w)
{
    for (; n; n--, p += 210, w += 256)
        block_q6_k(p, w);
}

/* ---- trits */

/* Trit number n (0 first) of a byte that holds a fraction of 256 in base 3: the byte times 3^n, modulo 256, is what is
 * left after n trits, as a fraction of 256; three times that, over 256, has the next trit as its whole part. */
static int base3_trit(uint8_t byte, int n)
{
    static const uint8_t power[] = {1, 3, 9, 27, 81};
    uint8_t left = (uint8_t)(byte * power[n]);
    return (left * 3 >> 8) - 1;
}

/* 160 weights in bytes 0-31 (32 a trit), 80 in bytes 32-47 (16 a trit), 16 in bytes 48-51 (4 a trit). */
static void trits_tq1_0(const uint8_t *p, int8_t *t)
{
    for (int n = 0; n < 5; n++)
        for (int i = 0; i < 32; i++)
            t[32 * n + i] = (int8_t)base3_trit(p[i], n);
    for (int n = 0; n < 5; n++)
        for (int i = 0; i < 16; i++)
            t[160 + 16 * n + i] = (int8_t)base3_trit(p[32 + i], n);
    for (int n = 0; n < 4; n++)
        for (int i = 0; i < 4; i++)
            t[240 + 4 * n + i] = (int8_t)base3_trit(p[48 + i], n);
}

/* Two halves of 128 weights; bits 2k of byte i of a half hold weight 32 k + i. */
static void trits_tq2_0(const uint8_t *p, int8_t *t)
{
    for (int half = 0; half < 2; half++)
        for (int k = 0; k < 4; k++)
            for (int i = 0; i < 32; i++)
                t[128 * half + 32 * k + i] = (int8_t)((p[32 * half + i] >> (2 * k) & 3) - 1);
}

/* Code of weight (row, column); its two bits sit where the order says. */
static int i2s_code(const struct tern_matrix *m, uint64_t row, uint64_t column)
{
    uint64_t at = row * m->n_columns + column;
    uint64_t byte, group;
    if (m->order == TERN_I2S_FOUR_ROWS) {
        byte = row / 4 * m->n_columns + column;
        group = row % 4;
    } else {
        uint64_t width = m->order == TERN_I2S_INTERLEAVED_64 ? 16 : 32;
        byte = at / (4 * width) * width + at % width;
        group = at % (4 * width) / width;
    }
    return m->bytes[byte] >> (6 - 2 * group) & 3;
}

float tern_i2s_scale(const struct tern_matrix *m)
{
    return load_float(m->bytes + m->n_rows * m->n_columns / 4);
}

static void trits_i2s(const struct tern_matrix *m, uint64_t row, int8_t *trits)
{
    if (m->order == TERN_I2S_INTERLEAVED_128 && m->n_columns % 128 == 0) { /* whole blocks: the same codes, without divisions */
        const uint8_t *p = m->bytes + row * m->n_columns / 4;
        for (uint64_t block = 0; block < m->n_columns / 128; block++, p += 32, trits += 128)
            for (int group = 0; group < 4; group++)
                for (int i = 0; i < 32; i++)
                    trits[32 * group + i] = (int8_t)((p[i] >> (6 - 2 * group) & 3) - 1);
        return;
    }
    for (uint64_t i = 0; i < m->n_columns; i++)
        trits[i] = (int8_t)(i2s_code(m, row, i) - 1);
}

static void trits_blocks(const struct tern_matrix *m, uint64_t row, int8_t *trits, float *scales)
{
    bool is_tq1 = m->type == TERN_TYPE_TQ1_0;
    uint64_t blocks = m->n_columns / 256, bytes = is_tq1 ? 54 : 66;
    for (uint64_t b = 0; b < blocks; b++) {
        const uint8_t *p = m->bytes + (row * blocks + b) * bytes;
        (is_tq1 ? trits_tq1_0 : trits_tq2_0)(p, trits + b * 256);
        scales[b] = load_half(p + bytes - 2);
    }
}

bool tern_matrix_trits(const struct tern_matrix *m, uint64_t row, int8_t *trits, float *scales, uint64_t *bad)
{
    if (m->type == TERN_TYPE_I2_S) {
        trits_i2s(m, row, trits);
        for (uint64_t b = 0; b < (m->n_columns + 255) / 256; b++)
            scales[b] = tern_i2s_scale(m);
    } else {
        trits_blocks(m, row, trits, scales);
    }
    for (uint64_t i = 0; i < m->n_columns; i++) {
        if (trits[i] > 1) {
            *bad = i;
            return false;
        }
    }
    return true;
}

/* ---- rows */

static const struct {
    enum tern_type type;
    void (*blocks)(const uint8_t *p, uint64_t n, float *w);
} decoders[] = {
    {TERN_TYPE_F32, blocks_f32},   {TERN_TYPE_F16, blocks_f16},   {TERN_TYPE_BF16, blocks_bf16},
    {TERN_TYPE_Q8_0, blocks_q8_0}, {TERN_TYPE_Q4_K, blocks_q4_k}, {TERN_TYPE_Q6_K, blocks_q6_k},
};

/* out = scale * trit, in pieces of at most 256 columns that have one scale. */
static void scale_trits(const int8_t *trits, float scale, uint64_t n, float *out)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = scale * (float)trits[i];
}

static void i2s_row(const struct tern_matrix *m, uint64_t row, float *out)
{
    float scale = tern_i2s_scale(m);
    int8_t trits[128];
    if (m->order != TERN_I2S_INTERLEAVED_128 || m->n_columns % 128) {
        for (uint64_t i = 0; i < m->n_columns; i++)
            out[i] = scale * (float)(i2s_code(m, row, i) - 1);
        return;
    }
    struct tern_matrix block = {m->bytes + row * m->n_columns / 4, 1, 128, TERN_TYPE_I2_S, m->order};
    for (uint64_t b = 0; b < m->n_columns / 128; b++, block.bytes += 32) {
        trits_i2s(&block, 0, trits);
        scale_trits(trits, scale, 128, out + b * 128);
    }
}

static void ternary_row(const struct tern_matrix *m, uint64_t row, float *out)
{
    int8_t trits[256];
    if (m->type == TERN_TYPE_I2_S) {
        i2s_row(m, row, out);
        return;
    }
    bool is_tq1 = m->type == TERN_TYPE_TQ1_0;
    uint64_t bytes = is_tq1 ? 54 : 66;
    const uint8_t *p = m->bytes + row * (m->n_columns / 256) * bytes;
    for (uint64_t b = 0; b < m->n_columns / 256; b++, p += bytes, out += 256) {
        (is_tq1 ? trits_tq1_0 : trits_tq2_0)(p, trits);
        scale_trits(trits, load_half(p + bytes - 2), 256, out);
    }
}

void tern_matrix_row(const struct tern_matrix *m, uint64_t row, float *out)
{
    const struct tern_type_row *type = tern_type_find(m->type);
    for (size_t d = 0; d < sizeof decoders / sizeof *decoders; d++) {
        if (decoders[d].type != m->type)
            continue;
        const uint64_t blocks = m->n_columns / type->weights;
        decoders[d].blocks(m->bytes + row * blocks * type->bytes, blocks, out);
        return;
    }
    ternary_row(m, row, out);
}
