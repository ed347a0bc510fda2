/* SPDX-License-Identifier: Apache-2.0
 *
 * The spread of each stretch: a two-state hidden Markov model (quiet, loud) with normal noise and a share of outliers,
 * fitted by expectation and maximisation (Baum, Petrie, Soules and Weiss 1970). One state is kept unless two explain
 * the residuals clearly better.
 */
#include "stats/changepoint_model.h"

#include <math.h>
#include <string.h>

static const double outlier_share = 0.02;
static const double outlier_density = 0.45;  /* flat over a factor of three either way: 1 / (2 ln 3) */
static const double normal_peak = 0.3989422804014327;
static const double stay = 0.95;             /* a stretch lasts 20 points */
static const double floor_spread = 2e-4;     /* of the level: less is resolution, not noise */
static const double two_states_gain = 9.0;   /* natural log; two more parameters and the stretches themselves */
static const double hopeless_gain = 2.0;     /* less at the first look: not looked at again */

static double clamp_spread(double s)
{
    return fmax(s, floor_spread);
}

struct states {
    size_t n;            /* 1 or 2 */
    double spread[2];
    double *probability; /* [n points][2] of being in a state */
    double *density;     /* [n points][2] */
    double *inlier;      /* [n points][2] probability of no outlier, given the state */
    double *cavity;      /* [n points] probability of loud without the point itself */
};

static void densities(const struct model *m, struct states *s)
{
    for (size_t k = 0; k < s->n; k++) {
        double rate = 1 / s->spread[k], height = (1 - outlier_share) * normal_peak * rate;
        for (size_t i = 0; i < m->n; i++) {
            double z = m->residual[i] * rate;
            double inlier = height * exp(-0.5 * z * z);
            double all = inlier + outlier_share * outlier_density;
            s->density[2 * i + k] = all;
            s->inlier[2 * i + k] = inlier / all;
        }
    }
}

/* Log likelihood of one state: no recursion is needed. */
static double one_state(const struct model *m, struct states *s)
{
    double log_likelihood = 0;
    for (size_t i = 0; i < m->n; i++) {
        s->probability[2 * i] = 1;
        s->probability[2 * i + 1] = 0;
        s->cavity[i] = 0;
        log_likelihood += log(s->density[2 * i]);
    }
    return log_likelihood;
}

/* Forward over two sticky states; leaves the prediction of `loud` before each point in `cavity`. The log likelihood. */
static double forward(const struct model *m, struct states *s)
{
    double loud = 0.5;
    double log_likelihood = 0;
    for (size_t i = 0; i < m->n; i++) {
        double ahead = stay * loud + (1 - stay) * (1 - loud);
        double p = (1 - ahead) * s->density[2 * i], q = ahead * s->density[2 * i + 1];
        s->cavity[i] = ahead;
        loud = q / (p + q);
        log_likelihood += log(p + q);
    }
    return log_likelihood;
}

/* Backward: joins what comes after to the prediction; `cavity` without the point's own word, `probability` with it. */
static void backward(const struct model *m, struct states *s)
{
    double later[2] = {1, 1};
    for (size_t i = m->n; i-- > 0;) {
        double q = s->cavity[i] * later[1], p = (1 - s->cavity[i]) * later[0];
        s->cavity[i] = q / (p + q);
        double dq = s->density[2 * i], dl = s->density[2 * i + 1];
        s->probability[2 * i + 1] = q * dl / (p * dq + q * dl);
        s->probability[2 * i] = 1 - s->probability[2 * i + 1];
        double a = later[0] * dq, b = later[1] * dl, sum = 1 / (a + b);
        later[0] = (stay * a + (1 - stay) * b) * sum;
        later[1] = (stay * b + (1 - stay) * a) * sum;
    }
}

static double two_states(const struct model *m, struct states *s)
{
    double log_likelihood = forward(m, s);
    backward(m, s);
    return log_likelihood;
}

static double expect(const struct model *m, struct states *s)
{
    densities(m, s);
    return s->n == 1 ? one_state(m, s) : two_states(m, s);
}

static void maximise(const struct model *m, struct states *s)
{
    for (size_t k = 0; k < s->n; k++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < m->n; i++) {
            double p = s->probability[2 * i + k] * s->inlier[2 * i + k];
            sum += p;
            squares += p * m->residual[i] * m->residual[i];
        }
        /* The levels were fitted to the same points: give back what they took (n / degrees of freedom). */
        if (sum > 1)
            s->spread[k] = clamp_spread(sqrt(squares / sum * (double)m->n / m->dof));
    }
}

static double fit(const struct model *m, struct states *s, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        expect(m, s);
        maximise(m, s);
    }
    return expect(m, s);
}

/* Median of |r| over 0.6745 for a start, by a histogram of halves: exact enough to begin with. */
static double rough_spread(const struct model *m)
{
    double low = 0, high = 0;
    for (size_t i = 0; i < m->n; i++)
        high = fmax(high, fabs(m->residual[i]));
    for (int round = 0; round < 20; round++) {
        double middle = 0.5 * (low + high);
        size_t below = 0;
        for (size_t i = 0; i < m->n; i++)
            below += fabs(m->residual[i]) <= middle;
        *(2 * below >= m->n ? &high : &low) = middle;
    }
    return clamp_spread(high / 0.6745);
}

/* -ln of the densities at the level itself, weighted by what the neighbours say of the point. */
static void price(struct model *m, const struct states *s)
{
    double quiet = -log((1 - outlier_share) * normal_peak / m->spread[0]), loud = -log((1 - outlier_share) * normal_peak / m->spread[1]);
    double outlier = -log(outlier_share * outlier_density);
    for (size_t i = 0; i < m->n; i++) {
        double p = s->cavity[i];
        double a = s->n == 2 ? quiet - log(1 - p) : quiet, b = s->n == 2 ? loud - log(p) : loud, least = fmin(a, b);
        m->quiet_cost[i] = a - least;
        m->loud_cost[i] = b - least;
        m->outlier_cost[i] = outlier - least;
    }
}

/*
 * What a point weighs. One that lies near the level by chance in a loud stretch must not weigh as a quiet one does, so
 * the louder of what its neighbours and it itself say counts; between the two spreads the logarithm goes straight.
 */
static void weigh(struct model *m, const struct states *s)
{
    m->spread[0] = s->spread[0];
    m->spread[1] = s->n == 2 ? s->spread[1] : s->spread[0];
    double quiet = -2 * log(m->spread[0]), loud = -2 * log(m->spread[1]);
    for (size_t i = 0; i < m->n; i++) {
        double p = fmax(s->cavity[i], s->probability[2 * i + 1]);
        m->weight[i] = exp((1 - p) * quiet + p * loud);
        m->sound[i] = s->probability[2 * i] * s->inlier[2 * i] + (s->n == 2 ? s->probability[2 * i + 1] * s->inlier[2 * i + 1] : 0);
    }
}

/* The spreads to begin with: those of the fit before, else a guess from one state. */
static struct states start_two(const struct model *m, const struct states *one)
{
    struct states two = *one;
    bool known = m->spread[1] > m->spread[0];
    two.n = 2;
    two.spread[0] = known ? m->spread[0] : clamp_spread(one->spread[0] / 2.5);
    two.spread[1] = known ? m->spread[1] : clamp_spread(one->spread[0] * 1.5);
    return two;
}

void changepoint_spread_fit(struct model *m)
{
    enum { FIRST_ROUNDS = 4, MORE_ROUNDS = 2 };
    bool known = m->spread[0] > 0, known_two = m->spread[1] > m->spread[0];
    double *room = m->scratch, begin = known && !known_two ? m->spread[0] : rough_spread(m);
    struct states one = {1, {begin, begin}, room, room + 2 * m->n, room + 4 * m->n, room + 6 * m->n};
    double plain = fit(m, &one, known ? 1 : FIRST_ROUNDS);
    struct states two = start_two(m, &one);
    bool is_two = false;
    if (m->n >= 30 && !(known && m->two_spreads_gain < hopeless_gain)) {
        m->two_spreads_gain = fit(m, &two, known_two ? MORE_ROUNDS : FIRST_ROUNDS) - plain;
        is_two = m->two_spreads_gain > two_states_gain && two.spread[1] > 1.5 * two.spread[0];
        if (!is_two)
            expect(m, &one);
    }
    weigh(m, is_two ? &two : &one);
    price(m, is_two ? &two : &one);
}
