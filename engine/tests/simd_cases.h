/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel tests in the manner of dav1d's checkasm, in plain C so that they also run statically linked under an emulator: every backend that
 * runs here, every kernel, random and edge sizes, compared bit by bit with scalar; scalar itself with a plain loop over the trits.
 * Outputs lie between guard zones. The seed is printed and can be set with TERN_TEST_SEED.
 */
#include "core/attention.h"
#include "core/backend.h"
#include "core/memory.h"
#include "core/random.h"
#include "format/lines.h"
#include "format/quants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each program uses some of these. */
#pragma GCC diagnostic ignored "-Wunused-function"

enum { GUARD = 256, GUARD_BYTE = 0xa5 };

static uint64_t the_state;
static int failures;

static size_t below(size_t n)
{
    return (size_t)(tern_random_next(&the_state) % n);
}

/* A block with guard zones on both sides; the inside starts at `offset` floats from an aligned address. */
struct guarded {
    uint8_t *block, *inside;
    size_t bytes, whole;
};

static struct guarded guarded_open(size_t bytes, size_t offset)
{
    struct guarded g = { .bytes = bytes, .whole = bytes + 2 * GUARD + 64 };
    g.block = tern_block_open(g.whole);
    if (!g.block)
        abort();
    memset(g.block, GUARD_BYTE, g.whole);
    g.inside = g.block + GUARD + offset * 4;
    return g;
}

static int guards_broken(const struct guarded *g)
{
    int broken = 0;
    for (const uint8_t *p = g->block; p < g->inside; p++)
        broken |= *p != GUARD_BYTE;
    for (const uint8_t *p = g->inside + g->bytes; p < g->block + g->whole; p++)
        broken |= *p != GUARD_BYTE;
    return broken;
}

static void guarded_close(struct guarded *g)
{
    tern_block_close(g->block, g->whole);
}

static void expect(int ok, const char *backend, const char *kernel, const char *what, size_t a, size_t b, size_t c)
{
    if (!ok && ++failures <= 20)
        fprintf(stderr, "# %s %s: %s (sizes %zu %zu %zu)\n", backend, kernel, what, a, b, c);
}

/* ---- products */

struct matrices {
    size_t n, k, batch, stride, panels;
    enum tern_storage storage;
    int8_t *trits; /* panels * 64 rows of `stride` */
    int8_t *x;
    int32_t *sum;
    float *scale;
    uint8_t *w;
};

/* Extreme values one time in four: the largest sums are where accumulators overflow. Of the others half are sparse. */
static void fill_matrices(struct matrices *m)
{
    int extreme = below(4) == 0;
    size_t density = below(2) ? 100 : below(20);
    int8_t sign = below(2) ? 1 : -1;
    memset(m->trits, 0, m->panels * TERN_PANEL * m->stride);
    for (size_t r = 0; r < m->n; r++)
        for (size_t i = 0; i < m->k; i++)
            m->trits[r * m->stride + i] = extreme ? sign : below(100) < density ? (int8_t)((int)below(3) - 1) : 0;
    memset(m->x, 0, m->batch * m->stride);
    for (size_t b = 0; b < m->batch; b++) {
        m->sum[b] = 0;
        m->scale[b] = 0.001f * (float)(1 + below(1000));
        for (size_t i = 0; i < m->k; i++)
            m->sum[b] += m->x[b * m->stride + i] = extreme ? (int8_t)(below(8) ? -128 : 127) : (int8_t)((int)below(256) - 128);
    }
    size_t panel_bytes = tern_lines_count(m->storage, m->k) * TERN_STEP;
    for (size_t g = 0; g < m->panels; g++)
        tern_lines_pack(m->storage, m->trits + g * TERN_PANEL * m->stride, m->stride, m->k, m->w + g * panel_bytes);
}

static void matrices_open(struct matrices *m, size_t n, size_t k, size_t batch, enum tern_storage storage)
{
    *m = (struct matrices){ .n = n, .k = k, .batch = batch, .storage = storage };
    m->stride = (k + 20 + 63) / 64 * 64;
    m->panels = (n + TERN_PANEL - 1) / TERN_PANEL;
    m->trits = tern_block_open(m->panels * TERN_PANEL * m->stride);
    m->x = tern_block_open(batch * m->stride);
    m->sum = tern_block_open(batch * 4);
    m->scale = tern_block_open(batch * 4);
    m->w = tern_block_open(m->panels * tern_lines_count(storage, k) * TERN_STEP);
    if (!m->trits || !m->x || !m->sum || !m->scale || !m->w)
        abort();
    fill_matrices(m);
}

static void matrices_close(struct matrices *m)
{
    tern_block_close(m->trits, m->panels * TERN_PANEL * m->stride);
    tern_block_close(m->x, m->batch * m->stride);
    tern_block_close(m->sum, m->batch * 4);
    tern_block_close(m->scale, m->batch * 4);
    tern_block_close(m->w, m->panels * tern_lines_count(m->storage, m->k) * TERN_STEP);
}

static struct tern_product product_of(const struct matrices *m, int exact, void *y)
{
    return (struct tern_product){
        .w = m->w, .panel_bytes = tern_lines_count(m->storage, m->k) * TERN_STEP, .steps = tern_lines_count(m->storage, m->k), .n = m->n,
        .x = m->x, .x_stride = m->stride, .x_sum = m->sum, .batch = m->batch, .scale = exact ? NULL : m->scale, .weight_scale = 0.37f,
        .y = y,
    };
}

static int32_t plain(const struct matrices *m, size_t b, size_t n)
{
    int32_t s = 0;
    for (size_t i = 0; i < m->k; i++)
        s += m->trits[n * m->stride + i] * m->x[b * m->stride + i];
    return s;
}

/* Two calls on disjoint panels must give the whole, as two threads do. */
static void try_product(const struct tern_backend *backend, const struct matrices *m, enum tern_class class, int exact)
{
    const struct tern_product_kernel *kernel = &backend->kernels.product[m->storage][class];
    struct guarded y = guarded_open(m->batch * m->n * 4, below(4));
    struct tern_product p = product_of(m, exact, y.inside);
    size_t middle = m->panels ? below(m->panels + 1) : 0;
    int same = 1;
    if (middle)
        kernel->run(&p, 0, middle);
    if (middle < m->panels)
        kernel->run(&p, middle, m->panels);
    for (size_t b = 0; b < m->batch; b++)
        for (size_t n = 0; n < m->n; n++) {
            int32_t s = plain(m, b, n);
            float f = (float)s * (m->scale[b] * 0.37f);
            same &= !memcmp(y.inside + (b * m->n + n) * 4, exact ? (const void *)&s : (const void *)&f, 4);
        }
    expect(same, backend->name, kernel->name, "differs from a plain loop", m->n, m->k, m->batch);
    expect(!guards_broken(&y), backend->name, kernel->name, "wrote outside", m->n, m->k, m->batch);
    guarded_close(&y);
}

static void test_products(const struct tern_backend *backend)
{
    static const size_t ks[] = { 1, 3, 4, 5, 15, 16, 17, 19, 20, 21, 63, 64, 65, 127, 128, 240, 256, 300, 320, 511, 1000, 2560 };
    static const size_t batches[] = { 0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 31, 33 };
    for (enum tern_storage storage = 0; storage < TERN_STORAGES; storage++)
        for (int round = 0; round < 60; round++) {
            size_t n = round % 3 ? 1 + below(260) : below(18), k = ks[below(sizeof ks / sizeof *ks)];
            size_t batch = batches[below(sizeof batches / sizeof *batches)];
            struct matrices m;
            matrices_open(&m, n, k, batch, storage);
            for (enum tern_class class = batch == 1 ? TERN_ONE : TERN_FEW; class < TERN_CLASSES; class++)
                try_product(backend, &m, class, round & 1);
            matrices_close(&m);
        }
}

/* Long rows reach the bounds of 16-bit and 32-bit accumulators. */
static void test_long_products(const struct tern_backend *backend)
{
    static const size_t ks[] = { 14336, 32767, 65536, TERN_K_MAX };
    for (enum tern_storage storage = 0; storage < TERN_STORAGES; storage++)
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
            for (size_t batch = 1; batch < 20; batch += 9) {
                struct matrices m;
                matrices_open(&m, 3, ks[i], batch, storage);
                try_product(backend, &m, batch == 1 ? TERN_ONE : TERN_MANY, 1);
                matrices_close(&m);
            }
}

/* ---- quantisation and vectors */

static float odd_value(void)
{
    static const float odd[] = { 0, -0.0f, 1e-30f, -1e-7f, 127, -127, 3e38f, 0.5f, 1.5f, -2.5f };
    return odd[below(sizeof odd / sizeof *odd)];
}

static void fill_floats(float *x, size_t n)
{
    tern_random_floats(tern_random_next(&the_state), 4.0f, x, n);
    for (size_t i = 0; below(3) == 0 && n && i < 1 + n / 16; i++)
        x[below(n)] = odd_value();
}

static float *floats(size_t n)
{
    float *x = tern_block_open((n + 4) * sizeof *x);
    if (!x)
        abort();
    fill_floats(x, n + 4);
    return x;
}

static size_t odd_size(size_t most)
{
    static const size_t sizes[] = { 0, 1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 127, 128, 129 };
    return below(2) ? sizes[below(sizeof sizes / sizeof *sizes)] : below(most);
}

/* One of the quantising kernels, by number, so that all are compared by the same lines. */
static float run_quantizer(const struct tern_kernels *k, int which, const float *x, const float *w, size_t n, int8_t *q, size_t stride,
                           int32_t *sum)
{
    if (which == 1)
        return k->vector.rms_norm_quantize(x, w, n, 1e-5f, q, stride, sum);
    if (which == 2)
        return k->vector.gate_quantize(x, w, n, q, stride, sum);
    return k->quantize(x, n, q, stride, sum);
}

static void test_quantizers(const struct tern_backend *backend)
{
    static const char *const names[] = { "quantize", "rms_norm_quantize", "gate_quantize" };
    for (int round = 0; round < 300; round++) {
        size_t n = odd_size(3000), stride = (n + 20 + 63) / 64 * 64, shift = below(4);
        int which = round % 3;
        float *x = floats(n), *w = floats(n);
        if (which == 0 && n && below(4) == 0)
            x[shift + below(n)] = below(2) ? NAN : INFINITY;
        struct guarded a = guarded_open(stride, 0), b = guarded_open(stride, 0);
        int32_t sum_a = 1, sum_b = 2;
        float scale_a = run_quantizer(&tern_backend_scalar()->kernels, which, x + shift, w + shift, n, (int8_t *)a.inside, stride, &sum_a);
        float scale_b = run_quantizer(&backend->kernels, which, x + shift, w + shift, n, (int8_t *)b.inside, stride, &sum_b);
        expect(!memcmp(a.inside, b.inside, stride), backend->name, names[which], "values differ", n, 0, 0);
        expect(sum_a == sum_b && !memcmp(&scale_a, &scale_b, 4), backend->name, names[which], "sum or scale differs", n, 0, 0);
        expect(!guards_broken(&b), backend->name, names[which], "wrote outside", n, 0, 0);
        guarded_close(&a);
        guarded_close(&b);
        tern_block_close(x, (n + 4) * 4);
        tern_block_close(w, (n + 4) * 4);
    }
}

static void run_vector(const struct tern_kernels *k, int which, const float *x, const float *w, size_t n, float *y)
{
    const struct tern_vector_kernels *v = &k->vector;
    if (which == 0)
        v->rms_norm(x, w, n, 1e-5f, y);
    else if (which == 1)
        v->gate(x, w, n, y);
    else if (which == 2)
        v->add(x, n, y);
    else if (which == 3)
        v->rope(y, x, w, n / 2 * 2);
    else
        v->softmax(y, n);
}

static void test_vectors(const struct tern_backend *backend)
{
    static const char *const names[] = { "rms_norm", "gate", "add", "rope", "softmax" };
    for (int round = 0; round < 300; round++) {
        size_t n = odd_size(3000), shift = below(4);
        int which = round % 5;
        float *x = floats(n), *w = floats(n);
        struct guarded a = guarded_open(n * 4, shift), b = guarded_open(n * 4, shift);
        fill_floats((float *)(void *)a.inside, n);
        memcpy(b.inside, a.inside, n * 4);
        run_vector(&tern_backend_scalar()->kernels, which, x + shift, w + shift, n, (float *)(void *)a.inside);
        run_vector(&backend->kernels, which, x + shift, w + shift, n, (float *)(void *)b.inside);
        expect(!memcmp(a.inside, b.inside, n * 4), backend->name, names[which], "differs from scalar", n, shift, 0);
        expect(!guards_broken(&b), backend->name, names[which], "wrote outside", n, shift, 0);
        guarded_close(&a);
        guarded_close(&b);
        tern_block_close(x, (n + 4) * 4);
        tern_block_close(w, (n + 4) * 4);
    }
}

static void test_tables(const struct tern_backend *backend)
{
    static const size_t widths[TERN_ELEMENTS] = { 4, 2, 1 };
    for (int round = 0; round < 200; round++) {
        size_t d = odd_size(300), n = below(12);
        struct tern_rows rows = { .type = (enum tern_element)(round % 3), .stride = d * widths[round % 3] + 4 * below(3), .scale_stride = 1 + below(2) };
        uint8_t *data = tern_block_open(n * rows.stride + 64);
        float *scale = floats(2 * n), *x = floats(d), *p = floats(n);
        int8_t *q = tern_block_open(d + 64);
        for (size_t i = 0; i < n * rows.stride; i++)
            data[i] = (uint8_t)below(256);
        for (size_t t = 0; t < n; t++)
            for (size_t i = 0; i < d; i++) {
                uint16_t half = tern_float_to_half((float)((int)below(2001) - 1000) * (below(5) ? 0.01f : 1e-8f));
                float f = (float)((int)below(2001) - 1000) * 0.01f;
                memcpy(data + t * rows.stride + i * widths[rows.type], rows.type == TERN_F16 ? (void *)&half : (void *)&f,
                       rows.type == TERN_I8 ? 0 : widths[rows.type]);
            }
        tern_random_int8(tern_random_next(&the_state), q, d);
        rows.data = data;
        rows.scale = scale;
        struct guarded a = guarded_open(n * 4, 1), b = guarded_open(n * 4, 1), c = guarded_open(d * 4, 2), e = guarded_open(d * 4, 2);
        tern_backend_scalar()->kernels.vector.dots(x, d, &rows, n, (float *)(void *)a.inside);
        backend->kernels.vector.dots(x, d, &rows, n, (float *)(void *)b.inside);
        expect(!memcmp(a.inside, b.inside, n * 4) && !guards_broken(&b), backend->name, "dots", "differs from scalar", d, n, rows.type);
        if (rows.type == TERN_I8) {
            tern_backend_scalar()->kernels.vector.dots_int8(q, 0.3f, d, &rows, n, (float *)(void *)a.inside);
            backend->kernels.vector.dots_int8(q, 0.3f, d, &rows, n, (float *)(void *)b.inside);
            expect(!memcmp(a.inside, b.inside, n * 4) && !guards_broken(&b), backend->name, "dots_int8", "differs from scalar", d, n, 0);
        }
        fill_floats((float *)(void *)c.inside, d);
        memcpy(e.inside, c.inside, d * 4);
        tern_backend_scalar()->kernels.vector.mix(p, &rows, n, d, (float *)(void *)c.inside);
        backend->kernels.vector.mix(p, &rows, n, d, (float *)(void *)e.inside);
        expect(!memcmp(c.inside, e.inside, d * 4) && !guards_broken(&e), backend->name, "mix", "differs from scalar", d, n, rows.type);
        for (size_t t = 0; t < n; t++) {
            tern_backend_scalar()->kernels.vector.widen(&rows, t, d, (float *)(void *)c.inside);
            backend->kernels.vector.widen(&rows, t, d, (float *)(void *)e.inside);
            expect(!memcmp(c.inside, e.inside, d * 4) && !guards_broken(&e), backend->name, "widen", "differs from scalar", d, t, rows.type);
        }
        guarded_close(&a), guarded_close(&b), guarded_close(&c), guarded_close(&e);
        tern_block_close(data, n * rows.stride + 64), tern_block_close(q, d + 64);
        tern_block_close(scale, (2 * n + 4) * 4), tern_block_close(x, (d + 4) * 4), tern_block_close(p, (n + 4) * 4);
    }
}

static void test_multiply_add(const struct tern_backend *backend)
{
    for (int round = 0; round < 120; round++) {
        size_t rows = below(10), n = below(70), columns = odd_size(150), a_stride = n + below(3), b_stride = columns + below(9), y_stride = columns + below(5);
        float *a = floats(rows * a_stride + 1), *b = floats(n * b_stride + 1);
        struct guarded y = guarded_open((rows * y_stride + 1) * 4, 1), right = guarded_open((rows * y_stride + 1) * 4, 1);
        struct tern_multiply_add m = { rows, n, columns, a, a_stride, b, b_stride, (float *)(void *)right.inside, y_stride };
        fill_floats(m.y, rows * y_stride + 1);
        memcpy(y.inside, right.inside, (rows * y_stride + 1) * 4);
        tern_backend_scalar()->kernels.vector.multiply_add(&m);
        m.y = (float *)(void *)y.inside;
        backend->kernels.vector.multiply_add(&m);
        expect(!memcmp(y.inside, right.inside, (rows * y_stride + 1) * 4) && !guards_broken(&y), backend->name, "multiply_add", "differs from scalar",
               rows, n, columns);
        guarded_close(&y), guarded_close(&right);
        tern_block_close(a, (rows * a_stride + 5) * 4), tern_block_close(b, (n * b_stride + 5) * 4);
    }
}

/* bfloat16 of every size that is allowed, zero among them. */
static uint16_t *random_bf16(size_t n)
{
    uint16_t *p = tern_block_open(n * sizeof *p + 64);
    if (!p)
        abort();
    for (size_t i = 0; i < n; i++) {
        float x = ldexpf((float)((int)below(511) - 255), below(4) ? -8 : (int)below(90) - 49);
        tern_backend_scalar()->kernels.vector.to_bf16(&x, 1, 1, &p[i]);
    }
    return p;
}

static void test_multiply_pairs(const struct tern_backend *backend)
{
    for (int round = 0; round < 120; round++) {
        size_t rows = below(70), n = 32 * (1 + below(5)), columns = 32 * (1 + below(4)), y_stride = columns + below(5), k_blocks = n / 32;
        bool is_k_next = below(2); /* blocks of the next k lie next to each other, or those of the next columns */
        uint16_t *b = random_bf16(n * columns);
        size_t a_stride = n + 2 * below(9), y_floats = rows * y_stride + 1;
        uint16_t *a = random_bf16(rows * a_stride + 1);
        struct guarded y = guarded_open(y_floats * 4, 1), right = guarded_open(y_floats * 4, 1);
        struct tern_multiply_pairs m = { rows, n, columns, a, a_stride, b, TERN_PAIRS_ELEMENTS * (is_k_next ? 1 : columns / 32),
                                         TERN_PAIRS_ELEMENTS * (is_k_next ? k_blocks : 1), (float *)(void *)right.inside, y_stride };
        fill_floats(m.y, y_floats);
        memcpy(y.inside, right.inside, y_floats * 4);
        tern_backend_scalar()->kernels.vector.multiply_pairs(&m);
        m.y = (float *)(void *)y.inside;
        backend->kernels.vector.multiply_pairs(&m);
        expect(!memcmp(y.inside, right.inside, y_floats * 4) && !guards_broken(&y), backend->name, "multiply_pairs", "differs from scalar", rows, n, columns);
        guarded_close(&y), guarded_close(&right);
        tern_block_close(a, (rows * a_stride + 1) * 2 + 64), tern_block_close(b, n * columns * 2 + 64);
    }
}

static void test_bf16(const struct tern_backend *backend)
{
    for (int round = 0; round < 200; round++) {
        size_t n = 1 + odd_size(700), end = n + below(70);
        float *x = floats(n), factor = below(2) ? 1 : 0.0883883461f;
        struct guarded a = guarded_open(end * 4, below(4)), b = guarded_open(end * 4, below(4));
        for (size_t i = 0; i < n && below(2); i++)
            x[i] = ldexpf(x[i], -(int)below(60));
        tern_backend_scalar()->kernels.vector.to_bf16(x, factor, n, (uint16_t *)(void *)a.inside);
        backend->kernels.vector.to_bf16(x, factor, n, (uint16_t *)(void *)b.inside);
        expect(!memcmp(a.inside, b.inside, n * 2) && !guards_broken(&b), backend->name, "to_bf16", "differs from scalar", n, 0, 0);
        memcpy(b.inside, x, n * 4); /* in place */
        float right = tern_backend_scalar()->kernels.vector.softmax_bf16(x, n, (uint16_t *)(void *)a.inside, end);
        float got = backend->kernels.vector.softmax_bf16((const float *)(void *)b.inside, n, (uint16_t *)(void *)b.inside, end);
        expect(!memcmp(a.inside, b.inside, end * 2) && !memcmp(&right, &got, 4) && !guards_broken(&b), backend->name, "softmax_bf16",
               "differs from scalar", n, end, 0);
        guarded_close(&a), guarded_close(&b);
        tern_block_close(x, (n + 4) * 4);
    }
}

/* Rounding to bfloat16 by arithmetic of its own: half a unit of the eighth bit at most, ties to even, nothing below 2^-50. */
static void test_bf16_is_right(void)
{
    static const struct { float x; uint16_t half; } rows[] = {
        { 0, 0 }, { 1, 0x3f80 }, { -2.5f, 0xc020 }, { 0x1.01p0f, 0x3f80 }, { 0x1.03p0f, 0x3f82 }, { 0x1.010002p0f, 0x3f81 }, { 0x1.ffp3f, 0x4180 },
        { 0x1p-50f, 0x2680 }, { -0x1.fffffep-51f, 0 }, { 0x1p-140f, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint16_t half;
        tern_backend_scalar()->kernels.vector.to_bf16(&rows[i].x, 1, 1, &half);
        expect(half == rows[i].half, "scalar", "to_bf16", "rounds wrongly", i, half, rows[i].half);
    }
}

/* The definition of exp against the C library's, over the range that softmax uses. */
static void test_softmax_is_right(void)
{
    for (float x = 0; x > -86; x -= 0.0137f) {
        float pair[2] = { 0, x };
        tern_backend_scalar()->kernels.vector.softmax(pair, 2);
        double expected = exp((double)x) / (1 + exp((double)x));
        expect(fabs(pair[1] - expected) <= 4e-7 * expected, "scalar", "softmax", "is not exp within 4e-7", 0, 0, 0);
    }
}

/* Every value of a byte: the five digits that kernels take out are those that packing put in. */
static void test_digits(enum tern_storage storage)
{
    int8_t rows[TERN_PANEL * 64], back[20];
    uint8_t panel[TERN_STEP];
    for (int v = 0; v < 243; v++) {
        int rest = v;
        memset(rows, 0, sizeof rows);
        for (int f = 4; f >= 0; f--, rest /= 3)
            rows[4 * f] = (int8_t)(rest % 3 - 1);
        tern_lines_pack(storage, rows, 64, 20, panel);
        tern_lines_unpack(storage, panel, 0, 20, back);
        expect(!memcmp(rows, back, 20), "format", storage == TERN_STORAGE_BASE3 ? "base3" : "table3", "a byte does not come back", (size_t)v, 0, 0);
    }
}

static uint64_t start_seed(void)
{
    const char *text = getenv("TERN_TEST_SEED");
    the_state = text ? strtoull(text, NULL, 0) : 20261123;
    printf("# TERN_TEST_SEED=%llu\n", (unsigned long long)the_state);
    return the_state;
}

/* Runs `test` on every backend that this machine can run; the number of failures. */
static int on_every_backend(void (*test)(const struct tern_backend *))
{
    const char *const *names;
    size_t n;
    failures = 0;
    if (tern_backends(&names, &n, NULL))
        return 1;
    for (size_t i = 0; i < n; i++) {
        const struct tern_backend *backend = NULL;
        if (tern_backend_find(names[i], &backend, NULL))
            failures++;
        else
            test(backend);
    }
    return failures;
}
