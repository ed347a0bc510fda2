/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/metrics.h"

#include "stats/contrast.h"
#include "stats/quantile.h"
#include "stats/series.h"
#include "stats/summary.h"
#include "stats/tail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double identical_family = 0.0001, red_family = 0.05, red_rate = 0.01, pass_rate = 0.01;
static const double confirm_rate = 0.05, null_rate = 0.001, p99 = 0.99;
enum { MOST_GENERATIONS = 256 };

static const struct metrics_row rows[] = {
#define METRIC(...) {__VA_ARGS__},
#include "gate/metrics.def"
#undef METRIC
};

const struct metrics_row *metrics_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static double at_tolerance(size_t n_tests)
{
    return fmin(red_rate, red_family / (double)n_tests);
}

/* In the direction in which more is worse. */
static enum decision word_of(const struct stored_estimate *e, double threshold, size_t n_tests)
{
    if (stored_below(e, threshold) <= at_tolerance(n_tests) && stored_below(e, 0) <= identical_family / (double)n_tests)
        return DECISION_REGRESSION;
    if (stored_above(e, -threshold) <= pass_rate)
        return DECISION_IMPROVED;
    return stored_above(e, threshold) <= pass_rate ? DECISION_PASS : DECISION_INCONCLUSIVE;
}

/* The distance in errors that P(T > t) = p leaves, by bisection. */
static double distance(double p, double df)
{
    double low = 0, high = 1e6;
    for (int i = 0; i < 80; i++) {
        double middle = 0.5 * (low + high);
        if (tail_student(middle, df) > p)
            low = middle;
        else
            high = middle;
    }
    return high;
}

struct decide_verdict metrics_decide(const struct stored_estimate *estimate, int worse, double tolerance, size_t n_tests)
{
    struct stored_estimate turned = *estimate;
    turned.centre *= worse;
    double threshold = log1p(tolerance), z = distance(pass_rate, turned.df) * turned.error;
    double red = fmax(threshold + distance(at_tolerance(n_tests), turned.df) * turned.error,
                      distance(identical_family / (double)n_tests, turned.df) * turned.error);
    struct decide_verdict v = {.decision = word_of(&turned, threshold, n_tests), .ratio = exp(estimate->centre), .low = exp(estimate->centre - z),
                               .high = exp(estimate->centre + z), .smallest_visible = expm1(red + tail_normal_inverse(0.05) * turned.error)};
    if (v.decision == DECISION_INCONCLUSIVE)
        v.reason = "processes scatter too much to see the tolerance";
    return v;
}

struct decide_verdict metrics_judge(const struct metrics_row *row, const struct metrics_values *values, double tolerance, size_t n_tests)
{
    double logs[N_LANES][MOST_GENERATIONS];
    size_t n = (size_t)fmin((double)values->n, MOST_GENERATIONS);
    for (size_t i = 0; i < N_LANES; i++)
        for (size_t g = 0; g < n; g++)
            logs[i][g] = log(values->lane[i][g]);
    if (n == 0)
        return (struct decide_verdict){.decision = DECISION_INCONCLUSIVE, .reason = "no generation gave a value"};
    struct stored_estimate e = contrast_estimate(logs[LANE_BASE], logs[LANE_BASE2], logs[LANE_HEAD], n);
    struct decide_verdict v = metrics_decide(&e, row->worse, tolerance, n_tests);
    v.rounds = v.generations = n;
    return v;
}

/* ---- P99 */

/* Requests of some lanes, sorted, and how many times too many they are. */
struct sample {
    double *sorted;
    size_t n;
    double inflation;
};

static double dependence(const double *x, const size_t *length, size_t n_generations, double level)
{
    size_t n = 0;
    for (size_t g = 0; g < n_generations; g++)
        n += length[g];
    double *above = malloc((n + 1) * sizeof *above), inflation = 1;
    for (size_t i = 0; above && i < n; i++)
        above[i] = (x[i] > level) - (1 - p99);
    if (above)
        inflation = series_inflation(above, length, n_generations);
    free(above);
    return inflation;
}

static bool gather(const struct metrics_stream *s, const enum lane *lanes, size_t n_lanes, struct sample *sample)
{
    size_t each = 0;
    for (size_t g = 0; g < s->n_generations; g++)
        each += s->length[g];
    *sample = (struct sample){malloc((n_lanes * each + 1) * sizeof(double)), n_lanes * each, 1};
    if (!sample->sorted || each == 0)
        return false;
    for (size_t i = 0; i < n_lanes; i++)
        memcpy(sample->sorted + i * each, s->lane[lanes[i]], each * sizeof(double));
    summary_sort(sample->sorted, sample->n);
    double level = summary_quantile(sample->sorted, sample->n, p99);
    for (size_t i = 0; i < n_lanes; i++)
        sample->inflation = fmax(sample->inflation, dependence(s->lane[lanes[i]], s->length, s->n_generations, level));
    return true;
}

static double low_of(const struct sample *s, double alpha)
{
    double low, high;
    quantile_bounds(s->sorted, s->n, p99, alpha, s->inflation, &low, &high);
    return low;
}

static double high_of(const struct sample *s, double alpha)
{
    double low, high;
    quantile_bounds(s->sorted, s->n, p99, alpha, s->inflation, &low, &high);
    return high;
}

/* A bound of head over base: each side may err half as often. */
static double lower_ratio(const struct sample *head, const struct sample *base, double alpha)
{
    return low_of(head, alpha / 2) / high_of(base, alpha / 2);
}

static double upper_ratio(const struct sample *head, const struct sample *base, double alpha)
{
    return high_of(head, alpha / 2) / low_of(base, alpha / 2);  /* infinite where base has no lower bound but 0 */
}

/* What the generations' own P99 say. */
static struct stored_estimate by_generation(const struct metrics_stream *s)
{
    double logs[N_LANES][MOST_GENERATIONS], *work = NULL;
    size_t at = 0, n = (size_t)fmin((double)s->n_generations, MOST_GENERATIONS);
    for (size_t g = 0; g < n; at += s->length[g++]) {
        double *bigger = realloc(work, (s->length[g] + 1) * sizeof *work);
        if (!bigger || s->length[g] == 0) {
            free(bigger ? bigger : work);
            return (struct stored_estimate){0, INFINITY, 1};
        }
        work = bigger;
        for (size_t i = 0; i < N_LANES; i++) {
            memcpy(work, s->lane[i] + at, s->length[g] * sizeof *work);
            summary_sort(work, s->length[g]);
            logs[i][g] = log(summary_quantile(work, s->length[g], p99));
        }
    }
    free(work);
    return n ? contrast_estimate(logs[LANE_BASE], logs[LANE_BASE2], logs[LANE_HEAD], n) : (struct stored_estimate){0, INFINITY, 1};
}

static bool disagree(const struct sample *a, const struct sample *b)
{
    return low_of(a, null_rate) > high_of(b, null_rate) || low_of(b, null_rate) > high_of(a, null_rate);
}

static enum decision judge_bounds(const struct sample *head, const struct sample *base, const struct stored_estimate *processes, double tolerance, size_t n_tests)
{
    double threshold = log1p(tolerance);
    if (lower_ratio(head, base, at_tolerance(n_tests)) > 1 + tolerance && lower_ratio(head, base, identical_family / (double)n_tests) > 1 &&
        stored_below(processes, threshold) <= confirm_rate)
        return DECISION_REGRESSION;
    if (upper_ratio(head, base, pass_rate) < 1 / (1 + tolerance) && stored_above(processes, -threshold) <= confirm_rate)
        return DECISION_IMPROVED;
    if (upper_ratio(head, base, pass_rate) < 1 + tolerance && stored_above(processes, threshold) <= confirm_rate)
        return DECISION_PASS;
    return DECISION_INCONCLUSIVE;
}

struct decide_verdict metrics_judge_p99(const struct metrics_stream *stream, double tolerance, size_t n_tests)
{
    static const enum lane first[] = {LANE_BASE}, second[] = {LANE_BASE2}, both[] = {LANE_BASE, LANE_BASE2}, changed[] = {LANE_HEAD};
    struct sample base = {0}, base2 = {0}, all = {0}, head = {0};
    struct decide_verdict v = {.decision = DECISION_INCONCLUSIVE, .ratio = 1, .high = INFINITY, .smallest_visible = INFINITY, .generations = stream->n_generations,
                               .reason = "no request was served"};
    bool ok = gather(stream, first, 1, &base) && gather(stream, second, 1, &base2) && gather(stream, both, 2, &all) && gather(stream, changed, 1, &head);
    if (ok) {
        struct stored_estimate processes = by_generation(stream);
        v.rounds = head.n;
        v.ratio = summary_quantile(head.sorted, head.n, p99) / summary_quantile(all.sorted, all.n, p99);
        v.null_ratio = summary_quantile(base2.sorted, base2.n, p99) / summary_quantile(base.sorted, base.n, p99);
        v.low = lower_ratio(&head, &all, pass_rate);
        v.high = upper_ratio(&head, &all, pass_rate);
        v.inflation = fmax(all.inflation, head.inflation);
        v.smallest_visible = (1 + tolerance) * v.ratio / fmax(v.low, 1e-300) - 1;
        v.decision = disagree(&base, &base2) ? DECISION_UNFIT : judge_bounds(&head, &all, &processes, tolerance, n_tests);
        v.reason = v.decision == DECISION_UNFIT ? "base's P99 disagrees with its own" : v.decision == DECISION_INCONCLUSIVE ? "too few requests, or too unlike, to bound the P99" : NULL;
    }
    free(base.sorted);
    free(base2.sorted);
    free(all.sorted);
    free(head.sorted);
    return v;
}
