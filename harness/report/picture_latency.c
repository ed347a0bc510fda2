/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency by percentile of streams, whose samples are latencies, and of cells that have such metrics: names that end in p50, p95, p99,
 * p99.9, p999 … with unit ns.
 */
#include "report/picture.h"
#include "report/view.h"
#include "stats/summary.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CURVES = 8, LEAST = 3, POINTS = 16 };

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

struct point {
    double share, ns;
};

static int by_share(const void *a, const void *b)
{
    double x = ((const struct point *)a)->share, y = ((const struct point *)b)->share;
    return (x > y) - (x < y);
}

/* A stream's samples are its latencies: every percentile that at least one request lies beyond. */
static size_t points_of_samples(const json_t *cell, struct point points[POINTS])
{
    static const double shares[] = {0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999};
    size_t n = 0, n_samples;
    double *samples = view_samples(cell, NULL, &n_samples);
    if (samples)
        summary_sort(samples, n_samples);
    for (size_t i = 0; samples && i < sizeof shares / sizeof *shares; i++)
        if ((1 - shares[i]) * (double)n_samples >= 1)
            points[n++] = (struct point){shares[i], summary_quantile(samples, n_samples, shares[i])};
    free(samples);
    return n;
}

/* The percentiles that a cell's metrics say, or those of a stream's latencies, by share. */
static size_t points_of(const json_t *cell, struct point points[POINTS])
{
    const json_t *metrics = json_object_get(cell, "metrics");
    const char *name;
    json_t *metric;
    size_t n = 0;
    if (json_object_get(metrics, "throughput") && json_object_get(metrics, "p99.9"))
        return points_of_samples(cell, points);
    json_object_foreach((json_t *)(uintptr_t)metrics, name, metric)
    {
        double share = percentile_of(name), ns = view_number(metric, "value", 0);
        if (share >= 0 && ns > 0 && n < POINTS && strcmp(view_text(metric, "unit"), "ns") == 0)
            points[n++] = (struct point){share, ns};
    }
    qsort(points, n, sizeof *points, by_share);
    return n;
}

bool picture_latency(const struct picture_source *source, size_t index, struct picture_job *job)
{
    const json_t *cells = json_object_get(source->main, "cells");
    size_t seen = 0, n = 0;
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        struct point points[POINTS];
        size_t n_points = points_of(cell, points);
        if (n_points < LEAST || seen++ / CURVES != index)
            continue;
        fprintf(job->data, "%s# nines\tlatency ns\tpercentile\tcell ", n ? "\n\n" : "");
        picture_name(job->data, view_text(cell, "id"), 80);
        fputc('\n', job->data);
        for (size_t k = 0; k < n_points; k++) /* x: number of nines */
            fprintf(job->data, "%.5g\t%.6g\t%.6g\n", -log10(1 - points[k].share), points[k].ns, points[k].share * 100);
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
