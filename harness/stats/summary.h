/* SPDX-License-Identifier: Apache-2.0
 *
 * Order statistics of one set of samples. As everywhere in stats/: arrays in, values out; no clock, JSON or Lua; any thread.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stdbool.h>
#include <stddef.h>

/* In the unit of the samples. `mad` is the median absolute deviation from the median, not scaled to a standard deviation. */
struct summary {
    double median, mad, p50, p95, p99, min, max;
};

/*
 * The q-quantile, 0 <= q <= 1, of `x` sorted ascending, n >= 1: linear between order statistics, x[(n-1) q].
 * Source: Hyndman and Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996), definition 7.
 */
double summary_quantile(const double *sorted, size_t n, double q);

/* Sorts `x` ascending in place. */
void summary_sort(double *x, size_t n);

/* Median of `x`, n >= 1; reorders `x`. */
double summary_median(double *x, size_t n);

/* Median of |x[i] - centre|, n >= 1; overwrites `x` with the deviations. */
double summary_mad(double *x, size_t n, double centre);

/*
 * Fills `summary` from x[0..n), which is not changed. Never gives NaN: no sample, a sample that is not finite, or a spread
 * beyond the range of double gives false and a summary of zeros. Also false when memory is short.
 */
bool summary_of(const double *x, size_t n, struct summary *summary);

#endif
