/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shape.h"

#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
    [SHAPE_TEXT] = "a string", [SHAPE_INTEGER] = "an integer", [SHAPE_NUMBER] = "a number",  [SHAPE_BOOL] = "true or false", [SHAPE_SCALAR] = "a string, number or bool",
    [SHAPE_LIST] = "an array", [SHAPE_MAP] = "an object",      [SHAPE_RECORD] = "an object", [SHAPE_EITHER] = "an object",
};

static const char *found_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_INTEGER] = "an integer",
        [JSON_REAL] = "a real",      [JSON_TRUE] = "true",      [JSON_FALSE] = "false",     [JSON_NULL] = "null",
    };
    return names[json_typeof(value)];
}

/* Adds ".key" (made safe to show) or "[index]" to the path; returns the length before, for leave(). */
static size_t enter_key(struct shape_walk *walk, const char *key)
{
    size_t before = strlen(walk->path);
    char shown[96];
    snprintf(walk->path + before, sizeof walk->path - before, "%s%s", before ? "." : "", text_escape(key, shown, sizeof shown));
    return before;
}

static size_t enter_index(struct shape_walk *walk, size_t index)
{
    size_t before = strlen(walk->path);
    snprintf(walk->path + before, sizeof walk->path - before, "[%zu]", index);
    return before;
}

static void leave(struct shape_walk *walk, size_t before)
{
    walk->path[before] = 0;
}

bool shape_fault(struct shape_walk *walk, const char *key, const char *format, ...)
{
    char said[512], file[256];
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    size_t before = key ? enter_key(walk, key) : strlen(walk->path);
    fault_set(walk->fault, EXIT_CODE_INVALID, "%s: %s: %s", text_escape(walk->file, file, sizeof file), walk->path[0] ? walk->path : "top", said);
    leave(walk, before);
    return false;
}

static bool wrong(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    return shape_fault(walk, NULL, "expected %s%s, found %s", shape->name ? shape->name : kind_names[shape->kind], shape->nullable ? " or null" : "", found_name(value));
}

static bool text_fits(const char *text, const struct shape *shape)
{
    if (shape->text && !shape->text(text))
        return false;
    if (!shape->words)
        return true;
    for (const char *const *word = shape->words; *word; word++)
        if (strcmp(*word, text) == 0)
            return true;
    return false;
}

static bool check_text(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    if (!json_is_string(value))
        return wrong(value, shape, walk);
    if (text_fits(json_string_value(value), shape))
        return true;
    /* the text itself is not quoted: a hostile link may have led to a file that is nobody's business */
    return shape_fault(walk, NULL, "expected %s, found another string", shape->name ? shape->name : "a known word");
}

static bool check_number(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    if (!(shape->kind == SHAPE_INTEGER ? json_is_integer(value) : json_is_number(value)))
        return wrong(value, shape, walk);
    double number = json_number_value(value);
    if (!isfinite(number))
        return shape_fault(walk, NULL, "expected a finite number");
    if (shape->bound == BOUND_POSITIVE && number <= 0)
        return shape_fault(walk, NULL, "expected a number above 0, found %g", number);
    if (shape->bound == BOUND_NOT_NEGATIVE && number < 0)
        return shape_fault(walk, NULL, "expected a number not below 0, found %g", number);
    return true;
}

static bool check_bool(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    return json_is_boolean(value) || wrong(value, shape, walk);
}

static bool check_scalar(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    return json_is_string(value) || json_is_boolean(value) || json_is_number(value) || wrong(value, shape, walk);
}

static bool check_list(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    if (!json_is_array(value))
        return wrong(value, shape, walk);
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(value); i++) {
        size_t before = enter_index(walk, i);
        ok = shape_check(json_array_get(value, i), shape->of, walk);
        leave(walk, before);
    }
    return ok;
}

static bool check_map(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    if (!json_is_object(value))
        return wrong(value, shape, walk);
    const char *key;
    json_t *each;
    json_object_foreach((json_t *)(uintptr_t)value, key, each)
    {
        size_t before = enter_key(walk, key);
        bool ok = shape_check(each, shape->of, walk);
        leave(walk, before);
        if (!ok)
            return false;
    }
    return true;
}

static const struct shape_field *field_of(const struct shape *shape, const char *key, unsigned kind)
{
    for (const struct shape_field *field = shape->fields; field->key; field++)
        if (strcmp(field->key, key) == 0 && (!field->kinds || (field->kinds & kind)))
            return field;
    return NULL;
}

static bool check_record(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    if (!json_is_object(value))
        return wrong(value, shape, walk);
    const char *key;
    json_t *each;
    json_object_foreach((json_t *)(uintptr_t)value, key, each)
    {
        if (!field_of(shape, key, walk->kind))
            return shape_fault(walk, key, "unknown key");
    }
    for (const struct shape_field *field = shape->fields; field->key; field++) {
        if (field->kinds && !(field->kinds & walk->kind))
            continue;
        each = json_object_get(value, field->key);
        if (!each && field->shape->optional)
            continue;
        if (!each)
            return shape_fault(walk, field->key, "missing");
        size_t before = enter_key(walk, field->key);
        bool ok = shape_check(each, field->shape, walk);
        leave(walk, before);
        if (!ok)
            return false;
    }
    return true;
}

static bool check_either(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    for (const struct shape *const *each = shape->either; *each; each++)
        if (json_object_get(value, (*each)->fields[0].key))
            return check_record(value, *each, walk);
    return wrong(value, shape, walk);
}

bool shape_check(const json_t *value, const struct shape *shape, struct shape_walk *walk)
{
    static bool (*const checks[])(const json_t *, const struct shape *, struct shape_walk *) = {
        [SHAPE_TEXT] = check_text, [SHAPE_INTEGER] = check_number, [SHAPE_NUMBER] = check_number, [SHAPE_BOOL] = check_bool,     [SHAPE_SCALAR] = check_scalar,
        [SHAPE_LIST] = check_list, [SHAPE_MAP] = check_map,        [SHAPE_RECORD] = check_record, [SHAPE_EITHER] = check_either,
    };
    if (json_is_null(value) && shape->nullable)
        return true;
    return checks[shape->kind](value, shape, walk) && (!shape->rule || shape->rule(value, walk));
}
