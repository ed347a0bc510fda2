/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan.h"

#include "core/cpu.h"
#include "core/error.h"
#include "core/memory.h"
#include "format/gguf_cursor.h"
#include "model/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[] = {"none", "basic", "aggressive"};
static const char *const output_names[] = {"exact", "int8", "int4", "auto"};
static const char *const storage_names[] = {"int8", "2 bit", "1.6 bit", "1.6 bit for tables", "bit planes", "the backend's choice"};

static const struct {
    const char *name;
    bool on[TERN_LEVELS];
    const char *about;
} features[] = {
#define FEATURE(field, name, none, basic, aggressive, about) {name, {none, basic, aggressive}, about},
#include "model/levels.def"
#undef FEATURE
};

static const struct {
    const char *name;
    enum tern_level level;
    size_t batch;
} presets[] = {{"optimized_for_speed", TERN_LEVEL_AGGRESSIVE, 64}, {"optimized_for_memory", TERN_LEVEL_NONE, 8}};

static bool named(const char *const *names, size_t n, const char *name, size_t *out)
{
    for (*out = 0; *out < n; ++*out)
        if (strcmp(names[*out], name) == 0)
            return true;
    return false;
}

bool tern_level_named(const char *name, enum tern_level *out)
{
    size_t i;
    bool found = named(level_names, TERN_LEVELS, name, &i);
    *out = found ? (enum tern_level)i : TERN_LEVEL_BASIC;
    return found;
}

bool tern_output_named(const char *name, enum tern_output_kind *out)
{
    size_t i;
    bool found = named(output_names, 4, name, &i);
    *out = found ? (enum tern_output_kind)i : TERN_OUTPUT_AUTO;
    return found;
}

bool tern_preset_named(const char *name, struct tern_plan_options *options)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            options->level = presets[i].level;
            options->batch = presets[i].batch;
            return true;
        }
    }
    return false;
}

struct tern_features tern_level_features(enum tern_level level)
{
    const struct tern_features sets[TERN_LEVELS] = {
        {
#define FEATURE(field, name, none, basic, aggressive, about) .field = none,
#include "model/levels.def"
#undef FEATURE
        },
        {
#define FEATURE(field, name, none, basic, aggressive, about) .field = basic,
#include "model/levels.def"
#undef FEATURE
        },
        {
#define FEATURE(field, name, none, basic, aggressive, about) .field = aggressive,
#include "model/levels.def"
#undef FEATURE
        },
    };
    return sets[level];
}

struct tern_plan_options tern_plan_defaults(void)
{
    return (struct tern_plan_options){.level = TERN_LEVEL_BASIC, .output = TERN_OUTPUT_AUTO, .storage = TERN_STORAGES, .batch = 1};
}

static enum tern_status resolve(struct tern_plan *p, struct tern_error *err)
{
    struct tern_plan_options *o = &p->options;
    p->features = tern_level_features(o->level);
    if (o->threads <= 0)
        o->threads = p->features.use_threads ? tern_threads_allowed() : 1;
    if (o->batch == 0)
        o->batch = 1;
    if (o->output == TERN_OUTPUT_AUTO && o->precision == TERN_PRECISION_F32)
        o->output = TERN_OUTPUT_EXACT;
    if (o->output == TERN_OUTPUT_AUTO)
        o->output = !p->features.use_packed_output ? TERN_OUTPUT_EXACT : p->features.use_small_output ? TERN_OUTPUT_INT4 : TERN_OUTPUT_INT8;
    if (o->storage == TERN_STORAGES && !p->features.use_small_weights)
        o->storage = TERN_STORAGE_2BIT;
    if (o->precision == TERN_PRECISION_F32 && o->output != TERN_OUTPUT_EXACT)
        return tern_error_set(err, TERN_INVALID, "float activations read the output matrix as the file has it; output %s is for int8", output_names[o->output]);
    return TERN_OK;
}

static enum tern_status decode_norm(const struct tern_model_weight *w, const char *name, float *to, struct tern_error *err)
{
    tern_matrix_row(&w->matrix, 0, to);
    for (size_t i = 0; i < w->matrix.n_columns; i++)
        if (!isfinite(to[i]))
            return tern_gguf_refuse(err, w->file, TERN_GGUF_RULE_FINITE, w->offset, "tensor %s.weight: number %zu is %g", name, i, (double)to[i]);
    return TERN_OK;
}

/* Norms are small: decoded once, so that a pass reads plain floats. */
static enum tern_status decode_norms(struct tern_plan *p, struct tern_error *err)
{
    const struct tern_config *c = &p->model->config;
    uint64_t size, inputs;
    char name[64];
    for (enum tern_role r = 0; r < TERN_N_ROLES; r++) {
        tern_role_shape(c, r, &size, &inputs);
        p->norms_of_layer += tern_role(r)->is_matrix ? 0 : size;
    }
    p->norms = tern_array_open(1, (p->norms_of_layer * c->n_layers + c->width) * sizeof *p->norms);
    if (!p->norms)
        return tern_error_memory(err, "norms", p->norms_of_layer * c->n_layers * sizeof *p->norms);
    enum tern_status status = decode_norm(&p->model->output_norm, "output_norm", p->norms + p->norms_of_layer * c->n_layers, err);
    for (uint32_t layer = 0; layer < c->n_layers; layer++) {
        for (enum tern_role r = 0; r < TERN_N_ROLES && status == TERN_OK; r++) {
            snprintf(name, sizeof name, "blk.%" PRIu32 ".%s", layer, tern_role(r)->name);
            if (!tern_role(r)->is_matrix)
                status = decode_norm(&p->model->layers[layer][r], name, p->norms + (tern_plan_norm(p, layer, r) - p->norms), err);
        }
    }
    return status;
}

/* Whether a pass reads more weights than the last cache holds, at two bits each. */
static bool is_cold(const struct tern_model *model)
{
    return tern_model_layer_weights(&model->config) / 4 > tern_cpu_cache(3);
}

/* Bytes of a layer that packing takes. */
static size_t layer_room(const struct tern_plan *p, uint32_t layer, const struct tern_matrix_binding *how)
{
    size_t bytes = 0;
    for (enum tern_role r = 0; r < TERN_N_ROLES; r++)
        bytes += tern_role(r)->is_matrix ? tern_bound_matrix_room(&p->model->layers[layer][r], how) : 0;
    return bytes;
}

/* `how.room` is where the packed weights of the layer go. */
static enum tern_status bind_layer(struct tern_plan *p, uint32_t layer, struct tern_matrix_binding how, struct tern_error *err)
{
    char name[64];
    how.name = name;
    for (enum tern_role r = 0; r < TERN_N_ROLES; r++) {
        const struct tern_model_weight *weight = &p->model->layers[layer][r];
        if (!tern_role(r)->is_matrix)
            continue;
        snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, tern_role(r)->name);
        enum tern_status status = tern_bound_matrix_open(weight, &how, &p->layers[layer][r], err);
        if (status != TERN_OK)
            return status;
        how.room += tern_bound_matrix_room(weight, &how);
        p->matrix_bytes += tern_bound_matrix_bytes(&p->layers[layer][r]);
    }
    return TERN_OK;
}

static enum tern_status bind_layers(struct tern_plan *p, struct tern_error *err)
{
    const struct tern_config *c = &p->model->config;
    enum tern_status status = TERN_OK;
    struct tern_matrix_binding how = {
        .backend = p->backend, .storage = p->options.storage, .batch = p->options.batch, .threads = p->options.threads,
        .use_int8 = p->options.precision == TERN_PRECISION_INT8, .has_many = p->features.use_many_weights && p->options.storage == TERN_STORAGES,
        .is_cold = is_cold(p->model),
    };
    p->layers = tern_array_open(c->n_layers, sizeof *p->layers);
    if (!p->layers)
        return tern_error_memory(err, "a plan's layers", c->n_layers * sizeof *p->layers);
    for (uint32_t layer = 0; layer < c->n_layers; layer++)
        p->packed_bytes += layer_room(p, layer, &how);
    how.room = p->packed = tern_block_open(p->packed_bytes + TERN_AHEAD);
    if (!p->packed)
        return tern_error_memory(err, "packed weights", p->packed_bytes);
    for (uint32_t layer = 0; layer < c->n_layers && status == TERN_OK; layer++) {
        status = bind_layer(p, layer, how, err);
        how.room += layer_room(p, layer, &how);
        tern_gguf_rest(p->model->gguf); /* what was packed is not read again */
    }
    return status;
}

/* The embedding is read where the file has it, so what is chosen is whether its rows are asked for ahead. */
static void choose_embedding(struct tern_plan *p)
{
    const struct tern_matrix *m = &p->model->embedding.matrix;
    uint64_t bytes = 0;
    tern_type_bytes(tern_type_find(m->type), m->n_columns, m->n_rows, &bytes);
    p->embedding = tern_layout_choose(TERN_READER_RANDOM, bytes);
    p->embedding_row = bytes / m->n_rows;
}

enum tern_status tern_plan_open(const struct tern_model *model, const struct tern_plan_options *options, struct tern_plan **out,
                                struct tern_error *err)
{
    *out = NULL;
    struct tern_plan *p = tern_array_open(1, sizeof *p);
    if (!p)
        return tern_error_memory(err, "a plan", sizeof *p);
    p->model = model;
    p->options = options ? *options : tern_plan_defaults();
    enum tern_status status = resolve(p, err);
    if (status == TERN_OK)
        status = tern_backend_find(p->options.backend, &p->backend, err);
    if (status == TERN_OK)
        status = decode_norms(p, err);
    choose_embedding(p);
    if (status == TERN_OK)
        status = bind_layers(p, err);
    if (status == TERN_OK)
        status = tern_output_open(&model->output, p->options.output, p->backend, p->options.threads, &p->output, err);
    if (status == TERN_OK)
        *out = p;
    else
        tern_plan_close(p);
    tern_gguf_rest(model->gguf);
    return status;
}

void tern_plan_close(struct tern_plan *p)
{
    if (!p)
        return;
    for (uint32_t layer = 0; p->layers && layer < p->model->config.n_layers; layer++)
        for (enum tern_role r = 0; r < TERN_N_ROLES; r++)
            tern_bound_matrix_close(&p->layers[layer][r]);
    tern_output_close(&p->output);
    tern_block_close(p->packed, p->packed_bytes + TERN_AHEAD);
    tern_array_close(p->layers);
    tern_array_close(p->norms);
    tern_array_close(p);
}

const float *tern_plan_norm(const struct tern_plan *p, uint32_t layer, enum tern_role role)
{
    const float *at = p->norms + p->norms_of_layer * layer;
    uint64_t size, inputs;
    for (enum tern_role r = 0; r < role; r++) {
        tern_role_shape(&p->model->config, r, &size, &inputs);
        at += tern_role(r)->is_matrix ? 0 : size;
    }
    return at;
}

const float *tern_plan_output_norm(const struct tern_plan *p)
{
    return p->norms + p->norms_of_layer * p->model->config.n_layers;
}

size_t tern_plan_bytes(const struct tern_plan *p)
{
    return p->matrix_bytes + tern_output_bytes(&p->output);
}

/* ---- what it does, in words */

size_t tern_levels_explain(char *text, size_t size)
{
    struct tern_page page = {text, size, 0};
    tern_page_say(&page, "%-14s %-5s %-5s %-10s\n", "feature", level_names[0], level_names[1], level_names[2]);
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        tern_page_say(&page, "%-14s %-5s %-5s %-10s %s\n", features[i].name, features[i].on[0] ? "on" : "-", features[i].on[1] ? "on" : "-",
            features[i].on[2] ? "on" : "-", features[i].about);
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        tern_page_say(&page, "%s: level %s, batch %zu\n", presets[i].name, level_names[presets[i].level], presets[i].batch);
    return page.used;
}

/* Weights against four bytes each; what the steps of one layer hand on, one buffer for as long as it is read, against a tensor for
 * each step's output: norms, q, k, v, mixed, the projection and the sum before the feed-forward part, and gate, up, their product,
 * its norm and the projection and sum after it. */
struct tern_footprint tern_plan_footprint(const struct tern_plan *p)
{
    const struct tern_config *c = &p->model->config;
    const size_t kv = c->n_kv_heads * c->head_size, tall = c->ffn > c->width ? c->ffn : c->width;
    const double embedding = (double)p->embedding_row * (double)c->vocabulary, packed = p->layers[0][TERN_ROLE_ffn_up].linear ? (double)p->matrix_bytes : 0;
    double weights = (double)c->width * (double)c->vocabulary;
    for (enum tern_role r = 0; r < TERN_N_ROLES; r++) {
        size_t outputs, inputs;
        tern_role_shape(c, r, &outputs, &inputs);
        weights += tern_role(r)->is_matrix ? (double)outputs * (double)inputs * (double)c->n_layers : 0;
    }
    const double of_file = embedding + (double)p->matrix_bytes - packed;
    const bool is_mapped = tern_gguf_is_mapped(p->model->gguf);
    return (struct tern_footprint){
        .weights = (double)tern_plan_bytes(p), .weights_float = 4 * weights,
        .scratch = (double)(4 * c->width + tall + 2 * kv + 2 * c->ffn) * sizeof(float), .scratch_apart = (double)(9 * c->width + 2 * kv + 4 * c->ffn) * sizeof(float),
        .in_place = is_mapped ? of_file : 0, .copied = packed + (double)tern_output_bytes(&p->output) + (is_mapped ? 0 : of_file),
    };
}

static void say_savings(const struct tern_plan *p, struct tern_page *page)
{
    const struct tern_footprint f = tern_plan_footprint(p);
    const struct tern_memory_asked asked = tern_memory_asked();
    tern_page_say(page, "weights take %.1f %% less than float32; what a layer hands on takes %.1f %% less than a tensor for each step\n",
        100 * (1 - f.weights / f.weights_float), 100 * (1 - f.scratch / f.scratch_apart));
    tern_page_say(page, "memory: %.1f %% of the weights' bytes are read where the file has them, without a copy; %llu blocks were asked for, %.1f %% of them given\n",
        100 * f.in_place / (f.in_place + f.copied), (unsigned long long)asked.asked,
        asked.asked ? 100 * (1 - (double)asked.refused / (double)asked.asked) : 100.0);
}

/* Which layout each kind of tensor has, by how it is read, and the figures that decided; and what is fused. */
static void say_ways(const struct tern_plan *p, struct tern_page *page)
{
    const struct tern_config *c = &p->model->config;
    const struct tern_bound_matrix *up = &p->layers[0][TERN_ROLE_ffn_up];
    const struct tern_layout_choice *group = tern_layout_choose(TERN_READER_STRIDED, (size_t)c->context * c->n_kv_heads * c->head_size * sizeof(float));
    if (up->linear)
        tern_page_say(page, "layout of the layers, read in sequence: packed as %s: %s\n", storage_names[up->linear->storage], up->linear->why);
    tern_page_say(page, "layout of keys and values, read in strides: %s, a group's together: %s\n", tern_layout_name(TERN_LAYOUT_BLOCKED), group->why);
    tern_page_say(page, "layout of the embedding, read at random: the file's rows%s: %s\n",
        p->embedding->layout == TERN_LAYOUT_PREFETCH ? ", asked for ahead" : "", p->embedding->why);
    tern_page_say(page, "fused: %s; norm, quantisation and the addition before them in one step; gate and up, and q, k and v, in one step each\n",
        p->features.use_one_region ? "a pass is one region, in which each thread makes a single row for itself" : "nothing across steps");
}

size_t tern_plan_explain(const struct tern_plan *p, char *text, size_t size)
{
    struct tern_page page = {text, size, 0};
    const struct tern_bound_matrix *up = &p->layers[0][TERN_ROLE_ffn_up];
    tern_page_say(&page, "level %s, backend %s, %d thread%s, activations %s\n", level_names[p->options.level], p->backend->name, p->options.threads,
        p->options.threads == 1 ? "" : "s", p->options.precision == TERN_PRECISION_INT8 ? "int8" : "f32");
    if (up->linear && up->many)
        tern_page_say(&page, "layers a second time for prompts and batches: %s, kernel of ffn_up: %s\n", storage_names[up->many->storage],
            tern_linear_kernel(up->many, TERN_FEW_MAX + 1)->name);
    if (up->linear)
        tern_page_say(&page, "layers: %.1f MB, %s, kernel of ffn_up at batch %zu: %s\n", (double)p->matrix_bytes * 1e-6, storage_names[up->linear->storage],
            p->options.batch, tern_linear_kernel(up->linear, p->options.batch)->name);
    else
        tern_page_say(&page, "layers: %.1f MB, decoded from the file's %s at each use\n", (double)p->matrix_bytes * 1e-6,
            tern_type_find(up->matrix.type)->name);
    tern_page_say(&page, "output matrix: %s, %.1f MB, weights off by %.2f %% (rms of their own)\n", output_names[p->output.kind],
        (double)tern_output_bytes(&p->output) * 1e-6, p->output.error * 100);
    if (p->options.precision == TERN_PRECISION_F32)
        tern_page_say(&page, "activations, sums, keys and values are in double precision\n");
    else
        say_ways(p, &page);
    tern_page_say(&page, "a decoded token reads %.1f MB of weights\n", (double)tern_plan_bytes(p) * 1e-6);
    say_savings(p, &page);
    return page.used;
}
