/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/stored.h"

#include "stats/tail.h"

#include <math.h>

static const double prior_s = 0.015, prior_freedom = 10;  /* medians of runs of one build on shared 2-core machines */
static const double floor_one_occasion = 0.05, floor_many = 0.006;
static const double neighbour_share = 0.3;  /* weight of an observation of another cell */

static double mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

static double squares(const struct stored_cell *cell)
{
    double centre = mean(cell->base, cell->n_base), sum = 0;
    for (size_t i = 0; i < cell->n_base; i++)
        sum += (cell->base[i] - centre) * (cell->base[i] - centre);
    return sum;
}

struct stored_pool stored_fit(const struct stored_cell *cells, size_t n, size_t occasions, double widen)
{
    struct stored_pool pool = {.floor = widen * fmax(floor_many, floor_one_occasion / sqrt((double)occasions))};
    for (size_t i = 0; i < n; i++) {
        pool.squares += squares(&cells[i]);
        pool.freedom += (double)cells[i].n_base - 1;
    }
    return pool;
}

struct stored_estimate stored_judge(const struct stored_cell *cell, const struct stored_pool *pool)
{
    double own = (double)cell->n_base - 1, mine = squares(cell);
    double others = fmax(0, pool->freedom - own), theirs = fmax(0, pool->squares - mine);
    double weight = fmin(neighbour_share, 20 / others);  /* neighbours count as at most 20 observations */
    double df = own + weight * others + prior_freedom;
    double s2 = (mine + weight * theirs + prior_freedom * prior_s * prior_s) / df;
    s2 = fmax(s2, pool->floor * pool->floor);
    double error = sqrt(s2 * (1 + 1 / (double)cell->n_base) + cell->head_error * cell->head_error);
    return (struct stored_estimate){cell->head - mean(cell->base, cell->n_base), error, df};
}

double stored_above(const struct stored_estimate *e, double x)
{
    return tail_student((x - e->centre) / e->error, e->df);
}

double stored_below(const struct stored_estimate *e, double x)
{
    return tail_student((e->centre - x) / e->error, e->df);
}
