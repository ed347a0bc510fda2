/* SPDX-License-Identifier: Apache-2.0 */
#include "stats/changepoint.h"

#include "stats/changepoint_model.h"
#include "stats/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct changepoint_options changepoint_defaults = {.confidence = 0.42, .min_points = 4};
const struct changepoint_options changepoint_stream_defaults = {.confidence = 0.42, .min_points = 3};

static const double cut_price = 7.0;    /* candidates only: changepoint_judge_cuts has the last word */
static const double slope_price = 5.0;  /* half squared scores that a slope has to save */
static const double kept_probability = 0.6;  /* that a step exists, for it to shape the levels of its neighbours */
static const double no_slope = 0.3, hopeless_slope = 1.0, certain_slope = 15.0;  /* half squared scores that it saves, where no more is asked */
static const double usual_climb = 0.08;      /* spread of what a slope adds up to over the series, relative */
static const double slope_odds = 0.1;        /* beforehand, of a slope to none */
enum { ALTERNATIONS = 3, REFITS = 2 };

struct fitted {
    struct model m;
    size_t *place;   /* of each kept value in the caller's arrays */
    double *change[2];  /* probability of a change at each place: of the model at hand, and of its rival */
    bool is_log;
    double scale;    /* of a linear level */
    void *memory;
};

static bool rises(const int64_t *index, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (index[i] <= index[i - 1])
            return false;
    return true;
}

/* Takes n doubles from the block. */
static double *take(double **block, size_t n)
{
    double *mine = *block;
    *block += n;
    return mine;
}

static bool allocate(struct fitted *f, size_t n)
{
    size_t padded = n + 8;
    f->memory = calloc(padded * 32, sizeof(double));
    if (!f->memory)
        return false;
    double *block = f->memory;
    struct model *m = &f->m;
    m->x = take(&block, padded);
    m->y = take(&block, padded);
    m->residual = take(&block, padded);
    m->weight = take(&block, padded);
    m->sound = take(&block, padded);
    m->quiet_cost = take(&block, padded);
    m->loud_cost = take(&block, padded);
    m->outlier_cost = take(&block, padded);
    for (size_t i = 0; i < 3; i++)
        m->sum[i] = take(&block, padded);
    m->evidence = take(&block, padded);
    m->probability = take(&block, padded);
    for (size_t i = 0; i < 2; i++)
        f->change[i] = take(&block, padded);
    m->scratch = take(&block, 12 * padded);
    m->cut = (size_t *)(void *)take(&block, padded);
    f->place = (size_t *)(void *)take(&block, padded);
    return true;
}

/* Keeps the values that are there; y is their logarithm where all are positive, else a multiple of the median size. */
static void load(struct fitted *f, const int64_t *index, const double *value, size_t n)
{
    struct model *m = &f->m;
    f->is_log = true;
    for (size_t i = 0; i < n; i++)
        if (isfinite(value[i])) {
            f->place[m->n] = i;
            m->y[m->n] = value[i];
            m->residual[m->n] = fabs(value[i]);
            m->x[m->n++] = (double)index[i] - 0.5 * ((double)index[0] + (double)index[n - 1]);
            f->is_log = f->is_log && value[i] > 0;
        }
    f->scale = m->n ? summary_median(m->residual, m->n) : 1;
    if (f->scale <= 0)
        for (size_t i = 0; i < m->n; i++)
            f->scale = fmax(f->scale, m->residual[i]);
    if (f->scale <= 0)
        f->scale = 1;
    for (size_t i = 0; i < m->n; i++)
        m->y[i] = f->is_log ? log(m->y[i] / f->scale) : m->y[i] / f->scale;
}

/* Keeps `sorted`, of n values, in order with one more. */
static void insert(double *sorted, size_t n, double value)
{
    for (; n && sorted[n - 1] > value; n--)
        sorted[n] = sorted[n - 1];
    sorted[n] = value;
}

/* A first idea of the noise: each point less the median of its neighbours, which follows steps and slopes. */
static void residuals_from_medians(struct model *m)
{
    enum { HALF = 4 };
    double window[2 * HALF];
    for (size_t i = 0; i < m->n; i++) {
        size_t from = i > HALF ? i - HALF : 0, to = i + HALF + 1 < m->n ? i + HALF + 1 : m->n, n = 0;
        for (size_t j = from; j < to; j++)
            if (j != i)
                insert(window, n++, m->y[j]);
        double median = 0.5 * (window[(n - 1) / 2] + window[n / 2]);
        m->residual[i] = 0.91 * (m->y[i] - median);  /* 1 / sqrt(1 + pi / 16): the median is noisy too */
    }
    m->dof = fmax(1.0, (double)m->n - 1);
}

/* The slope has settled when the whole series moves by little of the spread. */
static bool is_settled(const struct model *m, double before)
{
    return fabs(m->slope - before) * (m->x[m->n - 1] - m->x[0]) < 0.1 * m->spread[0];
}

struct candidate {
    double slope, cost;
};

/* From the cuts at hand to the best pair of slope and cuts near them. */
static struct candidate alternate(struct model *m)
{
    struct candidate best = {0, INFINITY};
    for (int round = 0; round < ALTERNATIONS; round++) {
        double before = m->slope;
        changepoint_level_refit(m, true);
        if (is_settled(m, before))
            break;
        double slope = m->slope, cost = changepoint_level_fit(m, slope, cut_price);
        if (cost < best.cost)
            best = (struct candidate){slope, cost};
    }
    return best;
}

/* The best slope, from the cuts of the flat fit at hand and from none. */
static struct candidate best_slope(struct model *m)
{
    struct candidate near_flat = alternate(m);
    m->n_cut = 0;
    m->slope = 0;
    struct candidate overall = alternate(m);
    return overall.cost < near_flat.cost ? overall : near_flat;
}

/* With and without a slope: the cheaper keeps its cuts. Returns whether there is one. `again`: one that brought nothing is not tried again. */
static bool choose_slope(struct model *m, bool again)
{
    double flat = changepoint_level_fit(m, 0, cut_price);
    if (again && m->slope_gain < no_slope)
        return false;
    struct candidate best = best_slope(m);
    m->slope_gain = flat - best.cost;
    bool is_sloped = m->slope_gain > slope_price;
    changepoint_level_fit(m, is_sloped ? best.slope : 0, cut_price);
    return is_sloped;
}

/* Whether a slope may or may not be there, as far as the costs of both fits tell. */
static bool may_be_either(const struct model *m)
{
    return m->slope_gain > hopeless_slope && m->slope_gain < certain_slope;
}

/* Spreads follow from residuals, residuals from cuts, cuts from spreads: twice round is enough. */
static bool fit(struct fitted *f, const struct changepoint_options *options)
{
    struct model *m = &f->m;
    bool is_sloped = false;
    residuals_from_medians(m);
    changepoint_spread_fit(m);
    for (int round = 0; round < REFITS; round++) {
        is_sloped = choose_slope(m, round > 0);
        changepoint_level_refit(m, is_sloped);
        changepoint_spread_fit(m);
    }
    changepoint_level_refit(m, is_sloped);
    changepoint_judge_cuts(m, kept_probability, options->min_points);
    changepoint_level_refit(m, is_sloped);
    changepoint_spread_fit(m);
    return is_sloped;
}

/*
 * Log evidence of the fit at hand, and the probability of a change at each place. A slope pays for the freedom it has:
 * the evidence is that of the best slope times what its normal prior, as wide as usual_climb, leaves of it.
 */
static double evidence_of(struct model *m, bool is_sloped, size_t min_points, double *change)
{
    double evidence = changepoint_posterior(m, min_points, change);
    if (!is_sloped)
        return evidence;
    double usual = usual_climb / (m->x[m->n - 1] - m->x[0]), square = usual * usual;
    return evidence + log(slope_odds) + 0.5 * log(m->slope_variance / (m->slope_variance + square)) - 0.5 * m->slope * m->slope / square;
}

/* The best fit with a slope when there was none, without one when there was. */
static void fit_rival(struct model *m, bool is_sloped, size_t min_points)
{
    changepoint_level_fit(m, 0, cut_price);
    if (is_sloped)
        changepoint_level_fit(m, best_slope(m).slope, cut_price);
    changepoint_level_refit(m, is_sloped);
    changepoint_judge_cuts(m, kept_probability, min_points);
    changepoint_level_refit(m, is_sloped);
}

/*
 * The cuts that all ways to cut make likely, and both with a slope and without where either may be: each has the say of
 * its evidence. A slope may stand for a step, and a step for a slope.
 */
static void choose_cuts(struct fitted *f, bool is_sloped, const struct changepoint_options *options)
{
    struct model *m = &f->m;
    double *change = f->change[0], *rival_change = f->change[1];
    double evidence = evidence_of(m, is_sloped, options->min_points, change);
    if (may_be_either(m)) {
        double slope = m->slope, variance = m->slope_variance;
        fit_rival(m, !is_sloped, options->min_points);
        double rival = 1 / (1 + exp(evidence - evidence_of(m, !is_sloped, options->min_points, rival_change)));
        for (size_t i = 0; i < m->n; i++)
            change[i] += rival * (rival_change[i] - change[i]);
        is_sloped = is_sloped != (rival > 0.5);
        if (rival <= 0.5) {
            m->slope = slope;
            m->slope_variance = variance;
        }
    }
    changepoint_choose_cuts(m, change, options);
    changepoint_level_refit(m, is_sloped);
}

static double to_value(const struct fitted *f, double y)
{
    return f->is_log ? exp(y) * f->scale : y * f->scale;
}

/* Sets levels, change and its interval from the height of the step (in y) and its variance. */
static void set_levels(const struct fitted *f, struct changepoint *c, double before, double delta, double variance)
{
    double wide = 1.96 * sqrt(variance);
    c->before = to_value(f, before);
    c->after = to_value(f, before + delta);
    c->change = c->after / c->before - 1;
    c->low = to_value(f, before + delta - wide) / c->before - 1;
    c->high = to_value(f, before + delta + wide) / c->before - 1;
    if (c->low > c->high) {  /* below zero the ratio turns round */
        double swap = c->low;
        c->low = c->high;
        c->high = swap;
    }
}

static struct changepoint describe_step(struct fitted *f, size_t k, size_t min_points)
{
    struct model *m = &f->m;
    size_t from = k ? m->cut[k - 1] : 0, at = m->cut[k], to = k + 1 < m->n_cut ? m->cut[k + 1] : m->n;
    struct judged j = changepoint_judge_step(m, from, to, min_points);
    struct changepoint c = {.kind = CHANGEPOINT_STEP, .at = f->place[at], .first = f->place[j.first], .last = f->place[j.last],
                            .confidence = m->probability[k]};
    set_levels(f, &c, m->y[at - 1] - m->residual[at - 1], j.delta, j.variance);
    return c;
}

static struct changepoint describe_ramp(const struct fitted *f, const struct ramp *r)
{
    struct changepoint c = {.kind = CHANGEPOINT_RAMP, .at = f->place[r->begin], .first = f->place[r->begin], .last = f->place[r->end], .confidence = 1};
    set_levels(f, &c, r->before + f->m.slope * f->m.x[r->begin], r->after - r->before, r->variance);
    return c;
}

struct output {
    struct changepoint *items;
    size_t room, n;
};

static void report(struct output *out, struct changepoint c)
{
    if (out->n < out->room)
        out->items[out->n++] = c;
}

static void report_all(struct fitted *f, const struct changepoint_options *options, struct output *out)
{
    struct model *m = &f->m;
    struct ramp ramp;
    for (size_t k = 0; k < m->n_cut;) {
        size_t stairs = changepoint_ramp_stairs(m, k);
        if (changepoint_ramp_instead(m, k, stairs, &ramp)) {
            report(out, describe_ramp(f, &ramp));
            k += stairs;
            continue;
        }
        report(out, describe_step(f, k++, options->min_points));
    }
}

bool changepoint_find(const int64_t *index, const double *value, size_t n, const struct changepoint_options *options,
                      struct changepoint *out, size_t room, size_t *found, struct changepoint_trend *trend)
{
    struct fitted f = {0};
    struct output output = {out, room, 0};
    bool ok = rises(index, n) && allocate(&f, n);
    if (ok)
        load(&f, index, value, n);
    if (ok && f.m.n >= 2 * options->min_points) {
        choose_cuts(&f, fit(&f, options), options);
        changepoint_judge_prepare(&f.m);
        report_all(&f, options, &output);
    }
    *found = output.n;
    if (trend)
        *trend = (struct changepoint_trend){f.is_log ? expm1(f.m.slope) : f.m.slope, f.m.spread[0]};
    free(f.memory);
    return ok;
}
