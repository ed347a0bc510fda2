/* SPDX-License-Identifier: Apache-2.0
 *
 * Throughput over batch (or another size) by backend, one picture per bench and remaining axes.
 */
#include "report/curves.h"
#include "report/picture.h"
#include "report/view.h"

#include <math.h>
#include <stdlib.h>

static const char *const x_axes[] = {"batch", "bytes", "size", "n", "level", NULL};

/* x, rate at the median, at the slowest and at the fastest twentieth. */
static double print_point(FILE *out, const json_t *cell, double x, double factor)
{
    struct view_rate rate;
    size_t n;
    double *samples = view_samples(cell, NULL, &n);
    double low, high;
    view_rate(cell, &rate);
    low = high = rate.value;
    if (samples && n > 1) {
        summary_sort(samples, n);
        low = rate.per_iteration * 1e9 / summary_quantile(samples, n, 0.95);
        high = rate.per_iteration * 1e9 / summary_quantile(samples, n, 0.05);
    }
    free(samples);
    fprintf(out, "%.6g\t%.6g\t%.6g\t%.6g\n", x, rate.value / factor, low / factor, high / factor);
    return rate.value;
}

/* Largest and smallest rate of a group. */
static void extremes(const json_t *run, const json_t *group, double *least, double *most, const char **unit)
{
    const char *name;
    json_t *list;
    *least = INFINITY;
    *most = 0;
    json_object_foreach(json_object_get(group, "series"), name, list)
    {
        for (size_t i = 0; i < json_array_size(list); i++) {
            struct view_rate rate;
            if (!view_rate(json_array_get(json_object_get(run, "cells"), (size_t)json_integer_value(json_array_get(list, i))), &rate))
                continue;
            *least = fmin(*least, rate.value);
            *most = fmax(*most, rate.value);
            *unit = rate.unit;
        }
    }
}

static size_t print_series(struct picture_job *job, const json_t *run, const json_t *group, struct picture_scale scale, const char *unit)
{
    const char *name, *axis = view_text(group, "x");
    json_t *list;
    size_t n = 0;
    json_object_foreach(json_object_get(group, "series"), name, list)
    {
        fprintf(job->data, "%s# ", n ? "\n\n" : "");
        picture_name(job->data, axis, 24);
        fprintf(job->data, "\t%s%s\tslowest 5 %%\tfastest 5 %%\tseries ", scale.unit, unit);
        picture_name(job->data, name, 32);
        fputc('\n', job->data);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *cell = json_array_get(json_object_get(run, "cells"), (size_t)json_integer_value(json_array_get(list, i)));
            print_point(job->data, cell, curves_x(cell, axis), scale.factor);
        }
        picture_name(job->names, *name ? name : "all", 32);
        fputc('\n', job->names);
        n++;
    }
    return n;
}

bool picture_throughput(const struct picture_source *source, size_t index, struct picture_job *job)
{
    json_t *groups = curves_group(source->main, x_axes);
    const char *key, *unit = "/s";
    const json_t *group = curves_at(groups, index, &key);
    if (group) {
        double least, most;
        extremes(source->main, group, &least, &most, &unit);
        struct picture_scale scale = picture_rate_scale(most);
        size_t n = print_series(job, source->main, group, scale, unit);
        picture_name(job->names, view_text(group, "x"), 24);
        fprintf(job->names, "\n\"%s%s\"\n", scale.unit, unit);
        curves_print_tics(job->constants, source->main, group);
        fprintf(job->constants, "SERIES = %zu\nWIDE = %d\n", n, most > 15 * least);
        snprintf(job->heading, sizeof job->heading, "Throughput over %.60s: %.300s", view_text(group, "x"), key);
        snprintf(job->alt, sizeof job->alt, "Throughput in %s%s over %.60s, one curve per backend, for %.300s", scale.unit, unit, view_text(group, "x"), key);
    }
    json_decref(groups);
    return group != NULL;
}
