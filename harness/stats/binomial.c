/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/binomial.h"

#include <math.h>

static const double negligible = 1e-18;

/* P(X = i). */
static double chance(size_t i, size_t n, double p)
{
    double choose = lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1);
    return exp(choose + (double)i * log(p) + (double)(n - i) * log1p(-p));
}

double binomial_at_least(size_t k, size_t n, double p)
{
    double sum = 0, rest = 1, mean = (double)n * p;
    if (k == 0)
        return 1;
    if (p <= 0)
        return 0;
    if (p >= 1)
        return 1;
    /* Away from the mean the terms fall: what they no longer add is left out. */
    if ((double)k <= mean) {
        for (size_t i = k; i-- > 0 && rest > negligible * sum;)
            sum += rest = chance(i, n, p);
        return 1 - sum;
    }
    for (size_t i = k; i <= n && rest > negligible * sum; i++)
        sum += rest = chance(i, n, p);
    return sum;
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
