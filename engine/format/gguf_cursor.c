/* SPDX-License-Identifier: Apache-2.0 */
#include "format/gguf_cursor.h"

#include "format/checked.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *must;
} rules[] = {
#define RULE(name, text, must) {text, must},
#include "format/gguf_rules.def"
#undef RULE
};

static const struct {
    const char *name;
    uint32_t size; /* bytes of one value; 0: its own length */
} value_types[TERN_GGUF_TYPES] = {
    [TERN_GGUF_U8] = {"u8", 1},      [TERN_GGUF_I8] = {"i8", 1},   [TERN_GGUF_U16] = {"u16", 2},
    [TERN_GGUF_I16] = {"i16", 2},    [TERN_GGUF_U32] = {"u32", 4}, [TERN_GGUF_I32] = {"i32", 4},
    [TERN_GGUF_F32] = {"f32", 4},    [TERN_GGUF_BOOL] = {"bool", 1}, [TERN_GGUF_STRING] = {"string", 0},
    [TERN_GGUF_ARRAY] = {"array", 0}, [TERN_GGUF_U64] = {"u64", 8}, [TERN_GGUF_I64] = {"i64", 8},
    [TERN_GGUF_F64] = {"f64", 8},
};

enum { STRING_MAX = 16 << 20, KEY_MAX = 65535, NAME_MAX_BYTES = 63 };

const char *tern_gguf_type_name(enum tern_gguf_type type)
{
    return (unsigned)type < TERN_GGUF_TYPES ? value_types[type].name : "unknown";
}

__attribute__((format(printf, 5, 0))) static enum tern_status tell(struct tern_error *err, const char *file, enum tern_gguf_rule rule, uint64_t offset,
                                                                  const char *found, va_list args)
{
    char text[256];
    vsnprintf(text, sizeof text, found, args);
    return tern_error_set(err, TERN_INVALID, "%s: offset %" PRIu64 ": %s (rule %s: %s)", file, offset, text, rules[rule].name, rules[rule].must);
}

enum tern_status tern_gguf_refuse(struct tern_error *err, const char *file, enum tern_gguf_rule rule, uint64_t offset, const char *found, ...)
{
    va_list args;
    va_start(args, found);
    const enum tern_status status = tell(err, file, rule, offset, found, args);
    va_end(args);
    return status;
}

bool tern_gguf_broken(struct tern_gguf_cursor *c, enum tern_gguf_rule rule, uint64_t offset, const char *found, ...)
{
    va_list args;
    va_start(args, found);
    tell(c->err, c->name, rule, offset, found, args);
    va_end(args);
    return false;
}

/* The next n bytes, or NULL. */
static const uint8_t *take(struct tern_gguf_cursor *c, uint64_t n, const char *what)
{
    if (n > tern_gguf_left(c)) {
        tern_gguf_broken(c, TERN_GGUF_RULE_TRUNCATED, c->at, "%s needs %" PRIu64 " bytes and %" PRIu64 " are left", what, n,
                         tern_gguf_left(c));
        return NULL;
    }
    const uint8_t *bytes = c->bytes + c->at;
    c->at += n;
    return bytes;
}

static uint64_t load(const uint8_t *bytes, uint32_t n)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < n; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

bool tern_gguf_read_u32(struct tern_gguf_cursor *c, uint32_t *out)
{
    const uint8_t *bytes = take(c, 4, "a 32-bit number");
    if (bytes)
        *out = (uint32_t)load(bytes, 4);
    return bytes != NULL;
}

bool tern_gguf_read_u64(struct tern_gguf_cursor *c, uint64_t *out)
{
    const uint8_t *bytes = take(c, 8, "a 64-bit number");
    if (bytes)
        *out = load(bytes, 8);
    return bytes != NULL;
}

/* A string of min to max bytes; a length outside breaks `rule`. */
static bool read_string(struct tern_gguf_cursor *c, uint64_t min, uint64_t max, enum tern_gguf_rule rule, struct tern_gguf_string *out)
{
    uint64_t at = c->at, length;
    if (!tern_gguf_read_u64(c, &length))
        return false;
    if (length < min || length > max || (rule == TERN_GGUF_RULE_STRING_LENGTH && length > tern_gguf_left(c)))
        return tern_gguf_broken(c, rule, at, "length %" PRIu64 ", %" PRIu64 " bytes left", length, tern_gguf_left(c));
    const uint8_t *bytes = take(c, length, "a string");
    if (!bytes)
        return false;
    *out = (struct tern_gguf_string){(const char *)bytes, (size_t)length};
    return true;
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none or it is a control character.
 * Source: RFC 3629, section 4. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    static const struct { unsigned char low, high, first_low, first_high; size_t n; } forms[] = {
        {0x20, 0x7e, 0, 0, 1},          {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3},    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (s[0] < forms[i].low || s[0] > forms[i].high)
            continue;
        size_t n = forms[i].n;
        if (n > left || (n > 1 && (s[1] < forms[i].first_low || s[1] > forms[i].first_high)))
            return 0;
        for (size_t k = 2; k < n; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return n;
    }
    return 0;
}

static bool read_name(struct tern_gguf_cursor *c, uint64_t max, enum tern_gguf_rule rule, struct tern_gguf_string *out)
{
    uint64_t at = c->at;
    if (!read_string(c, 1, max, rule, out))
        return false;
    for (size_t i = 0, n; i < out->length; i += n) {
        n = utf8_length((const unsigned char *)out->bytes + i, out->length - i);
        if (n == 0)
            return tern_gguf_broken(c, rule, at + 8 + i, "byte %02x in a name", (unsigned char)out->bytes[i]);
    }
    return true;
}

/* A value of fixed size, spread to 64 bits. */
static bool read_number(struct tern_gguf_cursor *c, struct tern_gguf_key *key)
{
    uint64_t at = c->at;
    uint32_t size = value_types[key->type].size;
    const uint8_t *bytes = take(c, size, "a value");
    if (!bytes)
        return false;
    uint64_t raw = load(bytes, size);
    switch (key->type) {
    case TERN_GGUF_I8: key->i = (int8_t)raw; break;
    case TERN_GGUF_I16: key->i = (int16_t)raw; break;
    case TERN_GGUF_I32: key->i = (int32_t)raw; break;
    case TERN_GGUF_I64: key->i = (int64_t)raw; break;
    case TERN_GGUF_F32: {
        uint32_t bits = (uint32_t)raw;
        float f;
        memcpy(&f, &bits, sizeof f);
        key->f = (double)f;
        break;
    }
    case TERN_GGUF_F64: memcpy(&key->f, &raw, sizeof key->f); break;
    default: key->u = raw; break;
    }
    if (key->type == TERN_GGUF_BOOL && raw > 1)
        return tern_gguf_broken(c, TERN_GGUF_RULE_BOOLEAN, at, "value %" PRIu64, raw);
    return true;
}

static bool read_array(struct tern_gguf_cursor *c, struct tern_gguf_key *key)
{
    uint64_t at = c->at, n;
    uint32_t type;
    if (!tern_gguf_read_u32(c, &type))
        return false;
    if (type >= TERN_GGUF_TYPES || type == TERN_GGUF_ARRAY)
        return tern_gguf_broken(c, TERN_GGUF_RULE_ARRAY_TYPE, at, "element type %" PRIu32, type);
    if (!tern_gguf_read_u64(c, &n))
        return false;
    uint64_t size = type == TERN_GGUF_STRING ? 8 : value_types[type].size;
    if (n > tern_gguf_left(c) / size)
        return tern_gguf_broken(c, TERN_GGUF_RULE_ARRAY_LENGTH, at + 4, "%" PRIu64 " elements, %" PRIu64 " bytes left", n,
                                tern_gguf_left(c));
    uint64_t start = c->at;
    struct tern_gguf_string string;
    if (type != TERN_GGUF_STRING)
        c->at += n * size; /* cannot wrap: n <= left / size */
    else
        for (uint64_t i = 0; i < n; i++)
            if (!read_string(c, 0, STRING_MAX, TERN_GGUF_RULE_STRING_LENGTH, &string))
                return false;
    key->array.type = (enum tern_gguf_type)type;
    key->array.n = n;
    key->array.bytes = c->bytes + start;
    key->array.size = (size_t)(c->at - start);
    return true;
}

bool tern_gguf_read_key(struct tern_gguf_cursor *c, struct tern_gguf_key *out)
{
    uint32_t type;
    *out = (struct tern_gguf_key){.offset = c->at};
    if (!read_name(c, KEY_MAX, TERN_GGUF_RULE_KEY_NAME, &out->name) || !tern_gguf_read_u32(c, &type))
        return false;
    if (type >= TERN_GGUF_TYPES)
        return tern_gguf_broken(c, TERN_GGUF_RULE_VALUE_TYPE, c->at - 4, "type %" PRIu32, type);
    out->type = (enum tern_gguf_type)type;
    if (out->type == TERN_GGUF_STRING)
        return read_string(c, 0, STRING_MAX, TERN_GGUF_RULE_STRING_LENGTH, &out->string);
    return out->type == TERN_GGUF_ARRAY ? read_array(c, out) : read_number(c, out);
}

static bool read_dims(struct tern_gguf_cursor *c, struct tern_gguf_tensor *t)
{
    uint64_t at = c->at, elements = 1;
    if (!tern_gguf_read_u32(c, &t->n_dims))
        return false;
    if (t->n_dims < 1 || t->n_dims > 4)
        return tern_gguf_broken(c, TERN_GGUF_RULE_DIMENSIONS, at, "%" PRIu32 " dimensions", t->n_dims);
    for (uint32_t d = 0; d < 4; d++)
        t->dims[d] = 1;
    for (uint32_t d = 0; d < t->n_dims; d++) {
        at = c->at;
        if (!tern_gguf_read_u64(c, &t->dims[d]))
            return false;
        if (t->dims[d] == 0)
            return tern_gguf_broken(c, TERN_GGUF_RULE_DIMENSIONS, at, "dimension %" PRIu32 " is 0", d);
        if (!tern_checked_mul(elements, t->dims[d], &elements) || elements > INT64_MAX)
            return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_SIZE, at, "dimension %" PRIu32 " is %" PRIu64, d, t->dims[d]);
    }
    return true;
}

static bool read_type(struct tern_gguf_cursor *c, struct tern_gguf_tensor *t)
{
    uint64_t at = c->at;
    uint32_t id;
    if (!tern_gguf_read_u32(c, &id))
        return false;
    t->type = tern_type_find(id);
    const char *foreign = tern_type_foreign(id);
    if (!t->type)
        return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_TYPE, at, "type %" PRIu32 "%s%s%s", id, foreign ? " (" : "",
                                foreign ? foreign : "", foreign ? ")" : "");
    uint64_t rows = t->dims[1] * t->dims[2] * t->dims[3]; /* no wrap: read_dims counted all elements */
    if ((t->type->is_flat ? t->dims[0] * rows : t->dims[0]) % t->type->weights)
        return tern_gguf_broken(c, TERN_GGUF_RULE_BLOCK, at, "%" PRIu64 " x %" PRIu64 " %s, whose blocks have %" PRIu32, t->dims[0], rows,
                                t->type->name, t->type->weights);
    uint64_t bytes;
    if (!tern_type_bytes(t->type, t->dims[0], rows, &bytes) || !tern_checked_size(bytes, &t->size))
        return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_SIZE, at, "bytes of %" PRIu64 " x %" PRIu64 " %s", t->dims[0], rows,
                                t->type->name);
    return true;
}

bool tern_gguf_read_tensor(struct tern_gguf_cursor *c, struct tern_gguf_data data, struct tern_gguf_tensor *out, uint64_t *offset)
{
    *out = (struct tern_gguf_tensor){.offset = c->at};
    if (!read_name(c, NAME_MAX_BYTES, TERN_GGUF_RULE_TENSOR_NAME, &out->name) || !read_dims(c, out) || !read_type(c, out))
        return false;
    uint64_t at = c->at, end;
    if (!tern_gguf_read_u64(c, offset))
        return false;
    if (*offset % data.alignment)
        return tern_gguf_broken(c, TERN_GGUF_RULE_OFFSET_ALIGNED, at, "offset %" PRIu64 ", alignment %" PRIu64, *offset, data.alignment);
    if (data.start == UINT64_MAX)
        return true;
    uint64_t available = c->size - data.start;
    if (!tern_checked_add(*offset, out->size, &end) || end > available)
        return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_RANGE, at, "offset %" PRIu64 " + %zu bytes, data has %" PRIu64, *offset,
                                out->size, available);
    out->bytes = c->bytes + data.start + *offset;
    return true;
}

char *tern_gguf_escape(char *out, size_t size, const char *bytes, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        bool plain = byte >= 0x20 && byte < 0x7f && byte != '\\';
        if (at + (plain ? 1 : 4) + sizeof "…" > size) {
            at += (size_t)snprintf(out + at, size - at, "…");
            break;
        }
        at += (size_t)snprintf(out + at, size - at, plain ? "%c" : "\\x%02x", byte);
    }
    out[at < size ? at : size - 1] = 0;
    return out;
}
