/* SPDX-License-Identifier: Apache-2.0
 * The kernels of the card run on an emulated one and compared with the engine's scalar kernels, bit by bit: few-row products, norms,
 * logits. The warpgroup kernels need a real card (cuda_card_test.c); attention, and steps in one launch, are tested with whole models (cuda_session_test.c). */
#include "core/backend.h"
#include "core/random.h"
#include "core/vector.h"
#include "cuda/choice.h"
#include "cuda/kernels/norm.h"
#include "cuda/kernels/layout.h"
#include "cuda/pack.h"
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
    const struct emulated_kernel *kernel = emulated_find(name);
    if (!kernel)
        fail_msg("no kernel %s", name);
    emulated_launch(kernel, grid, threads, arguments);
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
    const struct weight_scale scale = {{0.37f, 0.11f, 2.5f}, {(int)n / 3, (int)n / 2}};
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
            p.expected[b * n + row] = (float)sum * (weight_scale_of(&scale, (int)row) * p.sx[b]);
        }
    p.arguments = (struct stream_args){p.w, p.x, p.sx, room(n * batch * sizeof(float)), scale, (int)n, (int)cuda_pack_tiles(n), (int)p.quads, (int)p.ldx, (int)batch, 0, 0, NULL};
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
    p->arguments.tiles = (int)(choice->row->family == CUDA_PORTABLE ? cuda_pack_tiles(p->n) : (p->n + CUDA_TILE_ROWS - 1) / CUDA_TILE_ROWS);
}

static void products_of_few_rows(void **state)
{
    static const char *const names[] = {"stream_8x1", "stream_16x1", "stream_16x8", "stream_16x16", "held_20x1x2", "held_18x3x2", "ring_20x1", "ring_13x2", "ring_18x3", "portable_4x2x8", "portable_8x2x32"};
    static const size_t shapes[][3] = {{1, 1, 1}, {33, 31, 1}, {129, 257, 1}, {31, 640, 7}, {200, 129, 8}, {65, 300, 13}, {17, 1000, 1}, {90, 2500, 1}, {49, 6900, 1}, {500, 2500, 1}};
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

/* Two rows of inputs of each kind, and what is normalised. */
static struct norm_args make_norm(int kind, size_t n, float **input, float **kept)
{
    size_t ldx = kind == NORM_GATE ? 2 * n : n;
    struct norm_args a = {.x = floats(4, 2 * ldx), .added = kind == NORM_GATE ? NULL : floats(5, 2 * ldx), .w = floats(6, n), .kept = room(2 * n * 4), .per_card = norm_per_card((unsigned)n),
                          .eps = 1e-5f, .kind = kind, .n = (int)n, .ldx = (int)ldx, .ldq = (int)(cuda_pack_quads(n) * CUDA_QUAD)};
    float *in = *input = room(2 * n * 4);
    if (kind == NORM_GATE)
        a.added = a.x + n;
    for (size_t r = 0; r < 2; r++) {
        for (size_t i = 0; i < n; i++)
            in[r * n + i] = kind == NORM_RESIDUAL ? a.x[r * ldx + i] + a.added[r * ldx + i] : a.x[r * ldx + i];
        if (kind == NORM_GATE)
            scalar()->vector.gate(a.x + r * ldx, a.added + r * ldx, n, in + r * n);
    }
    *kept = kind == NORM_RESIDUAL ? in : NULL;
    return a;
}

static void free_norm(struct norm_args *a, float *input)
{
    if (a->kind != NORM_GATE)
        free((void *)(uintptr_t)a->added);
    free((void *)(uintptr_t)a->x), free((void *)(uintptr_t)a->w), free(a->kept), free(input);
}

static void norm_case(int kind, size_t n)
{
    size_t stride = cuda_pack_quads(n) * CUDA_QUAD;
    float *input, *kept, scales[2] = {0};
    struct norm_args a = make_norm(kind, n, &input, &kept);
    int8_t *q = room(2 * stride), *expected = room(stride);
    int32_t sum;
    a.q = q;
    a.scale = scales;
    run("norm_f32_i8", 2, 1, NORM_THREADS, &a);
    for (size_t r = 0; r < 2; r++) {
        float right = scalar()->vector.rms_norm_quantize(input + r * n, a.w, n, a.eps, expected, stride, &sum);
        same_floats("scale", &scales[r], &right, 1);
        assert_memory_equal(q + r * stride, expected, stride);
    }
    if (kept)
        same_floats("residual", a.kept, kept, 2 * n);
    free(q), free(expected);
    free_norm(&a, input);
}

static void norms(void **state)
{
    static const size_t sizes[] = {16, 31, 257, 704, 7500}; /* the last: more than a block's registers hold */
    (void)state;
    for (int kind = NORM_PLAIN; kind <= NORM_GATE; kind++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            norm_case(kind, sizes[s]);
}

/* ---- output */

/* (sum * scale of the row) * scale of q, and the largest of them: of two equal ones the first. */
static void logits(void **state)
{
    enum { WIDTH = 256, VOCABULARY = 203, LARGEST = 150 };
    int8_t *rows = room(VOCABULARY * WIDTH), *q = room(WIDTH);
    float *scales = floats(11, VOCABULARY), *found = room(VOCABULARY * 4), expected[VOCABULARY], scale = 0.021f;
    struct session_state at = {0};
    (void)state;
    tern_random_int8(tern_random_start(7, 4, 0), rows, VOCABULARY * WIDTH);
    tern_random_int8(tern_random_start(7, 5, 0), q, WIDTH);
    memcpy(rows + LARGEST * WIDTH, q, WIDTH);
    memcpy(rows + (LARGEST + 30) * WIDTH, q, WIDTH);
    scales[LARGEST] = scales[LARGEST + 30] = 2.9f;
    for (size_t r = 0; r < VOCABULARY; r++) {
        int32_t sum = 0;
        for (size_t i = 0; i < WIDTH; i++)
            sum += rows[r * WIDTH + i] * q[i];
        expected[r] = ((float)sum * scales[r]) * scale;
    }
    struct head_args a = {rows, q, scales, &scale, found, &at, WIDTH, VOCABULARY, 1, WIDTH, NULL};
    run("head_i8", 3, 1, LOGITS_THREADS, &a);
    same_floats("logits", found, expected, VOCABULARY);
    assert_int_equal(0xFFFFFFFFu - (unsigned)at.best, LARGEST);
    free(rows), free(q), free(scales), free(found);
}

/* Several rows of q give what each gives alone. */
static void logits_of_several_sequences(void **state)
{
    enum { WIDTH = 64, VOCABULARY = 77, SEQUENCES = 11, APART = 128 };
    int8_t *rows = room(VOCABULARY * WIDTH), *q = room(SEQUENCES * APART);
    float *scales = floats(11, VOCABULARY), *each = floats(12, SEQUENCES), *found = room(SEQUENCES * VOCABULARY * 4), *alone = room(VOCABULARY * 4);
    struct session_state all[SEQUENCES] = {0}, one = {0};
    (void)state;
    tern_random_int8(tern_random_start(7, 4, 0), rows, VOCABULARY * WIDTH);
    tern_random_int8(tern_random_start(7, 5, 0), q, SEQUENCES * APART);
    struct head_args a = {rows, q, scales, each, found, all, WIDTH, VOCABULARY, SEQUENCES, APART, NULL};
    run("heads_i8", 3, (SEQUENCES + HEADS_AT_ONCE - 1) / HEADS_AT_ONCE, LOGITS_THREADS, &a);
    for (size_t s = 0; s < SEQUENCES; s++) {
        struct head_args b = {rows, q + s * APART, scales, each + s, alone, &one, WIDTH, VOCABULARY, 1, APART, NULL};
        one.best = 0;
        run("head_i8", 3, 1, LOGITS_THREADS, &b);
        same_floats("logits of a sequence", found + s * VOCABULARY, alone, VOCABULARY);
        assert_true(all[s].best == one.best);
    }
    free(rows), free(q), free(scales), free(each), free(found), free(alone);
}

static void next_positions(void **state)
{
    struct session_state at[2] = {{.position = 3, .best = 7ull << 32 | (0xFFFFFFFFu - 41)}, {.position = 0, .best = 7ull << 32 | (0xFFFFFFFFu - 5)}};
    uint32_t history[2][8] = {0};
    struct advance_args a = {at, history[0], 2, 1, 2, 8};
    (void)state;
    run("next_position", 1, 1, 32, &a);
    assert_int_equal(at[0].position, 5);
    assert_int_equal(history[0][5], 41);
    assert_int_equal(at[1].position, 2);
    assert_int_equal(history[1][2], 5);
    assert_true(at[0].best == 0 && at[1].best == 0);
    a.has_best = 0;
    a.sequences = 1;
    run("next_position", 1, 1, 32, &a);
    assert_int_equal(at[0].position, 7);
    assert_int_equal(history[0][7], 0);
    assert_int_equal(at[1].position, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_few_rows), cmocka_unit_test(norms), cmocka_unit_test(logits),
        cmocka_unit_test(logits_of_several_sequences), cmocka_unit_test(next_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
