/* SPDX-License-Identifier: Apache-2.0
 *
 * The spread between processes, and what it leaves of a cell's evidence.
 *
 * A process runs the same build a little faster or slower than another one does (layout, page colour, where it was
 * put). Let s be the standard deviation of that offset on the log scale. Per generation g, a cell gives
 *   head[g] ~ N(theta, head_variance[g] + 1.5 s^2)     head against the mean of base and base2: 1 + 1/2 offsets
 *   null[g] ~ N(0,     null_variance[g] + 2 s^2)       base2 against base: two offsets
 * with the variances of the rounds within the generation taken as known. s differs between cells: ln s has the prior
 *   0.95 N(pool.centre, 0.6^2) + 0.05 N(ln 2 %, 0.7^2)
 * whose centre is fitted to all cells of a run, starting from the machines seen so far (N(ln 0.35 %, 0.7^2)), and then to the
 * cells of one bench, starting from the run's (N(run, 0.5^2)): cells that differ in an axis only are taken to be alike in s, not in
 * theta. The second part keeps room for a cell whose processes differ far more than its neighbours'. theta has a flat prior. So five
 * generations of one cell borrow from its neighbours as far as they agree, and one cell alone is judged with doubt.
 * What was recorded of a cell's identical builds on other days (theta = 0) joins its likelihood of s; it is worth at most 20
 * generations, since machines change.
 * Everything is done on a grid of s, by summation: no sampling, the same bits each time.
 * Sources: moderated variances, Smyth, Statistical Applications in Genetics and Molecular Biology 3 (2004) article 3;
 * random effects with a marginal likelihood for the variance, Gelman et al., "Bayesian Data Analysis", 3rd ed., 5.4.
 */
#ifndef SPREAD_H
#define SPREAD_H

#include <stddef.h>

enum { SPREAD_GRID = 48 };

/* Arrays of n generations, n >= 1, owned by the caller; log units, variances > 0 or 0. */
struct spread_cell {
    size_t n;
    const double *head, *head_variance;
    const double *null, *null_variance;
    const double *history;  /* spread_history of this cell, SPREAD_GRID values; NULL: nothing was recorded */
    size_t n_far;           /* generations whose base and base2 are more than the tolerance apart */
};

/* ln of the typical s, how far what it is fitted to may be from where the fit starts, and what was seen of far processes. */
struct spread_pool {
    double centre, width;
    size_t processes, far;  /* of base and base2; one for each of spread_cell.n_far */
};

/* What is known of theta: a mixture over the grid of s of t distributions with `df` degrees of freedom. */
struct spread_posterior {
    double weight[SPREAD_GRID], centre[SPREAD_GRID], error[SPREAD_GRID];
    double df;
    double s;  /* mean of s over the mixture */
};

/* The pool before any cell was seen. */
struct spread_pool spread_pool_start(void);

/*
 * The pool with the largest penalised likelihood for these cells, starting from `start`; cells with neither generations nor a history are
 * passed over. Its width is that for cells of one bench, fitted next.
 */
struct spread_pool spread_fit(const struct spread_cell *const *cells, size_t n_cells, struct spread_pool start);

/* The likelihood of s by recorded generations of identical builds, for spread_cell.history; `log_likelihood` holds SPREAD_GRID values. */
void spread_history(const struct spread_cell *recorded, double *log_likelihood);

/*
 * The chance that n processes of one build are all far (farther than the tolerance from others of it): the mean of p^n for the share p
 * of such processes, after those of base and base2 that the pool has seen, from Jeffreys' prior Beta(1/2, 1/2). Whatever else follows no
 * law: that a process is far is taken to be independent of the others. Source: Gelman et al., 2.4 and 2.8.
 */
double spread_all_far(struct spread_pool pool, size_t n);

void spread_judge(const struct spread_cell *cell, struct spread_pool pool, double df, struct spread_posterior *posterior);

/* P(theta > x), P(theta < x). */
double spread_above(const struct spread_posterior *posterior, double x);
double spread_below(const struct spread_posterior *posterior, double x);

/* Mean of theta, and its standard error over the mixture. */
double spread_mean(const struct spread_posterior *posterior);
double spread_error(const struct spread_posterior *posterior);

/* The x with P(theta < x) = p, by bisection within 60 standard errors. */
double spread_quantile(const struct spread_posterior *posterior, double p);

#endif
