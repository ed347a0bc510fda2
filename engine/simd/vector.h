/* SPDX-License-Identifier: Apache-2.0
 *
 * The vector operations (core/vector.h) for any vector width: a template that a backend's file includes once, after simd/quantize.h or
 * simd/quantize_512.h and after defining
 *
 *   W               bytes of a vector: 16, 32 or 64
 *   HALVES, BYTES   optional: simd/vector_rows.h
 *
 * The compiler's own vector types do the arithmetic, element by element and never fused, so the bits are those of scalar: 16 partial sums are
 * 64 / W vectors, whose lanes are the sums' indices.
 */
#include "core/sums.h"
#include "core/vector.h"

#include <math.h>
#include <string.h>

typedef float vf __attribute__((vector_size(W), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(W), aligned(4), may_alias));
typedef uint32_t vu __attribute__((vector_size(W), aligned(4), may_alias));
typedef int8_t v8 __attribute__((vector_size(W / 4), aligned(1), may_alias));
typedef uint16_t v16 __attribute__((vector_size(W / 2), aligned(1), may_alias));

enum { VL = W / 4, PARTS = TERN_PARTIALS / VL };

#define INL static inline __attribute__((always_inline))
#define LOADF(p) (*(const vf *)(const void *)(p))
#define STOREF(p, v) (*(vf *)(void *)(p) = (v))
#if defined(__clang__)
#define UNROLL_PARTS _Pragma("unroll")
#else
#define UNROLL_PARTS _Pragma("GCC unroll 16")
#endif

INL vf splat(float v)
{
    return v - (vf){ 0 };
}

/* a where mask is all ones, else b. */
INL vf choose(vi mask, vf a, vf b)
{
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

INL vf larger(vf a, vf b)
{
    return choose((vi)(a > b), a, b);
}

INL float tree(const vf s[PARTS])
{
    float partial[TERN_PARTIALS];
    memcpy(partial, s, sizeof partial);
    return tern_sum_tree(partial);
}

/* The last n < 16 floats, zeros after them: adding +0 changes no partial sum but one of -0, whose sum of products cannot arise from 0. */
INL const float *padded(const float *x, size_t n, float room[TERN_PARTIALS])
{
    memset(room, 0, TERN_PARTIALS * sizeof *room);
    memcpy(room, x, n * sizeof *x);
    return room;
}

enum { ABREAST = 4 }; /* vectors of partial sums of squares made together */

/* The partial sums from j on. */
INL void squares(const float *x, size_t n, size_t j, vf s[ABREAST])
{
    size_t i = j;
    UNROLL_PARTS for (int k = 0; k < ABREAST; k++)
        s[k] = splat(0);
    for (; i + ABREAST * VL <= n; i += TERN_NORM_PARTIALS)
        UNROLL_PARTS for (int k = 0; k < ABREAST; k++)
            s[k] += LOADF(x + i + k * VL) * LOADF(x + i + k * VL);
    if (i < n) {
        float room[ABREAST * VL] = { 0 };
        memcpy(room, x + i, (n - i) * sizeof *x);
        UNROLL_PARTS for (int k = 0; k < ABREAST; k++)
            s[k] += LOADF(room + k * VL) * LOADF(room + k * VL);
    }
}

static float norm_factor(const float *x, size_t n, float eps)
{
    float p[TERN_NORM_PARTIALS / 2] __attribute__((aligned(64)));
    vf low[ABREAST], high[ABREAST];
    for (size_t j = 0; j < TERN_NORM_PARTIALS / 2; j += ABREAST * VL) {
        squares(x, n, j, low);
        squares(x, n, j + TERN_NORM_PARTIALS / 2, high);
        UNROLL_PARTS for (int k = 0; k < ABREAST; k++)
            STOREF(p + j + k * VL, low[k] + high[k]);
    }
    for (size_t half = TERN_NORM_PARTIALS / 4; half >= TERN_PARTIALS; half /= 2)
        for (size_t j = 0; j < half; j += VL)
            STOREF(p + j, LOADF(p + j) + LOADF(p + j + half));
    return 1.0f / sqrtf(tern_sum_tree(p) / (float)n + eps);
}

/* ---- element by element: each operation is a function of one vector; the tail goes through padded room */

INL vf norm_of(vf x, vf w, float r)
{
    return (x * splat(r)) * w;
}

INL vf gate_of(vf g, vf up, float unused)
{
    (void)unused;
    g = larger(g, splat(0));
    return (g * g) * up;
}

INL vf sum_of(vf x, vf y, float unused)
{
    (void)unused;
    return y + x;
}

typedef vf pair_fn(vf a, vf b, float parameter);

INL void each(const float *a, const float *b, size_t n, float *y, float parameter, pair_fn *f)
{
    float ra[TERN_PARTIALS], rb[TERN_PARTIALS];
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        STOREF(y + i, f(LOADF(a + i), LOADF(b + i), parameter));
    if (i < n) {
        vf last = f(LOADF(padded(a + i, n - i, ra)), LOADF(padded(b + i, n - i, rb)), parameter);
        memcpy(y + i, &last, (n - i) * sizeof *y);
    }
}

static void rms_norm(const float *x, const float *w, size_t n, float eps, float *y)
{
    each(x, w, n, y, norm_factor(x, n, eps), norm_of);
}

static void gate(const float *g, const float *up, size_t n, float *y)
{
    each(g, up, n, y, 0, gate_of);
}

static void add(const float *x, size_t n, float *y)
{
    each(x, y, n, y, 0, sum_of);
}

static void rope(float *x, const float *cosine, const float *sine, size_t d)
{
    size_t half = d / 2, i = 0;
    for (; i + VL <= half; i += VL) {
        vf a = LOADF(x + i), b = LOADF(x + i + half), c = LOADF(cosine + i), s = LOADF(sine + i);
        STOREF(x + i, a * c - b * s);
        STOREF(x + i + half, b * c + a * s);
    }
    for (; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cosine[i] - b * sine[i];
        x[i + half] = b * cosine[i] + a * sine[i];
    }
}

/* ---- fused with quantisation: values are made, used and forgotten, once for the largest and once for the integers */

#ifdef QUANTIZES_64 /* simd/quantize_512.h */
INL struct floats64 made64(const float *a, const float *b, float parameter, pair_fn *f)
{
    return (struct floats64){
        (__m512)f(LOADF(a), LOADF(b), parameter), (__m512)f(LOADF(a + 16), LOADF(b + 16), parameter),
        (__m512)f(LOADF(a + 32), LOADF(b + 32), parameter), (__m512)f(LOADF(a + 48), LOADF(b + 48), parameter),
    };
}

/* Zeros after the last values of both rows make zeros. */
INL struct floats64 made_rest(const float *a, const float *b, size_t n, float parameter, pair_fn *f)
{
    float ra[64] = { 0 }, rb[64] = { 0 };
    if (n) {
        memcpy(ra, a, n * sizeof *a);
        memcpy(rb, b, n * sizeof *b);
    }
    return made64(ra, rb, parameter, f);
}

INL float quantize_pairs(const float *a, const float *b, size_t n, float parameter, pair_fn *f, int8_t *q, size_t stride, int32_t *sum)
{
    const size_t whole = n / 64 * 64;
    const __m512 zero = _mm512_setzero_ps();
    struct floats64 rest = made_rest(a + whole, b + whole, n - whole, parameter, f);
    struct floats64 m = larger64(rest, (struct floats64){ zero, zero, zero, zero });
    for (size_t i = 0; i < whole; i += 64)
        m = larger64(made64(a + i, b + i, parameter, f), m);
    float limit = limit_from(m);
    const __m512 factor = _mm512_set1_ps(127.0f / limit);
    __m512i total = _mm512_setzero_si512();
    for (size_t i = 0; i < whole; i += 64) {
        __m512i bytes = to_int8(made64(a + i, b + i, parameter, f), factor);
        N_ADD64(total, bytes);
        _mm512_storeu_si512(q + i, bytes);
    }
    N_ADD64(total, store_rest(rest, n - whole, q + whole, stride - whole, factor));
    *sum = _mm512_reduce_add_epi32(total);
    return limit / 127.0f;
}
#else
/* 16 at a time. */
INL F made16(const float *a, const float *b, float parameter, pair_fn *f)
{
    float room[TERN_PARTIALS] __attribute__((aligned(64)));
    UNROLL_PARTS for (int j = 0; j < PARTS; j++)
        STOREF(room + j * VL, f(LOADF(a + j * VL), LOADF(b + j * VL), parameter));
    return F_LOAD(room);
}

INL float quantize_pairs(const float *a, const float *b, size_t n, float parameter, pair_fn *f, int8_t *q, size_t stride, int32_t *sum)
{
    float ra[TERN_PARTIALS], rb[TERN_PARTIALS];
    size_t whole = n / 16 * 16, i;
    F m = F_LARGER(F_ZERO, made16(padded(a + whole, n - whole, ra), padded(b + whole, n - whole, rb), parameter, f));
    for (i = 0; i < whole; i += 16)
        m = F_LARGER(m, made16(a + i, b + i, parameter, f));
    float largest = F_LARGEST(m), limit = largest > 1e-5f ? largest : 1e-5f, factor = 127.0f / limit;
    N total = N_ZERO;
    for (i = 0; i < whole; i += 16) {
        F_TO_INT8(made16(a + i, b + i, parameter, f), factor, q + i);
        N_ADD(total, q + i);
    }
    if (n > whole) {
        F_TO_INT8(made16(ra, rb, parameter, f), factor, q + whole);
        N_ADD(total, q + whole);
        whole += 16;
    }
    memset(q + whole, 0, stride - whole);
    *sum = N_TOTAL(total);
    return limit / 127.0f;
}
#endif

static float rms_norm_quantize(const float *x, const float *w, size_t n, float eps, int8_t *q, size_t stride, int32_t *sum)
{
    return quantize_pairs(x, w, n, norm_factor(x, n, eps), norm_of, q, stride, sum);
}

static float gate_quantize(const float *g, const float *up, size_t n, int8_t *q, size_t stride, int32_t *sum)
{
    return quantize_pairs(g, up, n, 0, gate_of, q, stride, sum);
}

/* ---- softmax: exp as in scalar_vector.c, the same steps on vectors */

INL vf exp_of(vf x)
{
    vf magic = splat(12582912.0f), t = x * splat(1.44269504f) + magic, n = t - magic;
    vf r = (x - n * splat(0.693359375f)) - n * splat(-2.12194440e-4f);
    vf p = r * splat(1.0f / 720) + splat(1.0f / 120);
    p = p * r + splat(1.0f / 24);
    p = p * r + splat(1.0f / 6);
    p = p * r + splat(0.5f);
    p = p * r + splat(1.0f);
    p = p * r + splat(1.0f);
    vu bits = ((vu)t << 23) + 0x3f800000u;
    return choose((vi)(x > splat(-87.0f)), p * (vf)bits, splat(0));
}

INL float largest_of(const float *x, size_t n)
{
    float m = x[0], lanes[VL];
    vf v = splat(m);
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        v = larger(LOADF(x + i), v);
    memcpy(lanes, &v, sizeof lanes);
    for (int j = 0; j < VL; j++)
        m = lanes[j] > m ? lanes[j] : m;
    for (; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

/* A panel of 64 to exp(x - largest), halved to the partial sums. */
INL void weigh_panel(float *x, float largest, vf s[PARTS])
{
    UNROLL_PARTS for (int j = 0; j < PARTS; j++) {
        vf e[4];
        UNROLL_PARTS for (int k = 0; k < 4; k++) {
            e[k] = exp_of(LOADF(x + k * TERN_PARTIALS + j * VL) - splat(largest));
            STOREF(x + k * TERN_PARTIALS + j * VL, e[k]);
        }
        s[j] += (e[0] + e[2]) + (e[1] + e[3]);
    }
}

static float softmax_weights(float *x, size_t n)
{
    vf s[PARTS];
    float largest = n ? largest_of(x, n) : 0;
    size_t i = 0;
    UNROLL_PARTS for (int j = 0; j < PARTS; j++)
        s[j] = splat(0);
    for (; i + TERN_SOFTMAX_PANEL <= n; i += TERN_SOFTMAX_PANEL)
        weigh_panel(x + i, largest, s);
    if (i < n) {
        float last[TERN_SOFTMAX_PANEL];
        for (size_t j = 0; j < TERN_SOFTMAX_PANEL; j++)
            last[j] = j < n - i ? x[i + j] : -INFINITY; /* exp is 0 there */
        weigh_panel(last, largest, s);
        memcpy(x + i, last, (n - i) * sizeof *x);
    }
    return 1.0f / tree(s);
}

static void softmax(float *x, size_t n)
{
    float share = softmax_weights(x, n);
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        STOREF(x + i, LOADF(x + i) * splat(share));
    for (; i < n; i++)
        x[i] *= share;
}

/* ---- bfloat16: the upper half of a float's bits */

/* VL floats rounded to nearest even, in the upper halves; 0 below 2^-50. */
INL vu bf16_of(vf x)
{
    vu bits = (vu)x;
    bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
    return bits & (vu)((vf)((vu)x & 0x7fffffffu) >= splat(0x1p-50f));
}

INL void store_bf16(vu bits, uint16_t *y)
{
    v16 halves = __builtin_convertvector(bits >> 16, v16);
    memcpy(y, &halves, sizeof halves);
}

static void to_bf16(const float *x, float factor, size_t n, uint16_t *y)
{
    float room[TERN_PARTIALS];
    uint16_t last[VL];
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        store_bf16(bf16_of(LOADF(x + i) * splat(factor)), y + i);
    if (i < n) {
        store_bf16(bf16_of(LOADF(padded(x + i, n - i, room)) * splat(factor)), last);
        memcpy(y + i, last, (n - i) * sizeof *y);
    }
}

/* Sixteen weights of softmax; they are added to the partial sums as they are rounded. */
INL void weigh_bf16(const float *x, float largest, vf s[PARTS], uint16_t *p)
{
    vu rounded[PARTS];
    UNROLL_PARTS for (int j = 0; j < PARTS; j++)
        rounded[j] = bf16_of(exp_of(LOADF(x + j * VL) - splat(largest)));
    UNROLL_PARTS for (int j = 0; j < PARTS; j++) {
        s[j] += (vf)rounded[j];
        store_bf16(rounded[j], p + j * VL);
    }
}

static float softmax_bf16(const float *x, size_t n, uint16_t *p, size_t end)
{
    vf s[PARTS];
    float room[TERN_PARTIALS], largest = n ? largest_of(x, n) : 0;
    uint16_t last[TERN_PARTIALS];
    size_t i = 0;
    UNROLL_PARTS for (int j = 0; j < PARTS; j++)
        s[j] = splat(0);
    for (; i + TERN_PARTIALS <= n; i += TERN_PARTIALS)
        weigh_bf16(x + i, largest, s, p + i);
    if (i < n) {
        padded(x + i, n - i, room);
        for (size_t j = n - i; j < TERN_PARTIALS; j++)
            room[j] = -INFINITY; /* exp is 0 there */
        weigh_bf16(room, largest, s, last);
        memcpy(p + i, last, (n - i) * sizeof *p);
    }
    memset(p + n, 0, (end - n) * sizeof *p);
    return 1.0f / tree(s);
}

#include "simd/vector_rows.h"

/* ---- reading memory as fast as it comes */

INL uint64_t read_bytes(const uint8_t *p, size_t bytes, size_t passes, size_t ahead)
{
    vi s[8];
    uint64_t words[8 * W / 8], all = 0;
    UNROLL_PARTS for (int j = 0; j < 8; j++)
        s[j] = (vi){ 0 };
    for (; passes; passes--)
        for (size_t i = 0; i < bytes; i += 8 * W) {
            UNROLL_PARTS for (int j = 0; j < 8 * W / 64; j++)
                if (ahead)
                    __builtin_prefetch(p + i + ahead + 64 * j);
            UNROLL_PARTS for (int j = 0; j < 8; j++)
                s[j] ^= *(const vi *)(const void *)(p + i + j * W);
        }
    memcpy(words, s, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        all ^= words[i];
    return all;
}

static uint64_t read_memory(const uint8_t *p, size_t bytes, size_t passes, size_t ahead)
{
    return ahead ? read_bytes(p, bytes, passes, ahead) : read_bytes(p, bytes, passes, 0);
}

static void overlay_vectors(struct tern_kernels *kernels)
{
    kernels->roof.read = read_memory;
    kernels->vector = (struct tern_vector_kernels){
        .multiply_add = kernels->vector.multiply_add, .multiply_pairs = kernels->vector.multiply_pairs, /* where there is no fused multiply-add */
        .rms_norm = rms_norm, .rms_norm_quantize = rms_norm_quantize, .gate = gate, .gate_quantize = gate_quantize, .add = add, .rope = rope,
        .softmax = softmax, .softmax_weights = softmax_weights, .to_bf16 = to_bf16, .softmax_bf16 = softmax_bf16, .widen = widen, .dots = dots, .mix = mix,
        .dots_int8 = dots_int8,
    };
}
