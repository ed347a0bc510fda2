/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/step.h"
#include "cuda/kernels/layout.h"

#include <stdlib.h>

enum { BIG_GROUP = 16 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Most tiles of a block: n things over the blocks. */
static int most(int n, int blocks)
{
    return (n + blocks - 1) / blocks;
}

unsigned cuda_step_blocks(const struct cuda_info *info, const struct step_args *a)
{
    int tiles = a->width / CUDA_TILE_ROWS, blocks = least(info->multiprocessors, tiles), each = a->groups ? a->heads / a->groups : 0;
    if (info->major < 9 || blocks < 1 || a->width % 64 || a->ffn % CUDA_TILE_ROWS || a->width > STEP_SHORT * 1024 || a->ffn > STEP_LONG * 1024 || a->ffn < a->width ||
        a->heads * a->head != a->width || (a->head != 64 && a->head != 128) || each > BIG_GROUP)
        return 0;
    struct step_layout l = step_lay(a->width, a->ffn, a->head, each, a->context);
    int slice = most(a->context, step_slices(blocks, a->groups) + !step_slices(blocks, a->groups));
    if ((size_t)l.bytes > info->shared_bytes || blocks < a->groups || blocks < a->heads * (a->head / STEP_SLICE) || slice > STEP_SLOTS * step_keys_a_slot(a->head) / 2)
        return 0;
    if (2 * most(a->ffn / CUDA_TILE_ROWS, blocks) > STEP_TILES || most((a->heads + 2 * a->groups) * a->head / CUDA_TILE_ROWS, blocks) > STEP_TILES ||
        2 * most(a->ffn / CUDA_TILE_ROWS, blocks) * step_pieces(step_quads(a->width)) > STEP_SLOTS || most(tiles, blocks) * step_pieces(step_quads(a->ffn)) > STEP_SLOTS)
        return 0;
    return (unsigned)blocks;
}

struct list {
    const struct step_args *a;
    const struct cuda_step_layer *l;
    int block, blocks, n;
    struct step_copy *out; /* null: only counts */
};

static void add(struct list *t, uint64_t from, size_t bytes)
{
    if (t->out)
        t->out[t->n] = (struct step_copy){from, (uint32_t)bytes, 0};
    t->n++;
}

/* A stretch of memory in pieces as they fit in slots. */
static void add_all(struct list *t, uint64_t from, size_t bytes, size_t piece)
{
    for (size_t at = 0; at < bytes; at += piece)
        add(t, from + at, bytes - at < piece ? bytes - at : piece);
}

static void add_tile(struct list *t, int layer, enum step_part matrix, int tile, int quads)
{
    uint64_t from = t->l->matrices[matrix] + (size_t)layer * t->l->matrix_bytes[matrix] + (size_t)tile * (size_t)quads * CUDA_TILE_BYTES;
    add_all(t, from, (size_t)quads * CUDA_TILE_BYTES, (size_t)step_piece(quads) * CUDA_TILE_BYTES);
}

static void add_matrix(struct list *t, int layer, enum step_part matrix, int tiles, int quads, int pair)
{
    struct step_range r = step_share(tiles, step_turn(t->block, t->blocks, layer, matrix), t->blocks);
    for (int i = r.first; i < r.end; i++) {
        add_tile(t, layer, matrix, i, quads);
        if (pair)
            add_tile(t, layer, matrix, i + pair, quads);
    }
}

static void add_keys(struct list *t, int layer)
{
    const struct step_args *a = t->a;
    int slices = step_slices(t->blocks, a->groups), turn = step_turn(t->block, t->blocks, layer, STEP_scores), group = turn / slices;
    if (group >= a->groups)
        return;
    struct step_range r = step_positions(a->context, turn % slices, slices);
    size_t row = (size_t)a->head * 2;
    add_all(t, t->l->keys + (size_t)layer * t->l->cache_bytes + ((size_t)group * (size_t)a->context + (size_t)r.first) * row, (size_t)(r.end - r.first) * row,
            (size_t)step_keys_a_slot(a->head) * row);
}

static void add_values(struct list *t, int layer)
{
    const struct step_args *a = t->a;
    int pieces = a->head / STEP_SLICE, turn = step_turn(t->block, t->blocks, layer, STEP_mixing), head = turn / pieces;
    if (head >= a->heads)
        return;
    size_t slice = (size_t)(head / (a->heads / a->groups) * pieces + turn % pieces), bytes = (size_t)a->context * STEP_SLICE * 2;
    add_all(t, t->l->values + (size_t)layer * t->l->cache_bytes + slice * bytes, bytes, STEP_VALUES_A_SLOT * STEP_SLICE * 2);
}

static void add_rows(struct list *t)
{
    const struct step_args *a = t->a;
    int room = step_rows_a_slot(a->width);
    struct step_range r = step_share((a->vocabulary + room - 1) / room, t->block, t->blocks);
    size_t first = (size_t)r.first * (size_t)room, end = (size_t)r.end * (size_t)room, all = (size_t)a->vocabulary;
    end = end < all ? end : all;
    add_all(t, (uint64_t)(uintptr_t)a->rows + first * (size_t)a->width, (end - first) * (size_t)a->width, (size_t)room * (size_t)a->width);
}

static void list_block(struct list *t)
{
    const struct step_args *a = t->a;
    int narrow = step_quads(a->width), wide = step_quads(a->ffn);
    for (int layer = 0; layer < a->layers; layer++) {
        add_matrix(t, layer, STEP_qkv, (a->heads + 2 * a->groups) * a->head / CUDA_TILE_ROWS, narrow, 0);
        add_keys(t, layer);
        add_values(t, layer);
        add_matrix(t, layer, STEP_output, a->width / CUDA_TILE_ROWS, narrow, 0);
        add_matrix(t, layer, STEP_gate_up, a->ffn / CUDA_TILE_ROWS, narrow, a->ffn / CUDA_TILE_ROWS);
        add_matrix(t, layer, STEP_down, a->width / CUDA_TILE_ROWS, wide, 0);
    }
    add_rows(t);
}

struct step_copy *cuda_step_copies(const struct step_args *a, const struct cuda_step_layer *l, unsigned blocks, int *per_block)
{
    int longest = 0;
    for (unsigned b = 0; b < blocks; b++) {
        struct list t = {a, l, (int)b, (int)blocks, 0, NULL};
        list_block(&t);
        longest = t.n > longest ? t.n : longest;
    }
    *per_block = longest + (STEP_AHEAD + 1) * STEP_SLOTS; /* every slot's part of the list ends with nothing, and is read ahead */
    struct step_copy *all = calloc((size_t)blocks * (size_t)*per_block, sizeof *all);
    for (unsigned b = 0; b < blocks && all; b++) {
        struct list t = {a, l, (int)b, (int)blocks, 0, all + (size_t)b * (size_t)*per_block};
        list_block(&t);
    }
    return all;
}
