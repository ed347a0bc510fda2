/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV (RFC 4180): a header, then a row per verdict, or per cell where nothing was judged. Text is quoted and no formula;
 * numbers are numbers; what there is not is an empty field.
 */
#include "report/formats.h"

#include "report/escape.h"
#include "report/view.h"
#include "store/canonical.h"

#include <math.h>
#include <string.h>

/* Where a column's value is: an object of the row, and a key in it. */
enum place { CELL, SUMMARY, VERDICT, RUN };

static const struct column {
    const char *head, *key;
    enum place place;
} columns[] = {
    {"cell", "id", CELL},           {"suite", "suite", CELL},     {"bench", "bench", CELL},         {"status", "status", CELL},       {"backend", "backend", CELL},
    {"median_ns", "median", SUMMARY}, {"mad_ns", "mad", SUMMARY}, {"p95_ns", "p95", SUMMARY},       {"p99_ns", "p99", SUMMARY},       {"metric", "metric", VERDICT},
    {"against", "against", VERDICT}, {"verdict", "verdict", VERDICT}, {"ratio", "ratio", VERDICT},  {"low", "low", VERDICT},          {"high", "high", VERDICT},
    {"tolerance", "tolerance", VERDICT}, {"smallest_visible", "smallest_visible", VERDICT}, {"rounds", "rounds", VERDICT}, {"reason", "reason", VERDICT},
    {"cell_reason", "reason", CELL}, {"started_at", "started_at", RUN},
};

static void print_value(FILE *out, const json_t *value)
{
    char number[CANONICAL_REAL];
    if (json_is_string(value))
        escape_csv(out, json_string_value(value));
    else if (json_is_integer(value))
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value)) {
        canonical_real(json_real_value(value), number);
        fputs(number, out);
    }
}

static void print_row(FILE *out, const json_t *run, const json_t *cell, const json_t *verdict)
{
    const json_t *const objects[] = {[CELL] = cell, [SUMMARY] = json_object_get(cell, "summary"), [VERDICT] = verdict, [RUN] = run};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        fputs(i ? "," : "", out);
        print_value(out, json_object_get(objects[columns[i].place], columns[i].key));
    }
    fputs("\r\n", out);
}

bool format_csv(FILE *out, const json_t *run)
{
    const json_t *cells = json_object_get(run, "cells");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        fprintf(out, "%s%s", i ? "," : "", columns[i].head);
    fputs("\r\n", out);
    for (size_t c = 0; c < json_array_size(cells); c++) {
        const json_t *cell = json_array_get(cells, c), *verdicts = json_object_get(cell, "verdicts");
        for (size_t i = 0; i < json_array_size(verdicts); i++)
            print_row(out, run, cell, json_array_get(verdicts, i));
        if (json_array_size(verdicts) == 0)
            print_row(out, run, cell, NULL);
    }
    return true;
}
