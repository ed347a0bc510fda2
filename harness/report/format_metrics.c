/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics as CSV (RFC 4180): a row per measured cell and metric. What could not be read has an empty value and the reason, never a zero.
 */
#include "report/formats.h"

#include "report/escape.h"
#include "report/view.h"
#include "store/canonical.h"

static void print_metric(FILE *out, const json_t *run, const json_t *cell, const char *name, const json_t *metric)
{
    char number[CANONICAL_REAL] = "";
    const json_t *value = json_object_get(metric, "value");
    if (json_is_number(value))
        canonical_real(json_number_value(value), number);
    const char *const texts[] = {view_text(cell, "id"), view_text(json_object_get(run, "hardware"), "key"), name};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        escape_csv(out, texts[i]);
        fputc(',', out);
    }
    fprintf(out, "%s,", number);
    escape_csv(out, view_text(metric, "unit"));
    fputc(',', out);
    escape_csv(out, view_text(metric, "absent"));
    fputc(',', out);
    escape_csv(out, view_text(run, "started_at"));
    fputs("\r\n", out);
}

bool format_metrics(FILE *out, const json_t *run)
{
    size_t i;
    json_t *cell, *metric;
    const char *name;
    fputs("cell,hardware,metric,value,unit,not_available,started_at\r\n", out);
    json_array_foreach(json_object_get(run, "cells"), i, cell)
        json_object_foreach(json_object_get(cell, "metrics"), name, metric)
            print_metric(out, run, cell, name, metric);
    return true;
}
