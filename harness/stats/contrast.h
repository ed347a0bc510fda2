/* SPDX-License-Identifier: Apache-2.0
 *
 * Head against base where each process gives one number. Lanes of identical builds are normal about one mean on the log scale with
 * standard deviation s; per generation
 *   h_g = head_g - (base_g + base2_g)/2   variance 1.5 s^2,      d_g = base2_g - base_g   variance 2 s^2, independent of h_g
 *   theta = mean h_g,   s^2 = (sum d_g^2 / 2 + sum (h_g - theta)^2 / 1.5) / (2G - 1),   error^2 = 1.5 s^2 / G
 * and theta/error has Student's t distribution with 2G - 1 degrees of freedom.
 * Source: contrasts in a randomised block design, Box, Hunter and Hunter, "Statistics for Experimenters", 2nd ed., chapter 4.
 */
#ifndef CONTRAST_H
#define CONTRAST_H

#include "stats/stored.h"

/* Log values of n >= 1 generations. Equal values give an error of 1e-9: a count has no width. */
struct stored_estimate contrast_estimate(const double *base, const double *base2, const double *head, size_t n);

#endif
