/* SPDX-License-Identifier: Apache-2.0
 *
 * Every other metric that cells carry (memory, fragmentation, energy, temperature, …): one picture per name and unit, a mark per cell that
 * could read it. Percentiles of latency have a picture of their own.
 */
#include "report/picture.h"
#include "report/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, LEAST = 2 };

/* Percentiles belong to picture_latency: a name that ends in p and digits. */
static bool is_percentile(const char *name)
{
    const char *p = strrchr(name, 'p');
    return p && p[1] && p[1 + strspn(p + 1, "0123456789.")] == 0;
}

/* Of how the measuring went, for the table, and what has a picture of its own. */
static bool is_aside(const char *name, const json_t *metric)
{
    static const char *const names[] = {"overhead", "voided_samples", "unexplained", "context_switches", "page_faults", "variation", "work_per_core", "work_per_memory"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return json_object_get(metric, "series") != NULL;
}

static bool is_wanted(const json_t *cell, const char *name, const char *unit)
{
    const json_t *metric = json_object_get(json_object_get(cell, "metrics"), name);
    return json_is_number(json_object_get(metric, "value")) && strcmp(view_text(metric, "unit"), unit) == 0;
}

static size_t count_cells(const json_t *cells, const char *name, const char *unit)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(cells); i++)
        n += is_wanted(json_array_get(cells, i), name, unit);
    return n;
}

/* The index-th metric that LEAST cells have with the same unit, in the order of their first cell. */
static bool pick(const json_t *cells, size_t index, const char **name, const char **unit)
{
    json_t *seen = json_object(), *metric;
    bool found = false;
    for (size_t i = 0; !found && i < json_array_size(cells); i++)
        json_object_foreach(json_object_get(json_array_get(cells, i), "metrics"), *name, metric)
        {
            if (json_object_get(seen, *name) || is_percentile(*name) || is_aside(*name, metric) || !json_object_get(metric, "value"))
                continue;
            json_object_set_new(seen, *name, json_true());
            *unit = view_text(metric, "unit");
            if (count_cells(cells, *name, *unit) >= LEAST && index-- == 0) {
                found = true;
                break;
            }
        }
    json_decref(seen);
    return found;
}

bool picture_metrics(const struct picture_source *source, size_t index, struct picture_job *job)
{
    const json_t *cells = json_object_get(source->main, "cells");
    const char *name, *unit;
    double least = INFINITY, most = -INFINITY;
    if (!pick(cells, index, &name, &unit))
        return false;
    size_t all = count_cells(cells, name, unit), rows = all < ROWS ? all : ROWS, row = 0;
    fputs("# row\tvalue ", job->data);
    picture_name(job->data, unit, 16);
    fputs("\tcell\n", job->data);
    for (size_t i = 0; i < json_array_size(cells) && row < rows; i++) {
        const json_t *cell = json_array_get(cells, i);
        if (!is_wanted(cell, name, unit))
            continue;
        double value = view_number(json_object_get(json_object_get(cell, "metrics"), name), "value", 0);
        fprintf(job->data, "%zu\t%.8g\t", rows - row++, value);
        picture_name(job->data, view_text(cell, "id"), 64);
        fputc('\n', job->data);
        least = fmin(least, value);
        most = fmax(most, value);
    }
    picture_name(job->names, name, 48);
    fputc('\n', job->names);
    picture_name(job->names, *unit ? unit : "no unit", 16);
    fputc('\n', job->names);
    fprintf(job->constants, "ROWS = %zu\nWIDE = %d\nFROM_ZERO = %d\nPLAIN = %d\n", rows, least > 0 && most > 50 * least, least >= 0,
            strncmp(unit, "of ", 3) == 0 || (most < 1e4 && most > 1e-2));
    job->height = 130 + 20 * (int)rows;
    snprintf(job->heading, sizeof job->heading, "%.80s by cell%s", name, all > rows ? " (the first 40)" : "");
    snprintf(job->alt, sizeof job->alt, "Metric %.80s of %zu cells", name, rows);
    return true;
}
