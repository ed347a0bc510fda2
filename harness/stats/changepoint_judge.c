/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a step real, and where? The evidence of one step at each place of a stretch, its height integrated out under a
 * normal prior (Fearnhead 2006, section 3), against no step at all.
 */
#include "stats/changepoint.h"
#include "stats/changepoint_model.h"

#include <math.h>
#include <string.h>

static const double steps_per_point = 1.0 / 150;  /* beforehand: a step every 150 points */
static const double usual_step = 0.10;            /* spread of the heights of steps, relative */
static const double least_weight = 1e-300;        /* of points that are outliers all */
enum { PASSES = 12 };

void changepoint_judge_prepare(struct model *m)
{
    double *w = m->sum[0], *wy = m->sum[1], *wx = m->sum[2];
    w[0] = wy[0] = wx[0] = 0;
    for (size_t i = 0; i < m->n; i++) {
        double weight = m->weight[i] * m->sound[i];
        w[i + 1] = w[i] + weight;
        wy[i + 1] = wy[i] + weight * (m->y[i] - m->slope * m->x[i]);
        wx[i + 1] = wx[i] + weight * m->x[i];
    }
}

struct contrast {
    double delta, variance;
};

/* Height of a step at `at` between `from` and `to`, and its variance, that of the slope included. */
static struct contrast contrast_at(const struct model *m, size_t from, size_t at, size_t to)
{
    double left = fmax(m->sum[0][at] - m->sum[0][from], least_weight), right = fmax(m->sum[0][to] - m->sum[0][at], least_weight);
    double delta = (m->sum[1][to] - m->sum[1][at]) / right - (m->sum[1][at] - m->sum[1][from]) / left;
    double run = (m->sum[2][to] - m->sum[2][at]) / right - (m->sum[2][at] - m->sum[2][from]) / left;
    return (struct contrast){delta, 1 / left + 1 / right + m->slope_variance * run * run};
}

/*
 * Natural log of the evidence for the step over that for none:
 *   -ln(1 + D²/V)/2 + (v+1)/2 ln(1 + z²/v) D²/(D²+V),  z = delta/sqrt(V), v the degrees of freedom of the spread
 */
static double log_evidence(const struct model *m, struct contrast c)
{
    double prior = usual_step * usual_step, shrink = prior / (prior + c.variance);
    double z2 = c.delta * c.delta / c.variance;
    return -0.5 * log1p(prior / c.variance) + 0.5 * (m->dof + 1) * log1p(z2 / m->dof) * shrink;
}

/* Sum of e over the places within CHANGEPOINT_NEAR of `at`, given that of the place before it (0 for the first). */
static double slide(const double *e, size_t from, size_t to, size_t at, double before)
{
    if (at == from) {
        for (size_t i = from; i < to && i <= from + CHANGEPOINT_NEAR; i++)
            before += e[i];
        return before;
    }
    before += at + CHANGEPOINT_NEAR < to ? e[at + CHANGEPOINT_NEAR] : 0;
    return at > from + CHANGEPOINT_NEAR ? before - e[at - CHANGEPOINT_NEAR - 1] : before;
}

/* The likeliest of the places whose windows hold about the most of e[from..to): a sure step is named where it is. */
static size_t best_window(const double *e, size_t from, size_t to)
{
    double sum = 0, held = 0;
    size_t best = from;
    for (size_t i = from; i < to; i++)
        held = fmax(held, sum = slide(e, from, to, i, sum));
    sum = 0;
    bool found = false;
    for (size_t i = from; i < to; i++) {
        sum = slide(e, from, to, i, sum);
        if (sum >= changepoint_as_good * held && (!found || e[i] > e[best])) {
            best = i;
            found = true;
        }
    }
    return best;
}

/* Places that leave 2.5 % of the evidence outside on either side. */
static void place_range(const double *e, size_t from, size_t to, double total, struct judged *j)
{
    double below = 0;
    j->first = j->last = j->at;
    for (size_t i = from; i < to; i++) {
        if (below <= 0.025 * total)
            j->first = i;
        if (below <= 0.975 * total)
            j->last = i;
        below += e[i];
    }
}

struct judged changepoint_judge_step(struct model *m, size_t from, size_t to, size_t min_points)
{
    struct judged j = {.at = from};
    if (to - from < 2 * min_points)
        return j;
    size_t begin = from + min_points, end = to - min_points + 1;
    double *e = m->evidence, most = -INFINITY, total = 0;
    for (size_t i = begin; i < end; i++) {
        e[i] = log_evidence(m, contrast_at(m, from, i, to));
        most = fmax(most, e[i]);
    }
    for (size_t i = begin; i < end; i++)
        total += e[i] = exp(e[i] - most);
    double none = exp(-most) / steps_per_point;
    j.at = best_window(e, begin, end);
    j.exists = total / (none + total);
    place_range(e, begin, end, total, &j);
    struct contrast c = contrast_at(m, from, j.at, to);
    j.delta = c.delta;
    j.variance = c.variance;
    return j;
}

static size_t left_of(const struct model *m, size_t k)
{
    return k ? m->cut[k - 1] : 0;
}

static size_t right_of(const struct model *m, size_t k)
{
    return k + 1 < m->n_cut ? m->cut[k + 1] : m->n;
}

static void remove_cut(struct model *m, size_t k)
{
    memmove(m->cut + k, m->cut + k + 1, (m->n_cut - k - 1) * sizeof *m->cut);
    m->n_cut--;
}

/* Moves each cut to its likeliest window; returns the weakest cut and its probability. */
static size_t move_cuts(struct model *m, size_t min_points, double *weakest)
{
    size_t which = 0;
    *weakest = 2;
    for (size_t k = 0; k < m->n_cut; k++) {
        struct judged j = changepoint_judge_step(m, left_of(m, k), right_of(m, k), min_points);
        if (j.exists > 0)
            m->cut[k] = j.at;
        if (j.exists < *weakest) {
            *weakest = j.exists;
            which = k;
        }
    }
    return which;
}

static void prune(struct model *m, double confidence, size_t min_points)
{
    double weakest;
    while (m->n_cut) {
        size_t k = move_cuts(m, min_points, &weakest);
        if (weakest >= confidence)
            return;
        remove_cut(m, k);
    }
}

/* Adds the surest step that a segment still hides; false when none does. */
static bool add_cut(struct model *m, double confidence, size_t min_points)
{
    struct judged best = {0};
    size_t where = 0;
    for (size_t k = 0; k <= m->n_cut; k++) {
        struct judged j = changepoint_judge_step(m, left_of(m, k), k < m->n_cut ? m->cut[k] : m->n, min_points);
        if (j.exists > best.exists) {
            best = j;
            where = k;
        }
    }
    if (best.exists < confidence)
        return false;
    memmove(m->cut + where + 1, m->cut + where, (m->n_cut - where) * sizeof *m->cut);
    m->cut[where] = best.at;
    m->n_cut++;
    return true;
}

void changepoint_judge_cuts(struct model *m, double confidence, size_t min_points)
{
    changepoint_judge_prepare(m);
    prune(m, confidence, min_points);
    for (int pass = 0; pass < PASSES && add_cut(m, confidence, min_points); pass++)
        prune(m, confidence, min_points);
}
