/* SPDX-License-Identifier: Apache-2.0
 *
 * A run against runs of other occasions: no lanes, so the machine itself may have moved in between.
 *
 * On the log scale a cell's level in run r is m_r, its median over the run's generations, less the run's shift by yardsticks.
 *   theta = m_head - mean(m_r),   error^2 = s^2 (1 + 1/R) + e_head^2
 * with s the standard deviation between runs and e_head the error of head's own generations. s is pooled: the cell's own
 * variance over R - 1, the other cells' over all of theirs, and what runs of one build on one shared machine were seen to
 * differ by (1.5 %, worth 10 observations), and never below a floor that shrinks with the number of occasions: runs of one
 * hour know nothing of another day. theta/error is judged by Student's t with the degrees of freedom pooled.
 * Source: moderated variances as in spread.h. The floor is a convention of ours, stated in stored.c.
 */
#ifndef STORED_H
#define STORED_H

#include <stdbool.h>
#include <stddef.h>

/* Log levels of one cell. */
struct stored_cell {
    const double *base;      /* of n_base runs, n_base >= 1 */
    size_t n_base;
    double head;
    double head_error;       /* standard error of head from its own generations, >= 0 */
};

/* What all cells together say of the variance between runs: sum of squares about each cell's mean, and its freedom. */
struct stored_pool {
    double squares, freedom;
    double floor;            /* least s */
};

struct stored_estimate {
    double centre, error, df;
};

/* `occasions`: different days among the runs, >= 1. `widen` >= 1: factor on the floor where environments differ. */
struct stored_pool stored_fit(const struct stored_cell *cells, size_t n, size_t occasions, double widen);

struct stored_estimate stored_judge(const struct stored_cell *cell, const struct stored_pool *pool);

/* P(theta > x), P(theta < x). */
double stored_above(const struct stored_estimate *e, double x);
double stored_below(const struct stored_estimate *e, double x);

#endif
