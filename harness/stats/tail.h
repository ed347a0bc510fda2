/* SPDX-License-Identifier: Apache-2.0
 *
 * Tails of the normal and of Student's distribution. Pure functions; any thread.
 */
#ifndef TAIL_H
#define TAIL_H

/* P(Z > x) for a standard normal Z, through erfc: relative precision of the C library also far out. */
double tail_normal(double x);

/* The x with P(Z > x) = p, 0 < p < 1: bisection on tail_normal, to 1e-12 in x, for |x| <= 38. */
double tail_normal_inverse(double p);

/*
 * P(T > t) for Student's T with `df` > 0 degrees of freedom, by Wallace's transformation to a normal variate
 *   z = (8 df + 1)/(8 df + 3) * sqrt(df * ln(1 + t^2/df)),
 * which is within 3 % of the tail for df >= 5 and errs towards the larger tail far out.
 * Source: D. L. Wallace, "Bounds on normal approximations to Student's and the chi-square distributions",
 * Annals of Mathematical Statistics 30 (1959) 1121-1130.
 */
double tail_student(double t, double df);

#endif
