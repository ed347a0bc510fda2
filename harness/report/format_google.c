/* SPDX-License-Identifier: Apache-2.0
 *
 * google-benchmark's JSON (its schema version 1): a row per sample group as a repetition, then the aggregates mean, median, stddev and cv,
 * so that its compare.py works, with -u too. Times are in ns.
 */
#include "report/formats.h"

#include "report/groups.h"
#include "report/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct place {
    const json_t *cell;
    json_int_t family;
    size_t repetitions;
};

static json_t *row_of(const struct place *at, const char *suffix, const char *kind)
{
    char *name = NULL;
    const char *id = view_text(at->cell, "id");
    if (asprintf(&name, "%s%s", id, suffix) < 0)
        return NULL;
    json_t *row = json_pack("{s:s, s:I, s:i, s:s, s:s, s:I, s:i, s:I}", "name", name, "family_index", at->family, "per_family_instance_index", 0, "run_name", id, "run_type", kind, "repetitions",
                            (json_int_t)at->repetitions, "threads", 1, "iterations", groups_iterations(at->cell));
    free(name);
    return row;
}

static double cpu_time(const json_t *cell, double real)
{
    const json_t *metric = json_object_get(json_object_get(cell, "metrics"), "cpu_time");
    return strcmp(view_text(metric, "unit"), "ns") == 0 ? view_number(metric, "value", real) : real;
}

static void add_repetitions(json_t *rows, const struct place *at, const double *x)
{
    static const char *const keys[][2] = {{"items", "items_per_second"}, {"bytes", "bytes_per_second"}, {"ops", "ops_per_second"}};
    const json_t *work = json_object_get(at->cell, "work");
    for (size_t i = 0; i < at->repetitions; i++) {
        json_t *row = row_of(at, "", "iteration");
        json_object_set_new(row, "repetition_index", json_integer((json_int_t)i));
        json_object_set_new(row, "real_time", json_real(x[i]));
        json_object_set_new(row, "cpu_time", json_real(cpu_time(at->cell, x[i])));
        json_object_set_new(row, "time_unit", json_string("ns"));
        for (size_t k = 0; k < 3; k++)
            if (view_number(work, keys[k][0], 0) > 0)
                json_object_set_new(row, keys[k][1], json_real(view_number(work, keys[k][0], 0) / x[i] * 1e9));
        json_array_append_new(rows, row);
    }
}

static void add_aggregates(json_t *rows, const struct place *at, double *x)
{
    double mean = 0, square = 0, n = (double)at->repetitions;
    for (size_t i = 0; i < at->repetitions; i++)
        mean += x[i] / n;
    for (size_t i = 0; i < at->repetitions; i++)
        square += (x[i] - mean) * (x[i] - mean);
    double deviation = n > 1 ? sqrt(square / (n - 1)) : 0;
    const struct {
        const char *name, *unit;
        double value;
    } kinds[] = {{"mean", "time", mean}, {"median", "time", summary_median(x, at->repetitions)}, {"stddev", "time", deviation}, {"cv", "percentage", deviation / mean}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char suffix[16];
        snprintf(suffix, sizeof suffix, "_%s", kinds[i].name);
        json_t *row = row_of(at, suffix, "aggregate");
        json_object_set_new(row, "aggregate_name", json_string(kinds[i].name));
        json_object_set_new(row, "aggregate_unit", json_string(kinds[i].unit));
        json_object_set_new(row, "real_time", json_real(kinds[i].value));
        json_object_set_new(row, "cpu_time", json_real(kinds[i].value));
        json_object_set_new(row, "time_unit", json_string("ns"));
        json_array_append_new(rows, row);
    }
}

static void add_error(json_t *rows, const struct place *at)
{
    json_t *row = row_of(at, "", "iteration");
    const char *reason = view_text(at->cell, "reason");
    bool failed = strcmp(view_text(at->cell, "status"), "failed") == 0;
    json_object_set_new(row, failed ? "error_occurred" : "skipped", json_true());
    json_object_set_new(row, failed ? "error_message" : "skip_message", json_string(*reason ? reason : view_text(at->cell, "status")));
    json_object_set_new(row, "real_time", json_real(0));
    json_object_set_new(row, "cpu_time", json_real(0));
    json_object_set_new(row, "time_unit", json_string("ns"));
    json_array_append_new(rows, row);
}

static void add_cell(json_t *rows, const json_t *cell, json_int_t family)
{
    struct place at = {cell, family, 0};
    double *x = groups_of(cell, &at.repetitions);
    if (x) {
        add_repetitions(rows, &at, x);
        add_aggregates(rows, &at, x);
    } else
        add_error(rows, &at);
    free(x);
}

/* The context is what compare.py and people look at; hardware fields come as free keys. */
static json_t *make_context(const json_t *run)
{
    const json_t *hardware = json_object_get(run, "hardware"), *fields = json_object_get(hardware, "fields");
    json_t *context = json_pack("{s:s, s:s, s:s, s:i, s:i, s:b, s:[], s:[], s:s, s:s, s:i, s:s}", "date", view_text(run, "started_at"), "host_name", view_text(hardware, "key"), "executable",
                                "ternmark", "num_cpus", (int)view_number(fields, "cores", 1), "mhz_per_cpu", 0, "cpu_scaling_enabled", 0, "caches", "load_avg", "library_version",
                                view_text(run, "ternmark"), "library_build_type", "release", "json_schema_version", 1, "hardware_key", view_text(hardware, "key"));
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(run, "environment"), name, value)
    {
        if (!json_object_get(context, name))
            json_object_set(context, name, value);
    }
    return context;
}

bool format_google(FILE *out, const json_t *run)
{
    const json_t *cells = json_object_get(run, "cells");
    json_t *rows = json_array(), *context = make_context(run);
    for (size_t i = 0; rows && i < json_array_size(cells); i++)
        add_cell(rows, json_array_get(cells, i), (json_int_t)i);
    json_t *top = json_pack("{s:o, s:o}", "context", context, "benchmarks", rows);
    bool ok = top && json_dumpf(top, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
    json_decref(top);
    return ok;
}
