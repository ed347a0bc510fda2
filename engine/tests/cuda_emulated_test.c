/* SPDX-License-Identifier: Apache-2.0
 * The kernels of the card run on an emulated one and compared with the engine's scalar kernels, bit by bit: few-row products, norms alone
 * and within products, attention, logits. The warpgroup kernels need a real card (cuda_card_test.c). */
#include "core/attention.h"
#include "core/backend.h"
#include "core/random.h"
#include "core/vector.h"
#include "cuda/choice.h"
#include "cuda/kernels/arguments.h"
#include "cuda/kernels/decode.h"
#include "cuda/kernels/layout.h"
#include "cuda/pack.h"
#include "cuda/step.h"
#include "format/quants.h"
#include "tests/cuda_emulated_launch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cuda_info card = {.name = "emulated", .major = 9, .multiprocessors = 3, .shared_bytes = 232448};

static const struct tern_kernels *scalar(void)
{
    return &tern_backend_scalar()->kernels;
}

static void *room(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(p);
    memset(p, 0x5a, (bytes + 127) / 64 * 64);
    return p;
}

static float *floats(uint64_t seed, size_t n)
{
    float *x = room(n * sizeof *x);
    tern_random_floats(tern_random_start(7, 1, seed), 3, x, n);
    return x;
}

static void same_floats(const char *what, const float *found, const float *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&found[i], &expected[i], sizeof *found))
            fail_msg("%s: number %zu of %zu is %.9g, expected %.9g", what, i, n, (double)found[i], (double)expected[i]);
}

static void run(const char *name, unsigned x, unsigned y, unsigned threads, const void *arguments)
{
    const unsigned grid[2] = {x, y};
    if (!emulated_launch(name, grid, threads, 0, arguments))
        fail_msg("no kernel %s", name);
}

/* ---- products */

struct product {
    size_t n, k, batch, quads, ldx;
    int8_t *trits, *x;
    uint8_t *w;
    float *sx, *expected;
    struct stream_args arguments;
};

/* Random weights and int8 rows, and what the product is. */
static struct product make_product(size_t n, size_t k, size_t batch)
{
    struct product p = {.n = n, .k = k, .batch = batch, .quads = cuda_pack_quads(k), .ldx = cuda_pack_quads(k) * CUDA_QUAD};
    p.trits = room(n * k);
    p.x = room(batch * p.ldx);
    p.w = room(cuda_pack_bytes(n, k));
    p.sx = floats(3, batch);
    p.expected = room(n * batch * sizeof(float));
    memset(p.w, 0, cuda_pack_bytes(n, k));
    memset(p.x, 0, batch * p.ldx);
    for (size_t b = 0; b < batch; b++)
        tern_random_int8(tern_random_start(7, 2, b), p.x + b * p.ldx, k);
    for (size_t row = 0; row < n; row++) {
        tern_random_trits(tern_random_start(7, 3, row), 0.667, p.trits + row * k, k);
        cuda_pack_row(p.w, p.quads, row, p.trits + row * k, k);
    }
    for (size_t b = 0; b < batch; b++)
        for (size_t row = 0; row < n; row++) {
            int32_t sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += p.trits[row * k + i] * p.x[b * p.ldx + i];
            p.expected[b * n + row] = (float)sum * (0.37f * p.sx[b]);
        }
    p.arguments = (struct stream_args){p.w, p.x, p.sx, room(n * batch * sizeof(float)), 0.37f, (int)n, (int)cuda_pack_tiles(n), (int)p.quads, (int)p.ldx, (int)batch, 0, 0};
    return p;
}

static void free_product(struct product *p)
{
    free(p->trits), free(p->x), free(p->w), free(p->sx), free(p->expected), free(p->arguments.y);
}

static void use_choice(struct product *p, const struct cuda_choice *choice)
{
    p->arguments.units = choice->units;
    p->arguments.stages = choice->stages;
    p->arguments.tiles = (int)(choice->row->family == CUDA_STREAM ? (p->n + CUDA_TILE_ROWS - 1) / CUDA_TILE_ROWS : cuda_pack_tiles(p->n));
}

static void products_of_few_rows(void **state)
{
    static const char *const names[] = {"stream_8x1", "stream_16x1", "stream_16x8", "stream_16x16", "portable_4x2x8", "portable_8x2x32"};
    static const size_t shapes[][3] = {{1, 1, 1}, {33, 31, 1}, {129, 257, 1}, {31, 640, 7}, {200, 129, 8}, {65, 300, 13}, {17, 1000, 1}};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct product p = make_product(shapes[s][0], shapes[s][1], shapes[s][2]);
        struct cuda_shape shape = {p.n, cuda_pack_tiles(p.n), p.quads, p.batch};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            struct cuda_choice choices[CUDA_CHOICES];
            size_t n = cuda_choices(&card, &shape, names[i], choices, CUDA_CHOICES);
            for (size_t c = 0; c < n; c++) {
                char name[64];
                snprintf(name, sizeof name, "matmul_t2_i8_%s", names[i]);
                use_choice(&p, &choices[c]);
                memset(p.arguments.y, 0xff, p.n * p.batch * sizeof(float));
                run(name, choices[c].grid.x, choices[c].grid.y, choices[c].grid.threads, &p.arguments);
                same_floats(name, p.arguments.y, p.expected, p.n * p.batch);
            }
        }
        free_product(&p);
    }
}

/* ---- norms */

/* Inputs of each kind, and what is normalised. */
static struct norm_args make_norm(int kind, size_t n, float **input, float **kept)
{
    static int8_t rows[2048];
    static const float scales[2] = {0.5f, 0.013f};
    struct norm_args a = {.x = floats(4, n), .added = floats(5, n), .w = floats(6, n), .kept = room(n * 4), .rows = rows, .scales = scales, .eps = 1e-5f, .kind = kind,
                          .n = (int)n, .ldq = (int)(cuda_pack_quads(n) * CUDA_QUAD), .token = 1};
    float *in = *input = room(n * 4);
    *kept = NULL;
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = (int8_t)(i * 37);
    for (size_t i = 0; i < n; i++)
        in[i] = kind == NORM_EMBEDDING ? scales[1] * (float)rows[n + i] : kind == NORM_RESIDUAL ? a.x[i] + a.added[i] : a.x[i];
    if (kind == NORM_GATE)
        scalar()->vector.gate(a.x, a.added, n, in);
    if (kind == NORM_EMBEDDING || kind == NORM_RESIDUAL)
        *kept = in;
    return a;
}

static void free_norm(struct norm_args *a, float *input)
{
    free((void *)(uintptr_t)a->x), free((void *)(uintptr_t)a->added), free((void *)(uintptr_t)a->w), free(a->kept), free(input);
}

static void norms(void **state)
{
    static const size_t sizes[] = {16, 31, 257, 704};
    (void)state;
    for (int kind = NORM_EMBEDDING; kind <= NORM_GATE; kind++)
        for (size_t s = 0; s < 4; s++) {
            size_t n = sizes[s], stride = cuda_pack_quads(n) * CUDA_QUAD;
            float *input, *kept, scale = 0;
            struct norm_args a = make_norm(kind, n, &input, &kept);
            int8_t *q = room(stride), *expected = room(stride);
            int32_t sum;
            a.q = q;
            a.scale = &scale;
            run("norm_f32_i8", 1, 1, 512, &a);
            float right = scalar()->vector.rms_norm_quantize(input, a.w, n, a.eps, expected, stride, &sum);
            same_floats("scale", &scale, &right, 1);
            assert_memory_equal(q, expected, stride);
            if (kept)
                same_floats("residual", a.kept, kept, n);
            free(q), free(expected);
            free_norm(&a, input);
        }
}

static void norms_within_products(void **state)
{
    static const struct {
        const char *name;
        unsigned threads;
    } kernels[] = {{"8x1", 256}, {"16x1", 512}};
    (void)state;
    for (int kind = NORM_EMBEDDING; kind <= NORM_GATE; kind++)
        for (size_t i = 0; i < 2; i++) {
            struct product p = make_product(150, 300, 1);
            struct cuda_shape shape = {p.n, cuda_pack_tiles(p.n), p.quads, 1};
            struct cuda_choice choices[CUDA_CHOICES];
            char name[64], row[64];
            float *input, *kept;
            struct norm_args norm = make_norm(kind, p.k, &input, &kept);
            int32_t sum;
            int8_t *q = room(p.ldx);
            snprintf(row, sizeof row, "stream_%s", kernels[i].name);
            snprintf(name, sizeof name, "norm_t2_stream_%s", kernels[i].name);
            float scale = scalar()->vector.rms_norm_quantize(input, norm.w, p.k, norm.eps, q, p.ldx, &sum);
            for (size_t n = 0; n < p.n; n++) {
                int32_t s = 0;
                for (size_t k = 0; k < p.k; k++)
                    s += p.trits[n * p.k + k] * q[k];
                p.expected[n] = (float)s * (scale * 0.37f);
            }
            size_t n = cuda_choices(&card, &shape, row, choices, CUDA_CHOICES);
            assert_true(n > 0);
            for (size_t c = 0; c < n; c++) {
                use_choice(&p, &choices[c]);
                struct norm_stream_args both = {p.arguments, norm, (int)choices[c].grid.shared_bytes};
                memset(p.arguments.y, 0xff, p.n * sizeof(float));
                run(name, choices[c].grid.x, 1, kernels[i].threads, &both);
                same_floats(name, p.arguments.y, p.expected, p.n);
                if (kept)
                    same_floats("residual", norm.kept, kept, p.k);
            }
            free(q);
            free_norm(&norm, input);
            free_product(&p);
        }
}

/* ---- attention */

static void attend_case(size_t d, size_t heads, size_t groups, size_t context)
{
    size_t at = context - 1, cache = groups * context * d, wide = (heads + 2 * groups) * d;
    float *qkv = floats(8, wide), *angles = floats(9, d), *found = room(heads * d * 4), *expected = room(heads * d * 4), *values = floats(10, 2 * cache), *scores = room(context * 4);
    uint16_t *keys_in = room(cache * 2), *values_in = room(cache * 2), *keys = room(cache * 2);
    for (size_t i = 0; i < cache; i++) {
        keys[i] = tern_float_to_half(values[i]);
        keys_in[i / d * d + i % d % 16 * (d / 16) + i % d / 16] = keys[i];
        values_in[i] = tern_float_to_half(values[cache + i]);
    }
    struct attend_args a = {.qkv = qkv, .keys = keys_in, .values = values_in, .cosine = angles, .sine = angles + d / 2, .out = found, .heads = (int)heads, .groups = (int)groups,
                            .context = (int)context, .at = (int)at};
    run(d == 64 ? "attend_f16_64" : "attend_f16_128", (unsigned)heads, 1, ATTEND_THREADS, &a);

    struct tern_rows k_rows[8], v_rows[8];
    for (size_t h = 0; h < heads + groups; h++)
        scalar()->vector.rope(qkv + h * d, angles, angles + d / 2, d);
    for (size_t g = 0; g < groups; g++) {
        for (size_t i = 0; i < d; i++) {
            keys[(g * context + at) * d + i] = tern_float_to_half(qkv[(heads + g) * d + i]);
            assert_int_equal(values_in[(g * context + at) * d + i], tern_float_to_half(qkv[(heads + groups + g) * d + i])); /* the kernel appended it */
            assert_int_equal(keys_in[(g * context + at) * d + i % 16 * (d / 16) + i / 16], keys[(g * context + at) * d + i]);
        }
        k_rows[g] = (struct tern_rows){.type = TERN_F16, .data = keys + g * context * d, .stride = d * 2};
        v_rows[g] = (struct tern_rows){.type = TERN_F16, .data = values_in + g * context * d, .stride = d * 2};
    }
    struct tern_attention right = {.tokens = 1, .before = at, .heads = heads, .groups = groups, .d = d, .q = qkv, .k = k_rows, .v = v_rows, .out = expected, .scores = scores, .score_stride = context};
    tern_attention_part(scalar(), &right, 0, 1);
    same_floats("attention", found, expected, heads * d);
    free(qkv), free(angles), free(found), free(expected), free(values), free(scores), free(keys_in), free(values_in), free(keys);
}

static void attention(void **state)
{
    static const size_t contexts[] = {2, 31, 33, 257, 300, 601};
    (void)state;
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        attend_case(64, 2, 1, contexts[i]);
        attend_case(128, 4, 2, contexts[i]);
    }
}

static void logits(void **state)
{
    enum { WIDTH = 256, VOCABULARY = 203 };
    int8_t *rows = room(VOCABULARY * WIDTH), *q = room(WIDTH);
    float *scales = floats(11, VOCABULARY), *found = room(VOCABULARY * 4), *expected = room(VOCABULARY * 4), scale = 0.021f;
    (void)state;
    tern_random_int8(tern_random_start(7, 4, 0), rows, VOCABULARY * WIDTH);
    tern_random_int8(tern_random_start(7, 5, 0), q, WIDTH);
    struct logits_args a = {rows, q, scales, &scale, found, WIDTH, VOCABULARY};
    run("logits_i8", 3, 1, 256, &a);
    struct tern_rows right = {.type = TERN_I8, .data = rows, .stride = WIDTH, .scale = scales, .scale_stride = 1};
    scalar()->vector.dots_int8(q, scale, WIDTH, &right, VOCABULARY, expected);
    same_floats("logits", found, expected, VOCABULARY);
    free(rows), free(q), free(scales), free(found), free(expected);
}

/* ---- a whole step */

enum { LAYERS = 2, WIDTH = 128, HEADS = 2, GROUPS = 1, HEAD = 64, FFN = 192, VOCABULARY = 301, TOKEN = 5 };

/* A model, the step's operands, and the same on the CPU. */
struct whole {
    struct step_args a;
    struct cuda_step_layer operands;
    size_t context, stride;
    int8_t *trits[4], *q; /* [layer][n][k] */
    uint8_t *packed[4];
    uint16_t *keys, *values; /* as the card has them */
    float *x, *wide, *mixed, *added, *tall, *scores, *expected;
};
static const size_t ns[4] = {(HEADS + 2 * GROUPS) * HEAD, WIDTH, 2 * FFN, WIDTH}, ks[4] = {WIDTH, WIDTH, WIDTH, FFN};

static void make_matrix(struct whole *w, size_t m)
{
    size_t n = ns[m], k = ks[m], bytes = cuda_pack_bytes(n, k);
    int8_t codes[FFN];
    w->trits[m] = room(LAYERS * n * k);
    w->packed[m] = room(LAYERS * bytes);
    memset(w->packed[m], 0, LAYERS * bytes);
    for (size_t row = 0; row < LAYERS * n; row++) {
        int8_t *trits = w->trits[m] + row * k;
        tern_random_trits(tern_random_start(7, 20 + (uint32_t)m, row), 0.667, trits, k);
        for (size_t i = 0; i < k; i++)
            codes[i] = (int8_t)(trits[i] + 1);
        cuda_pack_row(w->packed[m] + row / n * bytes, cuda_pack_quads(k), row % n, codes, k);
    }
    w->operands.matrices[m] = (uint64_t)(uintptr_t)w->packed[m];
    w->operands.matrix_bytes[m] = bytes;
}

static void *cleared(size_t bytes)
{
    return memset(room(bytes), 0, bytes);
}

static void make_whole(struct whole *w, size_t context, unsigned blocks)
{
    size_t cache = GROUPS * context * HEAD;
    float *halves = floats(30, 2 * LAYERS * cache);
    int8_t *rows = room(VOCABULARY * WIDTH);
    *w = (struct whole){.context = context, .stride = FFN + 64};
    tern_random_int8(tern_random_start(7, 31, 0), rows, VOCABULARY * WIDTH);
    for (size_t m = 0; m < 4; m++)
        make_matrix(w, m);
    w->keys = room(LAYERS * cache * 2), w->values = room(LAYERS * cache * 2), w->q = room(w->stride), w->x = room(WIDTH * 4), w->wide = room(ns[0] * 4);
    w->mixed = room(WIDTH * 4), w->added = room(WIDTH * 4), w->tall = room(2 * FFN * 4), w->scores = room(context * 4), w->expected = room(VOCABULARY * 4);
    for (size_t i = 0; i < LAYERS * cache; i++)
        w->keys[i] = tern_float_to_half(halves[i]), w->values[i] = tern_float_to_half(halves[LAYERS * cache + i]);
    free(halves);
    w->a = (struct step_args){
        .epochs = cleared(blocks * 4), .wide = cleared(ns[0] * 8), .scores = cleared(HEADS * (context + 1) * 8), .mixed = cleared(WIDTH * 8), .added = cleared(WIDTH * 8),
        .gated = cleared(FFN * 8), .down = cleared(WIDTH * 8), .cosine = floats(32, HEAD / 2), .sine = floats(33, HEAD / 2), .scales = floats(34, VOCABULARY), .rows = rows,
        .keys = w->keys, .values = w->values, .logits = room(VOCABULARY * 4), .eps = 1e-5f, .scale = 0.11f, .layers = LAYERS, .width = WIDTH, .heads = HEADS, .groups = GROUPS,
        .head = HEAD, .ffn = FFN, .vocabulary = VOCABULARY, .context = (int)context, .token = TOKEN,
    };
    for (size_t i = 0; i < STEP_NORMS; i++)
        w->a.norms[i] = floats(35 + i, FFN);
    w->operands.keys = (uint64_t)(uintptr_t)w->keys, w->operands.values = (uint64_t)(uintptr_t)w->values, w->operands.cache_bytes = cache * 2;
}

static float whole_norm(struct whole *w, const float *x, enum step_norm norm, size_t n)
{
    int32_t sum;
    return scalar()->vector.rms_norm_quantize(x, w->a.norms[norm], n, w->a.eps, w->q, w->stride, &sum);
}

static void whole_product(struct whole *w, size_t layer, size_t m, float scale, float *y)
{
    for (size_t n = 0; n < ns[m]; n++) {
        int32_t sum = 0;
        for (size_t k = 0; k < ks[m]; k++)
            sum += w->trits[m][(layer * ns[m] + n) * ks[m] + k] * w->q[k];
        y[n] = (float)sum * (w->a.scale * scale);
    }
}

/* The card's cache of a layer in order, with this token's own rows. */
static void whole_attention(struct whole *w, size_t layer)
{
    size_t context = w->context, at = context - 1, d = HEAD;
    uint16_t *keys = room(context * d * 2), *values = room(context * d * 2);
    for (size_t h = 0; h < HEADS + GROUPS; h++)
        scalar()->vector.rope(w->wide + h * d, w->a.cosine, w->a.sine, d);
    for (size_t j = 0; j < context; j++)
        for (size_t i = 0; i < d; i++) {
            keys[j * d + i] = j == at ? tern_float_to_half(w->wide[HEADS * d + i]) : w->keys[(layer * context + j) * d + i % 16 * (d / 16) + i / 16];
            values[j * d + i] = j == at ? tern_float_to_half(w->wide[(HEADS + GROUPS) * d + i])
                                        : w->values[((layer * (d / STEP_SLICE) + i / STEP_SLICE) * context + j) * STEP_SLICE + i % STEP_SLICE];
        }
    struct tern_rows k = {.type = TERN_F16, .data = keys, .stride = d * 2}, v = {.type = TERN_F16, .data = values, .stride = d * 2};
    struct tern_attention right = {.tokens = 1, .before = at, .heads = HEADS, .groups = GROUPS, .d = d, .q = w->wide, .k = &k, .v = &v, .out = w->mixed, .scores = w->scores, .score_stride = context};
    tern_attention_part(scalar(), &right, 0, 1);
    free(keys), free(values);
}

static void whole_layer(struct whole *w, size_t layer)
{
    whole_product(w, layer, STEP_qkv, whole_norm(w, w->x, STEP_attention_norm, WIDTH), w->wide);
    whole_attention(w, layer);
    whole_product(w, layer, STEP_output, whole_norm(w, w->mixed, STEP_sub_norm, WIDTH), w->added);
    scalar()->vector.add(w->added, WIDTH, w->x);
    whole_product(w, layer, STEP_gate_up, whole_norm(w, w->x, STEP_ffn_norm, WIDTH), w->tall);
    scalar()->vector.gate(w->tall, w->tall + FFN, FFN, w->tall);
    whole_product(w, layer, STEP_down, whole_norm(w, w->tall, STEP_ffn_sub_norm, FFN), w->added);
    scalar()->vector.add(w->added, WIDTH, w->x);
}

static void free_whole(struct whole *w)
{
    void *const all[] = {w->a.epochs, w->a.wide, w->a.scores, w->a.mixed, w->a.added, w->a.gated, w->a.down, (void *)(uintptr_t)w->a.cosine, (void *)(uintptr_t)w->a.sine,
                         (void *)(uintptr_t)w->a.scales, (void *)(uintptr_t)w->a.rows, w->a.logits, w->keys, w->values, w->q, w->x, w->wide, w->mixed, w->added, w->tall,
                         w->scores, w->expected, (void *)(uintptr_t)w->a.copies};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    for (size_t i = 0; i < 4; i++)
        free(w->trits[i]), free(w->packed[i]);
    for (size_t i = 0; i < STEP_NORMS; i++)
        free((void *)(uintptr_t)w->a.norms[i]);
}

/* Twice: the second time with the numbers of the first still on their way's memory. */
static void whole_case(size_t context, int multiprocessors)
{
    struct cuda_info info = card;
    struct whole w;
    info.multiprocessors = multiprocessors;
    make_whole(&w, context, 8);
    unsigned blocks = cuda_step_blocks(&info, &w.a), grid[2] = {blocks, 1};
    assert_in_range(blocks, 4, 8);
    w.a.copies = cuda_step_copies(&w.a, &w.operands, blocks, &w.a.per_block);
    for (size_t i = 0; i < WIDTH; i++)
        w.x[i] = w.a.scales[TOKEN] * (float)w.a.rows[TOKEN * WIDTH + i];
    for (size_t layer = 0; layer < LAYERS; layer++)
        whole_layer(&w, layer);
    float scale = whole_norm(&w, w.x, STEP_last_norm, WIDTH);
    struct tern_rows rows = {.type = TERN_I8, .data = w.a.rows, .stride = WIDTH, .scale = w.a.scales, .scale_stride = 1};
    scalar()->vector.dots_int8(w.q, scale, WIDTH, &rows, VOCABULARY, w.expected);
    for (int i = 0; i < 2; i++) {
        memset(w.a.logits, 0xff, VOCABULARY * 4);
        assert_true(emulated_launch("decode_step_64", grid, STEP_THREADS + 32, 1, &w.a));
        same_floats("a whole step", w.a.logits, w.expected, VOCABULARY);
    }
    free_whole(&w);
}

static void whole_step(void **state)
{
    (void)state;
    whole_case(2, 5);
    whole_case(100, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_few_rows), cmocka_unit_test(norms), cmocka_unit_test(norms_within_products), cmocka_unit_test(attention), cmocka_unit_test(logits), cmocka_unit_test(whole_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
