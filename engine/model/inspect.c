/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model file holds, in words, and whether all of it is right.
 */
#include "core/error.h"
#include "format/gguf_cursor.h"
#include "format/sha256.h"
#include "model/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- inspect */

static void print_value(FILE *out, const struct tern_gguf_key *key)
{
    char text[128];
    switch (key->type) {
    case TERN_GGUF_STRING: fprintf(out, "\"%s\"", tern_gguf_escape(text, sizeof text, key->string.bytes, key->string.length)); break;
    case TERN_GGUF_ARRAY: fprintf(out, "%" PRIu64 " x %s", key->array.n, tern_gguf_type_name(key->array.type)); break;
    case TERN_GGUF_F32: case TERN_GGUF_F64: fprintf(out, "%.9g", key->f); break;
    case TERN_GGUF_I8: case TERN_GGUF_I16: case TERN_GGUF_I32: case TERN_GGUF_I64: fprintf(out, "%" PRId64, key->i); break;
    default: fprintf(out, "%" PRIu64, key->u); break;
    }
}

static void print_keys(FILE *out, const struct tern_gguf *gguf)
{
    struct tern_gguf_key key;
    char name[160];
    for (uint64_t i = 0; tern_gguf_key(gguf, i, &key); i++) {
        fprintf(out, "key     %s = ", tern_gguf_escape(name, sizeof name, key.name.bytes, key.name.length));
        print_value(out, &key);
        fprintf(out, " (%s)\n", tern_gguf_type_name(key.type));
    }
}

static void print_tensors(FILE *out, const struct tern_gguf *gguf)
{
    struct tern_gguf_tensor t;
    char name[160];
    for (uint64_t i = 0; tern_gguf_tensor(gguf, i, &t); i++) {
        fprintf(out, "tensor  %s ", tern_gguf_escape(name, sizeof name, t.name.bytes, t.name.length));
        for (uint32_t d = 0; d < t.n_dims; d++)
            fprintf(out, "%s%" PRIu64, d ? " x " : "", t.dims[d]);
        fprintf(out, " %s, %zu bytes at %zu\n", t.type->name, t.size, (size_t)(t.bytes - tern_gguf_bytes(gguf)));
    }
}

static void print_model(FILE *out, const struct tern_model *m)
{
    const struct tern_config *c = &m->config;
    const struct tern_gguf *g = m->gguf;
    fprintf(out, "file    GGUF version %" PRIu32 ", %zu bytes, %s; %" PRIu64 " keys, %" PRIu64 " tensors, data at %" PRIu64 "\n", tern_gguf_version(g),
            tern_gguf_size(g), tern_gguf_is_mapped(g) ? "mapped" : "read", tern_gguf_n_keys(g), tern_gguf_n_tensors(g), tern_gguf_data_offset(g));
    fprintf(out, "model   %s, gated %s, width %" PRIu32 ", %" PRIu32 " layers, ffn %" PRIu32 ", %" PRIu32 " heads of %" PRIu32 ", %" PRIu32
            " heads of keys, vocabulary %" PRIu32 ", context %" PRIu32 "\n", c->architecture,
            c->activation == TERN_ACTIVATION_RELU2 ? "squared ReLU" : "SiLU", c->width, c->n_layers, c->ffn, c->n_heads, c->head_size,
            c->n_kv_heads, c->vocabulary, c->context);
    fprintf(out, "        eps %g, rope base %g, scale %g, output matrix %s; %.1f million weights, %.1f million of them in layers\n", (double)c->eps,
            (double)c->rope_base, c->rope_scale, c->is_tied ? "tied" : "its own", (double)tern_model_weights(c) * 1e-6,
            (double)tern_model_layer_weights(c) * 1e-6);
}

enum tern_status tern_model_inspect(const char *path, char **text, struct tern_error *error)
{
    struct tern_model *m;
    size_t n;
    *text = NULL;
    enum tern_status status = tern_model_open(path, NULL, &m, error);
    if (status != TERN_OK)
        return status;
    FILE *out = open_memstream(text, &n);
    if (out) {
        print_model(out, m);
        print_keys(out, m->gguf);
        print_tensors(out, m->gguf);
    }
    tern_model_close(m);
    return out && fclose(out) == 0 ? TERN_OK : tern_error_memory(error, "a text", 4096);
}

/* ---- check */

/* Every number of a matrix of floats is finite. */
static enum tern_status check_floats(const struct tern_model_weight *w, const char *name, struct tern_error *error)
{
    size_t k = w->matrix.n_columns;
    float *row = malloc(k * sizeof *row);
    enum tern_status status = row ? TERN_OK : tern_error_memory(error, "a row", k * sizeof *row);
    for (uint64_t r = 0; r < w->matrix.n_rows && status == TERN_OK; r++) {
        tern_matrix_row(&w->matrix, r, row);
        for (size_t i = 0; i < k && status == TERN_OK; i++)
            if (!isfinite(row[i]))
                status = tern_gguf_refuse(error, w->file, TERN_GGUF_RULE_FINITE, w->offset, "tensor %s: row %" PRIu64 ", column %zu is %g", name, r, i, (double)row[i]);
    }
    free(row);
    return status;
}

/* Binding in float mode looks at every code and scale and packs nothing. */
static enum tern_status check_weight(const struct tern_model_weight *w, const char *name, struct tern_error *error)
{
    struct tern_matrix_binding how = {.backend = tern_backend_scalar(), .name = name};
    struct tern_bound_matrix bound;
    if (!tern_type_is_ternary(w->matrix.type))
        return check_floats(w, name, error);
    enum tern_status status = tern_bound_matrix_open(w, &how, &bound, error);
    tern_bound_matrix_close(&bound);
    return status;
}

static enum tern_status check_weights(const struct tern_model *m, struct tern_error *error)
{
    char name[64];
    enum tern_status status = check_weight(&m->embedding, "token_embd.weight", error);
    if (status == TERN_OK)
        status = check_weight(&m->output_norm, "output_norm.weight", error);
    if (status == TERN_OK && !m->config.is_tied)
        status = check_weight(&m->output, "output.weight", error);
    for (uint32_t layer = 0; layer < m->config.n_layers; layer++) {
        for (enum tern_role r = 0; r < TERN_N_ROLES && status == TERN_OK; r++) {
            snprintf(name, sizeof name, "blk.%" PRIu32 ".%s.weight", layer, tern_role(r)->name);
            status = check_weight(&m->layers[layer][r], name, error);
        }
    }
    return status;
}

/* The hash kept beside the file: *has_one is false where there is none. */
static enum tern_status read_hash(const char *path, char hash[65], bool *has_one, struct tern_error *error)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.sha256", path) < 0)
        return tern_error_memory(error, "a path", strlen(path) + 8);
    FILE *file = fopen(beside, "r");
    *has_one = file != NULL;
    bool ok = !file || (fread(hash, 1, 64, file) == 64 && strspn(hash, "0123456789abcdef") >= 64);
    hash[64] = 0;
    if (file)
        fclose(file);
    free(beside);
    return ok ? TERN_OK : tern_gguf_refuse(error, path, TERN_GGUF_RULE_SHA256, 0, "the file beside it, .sha256, does not begin with 64 hexadecimal digits");
}

static enum tern_status check_hash(const char *path, const struct tern_gguf *gguf, bool *has_one, struct tern_error *error)
{
    char wanted[66] = "", found[65];
    struct tern_sha256 sha;
    enum tern_status status = read_hash(path, wanted, has_one, error);
    if (status != TERN_OK || !*has_one)
        return status;
    tern_sha256_init(&sha);
    tern_sha256_add(&sha, tern_gguf_bytes(gguf), tern_gguf_size(gguf));
    tern_sha256_end(&sha, found);
    if (strcmp(wanted, found) == 0)
        return TERN_OK;
    return tern_gguf_refuse(error, tern_gguf_name(gguf), TERN_GGUF_RULE_SHA256, 0, "its SHA-256 is %s, the one kept beside it %s", found, wanted);
}

enum tern_status tern_model_check(const char *path, char **text, struct tern_error *error)
{
    struct tern_model *m;
    bool has_hash = false;
    *text = NULL;
    enum tern_status status = tern_model_open(path, NULL, &m, error);
    if (status != TERN_OK)
        return status;
    status = check_hash(path, m->gguf, &has_hash, error);
    if (status == TERN_OK)
        status = check_weights(m, error);
    if (status == TERN_OK && asprintf(text, "%s: right. %" PRIu64 " tensors, %.1f million weights, every code and scale a number; %s\n",
                                      tern_gguf_name(m->gguf), tern_gguf_n_tensors(m->gguf), (double)tern_model_weights(&m->config) * 1e-6,
                                      has_hash ? "its SHA-256 is the one kept beside it" : "no SHA-256 is kept beside it") < 0)
        status = tern_error_memory(error, "a text", 512);
    tern_model_close(m);
    return status;
}
