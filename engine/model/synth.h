/* SPDX-License-Identifier: Apache-2.0
 *
 * Synthetic models: seeded random weights in the shapes of real ones, written as GGUF files, because no weights are shipped.
 *
 * Layers have gain: each adds to the hidden state several times what the embedding put there, so that a tied output matrix
 * does not just repeat the last token and a test of the logits tests the layers.
 */
#ifndef TERN_SYNTH_H
#define TERN_SYNTH_H

#include "core/error.h"
#include "format/quants.h"

#include <stdbool.h>
#include <stdio.h>

struct tern_synth {
    const char *name; /* of the shape */
    uint32_t width, n_layers, ffn, n_heads, n_kv_heads, vocabulary, context;
    const char *architecture; /* "bitnet-b1.58", "bitnet", "bitnet-25" */
    enum tern_type weights;   /* of the layers' matrices: a ternary type */
    enum tern_type embedding; /* and of the output matrix: no ternary type */
    bool is_untied;           /* write output.weight too */
    uint64_t seed;
};

/* Names of all shapes, null-terminated. */
const char *const *tern_synth_names(void);
/* The shape of a name, with architecture bitnet-b1.58, I2_S, Q6_K, tied, seed 1. False when there is none. */
bool tern_synth_named(const char *name, struct tern_synth *out);
/* Writes the model to an open file. `sha256` (may be NULL) gets the hash of all bytes. */
enum tern_status tern_synth_write(const struct tern_synth *synth, FILE *file, char sha256[65], struct tern_error *err);
/* The same to a path, by way of a temporary file beside it, and its hash to <path>.sha256 in the format of sha256sum. Temporary files of
 * writers that were killed go. */
enum tern_status tern_synth_save(const struct tern_synth *synth, const char *path, struct tern_error *err);

/*
 * The file of a model named in a suite: a path (it has a '/' or a '.'), or the name of a shape, which is made on first use in
 * $TERN_MODELS, else $XDG_CACHE_HOME/ternmark, else ~/.cache/ternmark, else the system's temporary folder. *path is malloc'd.
 */
enum tern_status tern_synth_file(const char *model, char **path, struct tern_error *err);

#endif
