/* SPDX-License-Identifier: Apache-2.0
 *
 * From the probability of a change at each place to cuts: the windows that hold most of it, surest first, no place counted
 * twice; then each cut to its likeliest place between its neighbours.
 */
#include "stats/changepoint.h"
#include "stats/changepoint_model.h"

#include <string.h>

enum { ROUNDS = 2, FAR = 8 };              /* a cut that would move further stays: it would be another's */
static const double kept_probability = 0.2;  /* less likely cuts bound no neighbour */

static size_t window_begin(size_t at)
{
    return at > CHANGEPOINT_NEAR ? at - CHANGEPOINT_NEAR : 0;
}

static size_t window_end(const struct model *m, size_t at)
{
    return at + CHANGEPOINT_NEAR + 1 < m->n ? at + CHANGEPOINT_NEAR + 1 : m->n;
}

/* below[i + 1] = change[0] + .. + change[i] */
static void sum_up(const double *change, size_t n, double *below)
{
    below[0] = 0;
    for (size_t i = 0; i < n; i++)
        below[i + 1] = below[i] + change[i];
}

static double held(const struct model *m, const double *below, size_t at)
{
    return below[window_end(m, at)] - below[window_begin(at)];
}

/* The middle of the window that holds most. */
static size_t best_place(const struct model *m, const double *change, const double *below, double *most)
{
    size_t best = 1;
    *most = 0;
    for (size_t i = 1; i < m->n; i++)
        if (held(m, below, i) > *most) {
            *most = held(m, below, i);
            best = i;
        }
    size_t middle = best;
    for (size_t i = window_begin(best); i < window_end(m, best); i++)
        if (i && held(m, below, i) >= changepoint_as_good * *most && change[i] > change[middle])
            middle = i;
    return middle;
}

static void insert_cut(struct model *m, size_t at, double probability)
{
    size_t k = m->n_cut++;
    for (; k && m->cut[k - 1] > at; k--) {
        m->cut[k] = m->cut[k - 1];
        m->probability[k] = m->probability[k - 1];
    }
    m->cut[k] = at;
    m->probability[k] = probability;
}

/* Each cut to its likeliest window between its neighbours. */
static void move_cuts(struct model *m, size_t min_points)
{
    for (size_t k = 0; k < m->n_cut; k++) {
        size_t from = k ? m->cut[k - 1] : 0, to = k + 1 < m->n_cut ? m->cut[k + 1] : m->n, at = m->cut[k];
        struct judged j = changepoint_judge_step(m, from, to, min_points);
        if (j.exists > 0 && j.at <= at + FAR && at <= j.at + FAR)
            m->cut[k] = j.at;
    }
}

static void drop_unlikely(struct model *m, double confidence)
{
    size_t kept = 0;
    for (size_t k = 0; k < m->n_cut; k++)
        if (m->probability[k] >= confidence) {
            m->cut[kept] = m->cut[k];
            m->probability[kept++] = m->probability[k];
        }
    m->n_cut = kept;
}

void changepoint_choose_cuts(struct model *m, double *change, const struct changepoint_options *options)
{
    double *below = m->evidence, most;
    m->n_cut = 0;
    for (;;) {
        sum_up(change, m->n, below);
        size_t at = best_place(m, change, below, &most);
        if (most < kept_probability)
            break;
        insert_cut(m, at, most < 1 ? most : 1);
        memset(change + window_begin(at), 0, (window_end(m, at) - window_begin(at)) * sizeof *change);
    }
    changepoint_judge_prepare(m);
    for (int round = 0; round < ROUNDS; round++)
        move_cuts(m, options->min_points);
    drop_unlikely(m, options->confidence);
}
