/* SPDX-License-Identifier: Apache-2.0
 *
 * Bencher Metric Format: {benchmark: {measure: {value, lower_value, upper_value}}}. Latency in ns with the 5th and 95th percentile of
 * the samples, throughput in work per second, and every metric that could be read, under its own name with its unit.
 */
#include "report/formats.h"

#include "hash.h"
#include "report/view.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1000 }; /* bytes; Bencher takes names up to 1024 */

/* The id, or for one too long its beginning (whole characters) and its hash, so that two stay two. */
static json_t *name_of(const char *id)
{
    size_t n = strlen(id);
    if (n <= LONGEST)
        return json_string(id);
    char hex[HASH_HEX], *text = NULL;
    hash_sha256(id, n, hex);
    for (n = LONGEST - 24; n && ((unsigned char)id[n] & 0xc0) == 0x80; n--)
        ;
    if (asprintf(&text, "%.*s...%.16s", (int)n, id, hex) < 0)
        return NULL;
    json_t *name = json_string(text);
    free(text);
    return name;
}

static json_t *make_latency(const json_t *cell)
{
    size_t n;
    double *x = view_samples(cell, NULL, &n);
    json_t *value = json_pack("{s:f}", "value", view_number(json_object_get(cell, "summary"), "median", 0));
    if (x && n) {
        summary_sort(x, n);
        json_object_set_new(value, "lower_value", json_real(summary_quantile(x, n, 0.05)));
        json_object_set_new(value, "upper_value", json_real(summary_quantile(x, n, 0.95)));
    }
    free(x);
    return value;
}

static void add_metrics(json_t *measures, const json_t *cell)
{
    const char *name;
    json_t *metric;
    json_object_foreach(json_object_get(cell, "metrics"), name, metric)
    {
        char *label = NULL;
        if (!json_object_get(metric, "value") || asprintf(&label, "%s (%s)", name, view_text(metric, "unit")) < 0)
            continue;
        json_object_set_new(measures, label, json_pack("{s:f}", "value", view_number(metric, "value", 0)));
        free(label);
    }
}

bool format_bencher(FILE *out, const json_t *run)
{
    const json_t *cells = json_object_get(run, "cells");
    json_t *top = json_object();
    for (size_t i = 0; top && i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        struct view_rate rate;
        if (!view_rate(cell, &rate))
            continue;
        json_t *name = name_of(view_text(cell, "id")), *measures = json_pack("{s:o, s:{s:f}}", "latency", make_latency(cell), "throughput", "value", rate.value);
        add_metrics(measures, cell);
        json_object_set_new(top, json_string_value(name), measures);
        json_decref(name);
    }
    bool ok = top && json_dumpf(top, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
    json_decref(top);
    return ok;
}
