/* SPDX-License-Identifier: Apache-2.0
 *
 * The cheapest piecewise constant level under a bounded squared loss: dynamic programming over a grid of levels, where
 * each point either stays on its level or pays the price of a cut and jumps to any other (Viterbi 1967).
 */
#include "stats/changepoint_model.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 4, MAX_LEVELS = 1024, MAX_VECTORS = MAX_LEVELS / LANES };

/* Four levels side by side: the vector extension of gcc and clang, since the loop is all of this file's time. */
typedef float vector __attribute__((vector_size(16)));
typedef int32_t places __attribute__((vector_size(16)));

struct grid {
    double low, step;
    size_t n_vectors;
};

struct front {  /* the best ways to each level so far */
    vector cost[MAX_VECTORS];
    places since[MAX_VECTORS];  /* place where the way came to this level */
    vector level[MAX_VECTORS];
};

static inline vector spread_over(float x)
{
    return (vector){x, x, x, x};
}

static inline vector choose(places mask, vector yes, vector no)
{
    return (vector)((mask & (places)yes) | (~mask & (places)no));
}

static inline places choose_place(places mask, places yes, places no)
{
    return (mask & yes) | (~mask & no);
}

static inline vector least_of(vector a, vector b)
{
    return choose((places)(a < b), a, b);
}

static double middle_of(double a, double b, double c)
{
    double low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* The grid spans the medians of three neighbours, so that single outliers do not stretch it. */
static struct grid grid_over(const struct model *m, double slope)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i + 2 < m->n; i++) {
        double v = middle_of(m->y[i] - slope * m->x[i], m->y[i + 1] - slope * m->x[i + 1], m->y[i + 2] - slope * m->x[i + 2]);
        low = fmin(low, v);
        high = fmax(high, v);
    }
    double step = fmax(0.5 * m->spread[0], (high - low) / (MAX_LEVELS - 2));  /* coarser where the range asks for it */
    size_t n = (size_t)((high - low) / step) + 2;
    return (struct grid){low, step, (n + LANES - 1) / LANES};
}

/* Loss of one point by its distance d from the level: the least of quiet, loud and outlier, each -ln of its density. */
struct loss {
    float quiet, quiet_half_weight, loud, loud_half_weight, outlier;
};

static struct loss loss_at(const struct model *m, size_t i)
{
    double q = m->spread[0], l = m->spread[1];
    return (struct loss){(float)m->quiet_cost[i], (float)(0.5 / (q * q)), (float)m->loud_cost[i], (float)(0.5 / (l * l)), (float)m->outlier_cost[i]};
}

/* The cheapest level of a front. */
struct least {
    float cost;
    int32_t since;
};

/* One point: every level either goes on or is begun afresh from the best of all at the cost `begin`. */
static struct least advance(struct front *f, size_t n_vectors, float y, const struct loss *p, float begin, int32_t place)
{
    const vector at = spread_over(y), quiet = spread_over(p->quiet), quiet_weight = spread_over(p->quiet_half_weight);
    const vector loud = spread_over(p->loud), loud_weight = spread_over(p->loud_half_weight), outlier = spread_over(p->outlier);
    const vector fresh = spread_over(begin);
    const places here = {place, place, place, place};
    vector best = spread_over(INFINITY);
    places best_since = {0};
    for (size_t v = 0; v < n_vectors; v++) {
        vector d = at - f->level[v], square = d * d;
        vector loss = least_of(least_of(quiet + quiet_weight * square, loud + loud_weight * square), outlier);
        places begins = (places)(fresh < f->cost[v]);
        places since = choose_place(begins, here, f->since[v]);
        vector cost = choose(begins, fresh, f->cost[v]) + loss;
        places better = (places)(cost < best);
        f->cost[v] = cost;
        f->since[v] = since;
        best = choose(better, cost, best);
        best_since = choose_place(better, since, best_since);
    }
    struct least least = {best[0], best_since[0]};
    for (size_t l = 1; l < LANES; l++)
        if (best[l] < least.cost)
            least = (struct least){best[l], best_since[l]};
    return least;
}

/* Takes `least` off every cost, so that floats keep their precision. */
static void lower(struct front *f, size_t n_vectors, float least)
{
    for (size_t v = 0; v < n_vectors; v++)
        f->cost[v] -= spread_over(least);
}

static void collect_cuts(struct model *m, const int32_t *came, int32_t since)
{
    m->n_cut = 0;
    for (int32_t place = since; place > 0; place = came[place])
        m->cut[m->n_cut++] = (size_t)place;
    for (size_t i = 0; i < m->n_cut / 2; i++) {
        size_t swap = m->cut[i];
        m->cut[i] = m->cut[m->n_cut - 1 - i];
        m->cut[m->n_cut - 1 - i] = swap;
    }
}

double changepoint_level_fit(struct model *m, double slope, double price)
{
    enum { LOWER_AT = 64 };
    struct front f;
    struct grid grid = grid_over(m, slope);
    for (size_t v = 0; v < grid.n_vectors; v++) {
        f.cost[v] = spread_over(0);
        f.since[v] = (places){0};
        for (size_t l = 0; l < LANES; l++)
            f.level[v][l] = (float)(grid.step * (double)(v * LANES + l));
    }
    int32_t *came = m->scratch;  /* came[p]: where the level before the one begun at p was begun */
    double total = 0;
    struct least least = {0, 0};
    for (size_t i = 0; i < m->n; i++) {
        came[i] = least.since;
        float y = (float)(m->y[i] - slope * m->x[i] - grid.low);
        struct loss loss = loss_at(m, i);
        least = advance(&f, grid.n_vectors, y, &loss, i ? least.cost + (float)price : INFINITY, (int32_t)i);
        if (least.cost > LOWER_AT) {
            lower(&f, grid.n_vectors, least.cost);
            total += (double)least.cost;
            least.cost = 0;
        }
    }
    collect_cuts(m, came, least.since);
    m->slope = slope;
    return total + (double)least.cost;
}

/* Weighted mean of y - slope x from `from` to `to`, over sound points. */
static double mean_of(const struct model *m, const double *v, size_t from, size_t to)
{
    double sum = 0, weights = 1e-300;
    for (size_t i = from; i < to; i++) {
        double w = m->weight[i] * m->sound[i];
        weights += w;
        sum += w * v[i];
    }
    return sum / weights;
}

/* slope = sum w (x - x̄)(y - ȳ) / sum w (x - x̄)², means within segments. */
static void slope_within(struct model *m)
{
    double across = 0, squares = 0;
    for (size_t k = 0; k <= m->n_cut; k++) {
        size_t from = k ? m->cut[k - 1] : 0, to = k < m->n_cut ? m->cut[k] : m->n;
        double x = mean_of(m, m->x, from, to), y = mean_of(m, m->y, from, to);
        for (size_t i = from; i < to; i++) {
            double w = m->weight[i] * m->sound[i];
            across += w * (m->x[i] - x) * (m->y[i] - y);
            squares += w * (m->x[i] - x) * (m->x[i] - x);
        }
    }
    m->slope = squares > 0 ? across / squares : 0;
    m->slope_variance = squares > 0 ? 1 / squares : 0;
}

void changepoint_level_refit(struct model *m, bool with_slope)
{
    m->slope = 0;
    m->slope_variance = 0;
    if (with_slope)
        slope_within(m);
    for (size_t k = 0; k <= m->n_cut; k++) {
        size_t from = k ? m->cut[k - 1] : 0, to = k < m->n_cut ? m->cut[k] : m->n;
        double level = mean_of(m, m->y, from, to) - m->slope * mean_of(m, m->x, from, to);
        for (size_t i = from; i < to; i++)
            m->residual[i] = m->y[i] - m->slope * m->x[i] - level;
    }
    m->dof = fmax(1.0, (double)m->n - (double)m->n_cut - 1 - with_slope);
}
