/* SPDX-License-Identifier: Apache-2.0 */
#include "report/curves.h"

#include "report/view.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

double curves_x(const json_t *cell, const char *axis)
{
    return view_number(json_object_get(cell, "params"), axis, 0);
}

static const char *x_axis_of(const json_t *cell, const char *const *x_axes)
{
    for (; *x_axes; x_axes++)
        if (curves_x(cell, *x_axes) > 0)
            return *x_axes;
    return NULL;
}

/* "suite/bench, other=value, …" of all params but the axis and the backend. */
static void print_key(FILE *out, const json_t *cell, const char *axis)
{
    const char *name;
    json_t *value;
    fprintf(out, "%s/%s", view_text(cell, "suite"), view_text(cell, "bench"));
    json_object_foreach(json_object_get(cell, "params"), name, value)
    {
        if (strcmp(name, axis) == 0 || strcmp(name, "backend") == 0)
            continue;
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        fprintf(out, ", %s=%s", name, text ? text : json_string_value(value));
        free(text);
    }
}

static json_t *child(json_t *parent, const char *key, json_t *(*make)(void))
{
    if (!json_object_get(parent, key))
        json_object_set_new(parent, key, make());
    return json_object_get(parent, key);
}

static void insert_sorted(json_t *list, const json_t *cells, size_t index, const char *axis)
{
    double x = curves_x(json_array_get(cells, index), axis);
    size_t at = json_array_size(list);
    while (at > 0 && curves_x(json_array_get(cells, (size_t)json_integer_value(json_array_get(list, at - 1))), axis) > x)
        at--;
    json_array_insert_new(list, at, json_integer((json_int_t)index));
}

static bool has_curve(const json_t *group)
{
    const char *name;
    json_t *list;
    json_object_foreach(json_object_get(group, "series"), name, list)
    {
        if (json_array_size(list) > 1)
            return true;
    }
    return false;
}

json_t *curves_group(const json_t *run, const char *const *x_axes)
{
    const json_t *cells = json_object_get(run, "cells");
    json_t *groups = json_object();
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        const char *axis = x_axis_of(cell, x_axes);
        bool ablation = *view_text(json_object_get(cell, "params"), "without"); /* has a picture of its own */
        bool ceiling = axis && strcmp(axis, "threads") == 0 && strstr(view_text(cell, "suite"), "roofline"); /* the roofline shows it */
        if (!axis || ablation || ceiling || !json_is_object(json_object_get(cell, "summary")))
            continue;
        char *key = NULL;
        size_t size;
        FILE *out = open_memstream(&key, &size);
        print_key(out, cell, axis);
        fclose(out);
        json_t *group = child(groups, key, json_object);
        free(key);
        json_object_set_new(group, "x", json_string(axis));
        insert_sorted(child(child(group, "series", json_object), view_text(json_object_get(cell, "params"), "backend"), json_array), cells, i, axis);
    }
    const char *key;
    json_t *group;
    void *next;
    json_object_foreach_safe(groups, next, key, group)
    {
        if (!has_curve(group))
            json_object_del(groups, key);
    }
    return groups;
}

const json_t *curves_at(json_t *groups, size_t index, const char **key)
{
    void *at = json_object_iter(groups);
    while (at && index--)
        at = json_object_iter_next(groups, at);
    *key = at ? json_object_iter_key(at) : "";
    return at ? json_object_iter_value(at) : NULL;
}

void curves_print_tics(FILE *constants, const json_t *run, const json_t *group)
{
    const json_t *cells = json_object_get(run, "cells");
    const char *name, *axis = view_text(group, "x");
    json_t *list, *seen = json_object();
    fputs("TICS = \"", constants);
    json_object_foreach(json_object_get(group, "series"), name, list)
    {
        for (size_t i = 0; i < json_array_size(list); i++) {
            char text[32];
            snprintf(text, sizeof text, "%.6g", curves_x(json_array_get(cells, (size_t)json_integer_value(json_array_get(list, i))), axis));
            if (!json_object_get(seen, text) && json_object_size(seen) < 24)
                fprintf(constants, "%s%s", json_object_size(seen) ? " " : "", text);
            json_object_set_new(seen, text, json_true());
        }
    }
    fputs("\"\n", constants);
    json_decref(seen);
}
