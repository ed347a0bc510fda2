/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of tables and caches, of any type of element, for any vector width: widen, dots, mix and dots_int8 of core/vector.h. A part of
 * simd/vector.h, which includes it once after its vectors and these definitions of the backend's:
 *
 *   HALVES(p)   W / 4 IEEE halves at p, as floats, exactly (where there is no instruction: bit arithmetic)
 *   BYTES(p)    W / 4 int8 at p as int32 (where it is not defined: compilers take it apart)
 */
#ifndef HALVES
/* As tern_half_to_float: the exponent is moved by a product, which is exact for subnormals too; the largest exponent is set by hand. */
INL vf halves(const void *p)
{
    vu h = __builtin_convertvector(*(const v16 *)p, vu), sign = (h & 0x8000u) << 16, rest = h & 0x7fffu;
    vf value = (vf)(rest << 13) * splat(0x1p112f);
    vu special = (vu)(rest >= 0x7c00u);
    vu bits = (~special & (vu)value) | (special & (0x7f800000u | (rest & 0x3ffu) << 13));
    return (vf)(sign | bits);
}
#define HALVES(p) halves(p)
#endif

#ifndef BYTES
#define BYTES(p) __builtin_convertvector(*(const v8 *)(const void *)(p), vi)
#endif

/* VL elements of a row from element i, widened. */
INL vf widened(const char *row, enum tern_element type, size_t i)
{
    if (type == TERN_F32)
        return LOADF(row + 4 * i);
    if (type == TERN_F16)
        return (vf)HALVES(row + 2 * i);
    return __builtin_convertvector((vi)BYTES(row + i), vf);
}

INL size_t width_of(enum tern_element type)
{
    return type == TERN_F32 ? 4 : type == TERN_F16 ? 2 : 1;
}

/* The same as what they stand for: scaled where the type is int8. */
INL vf value_of(const char *row, float scale, enum tern_element type, size_t i)
{
    vf v = widened(row, type, i);
    if (type == TERN_I8)
        v *= splat(scale);
    return v;
}

INL void widen_type(const char *row, float scale, size_t d, enum tern_element type, float *y)
{
    size_t i = 0;
    float room[VL];
    char raw[64] = { 0 };
    for (; i + VL <= d; i += VL)
        STOREF(y + i, value_of(row, scale, type, i));
    memcpy(raw, row + i * width_of(type), (d - i) * width_of(type));
    STOREF(room, value_of(raw, scale, type, 0));
    memcpy(y + i, room, (d - i) * sizeof *y);
}

static void widen(const struct tern_rows *rows, size_t row, size_t d, float *y)
{
    const char *at = (const char *)rows->data + row * rows->stride;
    if (rows->type == TERN_F32)
        widen_type(at, 1, d, TERN_F32, y);
    else if (rows->type == TERN_F16)
        widen_type(at, 1, d, TERN_F16, y);
    else
        widen_type(at, rows->scale[row * rows->scale_stride], d, TERN_I8, y);
}

/* Sums of R rows at once: their chains of additions run side by side. */
INL void dots_of(const float *x, size_t d, const struct tern_rows *rows, size_t t, const int R, enum tern_element type, float *y)
{
    vf s[4][PARTS];
    const char *row[4];
    char room[4][64];
    float rx[TERN_PARTIALS];
    size_t whole = d / TERN_PARTIALS * TERN_PARTIALS;
    padded(x + whole, d - whole, rx);
    UNROLL_PARTS for (int r = 0; r < R; r++) {
        row[r] = (const char *)rows->data + (t + (size_t)r) * rows->stride;
        memset(room[r], 0, sizeof room[r]);
        memcpy(room[r], row[r] + whole * width_of(type), (d - whole) * width_of(type));
        UNROLL_PARTS for (int j = 0; j < PARTS; j++)
            s[r][j] = splat(0);
    }
    for (size_t i = 0; i < whole; i += TERN_PARTIALS)
        UNROLL_PARTS for (int j = 0; j < PARTS; j++) {
            vf v = LOADF(x + i + j * VL);
            UNROLL_PARTS for (int r = 0; r < R; r++)
                s[r][j] += v * widened(row[r], type, i + (size_t)(j * VL));
        }
    UNROLL_PARTS for (int r = 0; r < R; r++) {
        UNROLL_PARTS for (int j = 0; j < PARTS; j++)
            s[r][j] += LOADF(rx + j * VL) * widened(room[r], type, (size_t)(j * VL));
        y[t + (size_t)r] = tree(s[r]);
        if (type == TERN_I8)
            y[t + (size_t)r] *= rows->scale[(t + (size_t)r) * rows->scale_stride];
    }
}

INL void dots_type(const float *x, size_t d, const struct tern_rows *rows, size_t n, enum tern_element type, float *y)
{
    size_t t = 0;
    for (; t + 4 <= n; t += 4)
        dots_of(x, d, rows, t, 4, type, y);
    for (; t < n; t++)
        dots_of(x, d, rows, t, 1, type, y);
}

static void dots(const float *x, size_t d, const struct tern_rows *rows, size_t n, float *y)
{
    if (rows->type == TERN_F32)
        dots_type(x, d, rows, n, TERN_F32, y);
    else if (rows->type == TERN_F16)
        dots_type(x, d, rows, n, TERN_F16, y);
    else
        dots_type(x, d, rows, n, TERN_I8, y);
}

/* B vectors of outputs stay in registers over all rows. */
INL void mix_block(const float *p, const struct tern_rows *rows, size_t n, size_t i, const int B, enum tern_element type, float *y)
{
    vf s[8];
    UNROLL_PARTS for (int j = 0; j < B; j++)
        s[j] = LOADF(y + i + (size_t)(j * VL));
    for (size_t t = 0; t < n; t++) {
        const char *row = (const char *)rows->data + t * rows->stride;
        float factor = type == TERN_I8 ? p[t] * rows->scale[t * rows->scale_stride] : p[t];
        UNROLL_PARTS for (int j = 0; j < B; j++)
            s[j] += splat(factor) * widened(row, type, i + (size_t)(j * VL));
    }
    UNROLL_PARTS for (int j = 0; j < B; j++)
        STOREF(y + i + (size_t)(j * VL), s[j]);
}

INL void mix_tail(const float *p, const struct tern_rows *rows, size_t n, size_t i, size_t d, enum tern_element type, float *y)
{
    for (size_t t = 0; t < n; t++) {
        const char *row = (const char *)rows->data + t * rows->stride;
        float factor = type == TERN_I8 ? p[t] * rows->scale[t * rows->scale_stride] : p[t], room[TERN_PARTIALS] = { 0 };
        char raw[64] = { 0 };
        memcpy(raw, row + i * width_of(type), (d - i) * width_of(type));
        STOREF(room, widened(raw, type, 0));
        for (size_t j = i; j < d; j++)
            y[j] += factor * room[j - i];
    }
}

INL void mix_type(const float *p, const struct tern_rows *rows, size_t n, size_t d, enum tern_element type, float *y)
{
    size_t i = 0;
    for (; i + 8 * VL <= d; i += 8 * VL)
        mix_block(p, rows, n, i, 8, type, y);
    for (; i + VL <= d; i += VL)
        mix_block(p, rows, n, i, 1, type, y);
    if (i < d)
        mix_tail(p, rows, n, i, d, type, y);
}

static void mix(const float *p, const struct tern_rows *rows, size_t n, size_t d, float *y)
{
    if (rows->type == TERN_F32)
        mix_type(p, rows, n, d, TERN_F32, y);
    else if (rows->type == TERN_F16)
        mix_type(p, rows, n, d, TERN_F16, y);
    else
        mix_type(p, rows, n, d, TERN_I8, y);
}

/* Bytes widen to int32 before they are multiplied; sums of integers are exact in any order. */
static void dots_int8(const int8_t *q, float scale_x, size_t d, const struct tern_rows *rows, size_t n, float *y)
{
    for (size_t t = 0; t < n; t++) {
        const int8_t *row = (const int8_t *)rows->data + t * rows->stride;
        vi s = { 0 };
        int32_t lanes[VL], sum = 0;
        size_t i = 0;
        for (; i + VL <= d; i += VL)
            s += (vi)BYTES(q + i) * (vi)BYTES(row + i);
        memcpy(lanes, &s, sizeof lanes);
        for (int j = 0; j < VL; j++)
            sum += lanes[j];
        for (; i < d; i++)
            sum += q[i] * row[i];
        y[t] = (scale_x * rows->scale[t * rows->scale_stride]) * (float)sum;
    }
}
