/* SPDX-License-Identifier: Apache-2.0
 * The operation pack: trits into a weight format, back, or from the format into the order that kernels read (what bind does once). */
#include "core/error.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"
#include "format/lines.h"
#include "format/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACK, UNPACK, BIND, ROWS = TERN_PANEL };

struct packer {
    const struct tern_weight_format *format;
    size_t k, stride, row_bytes, way;
    int8_t *trits, *back;
    uint8_t *packed, *panel;
};

static const struct tern_op_param params[] = {
    { "format", "2bit", "a row of weights.def" }, { "k", "2560", "weights of a row, of which there are 64" },
    { "way", "pack", "pack, unpack, or bind: from the format to the kernels' order" },
    { "density", "0.667", "share of weights that are not zero" }, { "seed", "1", "of the weights" }, { NULL, NULL, NULL },
};

static void pack_rows(const struct packer *s)
{
    for (size_t r = 0; r < ROWS; r++)
        s->format->pack(s->trits + r * s->stride, s->k, s->packed + r * s->row_bytes);
}

static void unpack_rows(const struct packer *s)
{
    for (size_t r = 0; r < ROWS; r++)
        s->format->unpack(s->packed + r * s->row_bytes, s->k, s->back + r * s->stride);
}

static enum tern_status make(struct packer *s, uint64_t seed, double density, struct tern_error *error)
{
    s->stride = (s->k + 20 + 63) / 64 * 64;
    s->row_bytes = tern_weight_row_bytes(s->format, s->k);
    s->trits = tern_block_open(ROWS * s->stride);
    s->back = tern_block_open(ROWS * s->stride);
    s->packed = tern_block_open(ROWS * s->row_bytes);
    s->panel = tern_block_open(tern_lines_count(s->format->storage, s->k) * TERN_STEP);
    if (!s->trits || !s->back || !s->packed || !s->panel)
        return tern_error_memory(error, "weights", 3 * ROWS * s->stride);
    for (size_t r = 0; r < ROWS; r++)
        tern_random_trits(tern_random_start(seed, 1, r), density, s->trits + r * s->stride, s->k);
    pack_rows(s);
    return TERN_OK;
}

static enum tern_status bind(struct tern_op *op, struct tern_error *error)
{
    static const char *const ways[] = { "pack", "unpack", "bind", NULL };
    struct packer *s = op->state = tern_array_open(1, sizeof *s);
    uint64_t seed = 0;
    double density = 0;
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, "pack", sizeof *s);
    if ((status = tern_op_size(op, "k", 1, TERN_K_MAX, &s->k, error)) || (status = tern_op_seed(op, "seed", &seed, error)) ||
        (status = tern_op_number(op, "density", 0, 1, &density, error)) || (status = tern_op_choice(op, "way", ways, &s->way, error)))
        return status;
    s->format = tern_weight_format_find(tern_op_text(op, "format"));
    /* Formats of whole bytes pad their last one; the blocks of files are whole. */
    if (!s->format || (s->format->block >= 64 && s->k % s->format->block))
        return tern_error_set(error, TERN_INVALID, "pack: parameter format: \"%s\" is no weight format whose blocks divide %zu weights",
                              tern_op_text(op, "format"), s->k);
    snprintf(op->why, sizeof op->why, "the exact, slow code of format/weights.c, %.3f bits a weight", 8.0 * (double)s->format->bytes / (double)s->format->block);
    return make(s, seed, density, error);
}

static void run(struct tern_op *op)
{
    struct packer *s = op->state;
    if (s->way == PACK) {
        pack_rows(s);
        return;
    }
    unpack_rows(s);
    if (s->way == BIND)
        tern_lines_pack(s->format->storage, s->back, s->stride, s->k, s->panel);
}

/* What was packed comes back, and so does what the kernels will read. */
static enum tern_status check(struct tern_op *op, struct tern_error *error)
{
    struct packer *s = op->state;
    tern_op_run(op, 1);
    unpack_rows(s);
    bool same = true;
    for (size_t r = 0; r < ROWS; r++) {
        same &= !memcmp(s->back + r * s->stride, s->trits + r * s->stride, s->k);
        if (s->way == BIND) {
            tern_lines_unpack(s->format->storage, s->panel, r, s->k, s->back + r * s->stride);
            same &= !memcmp(s->back + r * s->stride, s->trits + r * s->stride, s->k);
        }
    }
    return same ? TERN_OK : tern_error_set(error, TERN_WRONG, "pack: format %s does not give back what was packed", s->format->name);
}

static void work(const struct tern_op *op, struct tern_work *work)
{
    const struct packer *s = op->state;
    work->bytes = (double)(ROWS * (s->k + s->row_bytes));
    work->items = (double)(ROWS * s->k);
}

static void close(struct tern_op *op)
{
    struct packer *s = op->state;
    size_t panel = s->format ? tern_lines_count(s->format->storage, s->k) * TERN_STEP : 0;
    tern_block_close(s->trits, ROWS * s->stride);
    tern_block_close(s->back, ROWS * s->stride);
    tern_block_close(s->packed, ROWS * s->row_bytes);
    tern_block_close(s->panel, panel);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_pack = {
    "pack", "weights into a format, back, or into the kernels' order", params, bind, run, check, work, close,
};
