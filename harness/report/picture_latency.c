/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency by percentile of the cells that have such metrics: names that end in p50, p95, p99, p99.9, p999 … with unit ns.
 */
#include "report/picture.h"
#include "report/view.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CURVES = 8, LEAST = 3 };

/* The percentile that a metric's name ends in, as a share, or -1: "latency_p99.9" and "latency_p999" both give 0.999. */
static double percentile_of(const char *metric)
{
    const char *p = strrchr(metric, 'p');
    if (!p || !isdigit((unsigned char)p[1]) || p[1 + strspn(p + 1, "0123456789.")])
        return -1;
    double value = strtod(p + 1, NULL);
    while (value > 100)
        value /= 10;
    return value > 0 && value < 100 ? value / 100 : -1;
}

static size_t count_percentiles(const json_t *cell)
{
    const char *name;
    json_t *metric;
    size_t n = 0;
    json_object_foreach(json_object_get(cell, "metrics"), name, metric)
    {
        n += percentile_of(name) >= 0 && view_number(metric, "value", 0) > 0 && strcmp(view_text(metric, "unit"), "ns") == 0;
    }
    return n;
}

struct point {
    double share, ns;
};

static int by_share(const void *a, const void *b)
{
    double x = ((const struct point *)a)->share, y = ((const struct point *)b)->share;
    return (x > y) - (x < y);
}

/* x: number of nines, -log10(1 - share). */
static double print_curve(FILE *out, const json_t *cell)
{
    struct point points[16];
    const char *name;
    json_t *metric;
    size_t n = 0;
    json_object_foreach(json_object_get(cell, "metrics"), name, metric)
    {
        double share = percentile_of(name);
        if (share >= 0 && n < 16 && view_number(metric, "value", 0) > 0)
            points[n++] = (struct point){share, view_number(metric, "value", 0)};
    }
    qsort(points, n, sizeof *points, by_share);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%.5g\t%.6g\t%.6g\n", -log10(1 - points[i].share), points[i].ns, points[i].share * 100);
    return n ? points[n - 1].ns : 0;
}

bool picture_latency(const struct picture_source *source, size_t index, struct picture_job *job)
{
    const json_t *cells = json_object_get(source->main, "cells");
    size_t seen = 0, n = 0;
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        if (count_percentiles(cell) < LEAST || seen++ / CURVES != index)
            continue;
        fprintf(job->data, "%s# nines\tlatency ns\tpercentile\tcell ", n ? "\n\n" : "");
        picture_name(job->data, view_text(cell, "id"), 80);
        fputc('\n', job->data);
        print_curve(job->data, cell);
        picture_name(job->names, view_text(cell, "id"), 56);
        fputc('\n', job->names);
        n++;
    }
    fprintf(job->constants, "SERIES = %zu\n", n);
    job->height = 480 + 20 * (int)n;
    snprintf(job->heading, sizeof job->heading, "Latency by percentile");
    snprintf(job->alt, sizeof job->alt, "Latency from the median to the slowest percentile of %zu cells", n);
    return n > 0;
}
