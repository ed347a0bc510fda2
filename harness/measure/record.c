/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/record.h"

#include "measure/derived.h"
#include "probe/counters.h"
#include "stats/quantile.h"
#include "stats/series.h"
#include "stats/summary.h"
#include "store/canonical.h"
#include "units.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char no_workload[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";  /* of nothing */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* The first generation that could not be measured, or NULL. */
static const json_t *find_lost(const json_t *generations, const char **why, const char **status)
{
    size_t i;
    json_t *g;
    json_array_foreach(generations, i, g) {
        *why = text_of(g, "failed");
        *status = "failed";
        if (*why)
            return g;
        *why = text_of(g, "unfit");
        *status = "unfit";
        if (*why)
            return g;
    }
    return NULL;
}

bool record_is_done(const json_t *planned, const json_t *generations, unsigned wanted)
{
    const char *why, *status;
    bool idle = text_of(planned, "skip") || text_of(planned, "broken") || !json_is_true(json_object_get(planned, "selected"));
    return idle || json_array_size(generations) >= wanted || find_lost(generations, &why, &status);
}

/* status and reason of a cell */
static const char *status_of(const json_t *planned, const json_t *generations, unsigned wanted, const char **reason)
{
    const char *status;
    *reason = NULL;
    if ((*reason = text_of(planned, "broken")))
        return "failed";
    if (!json_is_true(json_object_get(planned, "selected")))
        return "not selected";
    if ((*reason = text_of(planned, "skip")))
        return "skipped";
    if (find_lost(generations, reason, &status))
        return status;
    if (json_array_size(generations) >= wanted)
        return "ok";
    bool begun = json_array_size(generations) > 0;
    *reason = begun ? "the run ended before all of this cell's processes were measured" : "the run ended before this cell was measured";
    return begun ? "ok" : "not selected";
}

static json_t *runs_of(const json_t *generations, const struct record_run *run)
{
    json_t *iterations = json_array(), *samples = json_array(), *g;
    size_t i;
    json_array_foreach(generations, i, g) {
        json_array_append(iterations, json_object_get(g, "iterations"));
        json_array_append(samples, json_object_get(g, "samples_ns"));
    }
    return json_pack("[{s:s,s:o,s:o}]", "run_id", run->run_id, "iterations", iterations, "samples_ns", samples);
}

static size_t count_samples(const json_t *generations)
{
    size_t n = 0, i;
    json_t *g;
    json_array_foreach(generations, i, g)
        n += json_array_size(json_object_get(g, "samples_ns"));
    return n;
}

/* Every sample of every generation; the caller frees them. NULL without memory. */
static double *all_samples(const json_t *generations, size_t *n)
{
    size_t at = 0, i, k;
    json_t *g, *value;
    *n = count_samples(generations);
    double *x = calloc(*n + 1, sizeof *x);
    if (x)
        json_array_foreach(generations, i, g)
            json_array_foreach(json_object_get(g, "samples_ns"), k, value)
                x[at++] = json_number_value(value);
    return x;
}

static json_t *summary_json(const json_t *generations)
{
    size_t n;
    double *x = all_samples(generations, &n);
    struct summary s;
    bool ok = x && summary_of(x, n, &s);
    free(x);
    return ok ? json_pack("{s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "median", s.median, "mad", s.mad, "p50", s.p50, "p95", s.p95, "p99", s.p99, "min", s.min, "max", s.max)
              : json_null();
}

enum fold { FOLD_MEAN, FOLD_MAX, FOLD_SUM };

/* Every metric that a generation carries, one row. */
static const struct metric_row {
    const char *name, *field, *unit;
    enum fold fold;
} metric_rows[] = {
    {"cpu", "cpu_ns", "ns", FOLD_MEAN},
    {"memory", "peak_bytes", "bytes", FOLD_MAX},
    {"page_faults", "faults", "per iteration", FOLD_MEAN},
    {"context_switches", "switches", "per run", FOLD_SUM},
    {"overhead", "overhead", "of a sample", FOLD_MAX},
    {"voided_samples", "voided", "per run", FOLD_SUM},
    {"unexplained", "unexplained", "of a turn", FOLD_MAX},
};

static double fold(const json_t *generations, const struct metric_row *row)
{
    double sum = 0, most = 0;
    size_t i;
    json_t *g;
    json_array_foreach(generations, i, g) {
        double value = number_of(g, row->field);
        sum += value;
        most = fmax(most, value);
    }
    return row->fold == FOLD_MAX ? most : row->fold == FOLD_SUM ? sum : sum / (double)json_array_size(generations);
}

static void add_metric(json_t *metrics, const char *name, double value, const char *unit)
{
    json_t *metric = isfinite(value) ? json_pack("{s:f,s:s}", "value", value, "unit", unit) : json_pack("{s:s}", "absent", "not a finite number");
    json_object_set_new(metrics, name, metric);
}

/* A hardware counter per iteration, the mean of the generations; absent with its reason where one generation lacks it. */
static void add_counter(json_t *metrics, const json_t *generations, const char *name)
{
    double sum = 0;
    size_t i;
    json_t *g;
    json_array_foreach(generations, i, g) {
        const json_t *value = json_object_get(json_object_get(g, "counters"), name);
        if (!value) {
            const char *why = text_of(g, "counters_absent");
            json_object_set_new(metrics, name, json_pack("{s:s}", "absent", why ? why : "the processor does not count it"));
            return;
        }
        sum += json_number_value(value);
    }
    add_metric(metrics, name, sum / (double)json_array_size(generations), "per iteration");
}

/* A stream's own: the 99.9th percentile over all requests, requests answered a second, share of the time busy. */
static void add_stream_metrics(json_t *metrics, const json_t *generations)
{
    static const struct metric_row rows[] = {{"throughput", "throughput", "per second", FOLD_MEAN}, {"utilisation", "utilisation", "of the time", FOLD_MEAN}};
    size_t n;
    double *x = all_samples(generations, &n);
    for (size_t i = 0; i < 2; i++)
        add_metric(metrics, rows[i].name, fold(generations, &rows[i]), rows[i].unit);
    if (x && n) {
        summary_sort(x, n);
        add_metric(metrics, "p99.9", summary_quantile(x, n, 0.999), "ns");
    }
    free(x);
}

static json_t *metrics_of(const json_t *generations)
{
    json_t *metrics = json_object();
    const json_t *first = json_array_get(generations, 0);
    for (size_t i = 0; first && i < sizeof metric_rows / sizeof *metric_rows; i++)
        if (json_object_get(first, metric_rows[i].field))
            add_metric(metrics, metric_rows[i].name, fold(generations, &metric_rows[i]), metric_rows[i].unit);
    if (json_object_get(first, "throughput"))
        add_stream_metrics(metrics, generations);
    static const enum counter kept[] = {COUNTER_cycles, COUNTER_instructions, COUNTER_branch_misses, COUNTER_cache_references, COUNTER_cache_misses};
    for (size_t i = 0; first && i < sizeof kept / sizeof *kept; i++)
        add_counter(metrics, generations, counter_names[kept[i]]);
    return metrics;
}

static json_t *work_of(const json_t *generation)
{
    const json_t *work = json_object_get(generation, "work");
    if (!json_is_object(work))
        return json_null();
    json_t *kept = json_object();
    static const char *const names[] = {"ops", "bytes", "items"};
    for (size_t i = 0; i < 3; i++)
        json_object_set(kept, names[i], json_object_get(work, names[i]) ? json_object_get(work, names[i]) : json_null());
    return kept;
}

static json_t *or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

/* The workload is what all generations say; the plan's word where none was measured. */
static const char *workload_of(const json_t *planned, const json_t *generation)
{
    const char *hash = text_of(generation, "workload_hash");
    if (!hash)
        hash = text_of(planned, "workload_hash");
    return hash ? hash : no_workload;
}

/* An interpreted loop costs about 0.1 us an iteration: worth a word where that is more than 1 %. */
static bool is_short(const json_t *generation)
{
    return json_number_value(json_array_get(json_object_get(generation, "samples_ns"), 0)) < 1e4;
}

/* The time of a generation's turns that lies in no sample, ns. */
static double unexplained_ns(const json_t *g)
{
    double explained = 0, share = number_of(g, "unexplained");
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(g, "samples_ns"), i, value)
        explained += json_number_value(value) * number_of(g, "iterations");
    return share < 1 ? explained * share / (1 - share) : 0;
}

/* Samples that leave nine tenths of every generation's turns, and 50 ms, unexplained: hand-overs do not take that long. */
static bool is_suspicious(const json_t *generations)
{
    size_t i;
    json_t *g;
    json_array_foreach(generations, i, g)
        if (number_of(g, "unexplained") < 0.9 || unexplained_ns(g) < 50e6)
            return false;
    return json_array_size(generations) > 0;
}

json_t *record_cell(const json_t *planned, const json_t *generations, const struct record_run *run)
{
    const char *reason, *status = status_of(planned, generations, run->generations, &reason);
    bool ok = strcmp(status, "ok") == 0;
    const json_t *measured = ok ? generations : NULL, *first = json_array_get(generations, 0);
    json_t *tolerance = json_object_get(planned, "tolerance");
    if (ok && !reason && text_of(first, "interpreted") && is_short(first))
        reason = "interpreted: the loop was not compiled";
    if (ok && !reason && is_suspicious(measured))
        reason = "suspicious: most of the time of its turns lies in no sample";
    json_t *cell = json_pack("{s:O,s:O,s:O,s:O,s:s,s:s,s:s?,s:o,s:o,s:o,s:o,s:o,s:f,s:O,s:o,s:n,s:[]}", "id", json_object_get(planned, "id"), "suite",
                     json_object_get(planned, "suite"), "bench", json_object_get(planned, "bench"), "params", json_object_get(planned, "params"),
                     "workload_hash", workload_of(planned, first), "status", status, "reason", reason, "backend",
                     or_null(json_object_get(first, "backend")), "runs", ok ? runs_of(measured, run) : json_array(), "summary",
                     ok ? summary_json(measured) : json_null(), "metrics", metrics_of(measured), "work", work_of(first), "tolerance",
                     json_is_number(tolerance) ? json_number_value(tolerance) : run->tolerance, "tags", json_object_get(planned, "tags"), "compiled",
                     or_null(json_object_get(first, "compiled")), "paired", "verdicts");
    if (json_object_size(json_object_get(planned, "metrics")) > 0)
        json_object_set(cell, "gates", json_object_get(planned, "metrics"));
    derived_add(cell, measured);
    return cell;
}

/* ---- compare */

static double median_of(const json_t *cell)
{
    return number_of(json_object_get(cell, "summary"), "median");
}

/* Whether the value is the base, or one of a list of bases. */
static bool is_among(const json_t *value, const json_t *base)
{
    if (!json_is_array(base))
        return json_equal(value, base);
    size_t i;
    json_t *one;
    json_array_foreach(base, i, one)
        if (json_equal(value, one))
            return true;
    return false;
}

/* Whether `other` is the same bench with the same parameters but for the compared axis, on which it has a base's value. */
static bool is_base_of(const json_t *other, const json_t *planned, const char *axis, const json_t *base)
{
    const json_t *mine = json_object_get(planned, "params"), *theirs = json_object_get(other, "params");
    if (strcmp(text_of(other, "suite"), text_of(planned, "suite")) != 0 || strcmp(text_of(other, "bench"), text_of(planned, "bench")) != 0)
        return false;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)mine, name, value)
    {
        const json_t *its = json_object_get(theirs, name);
        if (strcmp(name, axis) == 0 ? !is_among(its, base) : !json_equal(its, value))
            return false;
    }
    return true;
}

static void add_speedup(json_t *cell, double theirs, const char *axis, const json_t *value)
{
    char unit[160];
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    snprintf(unit, sizeof unit, "x against %s=%s", axis, json_is_string(value) ? json_string_value(value) : text ? text : "?");
    free(text);
    add_metric(json_object_get(cell, "metrics"), "speedup", theirs / median_of(cell), unit);
}

/* Against the fastest of the bases. */
static void compare_cell(const json_t *planned, json_t *cells, size_t index)
{
    const json_t *me = json_array_get(planned, index), *compare = json_object_get(me, "compare"), *base = json_object_get(compare, "base");
    const char *axis = text_of(compare, "axis");
    json_t *cell = json_array_get(cells, index);
    const json_t *best = NULL;
    double least = INFINITY;
    if (!axis || median_of(cell) <= 0)
        return;
    for (size_t i = 0; i < json_array_size(planned); i++) {
        const json_t *other = json_array_get(planned, i);
        double theirs = median_of(json_array_get(cells, i));
        if (theirs > 0 && theirs < least && is_base_of(other, me, axis, base)) {
            least = theirs;
            best = other;
        }
    }
    if (best)
        add_speedup(cell, least, axis, json_object_get(json_object_get(best, "params"), axis));
}

void record_compare(const json_t *planned, json_t *cells)
{
    for (size_t i = 0; i < json_array_size(cells); i++)
        compare_cell(planned, cells, i);
    derived_shares(cells);
}

/* ---- targets */

static const double target_rate = 0.01;  /* with which each side of a target's bounds may be wrong */

/* A limit as the suite wrote it: "5ms", "2MiB", or a plain number in the metric's own unit. */
static bool limit_of(const json_t *limit, double *value)
{
    const char *text = json_string_value(limit);
    *value = json_number_value(limit);
    return json_is_number(limit) || (text && (units_parse(UNIT_TIME_NS, text, value) || units_parse(UNIT_BYTES, text, value)));
}

/* What the cell measured under this name: a quantile of its times ("time" is the median), else a metric. */
static bool measured_of(const json_t *cell, const char *name, double *value)
{
    const json_t *summary = json_object_get(cell, "summary");
    const json_t *time = json_object_get(summary, strcmp(name, "time") == 0 ? "median" : name);
    const json_t *metric = json_object_get(json_object_get(json_object_get(cell, "metrics"), name), "value");
    *value = json_number_value(time ? time : metric);
    return json_is_number(time) || json_is_number(metric);
}

/* The quantile of the cell's times that a target's name means; 0: it is no quantile. */
static double quantile_called(const char *name)
{
    static const struct {
        const char *name;
        double q;
    } rows[] = {{"time", 0.5}, {"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].q;
    return 0;
}

/* A bound of a quantile for a target: samples that follow each other above it count as fewer. */
struct bound {
    double low, high;  /* 0 and infinite where the samples bound nothing */
};

static struct bound bound_of(const json_t *generations, double q)
{
    struct bound bound = {0, INFINITY};
    size_t n_generations = json_array_size(generations), n = 0, i, k;
    json_t *g, *value;
    json_array_foreach(generations, i, g)
        n += json_array_size(g);
    double *x = calloc(2 * n + 1, sizeof *x), *sorted = x + n;
    size_t *length = calloc(n_generations + 1, sizeof *length), at = 0;
    json_array_foreach(generations, i, g)
        json_array_foreach(g, k, value)
            if (x && length) {
                x[at] = sorted[at] = json_number_value(value);
                at++;
                length[i]++;
            }
    if (x && length && n) {
        summary_sort(sorted, n);
        double level = summary_quantile(sorted, n, q);
        for (i = 0; i < n; i++)
            x[i] = (x[i] > level) - (1 - q);
        quantile_bounds(sorted, n, q, target_rate, series_inflation(x, length, n_generations), &bound.low, &bound.high);
    }
    free(x);
    free(length);
    return bound;
}

/* A target, as an upper bound of what was measured: of a quantile of the cell's times (q > 0), or of a value alone. */
struct demand {
    bool is_known;
    double wanted, found, q;
};

/* "throughput" is items a second, at least: the median's time of as many items, at most; a stream's own rate, as the time of one request. */
static struct demand throughput_demand(const json_t *cell, double wanted)
{
    const json_t *rate = json_object_get(json_object_get(json_object_get(cell, "metrics"), "throughput"), "value");
    const double items = json_number_value(json_object_get(json_object_get(cell, "work"), "items"));
    if (rate)
        return (struct demand){json_number_value(rate) > 0, 1 / wanted, 1 / json_number_value(rate), 0};
    return (struct demand){items > 0, items * 1e9 / wanted, json_number_value(json_object_get(json_object_get(cell, "summary"), "median")), 0.5};
}

static struct demand demand_of(const json_t *cell, const char *name, const json_t *limit)
{
    double wanted = 0, found = 0;
    if (!limit_of(limit, &wanted) || wanted <= 0)
        return (struct demand){0};
    if (strcmp(name, "throughput") == 0)
        return throughput_demand(cell, wanted);
    const bool is_known = measured_of(cell, name, &found);
    return (struct demand){is_known, wanted, found, quantile_called(name)};
}

/* A quantile's target is met or missed with confidence where samples bound it; where so few bound no upper side, the estimate alone may meet it, and
 * says so, but misses nothing. */
static const char *target_word(struct demand d, struct bound bound, const char **reason)
{
    *reason = NULL;
    if (!d.is_known) {
        *reason = "no such quantity was measured";
        return "inconclusive";
    }
    if (d.q <= 0)
        return d.found <= d.wanted ? "pass" : "regression";
    if (bound.low > d.wanted)
        return "regression";
    if (isfinite(bound.high) && bound.low > 0) {
        *reason = bound.high <= d.wanted ? NULL : "its bounds hold the target between them: more samples would tell";
        return bound.high <= d.wanted ? "pass" : "inconclusive";
    }
    *reason = d.found <= d.wanted ? "by the estimate alone: so few samples bound no such quantile" : "beyond it by the estimate, but so few samples bound no such quantile";
    return d.found <= d.wanted ? "pass" : "inconclusive";
}

static json_t *real_or_null(bool known, double x)
{
    return known && isfinite(x) && x > 0 ? json_real(x) : json_null();
}

static json_t *target_verdict(const json_t *cell, const char *name, const json_t *limit)
{
    const json_t *generations = json_object_get(json_array_get(json_object_get(cell, "runs"), 0), "samples_ns");
    const struct demand d = demand_of(cell, name, limit);
    const struct bound bound = d.is_known && d.q > 0 ? bound_of(generations, d.q) : (struct bound){0, INFINITY};
    const char *reason, *word = target_word(d, bound, &reason);
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:f,s:n,s:i,s:i,s:s?,s:[]}", "metric", name, "against", "target", "verdict", word, "ratio",
                     real_or_null(d.is_known, d.found / d.wanted), "low", real_or_null(d.is_known, bound.low / d.wanted), "high",
                     real_or_null(d.is_known, bound.high / d.wanted), "tolerance", 0.0, "smallest_visible", "rounds", 0, "generations",
                     (int)json_array_size(generations), "reason", reason, "differs");
}

void record_targets(const json_t *planned, json_t *cell)
{
    json_t *target = json_object_get(planned, "target"), *verdicts = json_object_get(cell, "verdicts");
    size_t n = 0;
    if (strcmp(text_of(cell, "status"), "ok") != 0)
        return;
    const char **names = json_is_object(target) ? canonical_keys(target, &n) : NULL;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(verdicts, target_verdict(cell, names[i], json_object_get(target, names[i])));
    free(names);
}
