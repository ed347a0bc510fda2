/* SPDX-License-Identifier: Apache-2.0 */
#include "model/accelerated.h"

#include "core/accelerator.h"
#include "core/error.h"
#include "core/memory.h"
#include "model/layers.h"
#include "model/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { CONTEXT_USUAL = 4096, ROWS_USUAL = 512 };

struct tern_accelerated {
    struct tern_accelerator on;
    const struct tern_model *model;
    struct cuda_model_spec spec;
    struct cuda_session_spec sizes;
    struct cuda_model *weights;
    struct cuda_session *session;
    float *row, *scales; /* of a weight: the longest row, and its blocks' */
    uint64_t bad;        /* row + 1 of the first code that is no trit, 0: none */
    double ns;           /* a token of the last steps */
};

/* ---- the file as a source */

/* The roles of a matrix of the card, one over the other. */
static const struct {
    size_t n;
    enum tern_role roles[3];
} parts[CUDA_MATRICES] = {
    [CUDA_MATRIX_qkv] = {3, {TERN_ROLE_attn_q, TERN_ROLE_attn_k, TERN_ROLE_attn_v}},
    [CUDA_MATRIX_output] = {1, {TERN_ROLE_attn_output}},
    [CUDA_MATRIX_gate_up] = {2, {TERN_ROLE_ffn_gate, TERN_ROLE_ffn_up}},
    [CUDA_MATRIX_down] = {1, {TERN_ROLE_ffn_down}},
};

static void trits(const void *data, size_t layer, enum cuda_matrix matrix, size_t n, size_t k, int8_t *out)
{
    struct tern_accelerated *a = (struct tern_accelerated *)(uintptr_t)data;
    const struct tern_model_weight *weights = a->model->layers[layer];
    uint64_t column;
    size_t part = 0;
    (void)k;
    for (; n >= weights[parts[matrix].roles[part]].matrix.n_rows; part++)
        n -= weights[parts[matrix].roles[part]].matrix.n_rows;
    if (!tern_matrix_trits(&weights[parts[matrix].roles[part]].matrix, n, out, a->scales, &column) && !a->bad)
        a->bad = n + 1;
}

/* Bind saw that each part has one scale. */
static struct weight_scale scale(const void *data, size_t layer, enum cuda_matrix matrix)
{
    const struct tern_model_weight *weights = ((const struct tern_accelerated *)data)->model->layers[layer];
    struct weight_scale s = weight_scale_one(0);
    size_t row = 0;
    for (size_t part = 0; part < 3; part++) {
        const struct tern_model_weight *w = &weights[parts[matrix].roles[part < parts[matrix].n ? part : parts[matrix].n - 1]];
        float common = 0;
        bool is_one;
        tern_matrix_common_scale(w, "", &common, &is_one, NULL);
        s.part[part] = common * w->scale;
        row += part < parts[matrix].n ? w->matrix.n_rows : 0;
        if (part < 2)
            s.from[part] = (int)row;
    }
    return s;
}

static const float *norm(const void *data, size_t layer, enum cuda_norm which)
{
    static const enum tern_role roles[CUDA_NORM_last] = {TERN_ROLE_attn_norm, TERN_ROLE_attn_sub_norm, TERN_ROLE_ffn_norm, TERN_ROLE_ffn_sub_norm};
    const struct tern_accelerated *a = data;
    tern_matrix_row(which == CUDA_NORM_last ? &a->model->output_norm.matrix : &a->model->layers[layer][roles[which]].matrix, 0, a->row);
    return a->row;
}

static void embedding(const void *data, size_t token, float *row)
{
    tern_matrix_row(&((const struct tern_accelerated *)data)->model->embedding.matrix, token, row);
}

static float output_row(const void *data, size_t r, int8_t *row)
{
    const struct tern_accelerated *a = data;
    return tern_output_row_int8(&a->model->output.matrix, r, a->row, row);
}

static void angles(const void *data, size_t position, float *cosine, float *sine)
{
    const struct tern_config *c = &((const struct tern_accelerated *)data)->model->config;
    tern_layer_angles((double)position * c->rope_scale, (double)c->rope_base, c->head_size, cosine, sine);
}

static const struct cuda_model_source source = {trits, scale, norm, embedding, output_row, angles};

/* ---- open */

static enum tern_status check_scales(const struct tern_model *model, struct tern_error *error)
{
    enum tern_status status = TERN_OK;
    for (size_t layer = 0; layer < model->config.n_layers; layer++)
        for (enum tern_role role = 0; role < TERN_N_ROLES && status == TERN_OK; role++) {
            float common;
            bool is_one = true;
            if (!tern_role(role)->is_matrix)
                continue;
            if (!tern_type_is_ternary(model->layers[layer][role].matrix.type))
                return tern_error_set(error, TERN_UNSUPPORTED, "layer %zu, %s: weights that are no trits do not run on the card", layer, tern_role(role)->name);
            status = tern_matrix_common_scale(&model->layers[layer][role], tern_role(role)->name, &common, &is_one, error);
            if (status == TERN_OK && !is_one)
                status = tern_error_set(error, TERN_UNSUPPORTED, "layer %zu, %s: blocks with scales of their own do not run on the card", layer, tern_role(role)->name);
        }
    return status;
}

static enum tern_status check(const struct tern_model *model, const struct tern_settings *s, struct tern_error *error)
{
    if (s->plan.precision != TERN_PRECISION_INT8)
        return tern_error_set(error, TERN_UNSUPPORTED, "the card takes int8 activations");
    if (s->plan.output != TERN_OUTPUT_AUTO && s->plan.output != TERN_OUTPUT_INT8)
        return tern_error_set(error, TERN_UNSUPPORTED, "the card keeps the output matrix as int8");
    if (s->session.sequences > 1)
        return tern_error_set(error, TERN_UNSUPPORTED, "a runner on the card has one sequence");
    if (model->config.activation != TERN_ACTIVATION_RELU2)
        return tern_error_set(error, TERN_UNSUPPORTED, "the card's gate is the squared ReLU");
    return check_scales(model, error);
}

static void size_up(struct tern_accelerated *a, const struct tern_settings *s)
{
    const struct tern_config *c = &a->model->config;
    a->sizes.context = s->session.context ? s->session.context : c->context < CONTEXT_USUAL ? c->context : CONTEXT_USUAL;
    a->sizes.rows = s->session.rows ? s->session.rows : a->sizes.context < ROWS_USUAL ? a->sizes.context : ROWS_USUAL;
    a->sizes.cache = s->cache == CUDA_CACHES ? CUDA_CACHE_f32 : s->cache;
    size_t kv = (size_t)c->n_layers * c->n_kv_heads * c->head_size * a->sizes.context * 8, row = (4 * (size_t)c->width + 4 * (size_t)c->ffn) * sizeof(float);
    a->spec = (struct cuda_model_spec){
        .spare = kv + a->sizes.rows * row + ((size_t)256 << 20),
        .layers = c->n_layers, .width = c->width, .heads = c->n_heads, .groups = c->n_kv_heads, .head = c->head_size, .ffn = c->ffn, .vocabulary = c->vocabulary,
        .context = a->sizes.context, .eps = c->eps, .source = &source, .data = a,
    };
}

static enum tern_status open_card(struct tern_accelerated *a, struct tern_error *error)
{
    struct cuda_fault fault;
    enum tern_status status = tern_accelerator_open(&a->on, error);
    if (status != TERN_OK)
        return status;
    enum cuda_outcome o = a->on.face->model_open(a->on.device, &a->spec, &a->weights, &fault);
    if (!o && a->bad)
        return tern_error_set(error, TERN_INVALID, "row %" PRIu64 " of a layer's matrix holds code 3, which is no trit", a->bad - 1);
    return tern_accelerator_fault(o ? o : a->on.face->session_bind(a->weights, &a->sizes, &a->session, &fault), &fault, error);
}

enum tern_status tern_accelerated_open(const struct tern_model *model, const struct tern_settings *settings, struct tern_accelerated **out, struct tern_error *error)
{
    const struct tern_config *c = &model->config;
    size_t longest = c->ffn > c->width ? c->ffn : c->width;
    enum tern_status status = check(model, settings, error);
    *out = NULL;
    if (status != TERN_OK)
        return status;
    struct tern_accelerated *a = tern_array_open(1, sizeof *a);
    if (!a || !(a->row = tern_array_open(1, longest * sizeof *a->row)) || !(a->scales = tern_array_open(1, (longest / 256 + 1) * sizeof *a->scales)))
        status = tern_error_memory(error, "a model on the card", longest * sizeof *a->row);
    if (status == TERN_OK) {
        a->model = model;
        size_up(a, settings);
        status = open_card(a, error);
    }
    if (status != TERN_OK)
        tern_accelerated_close(a);
    else
        *out = a;
    return status;
}

void tern_accelerated_close(struct tern_accelerated *a)
{
    if (!a)
        return;
    if (a->session)
        a->on.face->session_close(a->session);
    if (a->weights)
        a->on.face->model_close(a->weights);
    tern_array_close(a->row);
    tern_array_close(a->scales);
    tern_array_close(a);
}

/* ---- use */

/* What the card calls a mismatch is an argument that does not fit. */
static enum tern_status status_of(enum cuda_outcome o, const struct cuda_fault *fault, struct tern_error *error)
{
    return o == CUDA_OUTCOME_mismatch ? tern_error_set(error, TERN_INVALID, "%s", fault->text) : tern_accelerator_fault(o, fault, error);
}

enum tern_status tern_accelerated_feed(struct tern_accelerated *a, const uint32_t *tokens, size_t n, bool every, float *logits, struct tern_error *error)
{
    struct cuda_fault fault;
    return status_of(a->on.face->session_feed(a->session, tokens, n, every, logits, &fault), &fault, error);
}

enum tern_status tern_accelerated_greedy(struct tern_accelerated *a, size_t n, uint32_t *out, struct tern_error *error)
{
    struct cuda_fault fault;
    double ns = 0;
    enum cuda_outcome o = n ? a->on.face->session_generate(a->session, n, out, &ns, NULL, &fault) : CUDA_OUTCOME_ok;
    if (!o && n > 1)
        a->ns = ns / (double)(n - 1);
    return status_of(o, &fault, error);
}

size_t tern_accelerated_explain(const struct tern_accelerated *a, char *text, size_t size)
{
    struct tern_page page = {text, size, 0};
    char why[512];
    a->on.face->session_why(a->session, 1, why, sizeof why);
    tern_page_say(&page, "on %s, %.1f MB of weights a token, output as int8, cache of %s, %zu positions\n", a->on.face->info(a->on.device)->name,
                  (double)a->on.face->model_bytes(a->weights) * 1e-6, a->on.face->cache_name(a->sizes.cache), a->sizes.context);
    tern_page_say(&page, "a step: %s\n", why);
    if (a->ns > 0)
        tern_page_say(&page, "%.1f us a token by the card's clock\n", a->ns * 1e-3);
    return page.used;
}
