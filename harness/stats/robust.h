/* SPDX-License-Identifier: Apache-2.0
 *
 * Location of samples with heavy tails, and what each round contributed to it.
 *
 * Rounds of a paired measurement give contrasts of log times: head against base and head against base2. For lanes that
 * differ by a factor only, each contrast is symmetric about the logarithm of that factor whatever the noise of one
 * turn looks like, which the contrast with the mean of both is not; so both are kept and a round's influence is their sum.
 */
#ifndef ROBUST_H
#define ROBUST_H

#include <stddef.h>

/*
 * Normal-consistent scale about the median, 1.4826 * MAD, taken again from the values within 3 scales (about the same
 * median) until none falls out or it would be 0, so that even 40 % of disturbed rounds hardly widen it. Where more than
 * half of the values are equal, the mean absolute deviation times sqrt(pi/2); 0 only if all are equal. n >= 1; `work` holds n values.
 * Source: Hampel, JASA 69 (1974) 383-393 (MAD); clipping as in Yahil and Vidal, Astrophysical Journal 214 (1977) 347.
 */
double robust_scale(const double *x, size_t n, double *work);

/*
 * Tukey's biweight location of x[0..n*width), the values of n rounds with `width` each: the fixed point, reached from
 * the median, of
 *   T = sum w_i x_i / sum w_i,   w_i = (1 - (r_i/c)^2)^2 for |r_i| < c, else 0,   r_i = x_i - T,   c = 4.685 * scale,
 * 95 % efficient on normal samples. influence[r] is filled so that T - truth is about mean(influence): the sum of
 * psi = r w over the round's values, divided by `width` and by the mean slope of psi (at least 0.25, for mixtures so
 * wide that the slope says nothing). scale = 0 gives the median and zero influence. `work` holds n*width values.
 * Source: Beaton and Tukey, Technometrics 16 (1974) 147-185; influence and slope as in Huber, "Robust Statistics"
 * (1981), section 3.2.
 */
double robust_location(const double *x, size_t n, size_t width, double scale, double *influence, double *work);

#endif
