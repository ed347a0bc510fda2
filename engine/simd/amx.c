/* SPDX-License-Identifier: Apache-2.0
 *
 * AMX int8: a tile product takes 16 activation rows by 64 columns by 16 weight rows.
 *
 * Unpacked tiles go through a ring in L1, written one step before they are loaded, between the tile products that hide the work. Up to 16
 * activation rows take four weight tiles side by side (64 outputs), more take two by two (32 rows, 32 outputs). Sums stay in the tiles over
 * all of K; they are turned into outputs a few rows at a time during the next panel, so that their stores hide as well.
 */
#include "core/cpu.h"
#include "simd/amx_pairs.h"
#include "simd/amx_roof.h"
#include "simd/amx_unpack.h"

enum {
    ROWS = 32,     /* of activations that a pass over the panels takes at most */
    OWNED = 2,     /* rows of outputs whose lines are asked for ahead of their stores */
    LEAST_ROWS = 4 /* below, vpdpbusd is faster than a tile that is mostly empty */
};

static struct tern_product_kernel few_without_tiles;

struct scratch {
    uint8_t ring[8 * TILE_BYTES];
    int32_t sums[4 * 256];
    float factor[ROWS]; /* by which sums of a row become outputs */
} __attribute__((aligned(64)));

/* ---- outputs. They share the front end with unpacking and tiles, so whatever is the same for all rows of a panel is worked out before them: that
 * took a call of 768x768 at 32 rows from 23 to 17 us on one thread (Intel Xeon, 2026-11-26). */

/* Rows of a finished panel that are still to become outputs, `across` vectors of 16 side by side. */
struct late {
    const int32_t *sums;
    const float *factor; /* null: the sums are the outputs */
    char *y;
    size_t y_stride; /* bytes */
    __mmask16 mask[4];
    int rows;
};

INLINE __mmask16 mask_of(const struct tern_product *p, size_t n)
{
    size_t left = n < p->n ? p->n - n : 0;
    return (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffffu);
}

/* Those of `rows` rows from b and outputs from n, whose sums lie in scratch. */
INLINE struct late make_late(const struct tern_product *p, const struct scratch *s, size_t b, int rows, size_t n)
{
    return (struct late){
        .sums = s->sums, .factor = p->scale ? s->factor : NULL, .y = (char *)p->y + (b * p->n + n) * 4, .y_stride = p->n * 4, .rows = rows,
        .mask = { mask_of(p, n), mask_of(p, n + 16), mask_of(p, n + 32), mask_of(p, n + 48) },
    };
}

INLINE void put_row(const struct late *l, const int across)
{
    const __m512 factor = l->factor ? _mm512_set1_ps(*l->factor) : _mm512_setzero_ps();
#pragma GCC unroll 4
    for (int j = 0; j < across; j++)
        __builtin_prefetch(l->y + OWNED * l->y_stride + 64 * j, 1); /* where there is no such row it does no harm */
#pragma GCC unroll 4
    for (int j = 0; j < across; j++) {
        __m512i s = _mm512_load_si512(l->sums + 16 * j);
        if (l->factor)
            s = _mm512_castps_si512(_mm512_mul_ps(_mm512_cvtepi32_ps(s), factor));
        _mm512_mask_storeu_epi32(l->y + 64 * j, l->mask[j], s);
    }
}

INLINE void flush(struct late *l, int rows, const int across)
{
    int stop = l->rows > rows ? l->rows - rows : 0;
    for (; l->rows > stop; l->rows--) {
        put_row(l, across);
        l->sums += 16 * across;
        l->factor += l->factor != NULL;
        l->y += l->y_stride;
    }
}

/* ---- up to 16 rows by 64 outputs: tiles 0-3 sums, 4 activations, 5-7 weights */

/* One step of 64 columns on ring half `now`, while the next step's weights are unpacked into the other half. */
INLINE void step_wide(const int8_t *x, size_t x_stride, const uint8_t *now, uint8_t *next, const uint8_t *w, struct unpacker u)
{
    TILE_LOAD(4, x, x_stride);
    TILE_LOAD(5, now, 64);
    unpack_tile(w, next, u);
    TILE_DOT(0, 4, 5);
    TILE_LOAD(6, now + TILE_BYTES, 64);
    unpack_tile(w + TERN_LINE, next + TILE_BYTES, u);
    TILE_DOT(1, 4, 6);
    TILE_LOAD(7, now + 2 * TILE_BYTES, 64);
    unpack_tile(w + 2 * TERN_LINE, next + 2 * TILE_BYTES, u);
    TILE_DOT(2, 4, 7);
    TILE_LOAD(5, now + 3 * TILE_BYTES, 64);
    unpack_tile(w + 3 * TERN_LINE, next + 3 * TILE_BYTES, u);
    TILE_DOT(3, 4, 5);
}

INLINE void store_wide(int32_t *sums)
{
    TILE_STORE(0, sums, 256);
    TILE_STORE(1, sums + 16, 256);
    TILE_STORE(2, sums + 32, 256);
    TILE_STORE(3, sums + 48, 256);
}

/* Panels [from, to), which lie one after the other; the very last step unpacks the first again. */
static void rows_wide(const struct tern_product *p, size_t b, int rows, size_t from, size_t to, struct scratch *s)
{
    const struct unpacker u = make_unpacker();
    const size_t steps = p->steps / 4, stride = p->x_stride;
    const uint8_t count = (uint8_t)rows, shape[8] = { count, count, count, count, count, 16, 16, 16 };
    const uint8_t *w = p->w + from * p->panel_bytes, *last = p->w + to * p->panel_bytes - PACKED;
    uint8_t *now = s->ring, *next = s->ring + 4 * TILE_BYTES;
    struct late late = { .rows = 0 };
    struct tile_config config;
    tiles_config(&config, shape);
    tiles_open(&config);
    for (size_t j = 0; j < TERN_GROUPS; j++)
        unpack_tile(w + j * TERN_LINE, now + j * TILE_BYTES, u);
    for (size_t panel = from; panel < to; panel++) {
        const int8_t *x = p->x + b * stride, *end = x + steps * 64;
        zero_sums();
        for (; x < end; x += 64) {
            uint8_t *done = now;
            w = w < last ? w + PACKED : p->w + from * p->panel_bytes;
            step_wide(x, stride, now, next, w, u);
            now = next;
            next = done;
            flush(&late, 2, 4);
        }
        flush(&late, 16, 4);
        store_wide(s->sums);
        late = make_late(p, s, b, rows, panel * TERN_PANEL);
    }
    flush(&late, 16, 4);
    TILES_CLOSE();
}

/* ---- 17 to 32 rows by 32 outputs: tiles 0-3 sums (two rows of two), 4 and 5 activations, 6 and 7 weights. Weights are unpacked two steps ahead:
 * loads that follow their stores too closely wait for them, and a longer ring pushes activations out of L1 (768x768 at 32 rows on two threads: 9.7 us with
 * three places, 10.2 with four; Intel Xeon, 2026-11-26). They take so few bytes for the work that the machine fetches them unasked. */

enum { STEPS_AHEAD = 2, STEP_BYTES = 2 * TILE_BYTES, RING_BYTES = (STEPS_AHEAD + 1) * STEP_BYTES };

INLINE void step_square(const int8_t *x, size_t x_stride, const uint8_t *now, uint8_t *next, const uint8_t *w, struct unpacker u)
{
    TILE_LOAD(4, x, x_stride);
    TILE_LOAD(6, now, 64);
    TILE_LOAD(7, now + TILE_BYTES, 64);
    TILE_LOAD(5, x + 16 * x_stride, x_stride);
    TILE_DOT(0, 4, 6);
    unpack_line(w, next, u);
    unpack_line(w + TERN_STEP, next + 256, u);
    TILE_DOT(1, 4, 7);
    unpack_line(w + 2 * TERN_STEP, next + 512, u);
    unpack_line(w + 3 * TERN_STEP, next + 768, u);
    TILE_DOT(2, 5, 6);
    w += TERN_LINE;
    unpack_line(w, next + TILE_BYTES, u);
    unpack_line(w + TERN_STEP, next + TILE_BYTES + 256, u);
    TILE_DOT(3, 5, 7);
    unpack_line(w + 2 * TERN_STEP, next + TILE_BYTES + 512, u);
    unpack_line(w + 3 * TERN_STEP, next + TILE_BYTES + 768, u);
}

INLINE void store_square(int32_t *sums)
{
    TILE_STORE(0, sums, 128);
    TILE_STORE(1, sums + 16, 128);
    TILE_STORE(2, sums + 512, 128);
    TILE_STORE(3, sums + 528, 128);
}

/* Half h of the panels counts on: 0 and 1 are the halves of the first. Odd halves go backwards over K, so that each begins with the activations
 * that the one before has just left in L1. This walks over the weights of one half after the other; after the last it begins that again. */
struct walk {
    const struct tern_product *p;
    const uint8_t *w;
    ptrdiff_t step;
    size_t left, half, last; /* steps of the half, the half, the last one */
};

INLINE void begin_half(struct walk *at, size_t half)
{
    size_t steps = at->p->steps / 4;
    at->w = at->p->w + half / 2 * at->p->panel_bytes + half % 2 * (2 * TERN_LINE + (steps - 1) * PACKED);
    at->step = half % 2 ? -PACKED : PACKED;
    at->left = steps;
    at->half = half;
}

INLINE const uint8_t *next_weights(struct walk *at)
{
    const uint8_t *w = at->w;
    at->w += at->step;
    if (!--at->left)
        begin_half(at, at->half < at->last ? at->half + 1 : at->last);
    return w;
}

/* STEPS_AHEAD, in a ring of one place more. */
static void rows_square(const struct tern_product *p, size_t b, int rows, size_t from, size_t to, struct scratch *s)
{
    const struct unpacker u = make_unpacker();
    const size_t steps = p->steps / 4, stride = p->x_stride;
    const uint8_t second = (uint8_t)(rows - 16), shape[8] = { 16, 16, second, second, 16, second, 16, 16 };
    struct late late = { .rows = 0 };
    struct tile_config config;
    struct walk walk = { .p = p, .last = 2 * to - 1 };
    size_t at = 0, put = STEPS_AHEAD * STEP_BYTES; /* of the ring: the step's weights, and those of the step that is unpacked */
    tiles_config(&config, shape);
    tiles_open(&config);
    begin_half(&walk, 2 * from);
    for (size_t i = 0; i < STEPS_AHEAD; i++) {
        const uint8_t *w = next_weights(&walk);
        unpack_tile(w, s->ring + i * STEP_BYTES, u);
        unpack_tile(w + TERN_LINE, s->ring + i * STEP_BYTES + TILE_BYTES, u);
    }
    for (size_t half = 2 * from; half <= walk.last; half++) {
        const int8_t *x = p->x + b * stride + half % 2 * (steps - 1) * 64;
        const ptrdiff_t x_step = half % 2 ? -64 : 64;
        zero_sums();
        for (size_t i = 0; i < steps; i++, x += x_step) {
            step_square(x, stride, s->ring + at, s->ring + put, next_weights(&walk), u);
            put = at;
            at = at + STEP_BYTES < RING_BYTES ? at + STEP_BYTES : 0;
            flush(&late, 3, 2);
        }
        flush(&late, ROWS, 2);
        store_square(s->sums);
        late = make_late(p, s, b, rows, half * (TERN_PANEL / 2));
    }
    flush(&late, ROWS, 2);
    TILES_CLOSE();
}

/* A few rows left over go to the kernel without tiles. */
static void block(const struct tern_product *p, size_t b, size_t rows, size_t from, size_t to, struct scratch *s)
{
    if (rows >= LEAST_ROWS) {
        for (size_t i = 0; p->scale && i < rows; i++)
            s->factor[i] = p->scale[b + i] * p->weight_scale;
        (rows <= 16 ? rows_wide : rows_square)(p, b, (int)rows, from, to, s);
        return;
    }
    struct tern_product rest = *p;
    rest.x += b * p->x_stride;
    rest.x_sum += b;
    rest.scale = p->scale ? p->scale + b : NULL;
    rest.y = (char *)p->y + b * p->n * 4;
    rest.batch = rows;
    few_without_tiles.run(&rest, from, to);
}

static void matmul_2bit_i8_amx(const struct tern_product *p, size_t from, size_t to)
{
    struct scratch s;
    /* Unpacking reaches steps ahead, into the half after this one, which must have as many. */
    if (p->steps < 4 * STEPS_AHEAD || from >= to) {
        few_without_tiles.run(p, from, to);
        return;
    }
    for (size_t b = 0; b < p->batch; b += ROWS)
        block(p, b, p->batch - b < ROWS ? p->batch - b : ROWS, from, to, &s);
}

void tern_amx_overlay(struct tern_kernels *t)
{
    static const struct tern_product_kernel tiles_kernel = { "matmul_2bit_i8_amx", matmul_2bit_i8_amx };
    few_without_tiles = t->product[TERN_STORAGE_2BIT][TERN_MANY];
    t->product[TERN_STORAGE_2BIT][TERN_FEW] = tiles_kernel;
    t->product[TERN_STORAGE_2BIT][TERN_MANY] = tiles_kernel;
    if (tern_cpu_has("amxbf16"))
        tern_amx_pairs_overlay(&t->vector);
    tern_amx_roof_overlay(&t->roof);
}
