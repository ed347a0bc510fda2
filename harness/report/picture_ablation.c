/* SPDX-License-Identifier: Apache-2.0
 *
 * What each optimisation is worth: cells of a bench with the axis `without`, as time without it over time with everything
 * (without=nothing), one picture per bench; cells that differ in other axes are rows of their own.
 */
#include "report/picture.h"
#include "report/view.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const char axis[] = "without", all[] = "nothing";
enum { ROWS = 40 };

static double median_of(const json_t *cell)
{
    return view_number(json_object_get(cell, "summary"), "median", 0);
}

/* The same cell with everything on. */
static const json_t *whole_of(const json_t *cells, const json_t *cell)
{
    const json_t *mine = json_object_get(cell, "params");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *other = json_array_get(cells, i), *theirs = json_object_get(other, "params");
        if (strcmp(view_text(other, "suite"), view_text(cell, "suite")) != 0 || strcmp(view_text(other, "bench"), view_text(cell, "bench")) != 0 ||
            strcmp(view_text(theirs, axis), all) != 0)
            continue;
        const char *name;
        json_t *value;
        bool same = true;
        json_object_foreach((json_t *)(uintptr_t)mine, name, value)
            same = same && (strcmp(name, axis) == 0 || json_equal(value, json_object_get(theirs, name)));
        if (same)
            return other;
    }
    return NULL;
}

static bool is_row(const json_t *cells, const json_t *cell)
{
    const char *without = view_text(json_object_get(cell, "params"), axis);
    return *without && strcmp(without, all) != 0 && median_of(cell) > 0 && median_of(whole_of(cells, cell)) > 0;
}

/* The first cell of the index-th bench that has rows. */
static const json_t *pick(const json_t *cells, size_t index)
{
    json_t *seen = json_object();
    const json_t *found = NULL;
    for (size_t i = 0; !found && i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        char key[512];
        snprintf(key, sizeof key, "%.250s/%.250s", view_text(cell, "suite"), view_text(cell, "bench"));
        if (json_object_get(seen, key) || !is_row(cells, cell))
            continue;
        json_object_set_new(seen, key, json_true());
        if (index-- == 0)
            found = cell;
    }
    json_decref(seen);
    return found;
}

static void print_label(FILE *out, const json_t *cell)
{
    char label[256];
    const char *name;
    json_t *value;
    size_t used = (size_t)snprintf(label, sizeof label, "%.80s", view_text(json_object_get(cell, "params"), axis));
    json_object_foreach(json_object_get(cell, "params"), name, value)
    {
        if (strcmp(name, axis) == 0 || used >= sizeof label)
            continue;
        if (json_is_string(value))
            used += (size_t)snprintf(label + used, sizeof label - used, ", %.40s", json_string_value(value));
        else
            used += (size_t)snprintf(label + used, sizeof label - used, ", %.40s %g", name, json_number_value(value));
    }
    picture_name(out, label, 64);
}

bool picture_ablation(const struct picture_source *source, size_t index, struct picture_job *job)
{
    const json_t *cells = json_object_get(source->main, "cells"), *first = pick(cells, index);
    double least = 1, most = 1;
    size_t n = 0;
    if (!first)
        return false;
    const json_t *shown[ROWS];
    for (size_t i = 0; i < json_array_size(cells) && n < ROWS; i++) {
        const json_t *cell = json_array_get(cells, i);
        if (strcmp(view_text(cell, "suite"), view_text(first, "suite")) == 0 && strcmp(view_text(cell, "bench"), view_text(first, "bench")) == 0 && is_row(cells, cell))
            shown[n++] = cell;
    }
    fputs("# row\ttimes slower\twithout\n", job->data);
    for (size_t i = 0; i < n; i++) {
        double worth = median_of(shown[i]) / median_of(whole_of(cells, shown[i]));
        fprintf(job->data, "%zu\t%.5g\t", n - i, worth);
        print_label(job->data, shown[i]);
        fputc('\n', job->data);
        most = fmax(most, worth);
        least = fmin(least, worth);
    }
    fputs("\"none\"\n", job->names);
    fprintf(job->constants, "ROWS = %zu\nLEAST = %.6g\nMOST = %.6g\n", n, least, most);
    job->height = 130 + 24 * (int)n;
    snprintf(job->heading, sizeof job->heading, "What each optimisation is worth: %.200s/%.200s", view_text(first, "suite"), view_text(first, "bench"));
    snprintf(job->alt, sizeof job->alt, "How many times slower %zu cells are without one optimisation than with all", n);
    return true;
}
