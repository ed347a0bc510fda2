/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors: that a file has those of its network, each in the shape of its role.
 */
#include "model/config.h"
#include "core/memory.h"
#include "format/gguf_cursor.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tern_role_row roles[] = {
#define ROLE(field, name, is_matrix, outputs, inputs) {name, is_matrix},
    TERN_ROLES(ROLE)
#undef ROLE
};

const struct tern_role_row *tern_role(enum tern_role role)
{
    return &roles[role];
}

void tern_role_shape(const struct tern_config *config, enum tern_role role, uint64_t *outputs, uint64_t *inputs)
{
    const uint64_t width = config->width, ffn = config->ffn, kv = (uint64_t)config->n_kv_heads * config->head_size;
    const struct { uint64_t outputs, inputs; } shapes[] = {
#define ROLE(field, name, is_matrix, outputs, inputs) {outputs, inputs},
        TERN_ROLES(ROLE)
#undef ROLE
    };
    *outputs = shapes[role].outputs;
    *inputs = shapes[role].inputs;
}

bool tern_config_tensor(const struct tern_gguf *gguf, uint32_t layer, enum tern_role role, const char *suffix, struct tern_gguf_tensor *out)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%" PRIu32 ".%s.%s", layer, roles[role].name, suffix);
    return tern_gguf_find_tensor(gguf, name, out);
}

__attribute__((format(printf, 5, 6)))
static enum tern_status refuse(const struct tern_gguf *gguf, struct tern_error *err, enum tern_gguf_rule rule, const struct tern_gguf_tensor *t,
                               const char *format, ...)
{
    char name[260], text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tern_gguf_escape(name, sizeof name, t->name.bytes, t->name.length);
    return tern_gguf_refuse(err, tern_gguf_name(gguf), rule, t->offset, "tensor %s %s", name, text);
}

/* "blk.7.ffn_up.weight" to its parts; false when it is no such name. Leading zeros are none of ours. */
static bool split_name(struct tern_gguf_string s, uint32_t *layer, enum tern_role *role, bool *is_scale)
{
    char text[64];
    char *dot;
    if (s.length >= sizeof text || s.length < 5 || memcmp(s.bytes, "blk.", 4) != 0)
        return false;
    memcpy(text, s.bytes, s.length);
    text[s.length] = 0;
    if (strlen(text) != s.length || text[4] < '0' || text[4] > '9' || (text[4] == '0' && text[5] != '.'))
        return false;
    unsigned long value = strtoul(text + 4, &dot, 10);
    char *last = strrchr(text, '.');
    if (*dot != '.' || last == dot || value > 1u << 20)
        return false;
    *last = 0;
    *layer = (uint32_t)value;
    *is_scale = strcmp(last + 1, "scale") == 0;
    for (*role = 0; *role < TERN_N_ROLES; ++*role)
        if (strcmp(roles[*role].name, dot + 1) == 0)
            return strcmp(last + 1, "weight") == 0 || (*is_scale && roles[*role].is_matrix);
    return false;
}

static bool is_plain(const struct tern_gguf_tensor *t)
{
    return t->type->id == TERN_TYPE_F32 || t->type->id == TERN_TYPE_F16 || t->type->id == TERN_TYPE_BF16;
}

static enum tern_status check_norm(const struct tern_gguf *gguf, const struct tern_gguf_tensor *t, uint64_t size, struct tern_error *err)
{
    if (t->n_dims != 1 || t->dims[0] != size)
        return refuse(gguf, err, TERN_GGUF_RULE_TENSOR_SHAPE, t, "has %" PRIu32 " dimensions, the first %" PRIu64 ", not one of %" PRIu64, t->n_dims, t->dims[0], size);
    if (!is_plain(t))
        return refuse(gguf, err, TERN_GGUF_RULE_TENSOR_SHAPE, t, "is %s; a norm is F32, F16 or BF16", t->type->name);
    return TERN_OK;
}

static enum tern_status check_scale(const struct tern_gguf *gguf, const struct tern_gguf_tensor *t, struct tern_error *err)
{
    float scale;
    if (t->n_dims != 1 || t->dims[0] != 1 || !is_plain(t))
        return refuse(gguf, err, TERN_GGUF_RULE_TENSOR_SHAPE, t, "is not one plain number");
    struct tern_matrix m = {t->bytes, 1, 1, (enum tern_type)t->type->id, 0};
    tern_matrix_row(&m, 0, &scale);
    return isnormal(scale) ? TERN_OK : refuse(gguf, err, TERN_GGUF_RULE_SCALE, t, "is the scale %g, which no product can be multiplied by", (double)scale);
}

static enum tern_status check_matrix(const struct tern_gguf *gguf, const struct tern_gguf_tensor *t, uint64_t outputs, uint64_t inputs,
                                     struct tern_error *err)
{
    if (t->n_dims != 2 || t->dims[0] != inputs || t->dims[1] != outputs)
        return refuse(gguf, err, TERN_GGUF_RULE_TENSOR_SHAPE, t, "is %" PRIu64 " x %" PRIu64 ", its role needs %" PRIu64 " x %" PRIu64, t->dims[0], t->dims[1], inputs, outputs);
    struct tern_matrix m = {t->bytes, outputs, inputs, (enum tern_type)t->type->id, 0};
    if (m.type == TERN_TYPE_I2_S && !isnormal(tern_i2s_scale(&m)))
        return refuse(gguf, err, TERN_GGUF_RULE_SCALE, t, "has the scale %g, which no weight can have", (double)tern_i2s_scale(&m));
    return TERN_OK;
}

static enum tern_status check_layer_tensor(const struct tern_config *c, const struct tern_gguf *gguf, const struct tern_gguf_tensor *t,
                                           uint8_t *seen, struct tern_error *err)
{
    uint32_t layer = 0;
    enum tern_role role = 0;
    bool is_scale = false;
    uint64_t outputs, inputs;
    if (!split_name(t->name, &layer, &role, &is_scale))
        return refuse(gguf, err, TERN_GGUF_RULE_TENSOR_KNOWN, t, "is not known in a %s network", c->architecture);
    if (layer >= c->n_layers)
        return refuse(gguf, err, TERN_GGUF_RULE_TENSOR_KNOWN, t, "is beyond block_count %" PRIu32, c->n_layers);
    tern_role_shape(c, role, &outputs, &inputs);
    if (is_scale)
        return check_scale(gguf, t, err);
    seen[layer * TERN_N_ROLES + role] = 1;
    return roles[role].is_matrix ? check_matrix(gguf, t, outputs, inputs, err) : check_norm(gguf, t, outputs, err);
}

static enum tern_status check_missing(const struct tern_config *c, const struct tern_gguf *gguf, const uint8_t *seen, struct tern_error *err)
{
    for (uint32_t i = 0; i < c->n_layers * TERN_N_ROLES; i++)
        if (!seen[i])
            return tern_gguf_refuse(err, tern_gguf_name(gguf), TERN_GGUF_RULE_TENSOR_MISSING, TERN_GGUF_TENSORS_AT, "tensor blk.%" PRIu32 ".%s.weight is missing (block_count is %" PRIu32 ")",
                                    i / TERN_N_ROLES, roles[i % TERN_N_ROLES].name, c->n_layers);
    return TERN_OK;
}

static bool is_named(const struct tern_gguf_tensor *t, const char *name)
{
    return t->name.length == strlen(name) && memcmp(t->name.bytes, name, t->name.length) == 0;
}

enum tern_status tern_config_check_tensors(const struct tern_config *c, const struct tern_gguf *gguf, struct tern_error *err)
{
    struct tern_gguf_tensor t;
    enum tern_status status = TERN_OK;
    if (!tern_gguf_find_tensor(gguf, "output_norm.weight", &t))
        return tern_gguf_refuse(err, tern_gguf_name(gguf), TERN_GGUF_RULE_TENSOR_MISSING, TERN_GGUF_TENSORS_AT, "tensor output_norm.weight is missing");
    uint8_t *seen = tern_array_open(c->n_layers, TERN_N_ROLES);
    if (!seen)
        return tern_error_set(err, TERN_NO_MEMORY, "%s: no memory to check its tensors", tern_gguf_name(gguf));
    for (uint64_t i = 0; status == TERN_OK && tern_gguf_tensor(gguf, i, &t); i++) {
        if (is_named(&t, "token_embd.weight") || is_named(&t, "output.weight"))
            status = check_matrix(gguf, &t, c->vocabulary, c->width, err);
        else if (is_named(&t, "output_norm.weight"))
            status = check_norm(gguf, &t, c->width, err);
        else
            status = check_layer_tensor(c, gguf, &t, seen, err);
    }
    if (status == TERN_OK)
        status = check_missing(c, gguf, seen, err);
    tern_array_close(seen);
    return status;
}
