/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/robust.h"

#include "stats/summary.h"

#include <math.h>
#include <string.h>

static const double to_normal = 1.4826;  /* MAD of a normal sample to its standard deviation */
static const double biweight_cut = 4.685;  /* 95 % efficiency at the normal */
static const double least_slope = 0.25;
static const int most_steps = 50;

/* The scale of what lies within 3 scales, until nothing more falls out; the median never does. `sorted` are absolute deviations. */
static double clipped(const double *sorted, size_t n, double scale)
{
    while (sorted[n - 1] > 3 * scale) {
        while (sorted[n - 1] > 3 * scale)
            n--;
        double smaller = to_normal * summary_quantile(sorted, n, 0.5);
        if (!(smaller > 0))
            break;
        scale = smaller;
    }
    return scale;
}

double robust_scale(const double *x, size_t n, double *work)
{
    memcpy(work, x, n * sizeof *x);
    double centre = summary_median(work, n);
    memcpy(work, x, n * sizeof *x);
    double mad = summary_mad(work, n, centre);  /* leaves the deviations sorted */
    if (mad > 0)
        return clipped(work, n, to_normal * mad);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs(x[i] - centre);
    return sqrt(M_PI / 2) * sum / (double)n;
}

static double weight(double r, double cut)
{
    double v = r / cut, left = fmax(0, 1 - v * v);
    return left * left;
}

/* One step of the fixed point; keeps T where every weight is 0. */
static double step(const double *x, size_t n, double T, double cut)
{
    double sum = 0, weights = 0;
    for (size_t i = 0; i < n; i++) {
        double w = weight(x[i] - T, cut);
        sum += w * (x[i] - T);
        weights += w;
    }
    return weights > 0 ? T + sum / weights : T;
}

static double mean_slope(const double *x, size_t n, double T, double cut)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double v = (x[i] - T) / cut, v2 = v * v;
        sum += fmax(0, 1 - v2) * (1 - 5 * v2);
    }
    return fmax(sum / (double)n, least_slope);
}

double robust_location(const double *x, size_t n, size_t width, double scale, double *influence, double *work)
{
    size_t all = n * width;
    memcpy(work, x, all * sizeof *x);
    double T = summary_median(work, all), cut = biweight_cut * scale;
    memset(influence, 0, n * sizeof *influence);
    if (!(cut > 0))
        return T;
    for (int i = 0; i < most_steps; i++) {
        double next = step(x, all, T, cut);
        if (fabs(next - T) < 1e-9 * scale)
            break;
        T = next;
    }
    double share = 1 / ((double)width * mean_slope(x, all, T, cut));
    for (size_t i = 0; i < all; i++)
        influence[i / width] += share * (x[i] - T) * weight(x[i] - T, cut);
    return T;
}
