/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/binomial.h"

#include <math.h>

double binomial_at_least(size_t k, size_t n, double p)
{
    double sum = 0;
    if (k == 0)
        return 1;
    if (p <= 0)
        return 0;
    if (p >= 1)
        return 1;
    for (size_t i = k; i <= n; i++) {
        double choose = lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1);
        sum += exp(choose + (double)i * log(p) + (double)(n - i) * log1p(-p));
    }
    return fmin(1, sum);
}

/* The p at which P(X >= k) = wanted; it grows with p. */
static double solve(size_t k, size_t n, double wanted)
{
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (binomial_at_least(k, n, middle) < wanted)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

double binomial_low(size_t k, size_t n, double alpha)
{
    return k == 0 ? 0 : solve(k, n, alpha);
}

double binomial_high(size_t k, size_t n, double alpha)
{
    return k >= n ? 1 : solve(k + 1, n, 1 - alpha);
}
