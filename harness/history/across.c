/* SPDX-License-Identifier: Apache-2.0 */
#include "history/across.h"

#include "history/filter.h"
#include "history/level.h"
#include "history/severity.h"
#include "text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The newest level of one series. */
struct level {
    const struct store_series *series;
    struct level_newest newest;
    double changed;        /* the last step as a change for the worse; 0: none */
    double roof;           /* share of the machine's own roof, NaN when the runs do not say */
};

struct across {
    struct store *store;
    struct store_series_list list, roofs;
    struct level *levels;
    size_t n;
    struct fault *fault;
};

/* The newest value of the metric percent_of_roof of the same cell and machine. */
static bool roof_of(struct across *a, struct level *l)
{
    l->roof = NAN;
    for (size_t i = 0; i < a->roofs.n; i++) {
        struct store_points points;
        const struct store_series *s = &a->roofs.items[i];
        if (s->cell != l->series->cell || s->hardware != l->series->hardware)
            continue;
        if (!store_points_of(a->store, s, 0, &points, a->fault))
            return false;
        if (points.n)
            l->roof = points.items[points.n - 1].value;
        free(points.items);
    }
    return true;
}

static bool load_level(struct across *a, const struct store_series *s)
{
    struct store_points points;
    struct level *l = &a->levels[a->n];
    *l = (struct level){.series = s};
    if (!store_points_of(a->store, s, 0, &points, a->fault))
        return false;
    bool ok = points.n == 0 || level_newest(&points, &l->newest) || fault_set(a->fault, EXIT_CODE_USAGE, "history: no memory");
    l->changed = l->newest.change == 0 ? 0 : severity_worsening(l->newest.change, severity_larger_is_better(s->metric_name, s->unit));
    a->n += ok && points.n > 0;
    free(points.items);
    return ok && roof_of(a, l);
}

static bool load(struct across *a, const struct options *options)
{
    struct store_filter filter, roofs;
    char metric[128];
    if (!filter_of(options, &filter, metric, a->fault))
        return false;
    roofs = filter;
    roofs.metric = "roof";
    bool ok = store_list(a->store, &filter, &a->list, a->fault) && store_list(a->store, &roofs, &a->roofs, a->fault);
    a->levels = calloc(a->list.n + 1, sizeof *a->levels);
    for (size_t i = 0; ok && a->levels && i < a->list.n; i++)
        ok = load_level(a, &a->list.items[i]);
    return ok && a->levels;
}

static bool same_cell(const struct level *a, const struct level *b)
{
    return a->series->cell == b->series->cell && a->series->metric == b->series->metric;
}

/* The level that others of the cell are set against: the first machine in the list that has it. */
static const struct level *first_of(const struct across *a, const struct level *l)
{
    const struct level *first = l;
    while (first > a->levels && same_cell(first - 1, l))
        first--;
    return first;
}

static void print_level(const struct across *a, const struct level *l)
{
    const struct level *first = first_of(a, l);
    if (first == l) {
        text_print(stdout, l->series->cell_name);
        printf("  %s (%s)\n", l->series->metric_name, l->series->unit);
    }
    printf("  %-44s %14.6g  × %-8.4g", l->series->hardware_key, l->newest.value, l->newest.value / first->newest.value);
    if (isfinite(l->roof))
        printf("  %5.1f %% of its roof", l->roof);
    if (l->changed != 0)
        printf("  %s %+.1f %% at its last step", l->changed > 0 ? "regressed" : "improved", 100 * l->changed);
    putchar('\n');
}

/* Logarithms of one machine's ratios to the reference machine, over the cells that both have. */
struct score {
    double sum, squares;
    size_t n;
    const char *reference;
};

static struct score score_of(const struct across *a, const char *key, const char *reference)
{
    struct score s = {.reference = reference};
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < a->n; k++) {
            const struct level *mine = &a->levels[i], *theirs = &a->levels[k];
            if (strcmp(mine->series->hardware_key, key) != 0 || strcmp(theirs->series->hardware_key, reference) != 0 || !same_cell(mine, theirs))
                continue;
            double ratio = log(mine->newest.value / theirs->newest.value);
            s.sum += ratio;
            s.squares += ratio * ratio;
            s.n++;
        }
    return s;
}

/* 97.5 % point of Student's t with n degrees of freedom: Cornish and Fisher's expansion to the third term, within 1 % from n = 3. */
static double student(size_t n)
{
    static const double small[] = {0, 12.706, 4.303};
    const double z = 1.959964;
    double v = (double)n;
    if (n < 3)
        return small[n];
    return z + (pow(z, 3) + z) / (4 * v) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * v * v) +
           (3 * pow(z, 7) + 19 * pow(z, 5) + 17 * pow(z, 3) - 15 * z) / (384 * v * v * v);
}

static void print_score(const struct score *s, const char *key)
{
    double n = (double)s->n, mean = s->sum / n, variance = s->n > 1 ? (s->squares - s->sum * mean) / (n - 1) : 0;
    double half = s->n > 1 ? student(s->n - 1) * sqrt(fmax(variance, 0) / n) : INFINITY;
    printf("  %-44s × %-8.4g", key, exp(mean));
    if (s->n > 1)
        printf(" (%.4g … %.4g)", exp(mean - half), exp(mean + half));
    printf("  over %zu cells\n", s->n);
}

static void print_scores(const struct across *a)
{
    const char *reference = a->levels[0].series->hardware_key;
    printf("geometric mean against %s\n", reference);
    for (size_t i = 0; i < a->n; i++) {
        const char *key = a->levels[i].series->hardware_key;
        bool is_first = true;
        for (size_t k = 0; k < i; k++)
            is_first = is_first && strcmp(a->levels[k].series->hardware_key, key) != 0;
        struct score s = score_of(a, key, reference);
        if (is_first && s.n)
            print_score(&s, key);
    }
}

static void print_json(const struct across *a)
{
    json_t *all = json_array();
    for (size_t i = 0; i < a->n; i++) {
        const struct level *l = &a->levels[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:I, s:o}", "cell", l->series->cell_name, "hardware", l->series->hardware_key, "metric",
                                             l->series->metric_name, "unit", l->series->unit, "value", l->newest.value, "ratio", l->newest.value / first_of(a, l)->newest.value, "last_step", l->changed,
                                             "points", (json_int_t)l->newest.points, "roof", isfinite(l->roof) ? json_real(l->roof) : json_null()));
    }
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(all);
}

static enum exit_code show_across(struct across *a, const struct options *options)
{
    bool ok = load(a, options);
    for (size_t i = 0; ok && !options->json && i < a->n; i++)
        print_level(a, &a->levels[i]);
    if (ok && a->n && !options->json)
        print_scores(a);
    if (ok && options->json)
        print_json(a);
    free(a->levels);
    store_list_clear(&a->list);
    store_list_clear(&a->roofs);
    return !ok ? a->fault->code : a->n ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}

static enum exit_code show_totals(struct store *store, bool json, struct fault *fault)
{
    struct store_totals t;
    char first[24], last[24];
    if (!store_totals(store, &t, fault))
        return fault->code;
    if (json) {
        printf("{\"runs\":%" PRId64 ",\"cells\":%" PRId64 ",\"hardware\":%" PRId64 ",\"points\":%" PRId64 ",\"sample_sets\":%" PRId64 ",\"sample_bytes\":%" PRId64 ",\"samples\":%" PRId64
               ",\"bytes\":%" PRId64 ",\"alerts\":%" PRId64 ",\"first\":%" PRId64 ",\"last\":%" PRId64 "}\n",
               t.runs, t.cells, t.hardware, t.points, t.sample_sets, t.sample_bytes, t.samples, t.bytes, t.alerts, t.first, t.last);
        return t.runs ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
    }
    printf("%" PRId64 " runs of %" PRId64 " cells on %" PRId64 " machines, %s to %s UTC\n", t.runs, t.cells, t.hardware, filter_date(t.first, first), filter_date(t.last, last));
    double sets = t.sample_sets ? (double)t.sample_sets : 1, samples = t.samples ? (double)t.samples : 1;
    printf("%" PRId64 " points, %" PRId64 " samples in %" PRId64 " sets, %" PRId64 " alerts; %" PRId64 " bytes on disk\n", t.points, t.samples, t.sample_sets, t.alerts, t.bytes);
    printf("a set: %.1f bytes of compressed samples (%.2f a sample), %.1f bytes beside them (rows, points, keys, free space)\n", (double)t.sample_bytes / sets, (double)t.sample_bytes / samples,
           (double)(t.bytes - t.sample_bytes) / sets);
    return t.runs ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}

enum exit_code history_show(const struct options *options, const char *url, struct fault *fault)
{
    struct across a = {.store = store_open(url, STORE_READ, fault), .fault = fault};
    enum exit_code code = !a.store ? fault->code : options->operands.n > 1 ? show_across(&a, options) : show_totals(a.store, options->json, fault);
    store_close(a.store);
    return code;
}
