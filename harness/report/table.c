/* SPDX-License-Identifier: Apache-2.0 */
#include "report/table.h"

#include "report/view.h"
#include "text.h"
#include "units.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wants_colour(FILE *out)
{
    const char *no = getenv("NO_COLOR");
    return isatty(fileno(out)) && !(no && *no);
}

static void print_state(FILE *out, const struct view_state *state, bool colour)
{
    if (colour)
        fprintf(out, "\x1b[%sm%s %-14s\x1b[0m", state->ansi, state->mark, state->label);
    else
        fprintf(out, "%s %-14s", state->mark, state->label);
}

static void print_interval(FILE *out, const json_t *verdict)
{
    char low[24], high[24], both[64];
    snprintf(both, sizeof both, "%s .. %s", view_change(view_number(verdict, "low", 0), low, sizeof low), view_change(view_number(verdict, "high", 0), high, sizeof high));
    fprintf(out, "%-20s", json_is_number(json_object_get(verdict, "low")) ? both : "");
}

static void print_reason(FILE *out, const char *reason)
{
    if (!*reason)
        return;
    fprintf(out, "\n%18s", "");
    text_print(out, reason);
}

static void print_differs(FILE *out, const json_t *verdict)
{
    const json_t *differs = json_object_get(verdict, "differs");
    for (size_t i = 0; i < json_array_size(differs); i++)
        print_reason(out, json_string_value(json_array_get(differs, i)));
}

enum { METRIC_LEAST = 8, METRIC_MOST = 28 };

/* The width that the verdicts' metrics need. */
static int metric_width(const json_t *const *cells, size_t n)
{
    size_t width = METRIC_LEAST;
    for (size_t c = 0; c < n; c++) {
        const json_t *verdicts = json_object_get(cells[c], "verdicts");
        for (size_t i = 0; i < json_array_size(verdicts); i++) {
            size_t length = strlen(view_text(json_array_get(verdicts, i), "metric"));
            width = length > width ? length : width;
        }
    }
    return width < METRIC_MOST ? (int)width : METRIC_MOST;
}

static void print_verdict(FILE *out, const json_t *cell, const json_t *verdict, int width, bool colour)
{
    char change[24], what[METRIC_MOST + 1];
    print_state(out, view_verdict_state(verdict), colour);
    bool has_ratio = json_is_number(json_object_get(verdict, "ratio"));
    fprintf(out, " %9s  ", has_ratio ? view_change(view_number(verdict, "ratio", 0), change, sizeof change) : "");
    print_interval(out, verdict);
    text_escape(view_text(verdict, "metric"), what, sizeof what);
    fprintf(out, "%-*s %-8s ", width, what, view_text(verdict, "against"));
    text_print(out, view_text(cell, "id"));
    print_reason(out, view_text(verdict, "reason"));
    print_differs(out, verdict);
    fputc('\n', out);
}

static const json_t *metric_of(const json_t *cell, const char *name)
{
    return json_object_get(json_object_get(cell, "metrics"), name);
}

/* How fast the cell is beside its bench's base, "1.23 x by=int8"; "" where it is compared with nothing. */
static const char *speedup_of(const json_t *cell, char *buffer, size_t size)
{
    const json_t *speedup = metric_of(cell, "speedup");
    static const char against[] = "x against ";
    const char *unit = view_text(speedup, "unit");
    if (strncmp(unit, against, strlen(against)) != 0)
        return "";
    int n = snprintf(buffer, size, "%.3g x ", view_number(speedup, "value", 0));
    text_escape(unit + strlen(against), buffer + n, size - (size_t)n);
    return buffer;
}

enum { SPEEDUP_LEAST = 8, SPEEDUP_MOST = 32 };

/* The width that the speed-ups need; 0: there are none. */
static int speedup_width(const json_t *const *cells, size_t n)
{
    size_t width = 0;
    for (size_t c = 0; c < n; c++) {
        char speedup[SPEEDUP_MOST + 1];
        size_t length = strlen(speedup_of(cells[c], speedup, sizeof speedup));
        width = length > width ? length : width;
    }
    return width && width < SPEEDUP_LEAST ? SPEEDUP_LEAST : (int)width;
}

static void print_value(FILE *out, double value, const char *unit)
{
    static const struct {
        const char *unit;
        enum unit_family family;
    } rows[] = {{"ns", UNIT_TIME_NS}, {"bytes", UNIT_BYTES}, {"of all", UNIT_RATIO}};
    char text[32];
    snprintf(text, sizeof text, "%.4g", value);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(unit, rows[i].unit) == 0)
            units_print(rows[i].family, value, text, sizeof text);
    fputs(text, out);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What the bench observed, by name, on a line of its own. */
static void print_observed(FILE *out, const json_t *cell)
{
    const json_t *metrics = json_object_get(cell, "metrics");
    const char *name, **names = calloc(json_object_size(metrics) + 1, sizeof *names);
    json_t *metric;
    size_t n = 0;
    json_object_foreach((json_t *)(uintptr_t)metrics, name, metric)
        if (names && json_object_get(metric, "series"))
            names[n++] = name;
    if (n)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%s%*s", i ? ", " : "\n", i ? 0 : 18, "");
        text_print(out, names[i]);
        fputc(' ', out);
        print_value(out, view_number(metric_of(cell, names[i]), "value", 0), view_text(metric_of(cell, names[i]), "unit"));
    }
    free(names);
}

static void print_measured(FILE *out, const json_t *cell, int speedup, bool colour)
{
    char time[32] = "", spread[32] = "", rate_text[40] = "", clock[16] = "", against[SPEEDUP_MOST + 1];
    const json_t *summary = json_object_get(cell, "summary");
    struct view_rate rate;
    if (view_rate(cell, &rate)) {
        double median = view_number(summary, "median", 0);
        units_print(UNIT_TIME_NS, median, time, sizeof time);
        snprintf(spread, sizeof spread, "+-%.1f %%", 100 * view_number(summary, "mad", 0) / median);
        units_print(UNIT_RATE, rate.value, rate_text, sizeof rate_text - 8);
        strcat(rate_text, rate.unit);
    }
    const json_t *overhead = json_object_get(metric_of(cell, "overhead"), "value");
    if (json_is_number(overhead))
        snprintf(clock, sizeof clock, "%.2f %%", 100 * json_number_value(overhead));
    print_state(out, view_cell_state(cell), colour);
    fprintf(out, " %10s  %-10s %-9s %-16s ", time, spread, clock, rate_text);
    if (speedup)
        fprintf(out, "%-*s ", speedup, speedup_of(cell, against, sizeof against));
    text_print(out, view_text(cell, "id"));
    print_reason(out, view_text(cell, "reason"));
    print_observed(out, cell);
    fputc('\n', out);
}

static void print_notes(FILE *out, const json_t *run)
{
    const json_t *lists[] = {json_object_get(json_object_get(run, "fitness"), "reasons"), json_object_get(json_object_get(run, "gate"), "notes")};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < json_array_size(lists[l]); i++) {
            fputs("note: ", out);
            text_print(out, json_string_value(json_array_get(lists[l], i)));
            fputc('\n', out);
        }
}

void table_print(FILE *out, const json_t *run)
{
    bool colour = wants_colour(out), judged = json_object_get(run, "gate") != NULL;
    size_t n;
    const json_t **cells = view_sorted(run, &n);
    int width = metric_width(cells, n), speedup = speedup_width(cells, n);
    if (n && judged)
        fprintf(out, "  %-14s %9s  %-20s%-*s %-8s %s\n", "verdict", "change", "interval", width, "metric", "against", "cell");
    else if (n)
        fprintf(out, "  %-14s %10s  %-10s %-9s %-16s %-*s%s\n", "cell is", "median", "spread", "clock", "rate", speedup ? speedup + 1 : 0,
                speedup ? "speed-up" : "", "cell");
    for (size_t c = 0; c < n; c++) {
        if (view_is_aside(cells[c])) /* the last line counts them */
            continue;
        const json_t *verdicts = json_object_get(cells[c], "verdicts");
        for (size_t i = 0; i < json_array_size(verdicts); i++)
            print_verdict(out, cells[c], json_array_get(verdicts, i), width, colour);
        if (json_array_size(verdicts) == 0)
            print_measured(out, cells[c], speedup, colour);
    }
    free(cells);
    print_notes(out, run);
    char headline[512];
    view_headline(run, headline, sizeof headline);
    fprintf(out, "%s\n", headline);
}
