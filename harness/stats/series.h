/* SPDX-License-Identifier: Apache-2.0
 *
 * Dependence between rounds that follow each other.
 */
#ifndef SERIES_H
#define SERIES_H

#include <stddef.h>

/* Autocorrelation of x[0..n) at `lag` about its mean, in [-1, 1]; 0 for a constant series or lag >= n. */
double series_autocorrelation(const double *x, size_t n, size_t lag);

/*
 * By how much dependence widens the variance of a mean: the largest, over block lengths b = 1, 2, 4, …, of
 *   (mean square of block sums / b) / (mean square of x) * (1 - sqrt(2/N_b)),  N_b >= 12 blocks,
 * and at least 1. x holds values with mean about 0, in consecutive pieces (generations) of length[0..n_pieces); blocks
 * do not cross pieces. The last factor takes off one standard error of the estimate, so that independent rounds give 1.
 * Source: non-overlapping batch means; Alexopoulos and Seila, "Output data analysis", in Handbook of Simulation (1998).
 */
double series_inflation(const double *x, const size_t *length, size_t n_pieces);

#endif
