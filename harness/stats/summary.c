/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void summary_sort(double *x, size_t n)
{
    if (n)
        qsort(x, n, sizeof *x, ascending);
}

double summary_quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t below = (size_t)at;
    double part = at - (double)below;
    if (part == 0)
        return sorted[below];
    /* A weighted sum, so that two huge values of opposite sign do not overflow on the way. */
    return sorted[below] * (1 - part) + sorted[below + 1] * part;
}

double summary_median(double *x, size_t n)
{
    summary_sort(x, n);
    return summary_quantile(x, n, 0.5);
}

double summary_mad(double *x, size_t n, double centre)
{
    for (size_t i = 0; i < n; i++)
        x[i] = fabs(x[i] - centre);
    return summary_median(x, n);
}

static bool all_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

bool summary_of(const double *x, size_t n, struct summary *summary)
{
    memset(summary, 0, sizeof *summary);
    if (n == 0 || !all_finite(x, n))
        return false;
    double *copy = malloc(n * sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, x, n * sizeof *copy);
    summary_sort(copy, n);
    struct summary s = {.p50 = summary_quantile(copy, n, 0.5), .p95 = summary_quantile(copy, n, 0.95),
                        .p99 = summary_quantile(copy, n, 0.99), .min = copy[0], .max = copy[n - 1]};
    s.median = s.p50;
    s.mad = summary_mad(copy, n, s.median);
    free(copy);
    if (!isfinite(s.mad))
        return false;
    *summary = s;
    return true;
}
