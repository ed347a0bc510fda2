/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/level_metrics.h"

#include "contest/judge.h"
#include "gate/metrics.h"
#include "store/canonical.h"
#include "stats/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double between_freedom = 10;
static const double p99 = 0.99;

/* Log value of a metric in one run; NAN with `*why` where it has none. */
struct level {
    double value, error;
    const char *why;
};

static double log_p99(const json_t *samples)
{
    size_t n = json_array_size(samples), i;
    double *x = calloc(n + 1, sizeof *x), level = NAN;
    json_t *value;
    json_array_foreach(samples, i, value)
        if (x)
            x[i] = json_number_value(value);
    if (x && n) {
        summary_sort(x, n);
        level = log(summary_quantile(x, n, p99));
    }
    free(x);
    return level;
}

/* Mean over the processes of the latest run, and its standard error where there are several. */
static struct level level_of_p99(const json_t *cell)
{
    const json_t *runs = json_object_get(cell, "runs"), *run = json_array_get(runs, json_array_size(runs) - 1);
    double sum = 0, squares = 0, n = 0;
    size_t i;
    json_t *samples;
    json_array_foreach(json_object_get(run, "samples_ns"), i, samples) {
        double x = log_p99(samples);
        n++;
        sum += x;
        squares += x * x;
    }
    if (!isfinite(sum) || n == 0)
        return (struct level){NAN, 0, "the run has no latencies"};
    return (struct level){sum / n, n > 1 ? sqrt(fmax(0, squares - sum * sum / n) / (n - 1) / n) : 0, NULL};
}

static struct level level_of(const char *name, const json_t *cell)
{
    const json_t *metric = json_object_get(json_object_get(cell, "metrics"), name);
    double value = json_number_value(json_object_get(metric, "value"));
    const char *why = json_string_value(json_object_get(metric, "absent"));
    if (strcmp(name, "p99") == 0)
        return level_of_p99(cell);
    return value > 0 ? (struct level){log(value), 0, NULL} : (struct level){NAN, 0, why ? why : "not measured in this run"};
}

static bool is_red(const struct decide_verdict *v)
{
    return v->decision == DECISION_REGRESSION;
}

/* What the machine's state takes from a verdict. */
static void doubt(const struct level_metrics *how, const struct metrics_row *row, double tolerance, struct decide_verdict *v)
{
    if (row->drifts != 0 && how->moved > log1p(tolerance) && v->decision != DECISION_PASS) {
        v->decision = DECISION_INCONCLUSIVE;
        v->reason = "the yardsticks moved differently: the machine is in another state than the baseline's";
    }
    if (how->unfit && is_red(v)) {
        v->decision = DECISION_UNFIT;
        v->reason = "the machine was not fit while head was measured";
    }
}

static json_t *judge_one(const struct level_metrics *how, const struct metrics_row *row, const json_t *base, const json_t *head, double tolerance)
{
    struct level before = level_of(row->name, base), now = level_of(row->name, head);
    if (before.why || now.why)
        return judge_word(row->name, "stored", tolerance, "inconclusive", now.why ? now.why : before.why, NULL);
    double between = how->widen * row->between;
    const struct stored_estimate e = {now.value - before.value - row->drifts * how->shift,
                                      sqrt(2 * between * between + now.error * now.error + before.error * before.error), between_freedom};
    struct decide_verdict v = metrics_decide(&e, row->worse, tolerance, how->n_tests);
    v.rounds = v.generations = 1;
    doubt(how, row, tolerance, &v);
    return judge_decision(row->name, "stored", tolerance, &v);
}

/* New object: the metrics that gate either, each at the smaller tolerance. */
static json_t *gates_of(const json_t *base, const json_t *head)
{
    json_t *all = json_object(), *tolerance;
    const char *name;
    json_object_update(all, json_object_get(base, "gates"));
    json_object_foreach(json_object_get(head, "gates"), name, tolerance) {
        const json_t *theirs = json_object_get(all, name);
        if (!theirs || json_number_value(tolerance) < json_number_value(theirs))
            json_object_set(all, name, tolerance);
    }
    return all;
}

size_t level_metrics_count(const json_t *cell)
{
    return json_object_size(json_object_get(cell, "gates"));
}

void level_metrics_judge(const struct level_metrics *how, const json_t *base, json_t *head)
{
    json_t *gates = gates_of(base, head);
    size_t n = 0;
    const char **names = canonical_keys(gates, &n);
    for (size_t i = 0; names && i < n; i++) {
        const struct metrics_row *row = metrics_find(names[i]);
        if (row)
            json_array_append_new(json_object_get(head, "verdicts"), judge_one(how, row, base, head, json_number_value(json_object_get(gates, names[i]))));
    }
    free(names);
    json_decref(gates);
}
