/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/binomial.h"

#include <math.h>

static const double negligible = 1e-18;

/* P(X >= k) for k above the mean: the terms fall from there on, and what they no longer add is left out. */
static double upper_tail(size_t k, size_t n, double log_p, double log_q)
{
    double sum = 0, term = 1;
    for (size_t i = k; i <= n && term > negligible * sum; i++) {
        double choose = lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1);
        sum += term = exp(choose + (double)i * log_p + (double)(n - i) * log_q);
    }
    return sum;
}

double binomial_at_least(size_t k, size_t n, double p)
{
    double log_p = log(p), log_q = log1p(-p);
    if (k == 0)
        return 1;
    return (double)k > (double)n * p ? upper_tail(k, n, log_p, log_q) : 1 - upper_tail(n - k + 1, n, log_q, log_p);
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
    return solve(k + 1, n, 1 - alpha);
}
