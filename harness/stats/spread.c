/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/spread.h"

#include "stats/tail.h"

#include <math.h>

static const double smallest_s = 1e-4, largest_s = 1.0;
static const double start_s = 0.0035, start_width = 0.7;  /* processes on shared 2-core machines: 0.1-0.6 % */
static const size_t start_processes = 20;                /* what the machines seen so far count for, of which hardly one was far */
static const double bench_width = 0.5;
static const double cell_width = 0.6;
static const double most_history = 20;  /* generations */
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

static struct at_s likelihood(const struct spread_cell *cell, double s)
{
    double weights = 0, sum = 0, log_sum = 0, square = 0;
    for (size_t g = 0; g < cell->n; g++) {
        double v = cell->head_variance[g] + head_factor * s * s;
        double v0 = cell->null_variance[g] + null_factor * s * s;
        weights += 1 / v;
        sum += cell->head[g] / v;
        log_sum += log(v) + log(v0) + cell->null[g] * cell->null[g] / v0;
    }
    double centre = sum / weights;
    for (size_t g = 0; g < cell->n; g++) {
        double r = cell->head[g] - centre;
        square += r * r / (cell->head_variance[g] + head_factor * s * s);
    }
    return (struct at_s){-0.5 * (log_sum + log(weights) + square), centre, 1 / sqrt(weights)};
}

/* The likelihood of s on the grid, of this run's generations and the cell's history. */
static void likelihoods(const struct spread_cell *cell, struct at_s at[SPREAD_GRID])
{
    for (size_t i = 0; i < SPREAD_GRID; i++) {
        at[i] = cell->n ? likelihood(cell, exp(grid_log(i))) : (struct at_s){0};
        at[i].log_likelihood += cell->history ? cell->history[i] : 0;
    }
}

void spread_history(const struct spread_cell *recorded, double *log_likelihood)
{
    double weight = recorded->n ? fmin(1, most_history / (double)recorded->n) : 0;
    for (size_t i = 0; i < SPREAD_GRID; i++) {
        double s = exp(grid_log(i)), sum = 0;
        for (size_t g = 0; g < recorded->n; g++) {
            double v = recorded->head_variance[g] + head_factor * s * s;
            double v0 = recorded->null_variance[g] + null_factor * s * s;
            sum += log(v) + recorded->head[g] * recorded->head[g] / v + log(v0) + recorded->null[g] * recorded->null[g] / v0;
        }
        log_likelihood[i] = -0.5 * weight * sum;
    }
}

struct spread_pool spread_pool_start(void)
{
    return (struct spread_pool){.centre = log(start_s), .width = start_width, .processes = start_processes};
}

/* The prior of s for each centre on the grid, each row summing to 1. */
static void priors(double table[SPREAD_GRID][SPREAD_GRID])
{
    for (size_t c = 0; c < SPREAD_GRID; c++) {
        double all = 0;
        for (size_t i = 0; i < SPREAD_GRID; i++)
            all += table[c][i] = prior(grid_log(i), grid_log(c));
        for (size_t i = 0; i < SPREAD_GRID; i++)
            table[c][i] /= all;
    }
}

/* Adds the ln of the likelihood of each centre for one cell. */
static void add_score(const struct spread_cell *cell, double table[SPREAD_GRID][SPREAD_GRID], double *score)
{
    struct at_s at[SPREAD_GRID];
    double top = -INFINITY, relative[SPREAD_GRID];
    likelihoods(cell, at);
    for (size_t i = 0; i < SPREAD_GRID; i++)
        top = fmax(top, at[i].log_likelihood);
    for (size_t i = 0; i < SPREAD_GRID; i++)
        relative[i] = exp(at[i].log_likelihood - top);
    for (size_t c = 0; c < SPREAD_GRID; c++) {
        double sum = 0;
        for (size_t i = 0; i < SPREAD_GRID; i++)
            sum += table[c][i] * relative[i];
        score[c] += log(sum);
    }
}

struct spread_pool spread_fit(const struct spread_cell *const *cells, size_t n_cells, struct spread_pool start)
{
    double score[SPREAD_GRID], table[SPREAD_GRID][SPREAD_GRID];
    priors(table);
    for (size_t i = 0; i < SPREAD_GRID; i++)
        score[i] = log(bell(grid_log(i), start.centre, start.width));
    for (size_t c = 0; c < n_cells; c++)
        if (cells[c]->n || cells[c]->history)
            add_score(cells[c], table, score);
    size_t best = 0;
    for (size_t i = 1; i < SPREAD_GRID; i++)
        if (score[i] > score[best])
            best = i;
    struct spread_pool pool = {.centre = grid_log(best), .width = bench_width, .processes = start_processes};
    for (size_t c = 0; c < n_cells; c++) {
        pool.processes += 2 * cells[c]->n;
        pool.far += cells[c]->n_far;
    }
    return pool;
}

double spread_all_far(struct spread_pool pool, size_t n)
{
    double chance = 1;
    for (size_t i = 0; i < n; i++)
        chance *= ((double)(pool.far + i) + 0.5) / ((double)(pool.processes + i) + 1);
    return chance;
}

void spread_judge(const struct spread_cell *cell, struct spread_pool pool, double df, struct spread_posterior *posterior)
{
    struct at_s at[SPREAD_GRID];
    double log_weight[SPREAD_GRID], top = -INFINITY, all = 0;
    likelihoods(cell, at);
    for (size_t i = 0; i < SPREAD_GRID; i++) {
        log_weight[i] = at[i].log_likelihood + log(prior(grid_log(i), pool.centre));
        posterior->centre[i] = at[i].centre;
        posterior->error[i] = at[i].error;
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
