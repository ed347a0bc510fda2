/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys: from a file to a configuration.
 */
#include "model/config.h"

#include "format/gguf_cursor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum tern_activation activation;
} architectures[] = {
    {"bitnet", TERN_ACTIVATION_SILU},
    {"bitnet-b1.58", TERN_ACTIVATION_RELU2},
    {"bitnet-25", TERN_ACTIVATION_RELU2},
};

enum kind { KIND_UINT, KIND_REAL, KIND_FIXED, KIND_IGNORED };

static const struct row {
    const char *key;
    enum kind kind;
    double least, most;
    bool required;
    double fallback; /* of FIXED: the value */
    size_t field;
} rows[] = {
#define UINT(field, key, least, most, required, fallback) {key, KIND_UINT, least, most, required, fallback, offsetof(struct tern_config, field)},
#define REAL(field, key, least, most, required, fallback) {key, KIND_REAL, least, most, required, fallback, offsetof(struct tern_config, field)},
#define FIXED(key, value) {key, KIND_FIXED, 0, 0, false, value, 0},
#define IGNORED(key) {key, KIND_IGNORED, 0, 0, false, 0, 0},
#include "model/config.def"
#undef UINT
#undef REAL
#undef FIXED
#undef IGNORED
    {"hidden_act", KIND_IGNORED, 0, 0, false, 0, 0},        /* read_activation */
    {"rope.scaling.type", KIND_IGNORED, 0, 0, false, 0, 0}, /* read_rope_scaling */
};
static const size_t n_rows = sizeof rows / sizeof *rows;

__attribute__((format(printf, 5, 6)))
static enum tern_status refuse(const struct tern_gguf *gguf, struct tern_error *err, enum tern_gguf_rule rule, const struct tern_gguf_key *key,
                               const char *format, ...)
{
    char name[160], text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tern_gguf_escape(name, sizeof name, key->name.bytes, key->name.length);
    return tern_gguf_refuse(err, tern_gguf_name(gguf), rule, key->offset, "key %s %s", name, text);
}

static enum tern_status key_is_missing(const struct tern_gguf *gguf, struct tern_error *err, const char *prefix, const char *key)
{
    return tern_gguf_refuse(err, tern_gguf_name(gguf), TERN_GGUF_RULE_KEY_MISSING, TERN_GGUF_KEYS_AT, "key %s.%s is missing", prefix, key);
}

/* The value as a number; false when it is none. */
static bool number_of(const struct tern_gguf_key *key, double *out)
{
    switch (key->type) {
    case TERN_GGUF_U8: case TERN_GGUF_U16: case TERN_GGUF_U32: case TERN_GGUF_U64: case TERN_GGUF_BOOL:
        *out = (double)key->u;
        return true;
    case TERN_GGUF_I8: case TERN_GGUF_I16: case TERN_GGUF_I32: case TERN_GGUF_I64:
        *out = (double)key->i;
        return true;
    case TERN_GGUF_F32: case TERN_GGUF_F64:
        *out = key->f;
        return true;
    default:
        return false;
    }
}

static bool is_whole(const struct tern_gguf_key *key)
{
    return key->type != TERN_GGUF_F32 && key->type != TERN_GGUF_F64;
}

static bool text_is(struct tern_gguf_string s, const char *text)
{
    return s.length == strlen(text) && memcmp(s.bytes, text, s.length) == 0;
}

static bool find(const struct tern_gguf *gguf, const struct tern_config *c, const char *suffix, struct tern_gguf_key *key)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", c->architecture, suffix);
    return tern_gguf_find_key(gguf, name, key);
}

static enum tern_status read_architecture(const struct tern_gguf *gguf, struct tern_config *c, struct tern_error *err)
{
    struct tern_gguf_key key;
    if (!tern_gguf_find_key(gguf, "general.architecture", &key))
        return key_is_missing(gguf, err, "general", "architecture");
    for (size_t i = 0; key.type == TERN_GGUF_STRING && i < sizeof architectures / sizeof *architectures; i++) {
        if (text_is(key.string, architectures[i].name)) {
            snprintf(c->architecture, sizeof c->architecture, "%s", architectures[i].name);
            c->activation = architectures[i].activation;
            return TERN_OK;
        }
    }
    return refuse(gguf, err, TERN_GGUF_RULE_KEY_VALUE, &key, "is none of bitnet, bitnet-b1.58, bitnet-25");
}

static enum tern_status read_row(const struct tern_gguf *gguf, const struct row *row, struct tern_config *c, struct tern_error *err)
{
    struct tern_gguf_key key;
    double value = row->fallback;
    if (row->kind == KIND_IGNORED)
        return TERN_OK;
    bool is_there = find(gguf, c, row->key, &key);
    if (!is_there && row->required)
        return key_is_missing(gguf, err, c->architecture, row->key);
    if (is_there && (!number_of(&key, &value) || (row->kind == KIND_UINT && !is_whole(&key))))
        return refuse(gguf, err, TERN_GGUF_RULE_KEY_VALUE, &key, row->kind == KIND_UINT ? "is not a whole number" : "is not a number");
    if (row->kind == KIND_FIXED)
        return !is_there || value == row->fallback
                   ? TERN_OK
                   : refuse(gguf, err, TERN_GGUF_RULE_KEY_VALUE, &key, "has a value that asks for a network we do not compute");
    if (is_there && !(value >= row->least && value <= row->most)) /* a NaN is outside too */
        return refuse(gguf, err, TERN_GGUF_RULE_KEY_VALUE, &key, "is %g, not from %g to %g", value, row->least, row->most);
    if (row->kind == KIND_UINT)
        *(uint32_t *)(void *)((char *)c + row->field) = (uint32_t)value;
    else
        *(float *)(void *)((char *)c + row->field) = (float)value;
    return TERN_OK;
}

static enum tern_status read_activation(const struct tern_gguf *gguf, struct tern_config *c, struct tern_error *err)
{
    struct tern_gguf_key key;
    if (!find(gguf, c, "hidden_act", &key))
        return TERN_OK;
    if (key.type == TERN_GGUF_STRING && (text_is(key.string, "silu") || text_is(key.string, "swish")))
        c->activation = TERN_ACTIVATION_SILU;
    else if (key.type == TERN_GGUF_STRING && (text_is(key.string, "relu2") || text_is(key.string, "relu_sqr")))
        c->activation = TERN_ACTIVATION_RELU2;
    else
        return refuse(gguf, err, TERN_GGUF_RULE_KEY_VALUE, &key, "is neither silu nor relu2");
    return TERN_OK;
}

static enum tern_status read_rope_scaling(const struct tern_gguf *gguf, struct tern_config *c, struct tern_error *err)
{
    struct tern_gguf_key key;
    bool is_linear = true;
    if (find(gguf, c, "rope.scaling.type", &key)) {
        is_linear = key.type == TERN_GGUF_STRING && text_is(key.string, "linear");
        if (!is_linear && !(key.type == TERN_GGUF_STRING && text_is(key.string, "none")))
            return refuse(gguf, err, TERN_GGUF_RULE_KEY_VALUE, &key, "is neither none nor linear");
    }
    float factor = c->rope_factor > 0 ? c->rope_factor : c->rope_factor_old;
    c->rope_scale = is_linear && factor > 0 ? 1 / (double)factor : 1;
    return TERN_OK;
}

static bool starts_with(struct tern_gguf_string s, const char *prefix, size_t n)
{
    return s.length > n && memcmp(s.bytes, prefix, n) == 0;
}

/* Keys of the network that no row knows; and parts of a split file. */
static enum tern_status refuse_unknown(const struct tern_gguf *gguf, const struct tern_config *c, struct tern_error *err)
{
    char prefix[sizeof c->architecture + 2];
    size_t n = (size_t)snprintf(prefix, sizeof prefix, "%s.", c->architecture);
    struct tern_gguf_key key;
    double count;
    for (uint64_t i = 0; tern_gguf_key(gguf, i, &key); i++) {
        if (text_is(key.name, "split.count") && number_of(&key, &count) && count > 1)
            return refuse(gguf, err, TERN_GGUF_RULE_KEY_VALUE, &key, "says that this file is a part of a model; join the parts first");
        if (!starts_with(key.name, prefix, n))
            continue;
        struct tern_gguf_string suffix = {key.name.bytes + n, key.name.length - n};
        size_t r = 0;
        while (r < n_rows && !text_is(suffix, rows[r].key))
            r++;
        if (r == n_rows)
            return refuse(gguf, err, TERN_GGUF_RULE_KEY_KNOWN, &key, "is not known, so the network it describes is not either");
    }
    return TERN_OK;
}

/* The key with this suffix, where it is, contradicts the others. */
__attribute__((format(printf, 6, 7)))
static enum tern_status wrong(const struct tern_gguf *gguf, const struct tern_config *c, struct tern_error *err, enum tern_gguf_rule rule, const char *suffix,
                              const char *format, ...)
{
    struct tern_gguf_key key;
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const uint64_t offset = find(gguf, c, suffix, &key) ? key.offset : TERN_GGUF_KEYS_AT;
    return tern_gguf_refuse(err, tern_gguf_name(gguf), rule, offset, "key %s.%s: %s", c->architecture, suffix, text);
}

static enum tern_status check_heads(const struct tern_gguf *gguf, struct tern_config *c, struct tern_error *err)
{
    if (c->n_kv_heads == 0)
        c->n_kv_heads = c->n_heads;
    if (c->width % c->n_heads)
        return wrong(gguf, c, err, TERN_GGUF_RULE_HEADS, "attention.head_count", "%u heads do not divide the width %u", c->n_heads, c->width);
    if (c->n_kv_heads > c->n_heads || c->n_heads % c->n_kv_heads)
        return wrong(gguf, c, err, TERN_GGUF_RULE_HEADS, "attention.head_count_kv", "%u heads of keys do not divide %u heads", c->n_kv_heads, c->n_heads);
    c->head_size = c->width / c->n_heads;
    if (c->head_size % 2)
        return wrong(gguf, c, err, TERN_GGUF_RULE_HEADS, "attention.head_count", "%u heads give the odd head size %u, which cannot be rotated", c->n_heads, c->head_size);
    const struct { const char *key; uint32_t value; } sizes[] = {
        {"rope.dimension_count", c->rope_size}, {"attention.key_length", c->key_size}, {"attention.value_length", c->value_size}};
    for (size_t i = 0; i < 3; i++)
        if (sizes[i].value && sizes[i].value != c->head_size)
            return wrong(gguf, c, err, TERN_GGUF_RULE_HEADS, sizes[i].key, "%u is not the head size %u", sizes[i].value, c->head_size);
    return TERN_OK;
}

static enum tern_status read_vocabulary(const struct tern_gguf *gguf, struct tern_config *c, struct tern_error *err)
{
    struct tern_gguf_tensor embedding, output;
    if (!tern_gguf_find_tensor(gguf, "token_embd.weight", &embedding))
        return tern_gguf_refuse(err, tern_gguf_name(gguf), TERN_GGUF_RULE_TENSOR_MISSING, TERN_GGUF_TENSORS_AT, "tensor token_embd.weight is missing");
    if (embedding.n_dims != 2 || embedding.dims[0] != c->width || embedding.dims[1] > 1u << 28)
        return tern_gguf_refuse(err, tern_gguf_name(gguf), TERN_GGUF_RULE_TENSOR_SHAPE, embedding.offset, "tensor token_embd.weight is %" PRIu64 " x %" PRIu64
                                ", not %" PRIu32 " x the vocabulary", embedding.dims[0], embedding.dims[1], c->width);
    c->vocabulary = (uint32_t)embedding.dims[1];
    c->is_tied = !tern_gguf_find_tensor(gguf, "output.weight", &output);
    if (c->declared_vocabulary && c->declared_vocabulary != c->vocabulary)
        return wrong(gguf, c, err, TERN_GGUF_RULE_VOCABULARY, "vocab_size", "%u is not the embedding's %u rows", c->declared_vocabulary, c->vocabulary);
    return TERN_OK;
}

/* The tokenizer is not used, but what it says of the vocabulary must fit, or the file is not what it seems. */
static enum tern_status check_tokenizer(const struct tern_gguf *gguf, const struct tern_config *c, struct tern_error *err)
{
    static const struct { const char *key; enum tern_gguf_type types[2]; } arrays[] = {
        {"tokenizer.ggml.tokens", {TERN_GGUF_STRING, TERN_GGUF_STRING}},
        {"tokenizer.ggml.scores", {TERN_GGUF_F32, TERN_GGUF_F32}},
        {"tokenizer.ggml.token_type", {TERN_GGUF_I32, TERN_GGUF_U32}},
    };
    static const char *const ids[] = {"bos", "eos", "eot", "eom", "unknown", "separator", "padding", "cls", "mask"};
    struct tern_gguf_key key;
    double id;
    char name[96];
    for (size_t i = 0; i < 3; i++) {
        if (!tern_gguf_find_key(gguf, arrays[i].key, &key))
            continue;
        if (key.type != TERN_GGUF_ARRAY || (key.array.type != arrays[i].types[0] && key.array.type != arrays[i].types[1]))
            return refuse(gguf, err, TERN_GGUF_RULE_KEY_VALUE, &key, "is not an array of %s", tern_gguf_type_name(arrays[i].types[0]));
        if (key.array.n != c->vocabulary)
            return refuse(gguf, err, TERN_GGUF_RULE_VOCABULARY, &key, "has %" PRIu64 " entries, the embedding %" PRIu32 " rows", key.array.n, c->vocabulary);
    }
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        snprintf(name, sizeof name, "tokenizer.ggml.%s_token_id", ids[i]);
        if (tern_gguf_find_key(gguf, name, &key) && (!number_of(&key, &id) || !is_whole(&key) || id < 0 || id >= c->vocabulary))
            return refuse(gguf, err, TERN_GGUF_RULE_VOCABULARY, &key, "is no row of the embedding");
    }
    return TERN_OK;
}

enum tern_status tern_config_read(const struct tern_gguf *gguf, struct tern_config *out, struct tern_error *err)
{
    *out = (struct tern_config){0};
    enum tern_status status = read_architecture(gguf, out, err);
    for (size_t r = 0; r < n_rows && status == TERN_OK; r++)
        status = read_row(gguf, &rows[r], out, err);
    static enum tern_status (*const steps[])(const struct tern_gguf *, struct tern_config *, struct tern_error *) = {
        read_activation, read_rope_scaling, check_heads, read_vocabulary};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == TERN_OK; i++)
        status = steps[i](gguf, out, err);
    if (status == TERN_OK)
        status = refuse_unknown(gguf, out, err);
    return status == TERN_OK ? check_tokenizer(gguf, out, err) : status;
}
