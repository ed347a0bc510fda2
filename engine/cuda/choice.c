/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/choice.h"
#include "cuda/kernels/layout.h"

#include <string.h>

static const struct cuda_kernel_row rows[] = {
#define STREAM(warps, columns) {"stream_" #warps "x" #columns, CUDA_STREAM, warps, columns, 0, 0},
#define HELD(warps, quads, tiles) {"held_" #warps "x" #quads "x" #tiles, CUDA_HELD, warps, quads, tiles, 0},
#define RING(warps, quads) {"ring_" #warps "x" #quads, CUDA_RING, warps, quads, 0, 0},
#define GEMM(batch, groups, slices, quads) {"gemm_" #batch "x" #groups "x" #slices "x" #quads, CUDA_GEMM, batch, groups, slices, quads},
#define TURNS(batch, groups, quads) {"turns_" #batch "x" #groups "x" #quads, CUDA_TURNS, batch, groups, 1, quads},
#define PORTABLE(warps, tiles, columns) {"portable_" #warps "x" #tiles "x" #columns, CUDA_PORTABLE, warps, tiles, columns, 0},
#include "cuda/kernels/linear.def"
#undef STREAM
#undef HELD
#undef RING
#undef GEMM
#undef TURNS
#undef PORTABLE
};

struct list {
    const struct cuda_info *info;
    const struct cuda_shape *shape;
    struct cuda_choice *out;
    size_t n, room;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static void add(struct list *l, struct cuda_choice choice)
{
    if (l->n < l->room)
        l->out[l->n++] = choice;
}

/* Rings of a warp worth trying: units a stage, stages, blocks a multiprocessor. Chosen on an H200, 2026-11-23, gpu_bitlinear. */
static const struct {
    size_t units, stages, per_card_unit;
} rings[] = {{4, 2, 1}, {4, 3, 1}, {8, 2, 1}, {4, 2, 2}, {4, 1, 2}, {32, 1, 1}};

static void add_streams(struct list *l, const struct cuda_kernel_row *row)
{
    const struct cuda_shape *s = l->shape;
    size_t warps = (size_t)row->a, columns = (size_t)row->b, tiles = up(s->rows, CUDA_TILE_ROWS);
    bool is_wasteful = columns == 8 ? s->batch == 1 : 2 * s->batch <= columns;
    if (l->info->major < 9 || s->batch > columns || is_wasteful)
        return;
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
        size_t blocks = least(tiles, rings[i].per_card_unit * (size_t)l->info->multiprocessors), most = up(tiles, blocks);
        size_t share = up(most * s->quads, warps), units = least(rings[i].units, share), stages = least(rings[i].stages, up(share, units));
        size_t bytes = warps * stages * (units * CUDA_TILE_BYTES + 8) + columns * (s->quads * CUDA_QUAD + 16) +
                       most * CUDA_TILE_ROWS * 4 * (columns == 1 ? warps : columns);
        if (bytes <= l->info->shared_bytes)
            add(l, (struct cuda_choice){row, {(unsigned)blocks, 1, (unsigned)warps * 32, (unsigned)bytes}, (int)units, (int)stages, l->info->shared_bytes});
    }
}

/* A block a multiprocessor. */
static void add_held(struct list *l, const struct cuda_kernel_row *row)
{
    const struct cuda_shape *s = l->shape;
    size_t warps = (size_t)row->a, quads = (size_t)row->b, most = (size_t)row->c, tiles = up(s->rows, CUDA_TILE_ROWS);
    size_t blocks = least(tiles, (size_t)l->info->multiprocessors);
    if (l->info->major >= 9 && s->batch == 1 && s->quads <= warps * quads && up(tiles, blocks) <= most)
        add(l, (struct cuda_choice){row, {(unsigned)blocks, 1, (unsigned)warps * 32, 0}, 0, 0, 0});
}

/* Tiles a stage and stages worth trying, a block a multiprocessor. Chosen on an H100, 2026-11-27. */
static const struct {
    size_t units, stages;
} tile_rings[] = {{4, 2}, {2, 4}, {2, 1}};

static void add_rings(struct list *l, const struct cuda_kernel_row *row)
{
    const struct cuda_shape *s = l->shape;
    size_t warps = (size_t)row->a, tiles = up(s->rows, CUDA_TILE_ROWS), blocks = least(tiles, (size_t)l->info->multiprocessors), most = up(tiles, blocks);
    if (l->info->major < 9 || s->batch != 1 || s->quads > warps * (size_t)row->b)
        return;
    for (size_t i = 0; i < sizeof tile_rings / sizeof *tile_rings; i++) {
        size_t units = least(tile_rings[i].units, most), stages = least(tile_rings[i].stages, up(most, units));
        size_t bytes = stages * (units * s->quads * CUDA_TILE_BYTES + 16) + warps * most * CUDA_TILE_ROWS * 4;
        if (bytes <= l->info->shared_bytes)
            add(l, (struct cuda_choice){row, {(unsigned)blocks, 1, (unsigned)warps * 32 + 32, (unsigned)bytes}, (int)units, (int)stages, l->info->shared_bytes});
    }
}

enum { GEMM_BARRIER_BYTES = 16 /* of a stage, behind stages and exchange */, TURNS_THREADS = 384 };

/* One launch of a warpgroup kernel: blocks a multiprocessor, and whether blocks take several tiles. Needs two stages at least. */
static void add_gemm(struct list *l, const struct cuda_kernel_row *row, size_t per, int loops)
{
    const struct cuda_shape *s = l->shape;
    size_t batch = (size_t)row->a, groups = (size_t)row->b, slices = (size_t)row->c, quads = (size_t)row->d, consumers = groups * slices * 128;
    size_t stage = quads * (batch * CUDA_QUAD + groups * 4 * CUDA_TILE_BYTES), room = l->info->shared_bytes / per - (per > 1 ? 1024 : 0);
    size_t tiles = up(s->tiles / 4, groups) * up(s->batch, batch), blocks = loops ? least(tiles, per * (size_t)l->info->multiprocessors) : tiles;
    size_t steps = up(s->quads, quads) * up(tiles, blocks), stages = least(steps, room / (stage + GEMM_BARRIER_BYTES));
    size_t exchange = slices > 1 ? consumers * batch * 2 : 0, bytes = stages * GEMM_BARRIER_BYTES + (stages * stage > exchange ? stages * stage : exchange);
    size_t threads = consumers + (batch * consumers > 32768 ? 128 : 32);
    if ((stages < 2 && stages < steps) || bytes > room || threads * per > 2048 || (loops && blocks == tiles))
        return;
    add(l, (struct cuda_choice){row, {(unsigned)blocks, 1, (unsigned)threads, (unsigned)bytes}, 0, (int)stages, l->info->shared_bytes});
}

static void add_gemms(struct list *l, const struct cuda_kernel_row *row)
{
    size_t batch = (size_t)row->a, m = l->shape->batch;
    bool is_fitting = m <= 8 ? false : m > batch ? batch >= 128 || m <= 4 * batch : batch < 2 * m || batch == 16;
    if (l->info->major != 9 || l->info->minor != 0 || !is_fitting)
        return;
    for (size_t per = 1; per <= 3; per++)
        for (int loops = 0; loops <= (row->c == 1); loops++)
            add_gemm(l, row, per, loops);
}

/* Two tiles a block, so that its warpgroups have turns to take. */
static void add_turns(struct list *l, const struct cuda_kernel_row *row)
{
    const struct cuda_shape *s = l->shape;
    size_t batch = (size_t)row->a, groups = (size_t)row->b, quads = (size_t)row->d, tiles = up(s->tiles / 4, groups) * up(s->batch, batch);
    size_t blocks = least(up(tiles, 2), (size_t)l->info->multiprocessors), stage = quads * (batch * CUDA_QUAD + groups * 4 * CUDA_TILE_BYTES) + GEMM_BARRIER_BYTES;
    size_t stages = least(up(s->quads, quads) * up(tiles, blocks), l->info->shared_bytes / stage);
    if (l->info->major == 9 && l->info->minor == 0 && s->batch >= batch)
        add(l, (struct cuda_choice){row, {(unsigned)blocks, 1, TURNS_THREADS, (unsigned)(stages * stage)}, 0, (int)stages, l->info->shared_bytes});
}

static void add_portable(struct list *l, const struct cuda_kernel_row *row)
{
    const struct cuda_shape *s = l->shape;
    size_t rows_a_block = (size_t)row->b * CUDA_TILE_ROWS;
    add(l, (struct cuda_choice){row, {(unsigned)up(s->rows, rows_a_block), (unsigned)up(s->batch, (size_t)row->c), (unsigned)row->a * 32, 0}, 0, 0, 0});
}

size_t cuda_choices(const struct cuda_info *info, const struct cuda_shape *shape, const char *name, struct cuda_choice *out, size_t room)
{
    static void (*const families[])(struct list *, const struct cuda_kernel_row *) = {
        [CUDA_STREAM] = add_streams, [CUDA_HELD] = add_held, [CUDA_RING] = add_rings, [CUDA_GEMM] = add_gemms, [CUDA_TURNS] = add_turns, [CUDA_PORTABLE] = add_portable};
    struct list l = {info, shape, out, 0, room};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (name ? !strcmp(name, rows[i].name) : rows[i].family != CUDA_PORTABLE)
            families[rows[i].family](&l, &rows[i]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !name && !l.n; i++)
        if (rows[i].family == CUDA_PORTABLE)
            add_portable(&l, &rows[i]);
    return l.n;
}
