/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/spread.h"

#include "stats/tail.h"

#include <math.h>

static const double smallest_s = 1e-4, largest_s = 1.0;
static const double start_s = 0.0035, start_width = 0.7;  /* processes on shared 2-core machines: 0.1-0.6 % */
static const double cell_width = 0.6;
static const double wide_share = 0.05, wide_s = 0.02, wide_width = 0.7;
static const double head_factor = 1.5, null_factor = 2;

static double grid_log(size_t i)
{
    return log(smallest_s) + (double)i * log(largest_s / smallest_s) / (SPREAD_GRID - 1);
}

static double bell(double x, double centre, double width)
{
    double z = (x - centre) / width;
    return exp(-0.5 * z * z) / width;
}

static double prior(double log_s, double centre)
{
    return (1 - wide_share) * bell(log_s, centre, cell_width) + wide_share * bell(log_s, log(wide_s), wide_width);
}

/* theta's weighted mean and error at one s, and the log likelihood of s with theta integrated out. */
struct at_s {
    double log_likelihood, centre, error;
};

/* Keeps identical samples from making a variance of 0: 1e-7 is far below what a clock resolves. */
static const double least_variance = 1e-14;

static struct at_s likelihood(const struct spread_cell *cell, double s)
{
    double weights = 0, sum = 0, log_sum = 0, square = 0;
    for (size_t g = 0; g < cell->n; g++) {
        double v = cell->head_variance[g] + head_factor * s * s + least_variance;
        double v0 = cell->null_variance[g] + null_factor * s * s + least_variance;
        weights += 1 / v;
        sum += cell->head[g] / v;
        log_sum += log(v) + log(v0) + cell->null[g] * cell->null[g] / v0;
    }
    double centre = sum / weights;
    for (size_t g = 0; g < cell->n; g++) {
        double r = cell->head[g] - centre;
        square += r * r / (cell->head_variance[g] + head_factor * s * s + least_variance);
    }
    return (struct at_s){-0.5 * (log_sum + log(weights) + square), centre, 1 / sqrt(weights)};
}

struct spread_pool spread_pool_start(void)
{
    return (struct spread_pool){log(start_s)};
}

/* ln of the likelihood of the pool's centre for one cell, given the cell's likelihoods on the grid. */
static double pool_likelihood(const double *log_likelihood, double centre)
{
    double top = log_likelihood[0], sum = 0, all = 0;
    for (size_t i = 1; i < SPREAD_GRID; i++)
        top = fmax(top, log_likelihood[i]);
    for (size_t i = 0; i < SPREAD_GRID; i++) {
        double p = prior(grid_log(i), centre);
        sum += p * exp(log_likelihood[i] - top);
        all += p;
    }
    return log(sum / all) + top;
}

struct spread_pool spread_fit(const struct spread_cell *cells, size_t n_cells)
{
    double score[SPREAD_GRID], on_grid[SPREAD_GRID];
    for (size_t i = 0; i < SPREAD_GRID; i++)
        score[i] = log(bell(grid_log(i), log(start_s), start_width));
    for (size_t c = 0; c < n_cells; c++) {
        if (cells[c].n == 0)
            continue;
        for (size_t i = 0; i < SPREAD_GRID; i++)
            on_grid[i] = likelihood(&cells[c], exp(grid_log(i))).log_likelihood;
        for (size_t i = 0; i < SPREAD_GRID; i++)
            score[i] += pool_likelihood(on_grid, grid_log(i));
    }
    size_t best = 0;
    for (size_t i = 1; i < SPREAD_GRID; i++)
        if (score[i] > score[best])
            best = i;
    return (struct spread_pool){grid_log(best)};
}

void spread_judge(const struct spread_cell *cell, struct spread_pool pool, double df, struct spread_posterior *posterior)
{
    double log_weight[SPREAD_GRID], top = -INFINITY, all = 0;
    for (size_t i = 0; i < SPREAD_GRID; i++) {
        struct at_s at = likelihood(cell, exp(grid_log(i)));
        log_weight[i] = at.log_likelihood + log(prior(grid_log(i), pool.centre));
        posterior->centre[i] = at.centre;
        posterior->error[i] = at.error;
        top = fmax(top, log_weight[i]);
    }
    for (size_t i = 0; i < SPREAD_GRID; i++)
        all += posterior->weight[i] = exp(log_weight[i] - top);
    posterior->s = 0;
    for (size_t i = 0; i < SPREAD_GRID; i++) {
        posterior->weight[i] /= all;
        posterior->s += posterior->weight[i] * exp(grid_log(i));
    }
    posterior->df = df;
}

double spread_above(const struct spread_posterior *p, double x)
{
    double sum = 0;
    for (size_t i = 0; i < SPREAD_GRID; i++)
        sum += p->weight[i] * tail_student((x - p->centre[i]) / p->error[i], p->df);
    return sum;
}

double spread_below(const struct spread_posterior *p, double x)
{
    double sum = 0;
    for (size_t i = 0; i < SPREAD_GRID; i++)
        sum += p->weight[i] * tail_student((p->centre[i] - x) / p->error[i], p->df);
    return sum;
}

double spread_mean(const struct spread_posterior *p)
{
    double sum = 0;
    for (size_t i = 0; i < SPREAD_GRID; i++)
        sum += p->weight[i] * p->centre[i];
    return sum;
}

double spread_error(const struct spread_posterior *p)
{
    double mean = spread_mean(p), sum = 0;
    for (size_t i = 0; i < SPREAD_GRID; i++)
        sum += p->weight[i] * (p->error[i] * p->error[i] + (p->centre[i] - mean) * (p->centre[i] - mean));
    return sqrt(sum);
}

double spread_quantile(const struct spread_posterior *posterior, double p)
{
    double mean = spread_mean(posterior), width = 60 * spread_error(posterior);
    double low = mean - width, high = mean + width;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (spread_below(posterior, middle) < p)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}
