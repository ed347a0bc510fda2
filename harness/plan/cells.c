/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t count_cells(const json_t *axes)
{
    size_t n = 1, i;
    json_t *axis;
    json_array_foreach(axes, i, axis) {
        n *= json_array_size(json_array_get(axis, 1));
        if (n > CELLS_MAX)
            return n;
    }
    return n;
}

/* Cell number `index` of the product: the digits of a number whose base changes from axis to axis. */
static json_t *params_of(const json_t *axes, size_t index)
{
    size_t n_axes = json_array_size(axes), block = count_cells(axes);
    json_t *params = json_object();
    for (size_t i = 0; i < n_axes; i++) {
        const json_t *axis = json_array_get(axes, i), *values = json_array_get(axis, 1);
        size_t n = json_array_size(values);
        block /= n;
        json_object_set(params, json_string_value(json_array_get(axis, 0)), json_array_get(values, index / block % n));
    }
    return params;
}

json_t *cells_product(const json_t *axes, struct fault *fault)
{
    size_t n = count_cells(axes);
    if (n > CELLS_MAX) {
        fault_set(fault, EXIT_CODE_USAGE, "field 'axes': expected at most %d cells, found %zu or more", CELLS_MAX, n);
        return NULL;
    }
    json_t *cells = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(cells, params_of(axes, i));
    return cells;
}

static char *number_text(double value)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return strdup(text);
}

char *cells_value_text(const json_t *value)
{
    char integer[32];
    switch (json_typeof(value)) {
    case JSON_STRING: return strdup(json_string_value(value));
    case JSON_INTEGER: snprintf(integer, sizeof integer, "%lld", (long long)json_integer_value(value)); return strdup(integer);
    case JSON_REAL: return number_text(json_real_value(value));
    default: return strdup(json_is_true(value) ? "true" : "false");
    }
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c != 0x7f && c != '/' && c != '%';
}

static void print_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (is_plain((unsigned char)*text))
            fputc(*text, out);
        else
            fprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

char *cells_id(const char *suite, const char *bench, const json_t *params)
{
    char *id = NULL;
    size_t size;
    FILE *out = open_memstream(&id, &size);
    if (!out)
        return NULL;
    print_escaped(out, suite);
    fputc('/', out);
    print_escaped(out, bench);
    const char *axis;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)params, axis, value) {
        char *text = cells_value_text(value);
        fprintf(out, "/%s=", axis);
        print_escaped(out, text ? text : "");
        free(text);
    }
    return fclose(out) == 0 ? id : NULL;
}
