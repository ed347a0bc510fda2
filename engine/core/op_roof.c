/* SPDX-License-Identifier: Apache-2.0
 * The roofline's operations: peak (the most that an instruction set multiplies) and read (the most that a level of memory gives). They run
 * on random operands, because data changes the clock. */
#include "core/error.h"
#include "core/memory.h"
#include "core/monitor.h"
#include "core/op.h"
#include "core/random.h"
#include "core/threads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill_words(uint8_t *p, size_t bytes, uint64_t start)
{
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        uint64_t word = tern_random_next(&start);
        memcpy(p + i, &word, 8);
    }
}

/* ---- peak */

enum { LANES_MAX = 256 };

struct peak {
    struct tern_peak_kernel kernel;
    int threads;
    bool tiles;
    size_t bytes;        /* operands of one thread, all they write included */
    uint8_t *operands;   /* one block per thread */
    int32_t *lanes;      /* LANES_MAX per thread */
    uint64_t steps;
};

static const struct tern_op_param peak_params[] = {
    { "backend", "auto", "instruction set" },          { "from", "registers", "where operands come from: registers, l1, l2, or unpack16, unpack32, unpack64: weights unpacked for so many rows" },
    { "threads", "1", "threads that do it at once" },  { "steps", "4096", "of a run: more, and the meeting of threads counts less" },
    { "seed", "1", "of the operands" },                { NULL, NULL, NULL },
};

/* Two-bit weights, four codes of 0..2 a byte. */
static void fill_codes(uint8_t *p, size_t bytes, uint64_t start)
{
    for (size_t i = 0; i < bytes; i++) {
        uint64_t r = tern_random_next(&start);
        p[i] = (uint8_t)(r % 3 | (r >> 16) % 3 << 2 | (r >> 32) % 3 << 4 | (r >> 48) % 3 << 6);
    }
}

/* Weights are trits as the kernels see them: 0..2 for u8 products, -1..1 in tiles; activations are any int8. */
static void fill_operands(struct peak *s, uint64_t seed)
{
    for (int t = 0; t < s->threads; t++) {
        uint8_t *a = s->operands + (size_t)t * s->bytes, *b = a + s->kernel.a;
        uint8_t *weights = s->tiles ? b : a, *values = s->tiles ? a : b;
        size_t n_weights = s->tiles ? s->kernel.b : s->kernel.a, n_values = s->tiles ? s->kernel.a : s->kernel.b;
        tern_random_trits(tern_random_start(seed, 1, (uint64_t)t), 0.667, (int8_t *)weights, n_weights);
        for (size_t i = 0; !s->tiles && i < n_weights; i++)
            weights[i] = (uint8_t)(weights[i] + 1);
        if (s->kernel.packed)
            fill_codes(weights, n_weights, tern_random_start(seed, 3, (uint64_t)t));
        tern_random_int8(tern_random_start(seed, 2, (uint64_t)t), (int8_t *)values, n_values);
    }
}

static enum tern_status bind_peak(struct tern_op *op, struct tern_error *error)
{
    static const char *const places[] = { "registers", "l1", "l2", "unpack16", "unpack32", "unpack64", NULL };
    struct peak *s = op->state = tern_array_open(1, sizeof *s);
    size_t place = 0, steps = 0;
    uint64_t seed = 0;
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, "peak", sizeof *s);
    if ((status = tern_op_choice(op, "from", places, &place, error)) || (status = tern_op_seed(op, "seed", &seed, error)) ||
        (status = tern_op_size(op, "steps", 1, (size_t)1 << 40, &steps, error)) ||
        (status = tern_op_threads(op, "threads", tern_threads_allowed(), &s->threads, error)))
        return status;
    s->kernel = op->backend->kernels.roof.peak[place];
    s->tiles = !strcmp(op->backend->name, "amx");
    s->steps = steps;
    if (!s->kernel.run)
        return tern_error_set(error, TERN_UNSUPPORTED, "peak: backend %s has no loop with operands from %s", op->backend->name, places[place]);
    s->bytes = (s->kernel.a + s->kernel.b + 4095) / 4096 * 4096;
    s->operands = tern_block_open((size_t)s->threads * s->bytes);
    s->lanes = tern_block_open((size_t)s->threads * LANES_MAX * sizeof *s->lanes);
    if (!s->operands || !s->lanes)
        return tern_error_memory(error, "operands", (size_t)s->threads * s->bytes);
    fill_operands(s, seed);
    snprintf(op->why, sizeof op->why, "register loop of %s, %d thread%s", op->backend->name, s->threads, s->threads == 1 ? "" : "s");
    return TERN_OK;
}

static void part_peak(void *data, int id, int n)
{
    struct peak *s = data;
    (void)n;
    s->kernel.run(s->steps, s->operands + (size_t)id * s->bytes, s->lanes + (size_t)id * LANES_MAX);
}

static void run_peak(struct tern_op *op)
{
    struct peak *s = op->state;
    tern_team_run_together(s->threads, part_peak, s);
}

/* First lane of one step by hand: twelve times four products, or one tile's row by column. */
static int32_t first_lane(const struct peak *s)
{
    const uint8_t *a = s->operands, *b = a + s->kernel.a;
    int32_t sum = 0;
    for (int k = 0; s->tiles && !s->kernel.packed && k < 64; k++)
        sum += (int8_t)a[k] * (int8_t)b[k / 4 * 64 + k % 4];
    for (int k = 0; s->kernel.packed && k < 64; k++)
        sum += (int8_t)a[k] * ((b[k / 16 * TERN_STEP + k % 4] >> k / 4 % 4 * 2 & 3) - 1);
    for (int k = 0; !s->tiles && k < 4; k++)
        sum += a[k] * (int8_t)b[k];
    return s->tiles || s->kernel.ops < 16 ? sum : 12 * sum;
}

static enum tern_status check_peak(struct tern_op *op, struct tern_error *error)
{
    struct peak *s = op->state;
    s->kernel.run(1, s->operands, s->lanes);
    int32_t found = s->lanes[0], expected = first_lane(s);
    if (found == expected)
        return TERN_OK;
    return tern_error_set(error, TERN_WRONG, "peak on %s: a step gives %d, expected %d", op->backend->name, found, expected);
}

static void work_peak(const struct tern_op *op, struct tern_work *work)
{
    const struct peak *s = op->state;
    work->ops = s->kernel.ops * (double)s->steps * s->threads;
}

static void close_peak(struct tern_op *op)
{
    struct peak *s = op->state;
    tern_block_close(s->operands, (size_t)s->threads * s->bytes);
    tern_block_close(s->lanes, (size_t)s->threads * LANES_MAX * sizeof *s->lanes);
    tern_array_close(s);
}

/* ---- read */

enum { UNIT = 1024 };

struct reader {
    size_t bytes, passes, ahead;
    int threads;
    uint8_t *data;
    uint64_t expected, found[TERN_THREADS_MAX];
    const struct tern_kernels *kernels;
};

static const struct tern_op_param read_params[] = {
    { "backend", "auto", "instruction set" },         { "bytes", "33554432", "footprint, shared out among the threads" },
    { "ahead", "0", "bytes of software prefetch; auto: what is fastest at bind" },   { "threads", "1", "threads that read at once" },
    { "passes", "1", "of a run over them, odd" },     { "seed", "1", "of the bytes" },
    { NULL, NULL, NULL },
};

static void my_bytes(const struct reader *s, int id, int n, size_t *from, size_t *to)
{
    tern_share(s->bytes / UNIT, id, n, from, to);
    *from *= UNIT;
    *to *= UNIT;
}

static void part_fill(void *data, int id, int n)
{
    struct reader *s = data;
    size_t from, to;
    my_bytes(s, id, n, &from, &to);
    fill_words(s->data + from, to - from, (uint64_t)from);
}

static void part_read(void *data, int id, int n)
{
    struct reader *s = data;
    size_t from, to;
    my_bytes(s, id, n, &from, &to);
    s->found[id] = s->kernels->roof.read(s->data + from, to - from, s->passes, s->ahead);
}

static void run_read(struct tern_op *op)
{
    struct reader *s = op->state;
    tern_team_run_together(s->threads, part_read, s);
}

static double nanoseconds_of_read(struct tern_op *op)
{
    const double begin = tern_monitor_clock();
    run_read(op);
    return tern_monitor_clock() - begin;
}

/*
 * Puts the data where reading it is fastest; false: no memory. Where small pages share the sets of a cache is a matter of luck, which made
 * processes differ by 15 % at three quarters of a level-2 cache (Zen 5): of 16 places for what is smaller than a huge page the best is kept,
 * each read five times in a row, since the first brings it into the cache.
 */
static bool place(struct tern_op *op)
{
    enum { PLACES = 16, ROUNDS = 5 };
    struct reader *s = op->state;
    uint8_t *data[PLACES];
    const size_t wanted = s->bytes < 2 << 20 ? PLACES : 1;
    size_t n = 0, best = 0;
    double shortest = HUGE_VAL;
    for (; n < wanted && (s->data = data[n] = tern_block_open(s->bytes)); n++)
        tern_team_run_together(s->threads, part_fill, s);
    for (size_t i = 0; n > 1 && i < ROUNDS * n; i++) {
        s->data = data[i / ROUNDS];
        const double taken = nanoseconds_of_read(op);
        if (taken < shortest) {
            shortest = taken;
            best = i / ROUNDS;
        }
    }
    s->data = n ? data[best] : NULL;
    for (size_t i = 0; i < n; i++)
        if (i != best)
            tern_block_close(data[i], s->bytes);
    return n > 0;
}

/* How far ahead pays differs by processor and by cache level, so each distance is tried in turn and the one with the shortest run is kept. */
static void choose_ahead(struct tern_op *op)
{
    enum { ROUNDS = 5 };
    static const size_t distances[] = { 0, 512, 1024, 4096, 8192 };
    struct reader *s = op->state;
    double shortest = HUGE_VAL;
    size_t best = 0;
    for (size_t i = 0; i < ROUNDS * sizeof distances / sizeof *distances; i++) {
        s->ahead = distances[i % (sizeof distances / sizeof *distances)];
        const double taken = nanoseconds_of_read(op);
        if (taken < shortest) {
            shortest = taken;
            best = s->ahead;
        }
    }
    s->ahead = best;
}

static enum tern_status bind_read(struct tern_op *op, struct tern_error *error)
{
    struct reader *s = op->state = tern_array_open(1, sizeof *s);
    const bool is_auto = !strcmp(tern_op_text(op, "ahead"), "auto");
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, "read", sizeof *s);
    s->kernels = &op->backend->kernels;
    if ((status = tern_op_size(op, "bytes", UNIT, (size_t)1 << 40, &s->bytes, error)) ||
        (status = tern_op_size(op, "passes", 1, (size_t)1 << 40, &s->passes, error)) || (!is_auto && (status = tern_op_size(op, "ahead", 0, 1 << 20, &s->ahead, error))) ||
        (status = tern_op_threads(op, "threads", tern_threads_allowed(), &s->threads, error)))
        return status;
    s->bytes = s->bytes / UNIT * UNIT;
    if (s->passes % 2 == 0)
        return tern_error_set(error, TERN_INVALID, "read: parameter passes: \"%zu\" is even: the second of two passes takes out of the sum what the first put in", s->passes);
    if (!place(op))
        return tern_error_memory(error, "footprint", s->bytes);
    s->expected = tern_backend_scalar()->kernels.roof.read(s->data, s->bytes, 1, 0);
    if (is_auto)
        choose_ahead(op);
    snprintf(op->why, sizeof op->why, "eight registers of %s, prefetch %zu bytes ahead, %d thread%s", op->backend->name, s->ahead, s->threads,
             s->threads == 1 ? "" : "s");
    return TERN_OK;
}

static enum tern_status check_read(struct tern_op *op, struct tern_error *error)
{
    struct reader *s = op->state;
    uint64_t all = 0;
    memset(s->found, 0, sizeof s->found);
    tern_op_run(op, 1);
    for (int i = 0; i < s->threads; i++)
        all ^= s->found[i];
    return all == s->expected ? TERN_OK : tern_error_set(error, TERN_WRONG, "read on %s: words were left out", op->backend->name);
}

static void work_read(const struct tern_op *op, struct tern_work *work)
{
    const struct reader *s = op->state;
    work->bytes = (double)s->bytes * (double)s->passes;
}

static void close_read(struct tern_op *op)
{
    struct reader *s = op->state;
    tern_block_close(s->data, s->bytes);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_peak = {
    "peak", "products of an instruction set at its fastest", peak_params, bind_peak, run_peak, check_peak, work_peak, close_peak,
};
const struct tern_op_row tern_op_row_read = {
    "read", "reading memory at its fastest", read_params, bind_read, run_read, check_read, work_read, close_read,
};
