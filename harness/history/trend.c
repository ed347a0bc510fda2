/* SPDX-License-Identifier: Apache-2.0 */
#include "history/trend.h"

#include "history/filter.h"
#include "history/series.h"
#include "measure/clock.h"
#include "stats/changepoint.h"
#include "store/durable.h"
#include "text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 40 };

/* What is done with each series and its points. */
typedef bool series_body(void *to, const struct store_series *s, const struct store_points *p, struct fault *fault);

static bool each_series(const struct options *options, const char *url, series_body *body, void *to, size_t *n, struct fault *fault)
{
    struct store_filter filter;
    struct store_series_list list = {0};
    char metric[128];
    struct store *store = filter_of(options, &filter, metric, fault) ? store_open(url, STORE_READ, fault) : NULL;
    bool ok = store && store_list(store, &filter, &list, fault);
    *n = list.n;
    for (size_t i = 0; ok && i < list.n; i++) {
        struct store_points points;
        ok = store_points_of(store, &list.items[i], filter.since, &points, fault);
        ok = ok && body(to, &list.items[i], &points, fault);
        free(points.items);
    }
    store_list_clear(&list);
    store_close(store);
    return ok;
}

struct found {
    struct changepoint *items;
    size_t n;
    struct changepoint_trend trend;
};

static bool find(const struct store_points *p, struct found *f)
{
    int64_t *index = calloc(p->n + 1, sizeof *index);
    double *value = calloc(p->n + 1, sizeof *value);
    *f = (struct found){.items = calloc(p->n + 1, sizeof *f->items)};
    for (size_t i = 0; index && value && i < p->n; i++) {
        index[i] = (int64_t)i;
        value[i] = p->items[i].value;
    }
    bool ok = index && value && f->items && changepoint_find(index, value, p->n, &changepoint_defaults, f->items, p->n, &f->n, &f->trend);
    free(index);
    free(value);
    return ok;
}

static void print_mark(const struct found *f, size_t i)
{
    for (size_t k = 0; k < f->n; k++) {
        const struct changepoint *c = &f->items[k];
        if (c->kind == CHANGEPOINT_STEP && c->at == i)
            printf("  step %+.1f %% (%+.1f … %+.1f), confidence %.2f", 100 * c->change, 100 * c->low, 100 * c->high, c->confidence);
        if (c->kind == CHANGEPOINT_RAMP && (c->first == i || c->last == i))
            printf("  ramp %s, %+.1f %%", c->first == i ? "begins" : "ends", 100 * c->change);
    }
}

static bool print_series(void *to, const struct store_series *s, const struct store_points *p, struct fault *fault)
{
    struct found f;
    char date[24];
    (void)to;
    if (!find(p, &f))
        return fault_set(fault, EXIT_CODE_USAGE, "history: no memory");
    text_print(stdout, s->cell_name);
    printf("  %s (%s) on %s, %zu points", s->metric_name, s->unit, s->hardware_key, p->n);
    if (f.trend.per_index != 0)
        printf(", a ramp of %+.2f %% per 100 points", 100 * (pow(1 + f.trend.per_index, 100) - 1));
    putchar('\n');
    for (size_t i = p->n > SHOWN ? p->n - SHOWN : 0; i < p->n; i++) {
        const struct store_point *at = &p->items[i];
        printf("  %s  %-12.12s %14.6g ± %-10.4g %+7.1f %%", filter_date(at->started, date), *at->commit ? at->commit : "-", at->value, at->spread,
               100 * (at->value / p->items[0].value - 1));
        print_mark(&f, i);
        putchar('\n');
    }
    free(f.items);
    return true;
}

static json_t *json_of_changes(const struct found *f)
{
    json_t *all = json_array();
    for (size_t k = 0; k < f->n; k++) {
        const struct changepoint *c = &f->items[k];
        json_array_append_new(all, json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "kind", c->kind == CHANGEPOINT_RAMP ? "ramp" : "step", "at", (json_int_t)c->at, "first",
                                             (json_int_t)c->first, "last", (json_int_t)c->last, "change", c->change, "low", c->low, "high", c->high, "confidence", c->confidence));
    }
    return all;
}

static bool add_json(void *to, const struct store_series *s, const struct store_points *p, struct fault *fault)
{
    struct found f;
    json_t *points = json_array();
    if (!find(p, &f))
        return fault_set(fault, EXIT_CODE_USAGE, "history: no memory");
    for (size_t i = 0; i < p->n; i++) {
        const struct store_point *at = &p->items[i];
        json_array_append_new(points, json_pack("{s:I, s:s, s:s, s:f, s:f, s:I}", "started", (json_int_t)at->started, "commit", at->commit, "run_id", at->uuid, "value", at->value,
                                                "spread", at->spread, "samples", (json_int_t)at->n));
    }
    json_array_append_new(to, json_pack("{s:s, s:s, s:s, s:s, s:f, s:o, s:o}", "cell", s->cell_name, "hardware", s->hardware_key, "metric", s->metric_name, "unit", s->unit, "per_point",
                                        f.trend.per_index, "changes", json_of_changes(&f), "points", points));
    free(f.items);
    return true;
}

static void print_absence(void *to, const char *hardware_key, const char *why)
{
    const struct options *options = to;
    printf("%s on %s: not available: ", options->metric, hardware_key);
    text_print(stdout, why);
    putchar('\n');
}

/* No series: perhaps a machine said why there is none. */
static bool tell_absences(const struct options *options, const char *url, struct fault *fault)
{
    struct store *store = store_open(url, STORE_READ, fault);
    bool ok = store && store_absences(store, options->metric, print_absence, (void *)(uintptr_t)options, fault);
    store_close(store);
    return ok;
}

enum exit_code history_trend(const struct options *options, const char *url, struct fault *fault)
{
    size_t n = 0;
    uint64_t begin = clock_now_ns();
    json_t *all = options->json ? json_array() : NULL;
    bool ok = each_series(options, url, options->json ? add_json : print_series, all, &n, fault);
    if (ok && all) {
        json_dumpf(all, stdout, JSON_COMPACT);
        putchar('\n');
    }
    json_decref(all);
    if (ok && n == 0 && !options->json)
        ok = tell_absences(options, url, fault);
    if (ok && options->verbose)
        fprintf(stderr, "%zu series in %.1f ms\n", n, (double)(clock_now_ns() - begin) / 1e6);
    return !ok ? fault->code : n ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}

static bool export_points(void *to, const struct store_series *s, const struct store_points *p, struct fault *fault)
{
    FILE *out = to;
    (void)fault;
    for (size_t i = 0; i < p->n; i++) {
        const struct store_point *at = &p->items[i];
        const char *const texts[] = {s->cell_name, s->hardware_key, s->metric_name, s->unit};
        for (size_t k = 0; k < 4; k++) {
            series_print_field(out, texts[k]);
            putc(',', out);
        }
        fprintf(out, "%" PRId64 ",%s,%s,%.17g,%.17g,%" PRId64 "\n", at->started, at->commit, at->uuid, at->value, at->spread, at->n);
    }
    return true;
}

static bool export_series(void *to, const struct store_series *s, const struct store_points *p, struct fault *fault)
{
    FILE *out = to;
    char *name = NULL;
    if (asprintf(&name, "%s|%s|%s", s->cell_name, s->hardware_key, s->metric_name) < 0)
        return fault_set(fault, EXIT_CODE_USAGE, "history: no memory");
    for (size_t i = 0; i < p->n; i++) {
        series_print_field(out, name);
        fprintf(out, ",%zu,%.17g\n", i, p->items[i].value);
    }
    free(name);
    return true;
}

enum exit_code history_export(const struct options *options, const char *url, struct fault *fault)
{
    const char *path = options->csv ? options->csv : options->out;
    struct durable file = {.stream = stdout};
    size_t n = 0;
    if (path && !durable_open(&file, path, fault))
        return fault->code;
    fputs(options->csv ? "series,index,value\n" : "cell,hardware,metric,unit,started,commit,run_id,value,spread,samples\n", file.stream);
    bool ok = each_series(options, url, options->csv ? export_series : export_points, file.stream, &n, fault);
    if (path && ok)
        ok = durable_close(&file, fault);
    else if (path)
        durable_abandon(&file);
    return !ok ? fault->code : n ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}
