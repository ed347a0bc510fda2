/* SPDX-License-Identifier: Apache-2.0
 *
 * Speed-up over the fewest threads measured, one picture per bench, one curve per backend.
 */
#include "report/curves.h"
#include "report/picture.h"
#include "report/view.h"

#include <math.h>

static const char *const x_axes[] = {"threads", NULL};

static const json_t *cell_at(const json_t *run, const json_t *list, size_t i)
{
    return json_array_get(json_object_get(run, "cells"), (size_t)json_integer_value(json_array_get(list, i)));
}

static double print_series(struct picture_job *job, const json_t *run, const json_t *list)
{
    const json_t *first = cell_at(run, list, 0);
    struct view_rate one, rate;
    double from = curves_x(first, "threads"), most = from;
    view_rate(first, &one);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *cell = cell_at(run, list, i);
        if (!view_rate(cell, &rate))
            continue;
        fprintf(job->data, "%.6g\t%.5g\n", curves_x(cell, "threads"), rate.value / one.value);
        most = fmax(most, curves_x(cell, "threads"));
    }
    return most;
}

bool picture_scaling(const struct picture_source *source, size_t index, struct picture_job *job)
{
    json_t *groups = curves_group(source->main, x_axes), *list;
    const char *key, *name;
    const json_t *group = curves_at(groups, index, &key);
    double most = 1;
    size_t n = 0;
    json_object_foreach(json_object_get(group, "series"), name, list)
    {
        fprintf(job->data, "%s# threads\tspeed-up\tseries ", n++ ? "\n\n" : "");
        picture_name(job->data, name, 32);
        fputc('\n', job->data);
        most = fmax(most, print_series(job, source->main, list));
        picture_name(job->names, *name ? name : "all", 32);
        fputc('\n', job->names);
    }
    if (group) {
        fprintf(job->constants, "SERIES = %zu\nTHREADS = %.6g\n", n, most);
        curves_print_tics(job->constants, source->main, group);
        snprintf(job->heading, sizeof job->heading, "Thread scaling: %.400s", key);
        snprintf(job->alt, sizeof job->alt, "Speed-up over threads, one curve per backend, for %.400s", key);
    }
    json_decref(groups);
    return group != NULL;
}
