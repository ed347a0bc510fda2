/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole models as operations: decode (one token of each of `batch` sequences that have `context` positions behind them), prefill
 * (a prompt of `tokens`), loader (opening a file).
 */
#include "core/error.h"
#include "core/memory.h"
#include "core/op.h"
#include "core/random.h"
#include "model/attend.h"
#include "model/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_TOKENS = 0x61, TAG_CACHE, CHECKED_ROWS = 32 };

struct run {
    struct tern_settings settings;
    char *path;
    struct tern_model *model;
    struct tern_plan *plan;
    struct tern_session *session;
    size_t rows, behind; /* of a pass; positions each sequence has before it */
    uint32_t *tokens, *sequences;
    uint8_t *wants;
    float *logits;
    bool is_decode;
};

/* The parameters that settings.c knows; the others are the op's own. */
#define MODEL_PARAMS(batch_name, batch_value, batch_about)                                                                      \
    {"model", "small", "a synthetic shape, or the path of a GGUF file"}, {"backend", "auto", "instruction set"},                \
        {"threads", "auto", "parts of a pass"}, {"level", "basic", "optimisations: none, basic, aggressive"},                   \
        {"output", "auto", "output matrix: exact, int8, int4, or as the level says"},                                           \
        {"storage", "auto", "storage of the layers' weights, or as the level says"}, {"activations", "int8", "int8 or f32"},     \
        {batch_name, batch_value, batch_about}, {"seed", "1", "of the tokens"}

static const struct tern_op_param decode_params[] = {
    MODEL_PARAMS("batch", "1", "sequences, one new token of each"), {"context", "128", "positions behind each sequence"}, {NULL, NULL, NULL}};
static const struct tern_op_param prefill_params[] = {MODEL_PARAMS("tokens", "512", "of the prompt"), {NULL, NULL, NULL}};

static bool is_own(const char *name)
{
    static const char *const own[] = {"model", "batch", "tokens", "seed", "context"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(own[i], name) == 0)
            return true;
    return false;
}

static enum tern_status read_settings(const struct tern_op *op, struct run *r, struct tern_error *error)
{
    struct tern_param params[TERN_OP_PARAMS_MAX];
    size_t n = 0;
    for (size_t i = 0; op->row->params[i].name; i++)
        if (!is_own(op->row->params[i].name))
            params[n++] = (struct tern_param){op->row->params[i].name, op->values[i]};
    enum tern_status status = tern_settings_read(params, n, &r->settings, error);
    r->settings.plan.batch = r->rows;
    r->settings.model.file.map_from = 1; /* packed at once, so that a copy of the file would only lie there */
    return status;
}

static enum tern_status read_sizes(struct tern_op *op, struct run *r, struct tern_error *error)
{
    enum tern_status status = tern_op_size(op, r->is_decode ? "batch" : "tokens", 1, 4096, &r->rows, error);
    return status == TERN_OK && r->is_decode ? tern_op_size(op, "context", 0, 1 << 20, &r->behind, error) : status;
}

/* What one group of heads of a sequence in a layer had said: numbers of the size that keys and values have, so that attention does its work. */
static void fill_group(struct run *r, size_t layer, size_t sequence, size_t group, float *kv)
{
    const size_t d = r->model->config.head_size;
    uint64_t seed = (layer * r->session->sequences + sequence) * r->model->config.n_kv_heads + group;
    for (size_t p = 0; p < r->behind; p++) {
        tern_random_floats(tern_random_start(seed, TAG_CACHE, p), 1, kv, 2 * d);
        r->session->attention->keep(&r->plan->backend->kernels.vector, &(struct tern_kept){
            .keys = tern_session_cache(r->session, r->session->keys, layer, sequence, group),
            .values = tern_session_cache(r->session, r->session->values, layer, sequence, group),
            .position = p, .length = r->behind, .d = d, .k = kv, .v = kv + d});
    }
}

static enum tern_status fill_cache(struct run *r, struct tern_error *error)
{
    const struct tern_config *c = &r->model->config;
    float *kv = tern_array_open(1, 2 * c->head_size * sizeof *kv);
    if (!kv)
        return tern_error_memory(error, "inputs", 2 * c->head_size * sizeof *kv);
    for (size_t layer = 0; layer < c->n_layers; layer++)
        for (size_t s = 0; s < r->session->sequences; s++)
            for (size_t g = 0; g < c->n_kv_heads; g++)
                fill_group(r, layer, s, g, kv);
    for (size_t s = 0; s < r->session->sequences; s++)
        r->session->lengths[s] = r->behind;
    tern_array_close(kv);
    return TERN_OK;
}

static enum tern_status make_inputs(struct tern_op *op, struct run *r, struct tern_error *error)
{
    uint64_t seed = 1;
    size_t wanted = r->is_decode ? r->rows : 1, vocabulary = r->model->config.vocabulary;
    enum tern_status status = tern_op_seed(op, "seed", &seed, error);
    uint64_t state = tern_random_start(seed, TAG_TOKENS, 0);
    r->tokens = tern_array_open(r->rows, sizeof *r->tokens);
    r->sequences = tern_array_open(r->rows, sizeof *r->sequences);
    r->wants = tern_array_open(r->rows, 1);
    r->logits = tern_array_open(wanted * vocabulary, sizeof *r->logits);
    if (!r->tokens || !r->sequences || !r->wants || !r->logits)
        return tern_error_memory(error, "inputs", wanted * vocabulary * sizeof *r->logits);
    for (size_t i = 0; i < r->rows; i++) {
        r->tokens[i] = (uint32_t)(tern_random_next(&state) % vocabulary);
        r->sequences[i] = r->is_decode ? (uint32_t)i : 0;
        r->wants[i] = r->is_decode || i + 1 == r->rows;
    }
    return status;
}

/* Memory of a plan and its scratch: shares that are saved, the share that was not copied, and the share of takes that were given. */
static size_t observe_run(const struct tern_op *op, struct tern_observed *out, size_t room)
{
    const struct run *r = op->state;
    const struct tern_footprint f = tern_plan_footprint(r->plan);
    const struct tern_memory_asked asked = tern_memory_asked();
    const struct tern_observed all[] = {
        {"weights_saved_share", 1 - f.weights / f.weights_float},
        {"scratch_saved_share", 1 - f.scratch / f.scratch_apart},
        {"zero_copy_share", f.in_place / (f.in_place + f.copied)},
        {"success_share", 1 - (double)asked.refused / (double)asked.asked},
        {"weight_bytes", f.weights},
        {"session_bytes", (double)r->session->bytes},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all && i < room; i++)
        out[i] = all[i];
    return sizeof all / sizeof *all;
}

static enum tern_status bind_run(struct tern_op *op, bool is_decode, struct tern_error *error)
{
    struct run *r = op->state = tern_array_open(1, sizeof *r);
    if (!r)
        return tern_error_memory(error, op->row->name, sizeof *r);
    r->is_decode = is_decode;
    enum tern_status status = read_sizes(op, r, error);
    if (status == TERN_OK)
        status = read_settings(op, r, error);
    if (status == TERN_OK)
        status = tern_synth_file(tern_op_text(op, "model"), &r->path, error);
    if (status == TERN_OK)
        status = tern_model_open(r->path, &r->settings.model, &r->model, error);
    if (status == TERN_OK)
        status = tern_plan_open(r->model, &r->settings.plan, &r->plan, error);
    struct tern_session_options sizes = {.sequences = is_decode ? r->rows : 1, .context = r->behind + (is_decode ? 1 : r->rows), .rows = is_decode ? r->rows : 0};
    if (status == TERN_OK)
        status = tern_session_open(r->plan, &sizes, &r->session, error);
    if (status == TERN_OK)
        status = make_inputs(op, r, error);
    if (status != TERN_OK)
        return status;
    op->backend = r->plan->backend;
    op->observe = observe_run;
    snprintf(op->why, sizeof op->why, "%d thread%s, %.1f MB of weights a pass, output off by %.2f %%", r->plan->options.threads,
             r->plan->options.threads == 1 ? "" : "s", (double)tern_plan_bytes(r->plan) * 1e-6, r->plan->output.error * 100);
    return fill_cache(r, error);
}

static enum tern_status bind_decode(struct tern_op *op, struct tern_error *error)
{
    return bind_run(op, true, error);
}

static enum tern_status bind_prefill(struct tern_op *op, struct tern_error *error)
{
    return bind_run(op, false, error);
}

static enum tern_status pass(struct run *r, size_t rows, struct tern_error *error)
{
    struct tern_pass p = {rows, r->tokens, r->sequences, r->wants, r->logits, false};
    enum tern_status status = tern_session_forward(r->session, &p, error);
    for (size_t s = 0; s < r->session->sequences; s++)
        tern_session_rewind(r->session, s, r->behind);
    return status;
}

static void run_run(struct tern_op *op)
{
    struct run *r = op->state;
    pass(r, r->rows, NULL); /* bind checked tokens, sequences and context, so it cannot fail */
}

/* A sample of one matrix's rows: the packed product against the file's own trits, exactly. */
static enum tern_status check_matrix(const struct tern_op *op, const struct run *r, uint32_t layer, enum tern_role role, struct tern_error *error)
{
    const struct tern_bound_matrix *m = &r->plan->layers[layer][role];
    size_t n = m->matrix.n_rows, k = m->matrix.n_columns;
    uint64_t state = tern_random_start(7, TAG_TOKENS, layer * TERN_N_ROLES + role), bad;
    int8_t *x = tern_array_open(1, k), *trits = tern_array_open(1, k);
    float *scales = tern_array_open(1, (k / 256 + 1) * sizeof *scales);
    int32_t *y = tern_array_open(1, n * sizeof *y);
    struct tern_activations a = {0};
    enum tern_status status = tern_activations_open(&a, 1, k, error);
    if (status == TERN_OK && x && trits && scales && y) {
        tern_random_int8(state, x, k);
        tern_activations_copy(&a, x, 0, 1);
        tern_linear_part_exact(m->linear, &a, 1, 0, y, 0, 1);
        for (int i = 0; i < CHECKED_ROWS && status == TERN_OK; i++) {
            size_t row = (size_t)(tern_random_next(&state) % n);
            int32_t right = 0;
            tern_matrix_trits(&m->matrix, row, trits, scales, &bad);
            for (size_t c = 0; c < k; c++)
                right += trits[c] * x[c];
            if (y[row] != right)
                status = tern_error_set(error, TERN_WRONG, "%s on %s: layer %u, %s, output %zu is %d, expected %d", op->row->name,
                                        op->backend->name, (unsigned)layer, tern_role(role)->name, row, (int)y[row], (int)right);
        }
    } else if (status == TERN_OK) {
        status = tern_error_memory(error, "check", n * sizeof *y);
    }
    tern_activations_close(&a);
    tern_array_close(x);
    tern_array_close(trits);
    tern_array_close(scales);
    tern_array_close(y);
    return status;
}

/* One layer's matrices by sample, and a short pass whose logits are numbers and the same twice. */
static enum tern_status check_run(struct tern_op *op, struct tern_error *error)
{
    struct run *r = op->state;
    size_t rows = r->is_decode ? r->rows : 1, n = rows * r->model->config.vocabulary;
    double first = 0, second = 0;
    enum tern_status status = TERN_OK;
    for (enum tern_role role = 0; role < TERN_N_ROLES && status == TERN_OK; role++)
        if (r->plan->layers[0][role].linear)
            status = check_matrix(op, r, r->model->config.n_layers / 2, role, error);
    r->wants[0] = 1;
    for (int turn = 0; turn < 2 && status == TERN_OK; turn++) {
        status = pass(r, rows, error);
        first = second;
        second = 0;
        for (size_t i = 0; i < n; i++)
            second += (double)r->logits[i] * (double)(1 + i % 13);
    }
    r->wants[0] = r->is_decode || r->rows == 1;
    if (status == TERN_OK && (!isfinite(second) || first != second))
        status = tern_error_set(error, TERN_WRONG, "%s on %s: the logits of the same pass twice sum up to %.9g and %.9g", op->row->name,
                                op->backend->name, first, second);
    return status;
}

/* Weights and the cache are read once a pass; embedding rows, activations and logits are left out. */
static void work_run(const struct tern_op *op, struct tern_work *work)
{
    const struct run *r = op->state;
    const struct tern_config *c = &r->model->config;
    enum { MANY = 1 << 12 };
    double wanted = r->is_decode ? (double)r->rows : 1, kv = 2.0 * c->n_kv_heads * c->n_layers * (double)r->session->attention->bytes(MANY, c->head_size) / MANY;
    double seen = r->is_decode ? (double)r->behind + 1 : 0; /* a prompt's keys come from the cache of the core */
    work->ops = 2 * (double)tern_model_layer_weights(c) * (double)r->rows + 2 * (double)c->vocabulary * c->width * wanted;
    work->bytes = (double)tern_plan_bytes(r->plan) + kv * seen * (double)r->rows;
    work->items = (double)r->rows;
}

static void close_run(struct tern_op *op)
{
    struct run *r = op->state;
    tern_session_close(r->session);
    tern_plan_close(r->plan);
    tern_model_close(r->model);
    free(r->path);
    tern_array_close(r->tokens);
    tern_array_close(r->sequences);
    tern_array_close(r->wants);
    tern_array_close(r->logits);
    tern_array_close(r);
}

const struct tern_op_row tern_op_row_decode = {
    "decode", "one token of each of a batch of sequences through a whole model", decode_params, bind_decode, run_run, check_run, work_run, close_run,
};
const struct tern_op_row tern_op_row_prefill = {
    "prefill", "a prompt through a whole model", prefill_params, bind_prefill, run_run, check_run, work_run, close_run,
};

/* ---- loader */

struct load {
    char *path;
    struct tern_model_options options;
    size_t bytes;
};

static const struct tern_op_param loader_params[] = {
    {"model", "small", "a synthetic shape, or the path of a GGUF file"},
    {"access", "mapped", "mapped or read"},
    {"cache", "warm", "of parsed headers: warm or cold"},
    {NULL, NULL, NULL},
};

static enum tern_status bind_loader(struct tern_op *op, struct tern_error *error)
{
    static const char *const accesses[] = {"mapped", "read", NULL}, *const caches[] = {"warm", "cold", NULL};
    size_t access = 0, cache = 0;
    struct load *l = op->state = tern_array_open(1, sizeof *l);
    if (!l)
        return tern_error_memory(error, op->row->name, sizeof *l);
    enum tern_status status = tern_op_choice(op, "access", accesses, &access, error);
    if (status == TERN_OK)
        status = tern_op_choice(op, "cache", caches, &cache, error);
    if (status == TERN_OK)
        status = tern_synth_file(tern_op_text(op, "model"), &l->path, error);
    l->options.file.map_from = access ? SIZE_MAX : 1;
    l->options.file.no_cache = cache != 0;
    return status == TERN_OK ? op->row->check(op, error) : status;
}

static void run_loader(struct tern_op *op)
{
    const struct load *l = op->state;
    struct tern_model *model;
    if (tern_model_open(l->path, &l->options, &model, NULL) == TERN_OK) /* bind opened it once; one that is gone since costs the next check */
        tern_model_close(model);
}

static enum tern_status check_loader(struct tern_op *op, struct tern_error *error)
{
    struct load *l = op->state;
    struct tern_model *model;
    enum tern_status status = tern_model_open(l->path, &l->options, &model, error);
    if (status != TERN_OK)
        return status;
    l->bytes = tern_gguf_size(model->gguf);
    tern_model_close(model);
    return TERN_OK;
}

static void work_loader(const struct tern_op *op, struct tern_work *work)
{
    work->bytes = (double)((const struct load *)op->state)->bytes;
    work->items = 1;
}

static void close_loader(struct tern_op *op)
{
    struct load *l = op->state;
    free(l->path);
    tern_array_close(l);
}

const struct tern_op_row tern_op_row_loader = {
    "loader", "a model file opened, read, checked and closed", loader_params, bind_loader, run_loader, check_loader, work_loader, close_loader,
};
