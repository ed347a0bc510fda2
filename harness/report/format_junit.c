/* SPDX-License-Identifier: Apache-2.0
 *
 * JUnit XML: a testsuite per suite, a testcase per cell. A regression is a failure; what failed, is missing or ran on an unfit machine
 * is an error; what could not be judged or was skipped is skipped. `time` is the seconds spent inside measured turns.
 */
#include "report/formats.h"

#include "report/escape.h"
#include "report/view.h"

#include <string.h>

static double seconds_of(const json_t *cell)
{
    const json_t *runs = json_object_get(cell, "runs");
    double ns = 0;
    for (size_t r = 0; r < json_array_size(runs); r++) {
        const json_t *run = json_array_get(runs, r), *generations = json_object_get(run, "samples_ns");
        for (size_t g = 0; g < json_array_size(generations); g++)
            for (size_t i = 0; i < json_array_size(json_array_get(generations, g)); i++)
                ns += json_number_value(json_array_get(json_array_get(generations, g), i)) * json_number_value(json_array_get(json_object_get(run, "iterations"), g));
    }
    return ns * 1e-9;
}

static void print_attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    escape_markup(out, value);
    fputc('"', out);
}

static void print_message(FILE *out, const json_t *cell, const struct view_state *state)
{
    const json_t *lead = view_lead(cell);
    const char *reason = view_text(lead ? lead : cell, "reason");
    char change[24];
    fprintf(out, " message=\"%s", state->label);
    if (view_number(lead, "ratio", 0) > 0)
        fprintf(out, " %s of %.4g %% allowed", view_change(view_number(lead, "ratio", 0), change, sizeof change), 100 * view_number(lead, "tolerance", 0));
    fputs(*reason ? ": " : "", out);
    escape_markup(out, reason);
    fputc('"', out);
}

static void print_case(FILE *out, const json_t *cell)
{
    static const char *const elements[] = {[JUNIT_FAILURE] = "failure", [JUNIT_ERROR] = "error", [JUNIT_SKIPPED] = "skipped"};
    const struct view_state *state = view_cell_state(cell);
    fputs("  <testcase", out);
    print_attribute(out, "name", view_text(cell, "id"));
    print_attribute(out, "classname", view_text(cell, "suite"));
    fprintf(out, " time=\"%.6f\"", seconds_of(cell));
    if (state->junit == JUNIT_PASSED) {
        fputs("/>\n", out);
        return;
    }
    fprintf(out, "><%s", elements[state->junit]);
    print_message(out, cell, state);
    if (state->junit != JUNIT_SKIPPED)
        fprintf(out, " type=\"%s\"", state->junit == JUNIT_FAILURE ? "PerformanceRegression" : state->name);
    fputs("/></testcase>\n", out);
}

static void print_suite(FILE *out, const json_t *run, const char *suite)
{
    const json_t *cells = json_object_get(run, "cells");
    size_t counts[JUNIT_SKIPPED + 1] = {0}, n = 0;
    double seconds = 0;
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i);
        if (strcmp(view_text(cell, "suite"), suite) != 0)
            continue;
        counts[view_cell_state(cell)->junit]++;
        seconds += seconds_of(cell);
        n++;
    }
    fputs(" <testsuite", out);
    print_attribute(out, "name", suite);
    fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.6f\" timestamp=\"%.19s\"", n, counts[JUNIT_FAILURE], counts[JUNIT_ERROR], counts[JUNIT_SKIPPED], seconds,
            view_text(run, "started_at"));
    print_attribute(out, "hostname", view_text(json_object_get(run, "hardware"), "key"));
    fputs(">\n", out);
    for (size_t i = 0; i < json_array_size(cells); i++)
        if (strcmp(view_text(json_array_get(cells, i), "suite"), suite) == 0)
            print_case(out, json_array_get(cells, i));
    fputs(" </testsuite>\n", out);
}

bool format_junit(FILE *out, const json_t *run)
{
    const json_t *cells = json_object_get(run, "cells");
    json_t *suites = json_object();
    const char *name;
    json_t *unused;
    for (size_t i = 0; suites && i < json_array_size(cells); i++)
        json_object_set_new(suites, view_text(json_array_get(cells, i), "suite"), json_null());
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ternmark\">\n", out);
    json_object_foreach(suites, name, unused)
    {
        print_suite(out, run, name);
    }
    fputs("</testsuites>\n", out);
    json_decref(suites);
    return suites != NULL;
}
