/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/contrast.h"

#include <math.h>

static const double least_error = 1e-9;

struct stored_estimate contrast_estimate(const double *base, const double *base2, const double *head, size_t n)
{
    double theta = 0, squares = 0, generations = (double)n;
    for (size_t g = 0; g < n; g++)
        theta += (head[g] - 0.5 * (base[g] + base2[g])) / generations;
    for (size_t g = 0; g < n; g++) {
        double h = head[g] - 0.5 * (base[g] + base2[g]) - theta, d = base2[g] - base[g];
        squares += h * h / 1.5 + d * d / 2;
    }
    double freedom = 2 * generations - 1;
    return (struct stored_estimate){theta, fmax(least_error, sqrt(1.5 * squares / freedom / generations)), freedom};
}
