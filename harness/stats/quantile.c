/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/quantile.h"

#include "stats/binomial.h"

#include <math.h>

/* The smallest k in 0..n+1 with P(X >= k) <= alpha for X binomial(n, p); it falls with k. */
static size_t first_rare(size_t n, double p, double alpha)
{
    size_t low = 0, high = n + 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (binomial_at_least(middle, n, p) > alpha)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void quantile_bounds(const double *x, size_t n, double q, double alpha, double inflation, double *low, double *high)
{
    size_t counted = (size_t)fmax(1, floor((double)n / inflation));
    double stretch = (double)n / (double)counted;
    size_t above = first_rare(counted, q, alpha);           /* rank of the upper bound */
    size_t mirrored = first_rare(counted, 1 - q, alpha);    /* the lower one, counted from the top */
    *high = above <= counted ? x[(size_t)fmin((double)n, ceil((double)above * stretch)) - 1] : INFINITY;
    *low = mirrored <= counted ? x[(size_t)floor((double)(counted - mirrored) * stretch)] : 0;
}
