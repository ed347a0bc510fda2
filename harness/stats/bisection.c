/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/bisection.h"

#include <math.h>
#include <stdlib.h>

static const double decisive = 7.0;        /* |evidence| below which a commit is asked again before the search moves on */
static const double most_of_one = 4.0;     /* what one measurement may say at most: its error is an estimate too */
static const double sure = 0.99;
static const double floor_error = 0.003;   /* of ln ratio: builds differ by as much in layout alone */
static const double price_of_build = 0.03;   /* probability that a better half must bring to be worth a build */
enum { MAX_ASKED = 400 };

bool bisection_open(struct bisection *b, size_t n, double ratio)
{
    double *sums = calloc(4 * n, sizeof *sums);
    bool *is_skipped = calloc(n, sizeof *is_skipped);
    if (!sums || !is_skipped) {
        free(sums);
        free(is_skipped);
        return false;
    }
    *b = (struct bisection){.n = n, .log_odds = sums, .evidence = sums + n, .weights = sums + 2 * n, .estimates = sums + 3 * n,
                            .is_skipped = is_skipped, .large = log(ratio)};
    return true;
}

void bisection_clear(struct bisection *b)
{
    free(b->log_odds);
    free(b->is_skipped);
    *b = (struct bisection){0};
}

/* Probability that the culprit is one of the commits first .. last. */
static double probability_of(const struct bisection *b, size_t first, size_t last)
{
    double most = -INFINITY, inside = 0, all = 0;
    for (size_t i = 0; i < b->n; i++)
        most = fmax(most, b->log_odds[i]);
    for (size_t i = 0; i < b->n; i++) {
        double p = exp(b->log_odds[i] - most);
        all += p;
        inside += first <= i && i <= last ? p : 0;
    }
    return inside / all;
}

/* Commits that can't be told apart from k: those that can't be measured, before it. */
static size_t first_alike(const struct bisection *b, size_t k)
{
    while (k > 0 && b->is_skipped[k - 1])
        k--;
    return k;
}

/* The end of the group that most likely holds the culprit, of equal ones the first: a commit that can be measured. */
static size_t likeliest(const struct bisection *b, double *probability)
{
    size_t best = 0;
    *probability = 0;
    for (size_t k = 0; k < b->n; k++) {
        double p = b->is_skipped[k] ? 0 : probability_of(b, first_alike(b, k), k);
        if (p > *probability) {
            *probability = p;
            best = k;
        }
    }
    return best;
}

static bool is_doubtful(const struct bisection *b, size_t k)
{
    return b->weights[k] > 0 && fabs(b->evidence[k]) < decisive && !b->is_skipped[k];
}

/* Nearest to one half, of those that can be measured, built ones first; never the last, which is bad by assumption and so farthest. */
static long halving(const struct bisection *b)
{
    long best = BISECTION_DONE;
    double nearest = INFINITY;
    for (size_t k = 0; k < b->n; k++) {
        double off = fabs(probability_of(b, 0, k) - 0.5) + (b->weights[k] > 0 ? 0 : price_of_build);
        if (!b->is_skipped[k] && off < nearest) {
            nearest = off;
            best = (long)k;
        }
    }
    return best;
}

long bisection_next(const struct bisection *b)
{
    double probability;
    size_t best = likeliest(b, &probability);
    if (probability >= sure || b->n_asked >= MAX_ASKED)
        return BISECTION_DONE;
    for (size_t k = 0; k < b->n; k++)
        if (is_doubtful(b, k) && k + 1 >= first_alike(b, best))
            return (long)k;
    return halving(b);
}

/*
 * ln likelihood ratio of bad to good for x = ln ratio with error s: (L x - L²/2) / s², L = ln of the bad one's ratio.
 */
void bisection_tell(struct bisection *b, size_t at, double ratio, double log_error)
{
    double x = log(ratio), error = fmax(log_error, floor_error), w = 1 / (error * error);
    double says = fmax(-most_of_one, fmin(most_of_one, (b->large * x - 0.5 * b->large * b->large) * w));
    b->n_asked++;
    b->weights[at] += w;
    b->estimates[at] += w * x;
    b->evidence[at] += says;
    for (size_t k = 0; k <= at; k++)
        b->log_odds[k] += says;
}

void bisection_skip(struct bisection *b, size_t at)
{
    b->is_skipped[at] = true;
    b->n_asked++;
}

/* Pooled ln ratio of the measured commits from..to. */
static double pooled(const struct bisection *b, size_t from, size_t to, double otherwise)
{
    double w = 0, sum = 0;
    for (size_t k = from; k < to; k++) {
        w += b->weights[k];
        sum += b->estimates[k];
    }
    return w > 0 ? sum / w : otherwise;
}

struct bisection_answer bisection_result(const struct bisection *b)
{
    struct bisection_answer a = {0};
    a.last = likeliest(b, &a.probability);
    a.first = first_alike(b, a.last);
    a.ratio = exp(pooled(b, a.last, b->n, b->large) - pooled(b, 0, a.first, 0));
    return a;
}
