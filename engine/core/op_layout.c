/* SPDX-License-Identifier: Apache-2.0
 *
 * The operation layout: a tensor laid out in one of the ways of layout.h, and one of its readers. A run of the sequential reader is all
 * rows, of the strided one a slice of all rows (the next one each time), of the random one a number of rows in an order without order.
 */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/layout.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"

enum { LINE = 64, PICKS = 4096, PICKS_OF_RUN = 256, WORD = sizeof(uint64_t) };

struct laid {
    size_t reader, layout;
    size_t rows, row, slice;     /* number; bytes, bytes */
    size_t row_step, slice_step; /* bytes from a row to the next, from a slice of a row to its next */
    size_t slices, ahead, bytes;
    size_t at;                   /* of the next run: slice, or pick */
    unsigned char *data;
    uint32_t *pick;              /* PICKS rows, used in turn */
    uint64_t sum;                /* exclusive or of all words read since bind */
};

static const struct tern_op_param params[] = {
    {"reader", "sequential", "sequential, strided or random"},
    {"layout", "auto", "rows, prefetch, blocked, packed, or auto: by the table of measurements"},
    {"rows", "4096", "of the tensor"},
    {"row", "2600", "bytes of a row, whole words of 8"},
    {"slice", "128", "bytes of a row that the strided reader reads, whole words of 8"},
    {"ahead", "auto", "bytes that a prefetching reader is ahead; a strided or random one at least a piece"},
    {"seed", "1", "of the order of the random reader"},
    {NULL, NULL, NULL},
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Word w of row r, the same in every layout. */
static uint64_t word_of(size_t r, size_t w)
{
    uint64_t state = (uint64_t)r << 32 | w;
    return tern_random_next(&state);
}

static unsigned char *piece_of(const struct laid *s, size_t r, size_t j)
{
    return s->data + r * s->row_step + j * s->slice_step;
}

static size_t piece_bytes(const struct laid *s, size_t j)
{
    return least(s->slice, s->row - j * s->slice);
}

static uint64_t read_piece(const unsigned char *at, size_t bytes)
{
    const uint64_t *word = (const uint64_t *)(const void *)at;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    size_t i = 0;
    for (; i + 4 <= bytes / WORD; i += 4)
        a ^= word[i], b ^= word[i + 1], c ^= word[i + 2], d ^= word[i + 3];
    for (; i < bytes / WORD; i++)
        a ^= word[i];
    return a ^ b ^ c ^ d;
}

/* A row lies in one piece, unless it is blocked. */
static uint64_t read_row(const struct laid *s, size_t r)
{
    uint64_t sum = 0;
    if (s->layout != TERN_LAYOUT_BLOCKED)
        return read_piece(piece_of(s, r, 0), s->row);
    for (size_t j = 0; j < s->slices; j++)
        sum ^= read_piece(piece_of(s, r, j), piece_bytes(s, j));
    return sum;
}

static uint64_t read_sequential(struct laid *s)
{
    uint64_t sum = 0;
    const size_t ahead = s->layout == TERN_LAYOUT_PREFETCH ? s->ahead : 0;
    for (size_t r = 0; r < s->rows; r++) {
        if (ahead)
            tern_layout_ask(piece_of(s, r, 0) + ahead, s->row);
        sum ^= read_row(s, r);
    }
    return sum;
}

static uint64_t read_strided(struct laid *s)
{
    uint64_t sum = 0;
    const size_t j = s->at, bytes = piece_bytes(s, j), ahead = s->layout == TERN_LAYOUT_PREFETCH ? (s->ahead + bytes - 1) / bytes : 0;
    for (size_t r = 0; r < s->rows; r++) {
        if (ahead)
            tern_layout_ask(piece_of(s, r + ahead, j), bytes);
        sum ^= read_piece(piece_of(s, r, j), bytes);
    }
    s->at = j + 1 == s->slices ? 0 : j + 1;
    return sum;
}

static uint64_t read_random(struct laid *s)
{
    uint64_t sum = 0;
    const size_t ahead = s->layout == TERN_LAYOUT_PREFETCH ? (s->ahead + s->row - 1) / s->row : 0;
    for (size_t i = 0; i < PICKS_OF_RUN; i++) {
        if (ahead)
            tern_layout_ask(piece_of(s, s->pick[(s->at + i + ahead) % PICKS], 0), s->row);
        sum ^= read_row(s, s->pick[(s->at + i) % PICKS]);
    }
    s->at = (s->at + PICKS_OF_RUN) % PICKS;
    return sum;
}

static uint64_t (*const readers[])(struct laid *) = {read_sequential, read_strided, read_random};

static void run(struct tern_op *op)
{
    struct laid *s = op->state;
    s->sum ^= readers[s->reader](s);
}

/* ---- bind */

static void lay_out(struct laid *s)
{
    s->slices = (s->row + s->slice - 1) / s->slice;
    s->row_step = s->layout == TERN_LAYOUT_BLOCKED ? s->slice : s->layout == TERN_LAYOUT_PACKED ? (s->row + LINE - 1) / LINE * LINE : s->row;
    s->slice_step = s->layout == TERN_LAYOUT_BLOCKED ? s->rows * s->slice : s->slice;
    s->bytes = s->layout == TERN_LAYOUT_BLOCKED ? s->slices * s->slice_step : s->rows * s->row_step;
}

static void fill(const struct laid *s)
{
    for (size_t r = 0; r < s->rows; r++)
        for (size_t w = 0; w < s->row / WORD; w++) {
            const size_t j = w * WORD / s->slice;
            const uint64_t word = word_of(r, w);
            memcpy(piece_of(s, r, j) + (w * WORD - j * s->slice), &word, WORD);
        }
}

static enum tern_status choose(struct tern_op *op, struct laid *s, struct tern_error *error)
{
    static const char *const names[] = {"rows", "prefetch", "blocked", "packed", "auto", NULL};
    const struct tern_layout_choice *choice = tern_layout_choose((enum tern_reader)s->reader, s->rows * s->row);
    enum tern_status status = tern_op_choice(op, "layout", names, &s->layout, error);
    if (!status && strcmp(tern_op_text(op, "ahead"), "auto"))
        status = tern_op_size(op, "ahead", 0, 1 << 20, &s->ahead, error);
    else
        s->ahead = choice->ahead ? choice->ahead : 1024;
    const bool is_auto = s->layout == TERN_LAYOUTS;
    if (is_auto)
        s->layout = choice->layout;
    snprintf(op->why, sizeof op->why, "%s: %s", tern_layout_name((enum tern_layout)s->layout), is_auto ? choice->why : "the layout was asked for");
    return status;
}

static enum tern_status read_params(struct tern_op *op, struct laid *s, uint64_t *seed, struct tern_error *error)
{
    static const char *const names[] = {"sequential", "strided", "random", NULL};
    enum tern_status status = tern_op_choice(op, "reader", names, &s->reader, error);
    if (!status)
        status = tern_op_size(op, "rows", 1, 1 << 24, &s->rows, error);
    if (!status)
        status = tern_op_size(op, "row", WORD, 1 << 24, &s->row, error);
    if (!status)
        status = tern_op_size(op, "slice", WORD, 1 << 24, &s->slice, error);
    if (!status)
        status = tern_op_seed(op, "seed", seed, error);
    if (!status && (s->row % WORD || s->slice % WORD))
        status = tern_error_set(error, TERN_INVALID, "layout: rows of %zu and slices of %zu bytes: both are to be whole words of %d", s->row, s->slice, WORD);
    s->slice = least(s->slice, s->row);
    return status;
}

enum tern_status tern_op_layout_explain(struct tern_op *op, struct tern_error *error)
{
    struct laid laid = {0};
    uint64_t seed;
    const enum tern_status status = read_params(op, &laid, &seed, error);
    return status ? status : choose(op, &laid, error);
}

static enum tern_status bind(struct tern_op *op, struct tern_error *error)
{
    struct laid *s = op->state = tern_block_open(sizeof *s);
    uint64_t seed = 0;
    if (!s)
        return tern_error_memory(error, "layout", sizeof *s);
    enum tern_status status = read_params(op, s, &seed, error);
    if (!status)
        status = choose(op, s, error);
    if (status)
        return status;
    lay_out(s);
    s->data = tern_block_open(s->bytes);
    s->pick = tern_block_open(PICKS * sizeof *s->pick);
    if (!s->data || !s->pick)
        return tern_error_memory(error, "a tensor", s->bytes);
    fill(s);
    uint64_t random = tern_random_start(seed, 7, 0);
    for (size_t i = 0; i < PICKS; i++)
        s->pick[i] = (uint32_t)((tern_random_next(&random) >> 32) * s->rows >> 32);
    return TERN_OK;
}

/* ---- check, work, close */

/* What the next run is to read, from the words themselves. */
static uint64_t expected(const struct laid *s)
{
    const size_t from = s->reader == TERN_READER_STRIDED ? s->at * s->slice : 0;
    const size_t to = s->reader == TERN_READER_STRIDED ? from + piece_bytes(s, s->at) : s->row;
    const size_t n = s->reader == TERN_READER_RANDOM ? PICKS_OF_RUN : s->rows;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t r = s->reader == TERN_READER_RANDOM ? s->pick[(s->at + i) % PICKS] : i;
        for (size_t w = from / WORD; w < to / WORD; w++)
            sum ^= word_of(r, w);
    }
    return sum;
}

static enum tern_status check(struct tern_op *op, struct tern_error *error)
{
    struct laid *s = op->state;
    for (size_t i = 0; i < (s->reader == TERN_READER_STRIDED ? s->slices : 1); i++) {
        const uint64_t sum = expected(s);
        if (readers[s->reader](s) != sum)
            return tern_error_set(error, TERN_WRONG, "layout %s: the %s reader read other words than were laid out",
                                  tern_layout_name((enum tern_layout)s->layout), tern_reader_name((enum tern_reader)s->reader));
    }
    return TERN_OK;
}

/* Bytes of a run of the strided reader: the mean over its slices. */
static void work(const struct tern_op *op, struct tern_work *work)
{
    const struct laid *s = op->state;
    const double rows = s->reader == TERN_READER_RANDOM ? PICKS_OF_RUN : (double)s->rows;
    work->items = rows;
    work->bytes = rows * (double)s->row / (s->reader == TERN_READER_STRIDED ? (double)s->slices : 1);
}

static void close(struct tern_op *op)
{
    struct laid *s = op->state;
    if (!s)
        return;
    tern_block_close(s->data, s->bytes);
    tern_block_close(s->pick, PICKS * sizeof *s->pick);
    tern_block_close(s, sizeof *s);
}

const struct tern_op_row tern_op_row_layout = {
    .name = "layout", .about = "a tensor read in the way that it lies, and in others", .params = params,
    .bind = bind, .run = run, .check = check, .work = work, .close = close,
};
