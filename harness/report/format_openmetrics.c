/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenMetrics text (IETF draft-richih-opsawg-openmetrics): one family per kind of figure, all gauges, base units, one MetricPoint per
 * cell and statistic. Only numbers that were measured are there.
 */
#include "report/formats.h"

#include "report/escape.h"
#include "report/view.h"
#include "store/canonical.h"

#include <string.h>

static void print_value(FILE *out, double value)
{
    char text[CANONICAL_REAL];
    canonical_real(value, text);
    fprintf(out, " %s\n", text);
}

static void print_label(FILE *out, const char *separator, const char *name, const char *value)
{
    fprintf(out, "%s%s=\"", separator, name);
    escape_label(out, value);
    fputc('"', out);
}

/* name{cell=…,suite=…,bench=…,backend=…,hardware=… left open for more labels. */
static void print_point(FILE *out, const char *family, const json_t *run, const json_t *cell)
{
    fprintf(out, "%s{", family);
    print_label(out, "", "cell", view_text(cell, "id"));
    print_label(out, ",", "suite", view_text(cell, "suite"));
    print_label(out, ",", "bench", view_text(cell, "bench"));
    print_label(out, ",", "backend", view_text(cell, "backend"));
    print_label(out, ",", "hardware", view_text(json_object_get(run, "hardware"), "key"));
}

static void print_times(FILE *out, const json_t *run, const json_t *cell)
{
    static const char *const statistics[] = {"median", "mad", "p95", "p99", "min", "max"};
    const json_t *summary = json_object_get(cell, "summary");
    for (size_t i = 0; json_is_object(summary) && i < sizeof statistics / sizeof *statistics; i++) {
        print_point(out, "ternmark_time_seconds", run, cell);
        print_label(out, ",", "statistic", statistics[i]);
        fputc('}', out);
        print_value(out, view_number(summary, statistics[i], 0) * 1e-9);
    }
}

static void print_rate(FILE *out, const json_t *run, const json_t *cell)
{
    struct view_rate rate;
    if (!view_rate(cell, &rate))
        return;
    print_point(out, "ternmark_work_per_second", run, cell);
    print_label(out, ",", "work", rate.unit);
    fputc('}', out);
    print_value(out, rate.value);
}

static void print_ratios(FILE *out, const json_t *run, const json_t *cell)
{
    static const char *const bounds[] = {"ratio", "low", "high"};
    const json_t *verdicts = json_object_get(cell, "verdicts");
    for (size_t v = 0; v < json_array_size(verdicts); v++)
        for (size_t i = 0; i < 3; i++) {
            const json_t *verdict = json_array_get(verdicts, v);
            if (!json_is_number(json_object_get(verdict, bounds[i])))
                continue;
            print_point(out, "ternmark_change_ratio", run, cell);
            print_label(out, ",", "metric", view_text(verdict, "metric"));
            print_label(out, ",", "against", view_text(verdict, "against"));
            print_label(out, ",", "bound", bounds[i]);
            fputc('}', out);
            print_value(out, view_number(verdict, bounds[i], 0));
        }
}

static void print_states(FILE *out, const json_t *run, const json_t *cell)
{
    print_point(out, "ternmark_cell_state", run, cell);
    print_label(out, ",", "state", view_cell_state(cell)->name);
    fputs("} 1\n", out);
}

static void print_metrics(FILE *out, const json_t *run, const json_t *cell)
{
    const char *name;
    json_t *metric;
    json_object_foreach(json_object_get(cell, "metrics"), name, metric)
    {
        if (!json_object_get(metric, "value"))
            continue;
        print_point(out, "ternmark_metric", run, cell);
        print_label(out, ",", "metric", name);
        print_label(out, ",", "unit", view_text(metric, "unit"));
        fputc('}', out);
        print_value(out, view_number(metric, "value", 0));
    }
}

bool format_openmetrics(FILE *out, const json_t *run)
{
    static const struct {
        const char *family, *unit, *help;
        void (*print)(FILE *, const json_t *, const json_t *);
    } families[] = {
        {"ternmark_time_seconds", "seconds", "Time per iteration.", print_times},
        {"ternmark_work_per_second", NULL, "Work done per second at the median.", print_rate},
        {"ternmark_change_ratio", "ratio", "Head over base, with the bounds of the confidence interval.", print_ratios},
        {"ternmark_cell_state", NULL, "What the gate says of a cell; always 1.", print_states},
        {"ternmark_metric", NULL, "Other metrics of a cell, in the unit of the label.", print_metrics},
    };
    const json_t *cells = json_object_get(run, "cells");
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        fprintf(out, "# TYPE %s gauge\n", families[f].family);
        if (families[f].unit)
            fprintf(out, "# UNIT %s %s\n", families[f].family, families[f].unit);
        fprintf(out, "# HELP %s %s\n", families[f].family, families[f].help);
        for (size_t i = 0; i < json_array_size(cells); i++)
            families[f].print(out, run, json_array_get(cells, i));
    }
    fprintf(out, "# TYPE ternmark_exit_status gauge\n# HELP ternmark_exit_status The run's exit status.\nternmark_exit_status %d\n# EOF\n", (int)view_number(run, "exit", 2));
    return true;
}
