/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

static struct tern_model_weight weight_of(const struct tern_model *m, const struct tern_gguf_tensor *t, enum tern_i2s_order order)
{
    struct tern_model_weight w = {.scale = 1, .file = tern_gguf_name(m->gguf), .offset = (uint64_t)(t->bytes - tern_gguf_bytes(m->gguf))};
    w.matrix = (struct tern_matrix){t->bytes, t->dims[1], t->dims[0], (enum tern_type)t->type->id, order};
    return w;
}

/* check_tensors found it; that it is gone now means that the file changed under the map. */
static enum tern_status vanished(const struct tern_model *m, struct tern_error *err)
{
    return tern_error_set(err, TERN_IO, "%s: the file changed while it was opened", tern_gguf_name(m->gguf));
}

static enum tern_status take_layer(struct tern_model *m, uint32_t layer, enum tern_i2s_order order, struct tern_error *err)
{
    struct tern_gguf_tensor t;
    for (enum tern_role r = 0; r < TERN_N_ROLES; r++) {
        struct tern_model_weight *w = &m->layers[layer][r];
        uint64_t outputs, inputs;
        tern_role_shape(&m->config, r, &outputs, &inputs);
        if (!tern_config_tensor(m->gguf, layer, r, "weight", &t) || t.dims[0] != inputs || (tern_role(r)->is_matrix && t.dims[1] != outputs))
            return vanished(m, err);
        *w = weight_of(m, &t, order);
        if (tern_role(r)->is_matrix && tern_config_tensor(m->gguf, layer, r, "scale", &t) && t.dims[0] == 1) {
            struct tern_matrix scale = {t.bytes, 1, 1, (enum tern_type)t.type->id, 0};
            tern_matrix_row(&scale, 0, &w->scale);
        }
        if (order == TERN_I2S_FOUR_ROWS && w->matrix.type == TERN_TYPE_I2_S && w->matrix.n_rows % 4)
            return tern_error_set(err, TERN_INVALID, "%s: layer %u: %s has no multiple of 4 rows, so the I2_S order \"rows\" cannot be its own",
                                  tern_gguf_name(m->gguf), (unsigned)layer, tern_role(r)->name);
    }
    return TERN_OK;
}

static enum tern_status take_weights(struct tern_model *m, enum tern_i2s_order order, struct tern_error *err)
{
    struct tern_gguf_tensor embedding, norm, output;
    enum tern_status status = TERN_OK;
    m->layers = tern_array_open(m->config.n_layers, sizeof *m->layers);
    if (!m->layers)
        return tern_error_memory(err, "the model's layers", m->config.n_layers * sizeof *m->layers);
    if (!tern_gguf_find_tensor(m->gguf, "token_embd.weight", &embedding) || !tern_gguf_find_tensor(m->gguf, "output_norm.weight", &norm) ||
        norm.dims[0] != m->config.width || embedding.dims[0] != m->config.width || embedding.dims[1] != m->config.vocabulary)
        return vanished(m, err);
    if (m->config.is_tied)
        output = embedding;
    else if (!tern_gguf_find_tensor(m->gguf, "output.weight", &output) || output.dims[0] != m->config.width ||
             output.dims[1] != m->config.vocabulary)
        return vanished(m, err);
    m->embedding = weight_of(m, &embedding, order);
    m->output_norm = weight_of(m, &norm, order);
    m->output = weight_of(m, &output, order);
    for (uint32_t i = 0; i < m->config.n_layers && status == TERN_OK; i++)
        status = take_layer(m, i, order, err);
    return status;
}

enum tern_status tern_model_open(const char *path, const struct tern_model_options *options, struct tern_model **out, struct tern_error *err)
{
    static const struct tern_model_options defaults;
    options = options ? options : &defaults;
    *out = NULL;
    struct tern_model *m = tern_array_open(1, sizeof *m);
    if (!m)
        return tern_error_memory(err, "a model", sizeof *m);
    enum tern_status status = tern_gguf_open(path, &options->file, &m->gguf, err);
    if (status == TERN_OK)
        status = tern_config_read(m->gguf, &m->config, err);
    if (status == TERN_OK)
        status = tern_config_check_tensors(&m->config, m->gguf, err);
    if (status == TERN_OK)
        status = take_weights(m, options->i2s_order, err);
    if (status == TERN_OK)
        *out = m;
    else
        tern_model_close(m);
    return status;
}

void tern_model_close(struct tern_model *m)
{
    if (!m)
        return;
    tern_gguf_close(m->gguf);
    tern_array_close(m->layers);
    tern_array_close(m);
}

uint64_t tern_model_layer_weights(const struct tern_config *c)
{
    uint64_t n = 0, outputs, inputs;
    for (enum tern_role r = 0; r < TERN_N_ROLES; r++) {
        tern_role_shape(c, r, &outputs, &inputs);
        n += tern_role(r)->is_matrix ? outputs * inputs : 0;
    }
    return n * c->n_layers;
}

uint64_t tern_model_weights(const struct tern_config *c)
{
    return tern_model_layer_weights(c) + (uint64_t)c->vocabulary * c->width * (c->is_tied ? 1 : 2);
}
