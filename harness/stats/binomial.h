/* SPDX-License-Identifier: Apache-2.0
 *
 * Rates from counts.
 */
#ifndef BINOMIAL_H
#define BINOMIAL_H

#include <stddef.h>

/* P(X >= k) for X binomial(n, p), by the log of each term; exact to about 1e-12. */
double binomial_at_least(size_t k, size_t n, double p);

/*
 * Bounds of a rate of which k of n were seen, each side wrong with probability `alpha`; 0 and 1 at the ends. n >= 1.
 * Source: Clopper and Pearson, Biometrika 26 (1934) 404-413; by bisection on the tail.
 */
double binomial_low(size_t k, size_t n, double alpha);
double binomial_high(size_t k, size_t n, double alpha);

#endif
