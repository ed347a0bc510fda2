/* SPDX-License-Identifier: Apache-2.0
 * Passes of a seeded model on the card: gpu_decode, one token after `context - 1` positions as one graph; gpu_prefill, a prompt of `tokens`. The
 * check runs the first rows through the first layer on the CPU's scalar kernels over the same cache and compares logits bit by bit. */
#include "core/accelerator.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/random.h"
#include "format/quants.h"
#include "model/gpu_reference.h"
#include "model/gpu_seeded.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_CHECK = 42, ROWS_CHECKED = 37, LOGITS_CHECKED = 200 };

struct pass {
    struct tern_accelerator on;
    struct cuda_model *model;
    struct cuda_session *session;
    struct tern_gpu_seeded seeded;
    struct cuda_session_spec sizes;
    size_t before, rows;
};

#define PASS_PARAMS                                                                                                                  \
    {"model", "2b4t", "2b4t or tiny"}, {"cache", "f16", "elements of keys and values: f32, f16 or i8"}, {"seed", "1", "of the weights"},   \
    {"resident", "all", "layers that stay on the card; the others come from the host while those before them are computed"}

static const struct tern_op_param decode_params[] = {
    PASS_PARAMS, {"context", "512", "positions, the last of which is decoded"}, {"sequences", "1", "decoded in one step, each with a cache of its own"}, {NULL, NULL, NULL}};
static const struct tern_op_param prefill_params[] = {PASS_PARAMS, {"tokens", "512", "of the prompt"}, {"before", "0", "positions before it"}, {NULL, NULL, NULL}};

/* ---- bind */

static enum tern_status read_model(struct tern_op *op, struct pass *s, struct tern_error *error)
{
    static const char *const caches[] = {"f32", "f16", "i8", NULL};
    size_t model, cache, resident;
    uint64_t seed;
    enum tern_status status;
    if ((status = tern_op_choice(op, "model", tern_gpu_seeded_names, &model, error)) || (status = tern_op_choice(op, "cache", caches, &cache, error)) ||
        (status = tern_op_seed(op, "seed", &seed, error)) || (status = tern_gpu_seeded_open(model, seed, &s->seeded, error)))
        return status;
    s->sizes = (struct cuda_session_spec){.context = s->before + (s->sizes.sequences > 1 ? 1 : s->rows), .rows = s->rows, .sequences = s->sizes.sequences, .cache = (enum cuda_cache)cache};
    s->seeded.spec.context = s->sizes.context;
    if (!strcmp(tern_op_text(op, "resident"), "all"))
        return TERN_OK;
    status = tern_op_size(op, "resident", 1, s->seeded.spec.layers, &resident, error);
    s->seeded.spec.resident = resident;
    return status;
}

static void run_pass(struct tern_op *op, uint64_t n)
{
    struct pass *s = op->state;
    struct cuda_fault fault;
    if (s->on.face->session_repeat(s->session, n, &op->elapsed_ns, &fault))
        op->elapsed_ns = -1;
}

static enum tern_status open_pass(struct tern_op *op, struct pass *s, struct tern_error *error)
{
    struct cuda_fault fault;
    enum tern_status status;
    enum cuda_outcome o;
    if ((status = read_model(op, s, error)) || (status = tern_accelerator_open(&s->on, error)))
        return status;
    op->run_many = run_pass;
    if (!(o = s->on.face->model_open(s->on.device, &s->seeded.spec, &s->model, &fault)) && !(o = s->on.face->session_bind(s->model, &s->sizes, &s->session, &fault)))
        o = s->on.face->session_rehearse(s->session, s->before, s->rows, &fault);
    if (!o)
        s->on.face->session_why(s->session, s->rows, op->why, sizeof op->why);
    return tern_accelerator_fault(o, &fault, error);
}

static enum tern_status bind_decode(struct tern_op *op, struct tern_error *error)
{
    struct pass *s = op->state = tern_array_open(1, sizeof *s);
    size_t context;
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    if ((status = tern_op_size(op, "context", 1, 16384, &context, error)) || (status = tern_op_size(op, "sequences", 1, 256, &s->sizes.sequences, error)))
        return status;
    s->rows = s->sizes.sequences;
    s->before = context - 1;
    return open_pass(op, s, error);
}

static enum tern_status bind_prefill(struct tern_op *op, struct tern_error *error)
{
    struct pass *s = op->state = tern_array_open(1, sizeof *s);
    enum tern_status status;
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    if ((status = tern_op_size(op, "tokens", 1, 4096, &s->rows, error)) || (status = tern_op_size(op, "before", 0, 8192, &s->before, error)))
        return status;
    return open_pass(op, s, error);
}

/* ---- check */

static enum tern_status look(const struct pass *s, struct cuda_session_view view, struct tern_error *error)
{
    struct cuda_fault fault;
    return tern_accelerator_fault(s->on.face->session_look(s->session, &view, &fault), &fault, error);
}

static enum tern_status compare(const struct tern_op *op, size_t n, float found, float expected, const char *what, struct tern_error *error)
{
    if (isfinite(found) && !memcmp(&found, &expected, sizeof found))
        return TERN_OK;
    return tern_error_set(error, TERN_WRONG, "%s: logit %zu %s is %.9g, expected %.9g (%s)", op->row->name, n, what, (double)found, (double)expected, op->why);
}

/* The first rows, or the one of a sequence among several, through the first layer, on both. */
static enum tern_status check_first_layer(struct tern_op *op, struct pass *s, size_t sequence, float *logits, struct tern_error *error)
{
    size_t rows = s->sizes.sequences > 1 ? 1 : s->rows < ROWS_CHECKED ? s->rows : ROWS_CHECKED, positions = s->on.face->session_positions(s->session);
    uint64_t random = tern_random_start(s->seeded.seed, TAG_CHECK, 0);
    struct tern_gpu_reference r;
    struct cuda_session_view view = {.rows = rows, .layers = 1, .sequence = sequence, .logits = logits};
    enum tern_status status = tern_gpu_reference_open(&s->seeded.spec, s->sizes.cache, positions, rows, &r, error);
    r.first = sequence;
    view.keys = r.keys;
    view.values = r.values;
    view.key_scales = r.key_scales;
    view.value_scales = r.value_scales;
    if (!status)
        status = look(s, view, error);
    if (!status)
        tern_gpu_reference_first_layer(&r, s->before);
    for (size_t i = 0; i < LOGITS_CHECKED && !status; i++) {
        size_t n = (size_t)(tern_random_next(&random) % s->seeded.spec.vocabulary);
        status = compare(op, n, logits[n], tern_gpu_reference_logit(&r, n), "after one layer", error);
    }
    tern_gpu_reference_close(&r);
    return status;
}

/* The first and the last sequence; then the whole pass twice: every logit a number, and the same bits again. */
static enum tern_status check_pass(struct tern_op *op, struct tern_error *error)
{
    struct pass *s = op->state;
    float *logits = tern_array_open(1, 2 * s->seeded.spec.vocabulary * sizeof *logits);
    enum tern_status status = logits ? TERN_OK : tern_error_memory(error, "logits", 2 * s->seeded.spec.vocabulary * sizeof *logits);
    size_t last = s->sizes.sequences > 1 ? s->sizes.sequences - 1 : 0;
    if (!status)
        status = check_first_layer(op, s, 0, logits, error);
    if (!status && last)
        status = check_first_layer(op, s, last, logits, error);
    for (size_t i = 0; i < 2 && !status; i++)
        status = look(s, (struct cuda_session_view){.rows = s->rows, .sequence = last, .layers = s->seeded.spec.layers, .logits = logits + i * s->seeded.spec.vocabulary}, error);
    for (size_t n = 0; n < s->seeded.spec.vocabulary && !status; n++)
        status = compare(op, n, logits[n], logits[s->seeded.spec.vocabulary + n], "of the same pass again", error);
    tern_array_close(logits);
    return status;
}

/* Products count as operations; weights once, and the cache that was there. */
static void work_pass(const struct tern_op *op, struct tern_work *work)
{
    const struct pass *s = op->state;
    double weights = 0;
    for (size_t i = 0; i < CUDA_MATRICES; i++) {
        size_t n, k;
        cuda_model_shape(&s->seeded.spec, (enum cuda_matrix)i, &n, &k);
        weights += (double)n * (double)k * (double)s->seeded.spec.layers;
    }
    work->ops = 2 * weights * (double)s->rows + 2 * (double)s->seeded.spec.vocabulary * (double)s->seeded.spec.width * (double)(s->sizes.sequences ? s->sizes.sequences : 1);
    work->bytes = (double)s->on.face->model_bytes(s->model) + s->on.face->session_cache_bytes(s->session, s->before);
    work->items = (double)s->rows;
}

static void close_pass(struct tern_op *op)
{
    struct pass *s = op->state;
    if (s->session)
        s->on.face->session_close(s->session);
    if (s->model)
        s->on.face->model_close(s->model);
    tern_gpu_seeded_close(&s->seeded);
    tern_array_close(s);
}

_Static_assert(sizeof(struct tern_gpu_mark) == sizeof(struct cuda_mark), "the public mark is the library's");

enum tern_status tern_gpu_marks(struct tern_op *op, struct tern_gpu_mark *out, size_t most, size_t *n, struct tern_error *error)
{
    struct cuda_fault fault;
    const struct pass *s = op->state;
    if (op->row->close != close_pass)
        return tern_error_set(error, TERN_INVALID, "%s has no marks; gpu_decode and gpu_prefill have", op->row->name);
    return tern_accelerator_fault(s->on.face->session_marks(s->session, (struct cuda_mark *)out, most, n, &fault), &fault, error);
}

const struct tern_op_row tern_op_row_gpu_decode = {
    .name = "gpu_decode", .about = "one decode step of a seeded model on the card, as one graph", .params = decode_params, .bind = bind_decode, .check = check_pass,
    .work = work_pass, .close = close_pass,
};
const struct tern_op_row tern_op_row_gpu_prefill = {
    .name = "gpu_prefill", .about = "a prompt through a seeded model on the card", .params = prefill_params, .bind = bind_prefill, .check = check_pass, .work = work_pass,
    .close = close_pass,
};
