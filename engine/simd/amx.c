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
    OWNED = 2,     /* rows of outputs whose lines are asked for ahead of their stores */
    LEAST_ROWS = 4 /* below, vpdpbusd is faster than a tile that is mostly empty */
};

static struct tern_product_kernel few_without_tiles;

/* ---- outputs */

/* Sums of a finished panel, and which of their rows have become outputs. */
struct late {
    const struct tern_product *p;
    const int32_t *sums; /* tiles of 16 x 16, `across` side by side for each 16 rows */
    size_t b, n;         /* of the first row and output */
    int row, rows, across;
};

INLINE void put16(const struct tern_product *p, size_t b, size_t n, __m512i s)
{
    if (n >= p->n)
        return;
    uint32_t left = p->n - n < 16 ? (uint32_t)(p->n - n) : 16;
    __mmask16 mask = (__mmask16)(0xffffu >> (16 - left));
    size_t at = b * p->n + n;
    if (p->scale)
        _mm512_mask_storeu_ps((float *)p->y + at, mask, _mm512_mul_ps(_mm512_cvtepi32_ps(s), _mm512_set1_ps(p->scale[b] * p->weight_scale)));
    else
        _mm512_mask_storeu_epi32((int32_t *)p->y + at, mask, s);
}

INLINE void flush(struct late *l, int rows, const int across)
{
    int end = l->row + rows < l->rows ? l->row + rows : l->rows;
    for (; l->row < end; l->row++) {
        const int32_t *s = l->sums + (l->row / 16 * across) * 256 + l->row % 16 * 16;
        const char *soon = (const char *)l->p->y + ((l->b + (size_t)l->row + OWNED) * l->p->n + l->n) * 4;
        for (int j = 0; j < across; j += 2) /* the lines that are written OWNED rows from here; where there are none it does no harm */
            __builtin_prefetch(soon + 128 * (j / 2), 1), __builtin_prefetch(soon + 128 * (j / 2) + 64, 1);
        for (int j = 0; j < across; j++)
            put16(l->p, l->b + (size_t)l->row, l->n + (size_t)(16 * j), _mm512_load_si512(s + 256 * j));
    }
}

/* ---- up to 16 rows by 64 outputs: tiles 0-3 sums, 4 activations, 5-7 weights */

struct scratch {
    uint8_t ring[2][4 * TILE_BYTES];
    int32_t sums[4 * 256];
} __attribute__((aligned(64)));

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

INLINE void store_sums(int32_t *sums)
{
    TILE_STORE(0, sums, 64);
    TILE_STORE(1, sums + 256, 64);
    TILE_STORE(2, sums + 512, 64);
    TILE_STORE(3, sums + 768, 64);
}

/* Panels [from, to); the last step of one unpacks the first of the next, or its own first again. */
static void rows_wide(const struct tern_product *p, size_t b, int rows, size_t from, size_t to, struct scratch *s)
{
    const struct unpacker u = make_unpacker();
    const size_t steps = p->steps / 4;
    const uint8_t count = (uint8_t)rows, shape[8] = { count, count, count, count, count, 16, 16, 16 };
    const int8_t *x = p->x + b * p->x_stride;
    struct late late = { .p = p, .sums = s->sums, .b = b };
    struct tile_config config;
    size_t turn = 0;
    tiles_config(&config, shape);
    tiles_open(&config);
    for (size_t j = 0; j < TERN_GROUPS; j++)
        unpack_tile(p->w + from * p->panel_bytes + j * TERN_LINE, s->ring[0] + j * TILE_BYTES, u);
    for (size_t panel = from; panel < to; panel++) {
        const uint8_t *w = p->w + panel * p->panel_bytes, *after = panel + 1 < to ? w + p->panel_bytes : w;
        zero_sums();
        for (size_t i = 0; i < steps; i++, turn++) {
            step_wide(x + i * 64, p->x_stride, s->ring[turn & 1], s->ring[~turn & 1], i + 1 < steps ? w + (i + 1) * PACKED : after, u);
            flush(&late, 2, 4);
        }
        flush(&late, 16, 4);
        store_sums(s->sums);
        late = (struct late){ .p = p, .sums = s->sums, .b = b, .n = panel * TERN_PANEL, .rows = rows };
    }
    flush(&late, 16, 4);
    TILES_CLOSE();
}

/* ---- 17 to 32 rows by 32 outputs: tiles 0-3 sums (two rows of two), 4 and 5 activations, 6 and 7 weights. Weights are unpacked three steps ahead:
 * loads that follow their stores too closely wait for them. They take so few bytes for the work that the machine fetches them unasked; asking costs
 * 2 of 48 ns a step (Intel Xeon, 6912x2560, batch 128, 2026-11-26). */

enum { STEPS_AHEAD = 3 };

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

/* Half h of the panels counts on: 0 and 1 are the halves of the first. Odd halves go backwards over K, so that each begins with the activations
 * that the one before has just left in L1. */
INLINE size_t place_of(size_t half, size_t i, size_t steps)
{
    return half & 1 ? steps - 1 - i : i;
}

/* Weights of step i, running on into the half after it. */
INLINE const uint8_t *step_weights(const struct tern_product *p, size_t half, size_t last, size_t i, size_t steps)
{
    if (i >= steps && half < last) {
        half++;
        i -= steps;
    }
    i = i < steps ? i : i - steps;
    return p->w + half / 2 * p->panel_bytes + half % 2 * (2 * TERN_LINE) + place_of(half, i, steps) * PACKED;
}

/* STEPS_AHEAD, in a ring of four places. */
static void rows_square(const struct tern_product *p, size_t b, int rows, size_t from, size_t to, struct scratch *s)
{
    const struct unpacker u = make_unpacker();
    const size_t steps = p->steps / 4, last = 2 * to - 1;
    const uint8_t second = (uint8_t)(rows - 16), shape[8] = { 16, 16, second, second, 16, second, 16, 16 };
    const int8_t *x = p->x + b * p->x_stride;
    struct late late = { .p = p, .sums = s->sums, .b = b };
    struct tile_config config;
    uint8_t *ring = s->ring[0];
    size_t turn = 0;
    tiles_config(&config, shape);
    tiles_open(&config);
    for (size_t i = 0; i < STEPS_AHEAD; i++)
        for (size_t j = 0; j < 2; j++)
            unpack_tile(step_weights(p, 2 * from, last, i, steps) + j * TERN_LINE, ring + (2 * i + j) * TILE_BYTES, u);
    for (size_t half = 2 * from; half <= last; half++) {
        zero_sums();
        for (size_t i = 0; i < steps; i++, turn++) {
            step_square(x + place_of(half, i, steps) * 64, p->x_stride, ring + (turn & 3) * 2 * TILE_BYTES, ring + ((turn + STEPS_AHEAD) & 3) * 2 * TILE_BYTES,
                        step_weights(p, half, last, i + STEPS_AHEAD, steps), u);
            flush(&late, 3, 2);
        }
        flush(&late, 32, 2);
        store_sums(s->sums);
        late = (struct late){ .p = p, .sums = s->sums, .b = b, .n = half * (TERN_PANEL / 2), .rows = rows };
    }
    flush(&late, 32, 2);
    TILES_CLOSE();
}

/* A few rows left over go to the kernel without tiles. */
static void block(const struct tern_product *p, size_t b, size_t rows, size_t from, size_t to, struct scratch *s)
{
    if (rows >= LEAST_ROWS) {
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
    for (size_t b = 0; b < p->batch; b += 32)
        block(p, b, p->batch - b < 32 ? p->batch - b : 32, from, to, &s);
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
