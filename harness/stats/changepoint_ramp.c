/* SPDX-License-Identifier: Apache-2.0
 *
 * Stairs that are a ramp: where neighbouring steps go the same way, one even climb from `begin` to `end` may explain the
 * points better. Least squares for the two levels, a search over the two ends:
 *
 *     fit(i) = before (1 - t) + after t,   t = clamp((i - begin + 1) / (end - begin + 1), 0, 1)
 */
#include "stats/changepoint_model.h"

#include <math.h>

enum { TRIALS = 10 };                        /* places tried for each end, before the search narrows */
static const double bounded_at = 8.0;        /* most half squared score of one point */
static const double ramp_margin = 6.0;       /* natural log: stairs are kept unless the ramp is this much better */
static const double coarse_slack = 20.0;     /* a coarse trial this much worse than the stairs may still be refined */
static const double price_of_stair = 7.0;    /* for each stair above the two that a ramp's ends cost */

static double share(const struct ramp *r, size_t i)
{
    if (i < r->begin)
        return 0;
    return fmin(1, (double)(i - r->begin + 1) * r->rise);
}

static double flat(const struct model *m, size_t i)
{
    return m->y[i] - m->slope * m->x[i];
}

/* The two levels by weighted least squares, normal equations of (1 - t, t). */
static void fit_levels(const struct model *m, size_t from, size_t to, struct ramp *r)
{
    double aa = 0, ab = 0, bb = 0, ay = 0, by = 0;
    for (size_t i = from; i < to; i++) {
        double w = m->weight[i] * m->sound[i], t = share(r, i), y = flat(m, i);
        aa += w * (1 - t) * (1 - t);
        ab += w * (1 - t) * t;
        bb += w * t * t;
        ay += w * (1 - t) * y;
        by += w * t * y;
    }
    double determinant = fmax(aa * bb - ab * ab, 1e-300);  /* of points that are outliers all */
    r->variance = (aa + bb + 2 * ab) / determinant;
    r->before = (ay * bb - by * ab) / determinant;
    r->after = (by * aa - ay * ab) / determinant;
}

static double bounded(double half_square)
{
    return fmin(half_square, bounded_at);
}

/* Fits the levels too; gives up once the cost is above `enough`. */
static double cost_of(const struct model *m, size_t from, size_t to, double enough, struct ramp *r)
{
    double cost = 0;
    fit_levels(m, from, to, r);
    for (size_t i = from; i < to && cost < enough; i++) {
        double t = share(r, i), d = flat(m, i) - r->before * (1 - t) - r->after * t;
        cost += bounded(0.5 * m->weight[i] * d * d);
    }
    return cost;
}

static double cost_of_stairs(const struct model *m, size_t from, size_t to)
{
    double cost = 0;
    for (size_t i = from; i < to; i++)
        cost += bounded(0.5 * m->weight[i] * m->residual[i] * m->residual[i]);
    return cost;
}

/* The range of one step on each side of `at`, within low..high. */
static void look_around(size_t at, size_t step, size_t low, size_t high, size_t range[2])
{
    range[0] = at > low + step ? at - step : low;
    range[1] = at + step < high ? at + step : high;
}

/* Tries ends on a lattice around the best so far, halving it each round. Returns `hope` where nothing costs less. */
static double search(const struct model *m, size_t from, size_t to, double hope, struct ramp *best)
{
    double least = hope;
    size_t step = (to - from) / TRIALS + 1, low = from + 1, high = to - 1;
    size_t begins[2] = {low, high}, ends[2] = {low, high};
    for (;; step = (step + 1) / 2) {
        for (size_t b = begins[0]; b <= begins[1]; b += step)
            for (size_t e = ends[0]; e <= ends[1]; e += step) {
                struct ramp r = {.begin = b, .end = e, .rise = 1 / ((double)e - (double)b + 1)};
                double cost = e > b + 1 ? cost_of(m, from, to, least, &r) : INFINITY;
                if (cost < least) {
                    least = cost;
                    *best = r;
                }
            }
        if (step == 1 || least >= hope)
            return least;
        look_around(best->begin, step, low, high, begins);
        look_around(best->end, step, low, high, ends);
    }
}

size_t changepoint_ramp_stairs(const struct model *m, size_t k)
{
    size_t n = 1;
    for (; k + n < m->n_cut; n++) {
        size_t a = m->cut[k + n - 1], b = m->cut[k + n];
        double here = (flat(m, a) - m->residual[a]) - (flat(m, a - 1) - m->residual[a - 1]);
        double next = (flat(m, b) - m->residual[b]) - (flat(m, b - 1) - m->residual[b - 1]);
        if (here * next <= 0)
            break;
    }
    return n;
}

bool changepoint_ramp_instead(const struct model *m, size_t k, size_t n_stairs, struct ramp *ramp)
{
    size_t from = k ? m->cut[k - 1] : 0, to = k + n_stairs < m->n_cut ? m->cut[k + n_stairs] : m->n;
    if (n_stairs < 2 || to - from < 8)
        return false;
    double stairs = cost_of_stairs(m, from, to) + price_of_stair * (double)(n_stairs - 2);
    return search(m, from, to, stairs + coarse_slack, ramp) < stairs - ramp_margin;
}
