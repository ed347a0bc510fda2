/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of a quantile without a law of the samples.
 */
#ifndef QUANTILE_H
#define QUANTILE_H

#include <stddef.h>

/*
 * Bounds of the q-quantile of what x[0..n) (ascending) was drawn from, each side wrong with probability at most alpha: with N samples
 * below the quantile binomial(n, q), *low is the largest x[k-1] with P(N < k) <= alpha, *high the smallest with P(N >= k) <= alpha.
 * Dependent samples count as n/inflation, inflation >= 1: ranks are found for so many and read at the same shares of n. A side that n
 * cannot bound is 0 or infinite.
 * Source: David and Nagaraja, "Order Statistics", 3rd ed., section 7.1; as MLPerf Inference bounds tail latency, Reddi et al., ISCA 2020,
 * arXiv:1911.02549, section IV.
 */
void quantile_bounds(const double *x, size_t n, double q, double alpha, double inflation, double *low, double *high);

#endif
