/* SPDX-License-Identifier: Apache-2.0
 *
 * The probability of a change at each place, over all ways to cut the series at once (Fearnhead 2006, section 2): levels
 * are integrated out under a normal prior, spread and slope are those of the fit. With W, B, D the sums of w, w y, w y²
 * over a stretch, y less the slope and the middle of all, its log evidence is
 *
 *     s(a, b) = B² / (2 (W + 1/t²)) - D / 2 - ln(1 + t² W) / 2          t = level_spread
 *     forward(b) = ln sum over a of exp(forward(a) + s(a, b)) + ln h    h = changes_per_point, not counted at the end
 *
 * and backward the same from the end. A beginning `a` that is hopeless at b stays so: what comes later is told by the
 * same points for all; so few are kept, and the time is that of n times those, not of n².
 */
#include "stats/changepoint.h"
#include "stats/changepoint_model.h"

#include <math.h>
#include <string.h>

static const double changes_per_point = 1.0 / 150;
static const double level_spread = 0.10;   /* of the levels about their middle, relative */
enum { STRIDE = 3, CLOSE = 2 };            /* places between nodes; about each cut, every place this near is one */
static const double hopeless = 12;         /* natural log: a beginning so far behind the best is dropped */
static const double negligible = 9;        /* natural log: adds about 1e-4 */

/* What a pass reads, an item a node: prefix sums, places from its end, ln(h times the places it stands for) but at the ends. */
struct nodes {
    double *w, *b, *d, *place, *log_change;
    size_t n;
};

/* The beginnings still in the running, side by side. */
struct alive {
    double *w, *b, *d, *log_weight, *score;
    size_t n;
};

static void enter(struct alive *alive, const struct nodes *nodes, size_t at, double log_weight)
{
    size_t k = alive->n++;
    alive->w[k] = nodes->w[at];
    alive->b[k] = nodes->b[at];
    alive->d[k] = nodes->d[at];
    alive->log_weight[k] = log_weight;
}

/* Score without the term of ln(1 + t² W), which changes little; the best. */
static double score_all(struct alive *alive, double w, double b, double d, double prior)
{
    double best = -INFINITY;
    for (size_t k = 0; k < alive->n; k++) {
        double db = b - alive->b[k], score = alive->log_weight[k] - 0.5 * (d - alive->d[k]) + 0.5 * db * db / (w - alive->w[k] + prior);
        alive->score[k] = score;
        best = fmax(best, score);
    }
    return best;
}

/* Sum of exp(score - best) / sqrt(1 + t² W); drops what is hopeless. */
static double sum_and_drop(struct alive *alive, double w, double best, double prior)
{
    double sum = 0;
    size_t kept = 0;
    for (size_t k = 0; k < alive->n; k++) {
        double behind = best - alive->score[k];
        if (behind > hopeless)
            continue;
        if (behind < negligible)
            sum += exp(-behind) / sqrt(1 + (w - alive->w[k]) / prior);
        alive->w[kept] = alive->w[k];
        alive->b[kept] = alive->b[k];
        alive->d[kept] = alive->d[k];
        alive->log_weight[kept++] = alive->log_weight[k];
    }
    alive->n = kept;
    return sum;
}

/* forward of every node, the first of which is the end that the pass begins at. */
static void pass(const struct nodes *nodes, size_t min_points, struct alive *alive, double *out)
{
    const double prior = 1 / (level_spread * level_spread);
    size_t next = 0;
    alive->n = 0;
    out[0] = 0;
    for (size_t at = 1; at < nodes->n; at++) {
        for (; nodes->place[at] - nodes->place[next] >= (double)min_points; next++)
            enter(alive, nodes, next, out[next] + (next ? nodes->log_change[next] : 0));
        double best = score_all(alive, nodes->w[at], nodes->b[at], nodes->d[at], prior);
        out[at] = best + log(sum_and_drop(alive, nodes->w[at], best, prior));  /* -INFINITY where nothing begins early enough */
    }
}

/* Places of the nodes, 0 and n among them; how many. */
static size_t choose_nodes(const struct model *m, double *place)
{
    size_t n = 0, k = 0;
    for (size_t i = 0; i <= m->n; i++) {
        while (k < m->n_cut && m->cut[k] + CLOSE < i)
            k++;
        bool is_close = k < m->n_cut && m->cut[k] <= i + CLOSE;
        if (i % STRIDE == 0 || i == m->n || is_close)
            place[n++] = (double)i;
    }
    return n;
}

/*
 * The spread itself is an estimate: a squared score z² with v degrees of freedom is worth (v + 1) ln(1 + z²/v). The share
 * of a score that just makes a step is taken off all weights.
 */
static double worth(double dof)
{
    const double usual_score = 20;
    return (dof + 1) * log(1 + usual_score / dof) / usual_score;
}

static void prepare(const struct model *m, struct nodes *nodes)
{
    double all = 1e-300, middle = 0, w = 0, b = 0, d = 0, share = fmin(1, worth(m->dof));
    for (size_t i = 0; i < m->n; i++) {
        double weight = m->weight[i] * m->sound[i];
        all += weight;
        middle += weight * (m->y[i] - m->slope * m->x[i]);
    }
    middle /= all;
    nodes->n = choose_nodes(m, nodes->place);
    for (size_t k = 0, i = 0; k < nodes->n; k++) {
        for (; (double)i < nodes->place[k]; i++) {
            double weight = share * m->weight[i] * m->sound[i], y = m->y[i] - m->slope * m->x[i] - middle;
            w += weight;
            b += weight * y;
            d += weight * y * y;
        }
        nodes->w[k] = w;
        nodes->b[k] = b;
        nodes->d[k] = d;
    }
    for (size_t k = 1; k + 1 < nodes->n; k++)
        nodes->log_change[k] = log(changes_per_point * 0.5 * (nodes->place[k + 1] - nodes->place[k - 1]));
}

static void reverse(double *v, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        double swap = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = swap;
    }
}

/* The same nodes from the other end. */
static void turn_round(struct nodes *nodes)
{
    double *const sums[] = {nodes->w, nodes->b, nodes->d, nodes->place};
    for (size_t k = 0; k < 4; k++) {
        double all = sums[k][nodes->n - 1];
        reverse(sums[k], nodes->n);
        for (size_t i = 0; i < nodes->n; i++)
            sums[k][i] = all - sums[k][i];
    }
    reverse(nodes->log_change, nodes->n);
}

/* Spreads a node's share evenly over the places that are nearer to it than to its neighbours. */
static void spread_share(double *change, double before, double place, double after, double share)
{
    double from = 0.5 * (before + place), to = 0.5 * (place + after);
    for (double at = floor(from + 0.5); at < to + 0.5; at++)
        change[(size_t)at] += share * (fmin(to, at + 0.5) - fmax(from, at - 0.5)) / (to - from);
}

double changepoint_posterior(struct model *m, size_t min_points, double *change)
{
    size_t room = m->n + 2;
    double *at = m->scratch;
    struct nodes nodes = {at, at + room, at + 2 * room, at + 3 * room, at + 4 * room, 0};
    struct alive alive = {at + 5 * room, at + 6 * room, at + 7 * room, at + 8 * room, at + 9 * room, 0};
    double *forward = at + 10 * room, *backward = at + 11 * room;
    prepare(m, &nodes);
    size_t last = nodes.n - 1;
    pass(&nodes, min_points, &alive, forward);
    turn_round(&nodes);
    pass(&nodes, min_points, &alive, backward);
    turn_round(&nodes);
    memset(change, 0, m->n * sizeof *change);
    for (size_t k = 1; k < last; k++)
        spread_share(change, nodes.place[k - 1], nodes.place[k], nodes.place[k + 1], exp(forward[k] + backward[last - k] + nodes.log_change[k] - forward[last]));
    return forward[last];
}
