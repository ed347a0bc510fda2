/* SPDX-License-Identifier: Apache-2.0
 *
 * Slow, exact packing into the tensor types. Scales of float types: Q8_0 takes absmax / 127 a block, Q6_K a signed 8-bit
 * share of absmax / 31 per 16 weights, Q4_K minimum and range per 32 in 6 bits each.
 */
#include "format/quants.h"

#include <math.h>
#include <string.h>

uint16_t tern_float_to_half(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return sign | 0x7e00;
    if (magnitude >= 0x477ff000) /* rounds to 65536 or more */
        return sign | 0x7c00;
    if (magnitude < 0x38800000) { /* below 2^-14: denormal, in steps of 2^-24 */
        float f;
        memcpy(&f, &magnitude, sizeof f);
        return (uint16_t)(sign | (uint16_t)rintf(f * 0x1p24f));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000) >> 13);
}

static void store_half(uint8_t *p, float x)
{
    uint16_t half = tern_float_to_half(x);
    p[0] = (uint8_t)half;
    p[1] = (uint8_t)(half >> 8);
}

static void store_float(uint8_t *p, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(bits >> (8 * i));
}

/* ---- trits */

/* A byte whose fraction of 256 has these trits as its first digits in base 3: v / 243, rounded up. */
static uint8_t base3_byte(const int8_t *t, int stride, int n)
{
    unsigned v = 0;
    for (int k = 0; k < 5; k++)
        v = v * 3 + (k < n ? (unsigned)(t[k * stride] + 1) : 0);
    return (uint8_t)((v * 256 + 242) / 243);
}

static void pack_tq1_0(const int8_t *t, uint8_t *p)
{
    for (int i = 0; i < 32; i++)
        p[i] = base3_byte(t + i, 32, 5);
    for (int i = 0; i < 16; i++)
        p[32 + i] = base3_byte(t + 160 + i, 16, 5);
    for (int i = 0; i < 4; i++)
        p[48 + i] = base3_byte(t + 240 + i, 4, 4);
}

static void pack_tq2_0(const int8_t *t, uint8_t *p)
{
    memset(p, 0, 64);
    for (int i = 0; i < 256; i++)
        p[i / 128 * 32 + i % 32] |= (uint8_t)((t[i] + 1) << (2 * (i % 128 / 32)));
}

static void pack_i2s(const int8_t *t, float scale, uint64_t n, uint8_t *p)
{
    memset(p, 0, n / 4 + 32);
    for (uint64_t i = 0; i < n; i++)
        p[i / 128 * 32 + i % 32] |= (uint8_t)((t[i] + 1) << (6 - 2 * (i % 128 / 32)));
    store_float(p + n / 4, scale);
}

static bool all_zero(const int8_t *t, int n)
{
    for (int i = 0; i < n; i++)
        if (t[i])
            return false;
    return true;
}

void tern_trits_pack(enum tern_type type, const int8_t *trits, float scale, uint64_t n_rows, uint64_t n_columns, uint8_t *dst)
{
    uint64_t n = n_rows * n_columns;
    if (type == TERN_TYPE_I2_S) {
        pack_i2s(trits, scale, n, dst);
        return;
    }
    uint64_t bytes = type == TERN_TYPE_TQ1_0 ? 54 : 66;
    for (uint64_t b = 0; b < n / 256; b++) {
        (type == TERN_TYPE_TQ1_0 ? pack_tq1_0 : pack_tq2_0)(trits + b * 256, dst + b * bytes);
        store_half(dst + b * bytes + bytes - 2, all_zero(trits + b * 256, 256) ? 0.0f : scale);
    }
}

/* ---- floats */

static float absmax(const float *x, int n)
{
    float max = 0;
    for (int i = 0; i < n; i++)
        max = fmaxf(max, fabsf(x[i]));
    return max;
}

static int nearest(float x, int low, int high)
{
    float r = rintf(x);
    return r <= (float)low ? low : r >= (float)high ? high : (int)r;
}

static void pack_f32(const float *x, uint8_t *p)
{
    store_float(p, *x);
}

static void pack_f16(const float *x, uint8_t *p)
{
    store_half(p, *x);
}

static void pack_bf16(const float *x, uint8_t *p)
{
    uint32_t bits;
    memcpy(&bits, x, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1);
    p[0] = (uint8_t)(bits >> 16);
    p[1] = (uint8_t)(bits >> 24);
}

static void pack_q8_0(const float *x, uint8_t *p)
{
    float d = absmax(x, 32) / 127, inverse = d > 0 ? 1 / d : 0;
    store_half(p, d);
    for (int i = 0; i < 32; i++)
        p[2 + i] = (uint8_t)(int8_t)nearest(x[i] * inverse, -127, 127);
}

static void pack_q6_k(const float *x, uint8_t *p)
{
    float most = absmax(x, 256) / 31;
    float d = most / 127;
    memset(p, 0, 210);
    store_half(p + 208, d);
    d = tern_half_to_float((uint16_t)(p[208] | p[209] << 8));
    for (int i = 0; i < 256; i++) {
        if (i % 16 == 0)
            p[192 + i / 16] = (uint8_t)nearest(d > 0 ? absmax(x + i, 16) / 31 / d : 0, 0, 127);
        float scale = d * (float)(int8_t)p[192 + i / 16];
        unsigned q = (unsigned)(nearest(scale > 0 ? x[i] / scale : 0, -32, 31) + 32);
        int half = i / 128, k = i % 128 / 32, l = i % 32;
        p[half * 64 + k % 2 * 32 + l] |= (uint8_t)((q & 15) << (k / 2 * 4));
        p[128 + half * 32 + l] |= (uint8_t)((q >> 4) << (2 * k));
    }
}

static void q4_k_store(uint8_t *s, int j, unsigned scale, unsigned min)
{
    if (j < 4) {
        s[j] |= (uint8_t)scale;
        s[j + 4] |= (uint8_t)min;
    } else {
        s[j + 4] |= (uint8_t)((scale & 15) | (min & 15) << 4);
        s[j - 4] |= (uint8_t)(scale >> 4 << 6);
        s[j] |= (uint8_t)(min >> 4 << 6);
    }
}

static void pack_q4_k(const float *x, uint8_t *p)
{
    float low[8], range[8], most_low = 0, most_range = 0;
    memset(p, 0, 144);
    for (int j = 0; j < 8; j++) {
        float min = 0, max = x[j * 32];
        for (int i = 0; i < 32; i++) {
            min = fminf(min, x[j * 32 + i]);
            max = fmaxf(max, x[j * 32 + i]);
        }
        low[j] = -min;
        range[j] = (max - min) / 15;
        most_low = fmaxf(most_low, low[j]);
        most_range = fmaxf(most_range, range[j]);
    }
    store_half(p, most_range / 63);
    store_half(p + 2, most_low / 63);
    float d = tern_half_to_float((uint16_t)(p[0] | p[1] << 8)), dmin = tern_half_to_float((uint16_t)(p[2] | p[3] << 8));
    for (int j = 0; j < 8; j++) {
        unsigned scale = (unsigned)nearest(d > 0 ? range[j] / d : 0, 0, 63), min = (unsigned)nearest(dmin > 0 ? low[j] / dmin : 0, 0, 63);
        float ds = d * (float)scale, dm = dmin * (float)min;
        q4_k_store(p + 4, j, scale, min);
        for (int i = 0; i < 32; i++)
            p[16 + j / 2 * 32 + i] |= (uint8_t)(nearest(ds > 0 ? (x[j * 32 + i] + dm) / ds : 0, 0, 15) << (j % 2 * 4));
    }
}

static const struct {
    enum tern_type type;
    void (*block)(const float *x, uint8_t *p);
} encoders[] = {
    {TERN_TYPE_F32, pack_f32},   {TERN_TYPE_F16, pack_f16},   {TERN_TYPE_BF16, pack_bf16},
    {TERN_TYPE_Q8_0, pack_q8_0}, {TERN_TYPE_Q4_K, pack_q4_k}, {TERN_TYPE_Q6_K, pack_q6_k},
};

void tern_floats_pack(enum tern_type type, const float *x, uint64_t n, uint8_t *dst)
{
    const struct tern_type_row *row = tern_type_find(type);
    for (size_t e = 0; e < sizeof encoders / sizeof *encoders; e++)
        if (encoders[e].type == type)
            for (uint64_t b = 0; b < n / row->weights; b++)
                encoders[e].block(x + b * row->weights, dst + b * row->bytes);
}
