/* SPDX-License-Identifier: Apache-2.0
 *
 * What benches observed over their time (memory held, memory live, fragmentation, …): one picture per name and eight cells.
 */
#include "report/picture.h"
#include "report/view.h"

#include <math.h>
#include <string.h>

enum { CURVES = 8 };

static const json_t *series_of(const json_t *cell, const char *name)
{
    return json_object_get(json_object_get(json_object_get(cell, "metrics"), name), "series");
}

static size_t count_cells(const json_t *cells, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(cells); i++)
        n += json_array_size(series_of(json_array_get(cells, i), name)) > 1;
    return n;
}

/* The name and the first of its cells that the index-th picture shows. */
static bool pick(const json_t *cells, size_t index, const char **name, size_t *first)
{
    json_t *seen = json_object(), *metric;
    bool found = false;
    for (size_t i = 0; !found && i < json_array_size(cells); i++)
        json_object_foreach(json_object_get(json_array_get(cells, i), "metrics"), *name, metric)
        {
            if (json_object_get(seen, *name) || json_array_size(json_object_get(metric, "series")) < 2)
                continue;
            json_object_set_new(seen, *name, json_true());
            size_t pictures = (count_cells(cells, *name) + CURVES - 1) / CURVES;
            if (index < pictures) {
                *first = index * CURVES;
                found = true;
                break;
            }
            index -= pictures;
        }
    json_decref(seen);
    return found;
}

/* Rows: share of the cell's time, value. Returns the largest. */
static double print_curve(struct picture_job *job, const json_t *cell, const char *name, const char *unit, bool is_first)
{
    const json_t *series = series_of(cell, name);
    size_t n = json_array_size(series);
    double most = 0;
    fprintf(job->data, "%s# %% of the time measured\t", is_first ? "" : "\n\n");
    picture_name(job->data, unit, 16);
    fputs("\tcell ", job->data);
    picture_name(job->data, view_text(cell, "id"), 80);
    fputc('\n', job->data);
    for (size_t i = 0; i < n; i++) {
        double value = json_number_value(json_array_get(series, i));
        fprintf(job->data, "%.4g\t%.8g\n", 100 * (double)i / (double)(n - 1), value);
        most = fmax(most, fabs(value));
    }
    picture_name(job->names, view_text(cell, "id"), 64);
    fputc('\n', job->names);
    return most;
}

bool picture_series(const struct picture_source *source, size_t index, struct picture_job *job)
{
    const json_t *cells = json_object_get(source->main, "cells");
    const char *name, *unit = "";
    size_t first, seen = 0, n = 0;
    double most = 0;
    if (!pick(cells, index, &name, &first))
        return false;
    for (size_t i = 0; i < json_array_size(cells) && n < CURVES; i++) {
        const json_t *cell = json_array_get(cells, i);
        if (json_array_size(series_of(cell, name)) < 2 || seen++ < first)
            continue;
        unit = view_text(json_object_get(json_object_get(cell, "metrics"), name), "unit");
        most = fmax(most, print_curve(job, cell, name, unit, n == 0));
        n++;
    }
    picture_name(job->names, name, 48);
    fputc('\n', job->names);
    picture_name(job->names, *unit ? unit : "no unit", 16);
    fputc('\n', job->names);
    fprintf(job->constants, "SERIES = %zu\nPREFIXED = %d\n", n, most >= 1000);
    job->height = 420 + 20 * (int)n;
    snprintf(job->heading, sizeof job->heading, "%.80s over time", name);
    snprintf(job->alt, sizeof job->alt, "%.80s over the time measured, one curve per cell, %zu cells", name, n);
    return true;
}
