/* SPDX-License-Identifier: Apache-2.0
 *
 * A model file, opened: its configuration and where each of its weights lies. Nothing is unpacked here, so opening a mapped
 * file costs what its header costs; a plan (plan.h) packs the weights for a backend.
 *
 * Ownership: weights point into the file until tern_model_close. Threads: read by any number.
 */
#ifndef TERN_MODEL_H
#define TERN_MODEL_H

#include "model/config.h"

struct tern_model_weight {
    struct tern_matrix matrix; /* of a norm: one row */
    float scale;               /* the ".scale" tensor's number, 1 without */
    const char *file;          /* for errors: the file's name, */
    uint64_t offset;           /* and where in it the matrix starts */
};

struct tern_model {
    struct tern_gguf *gguf;
    struct tern_config config;
    struct tern_model_weight embedding, output, output_norm; /* output: the embedding when tied */
    struct tern_model_weight (*layers)[TERN_N_ROLES];
};

struct tern_model_options {
    struct tern_gguf_options file;
    enum tern_i2s_order i2s_order;
};

/* Opens, reads and checks. Errors name file, offset and what is wrong. NULL options: defaults. */
enum tern_status tern_model_open(const char *path, const struct tern_model_options *options, struct tern_model **out, struct tern_error *err);
void tern_model_close(struct tern_model *model);

/* Weights of all layers' matrices, and of the whole model (the embedding counted once). */
uint64_t tern_model_layer_weights(const struct tern_config *config);
uint64_t tern_model_weights(const struct tern_config *config);

#endif
