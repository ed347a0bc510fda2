/* SPDX-License-Identifier: Apache-2.0 */
#include "report/html.h"

#include "report/escape.h"
#include "report/html_figure.h"
#include "report/templates.h"
#include "report/view.h"
#include "units.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* No network, no inline script, no plugin; pictures and the page's own script lie beside it. */
static const char policy[] = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'self'; base-uri 'none'; form-action 'none'";

static void print_element(FILE *out, const char *open, const char *text, const char *close)
{
    fputs(open, out);
    escape_markup(out, text);
    fputs(close, out);
}

static void print_head(FILE *out, const char *headline)
{
    fprintf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n", policy);
    print_element(out, "<title>Ternmark: ", headline, "</title>\n");
    fprintf(out, "<style>\n%s</style>\n<script src=\"page.js\" defer></script>\n</head>\n", template_text("page.css"));
}

/* ---- the verdict table */

static void print_change(FILE *out, const json_t *verdict, const char *key)
{
    char text[24];
    double ratio = view_number(verdict, key, 0);
    if (ratio > 0)
        fprintf(out, "<td data-sort=\"%.6g\">%s</td>", ratio, view_change(ratio, text, sizeof text));
    else
        fputs("<td></td>", out);
}

static void print_interval(FILE *out, const json_t *verdict)
{
    char low[24], high[24];
    double from = view_number(verdict, "low", 0), to = view_number(verdict, "high", 0);
    if (from > 0 && to > 0)
        fprintf(out, "<td data-sort=\"%.6g\">%s to %s</td>", from, view_change(from, low, sizeof low), view_change(to, high, sizeof high));
    else
        fputs("<td></td>", out);
}

static void print_numbers(FILE *out, const json_t *cell)
{
    char time[32], number[32];
    struct view_rate rate;
    if (!view_rate(cell, &rate)) {
        fputs("<td></td><td></td>", out);
        return;
    }
    double median = view_number(json_object_get(cell, "summary"), "median", 0);
    fprintf(out, "<td data-sort=\"%.6g\">%s <small>±%.1f %%</small></td><td data-sort=\"%.6g\">%s%s</td>", median, units_print(UNIT_TIME_NS, median, time, sizeof time),
            100 * view_number(json_object_get(cell, "summary"), "mad", 0) / median, rate.value, units_print(UNIT_RATE, rate.value, number, sizeof number), rate.unit);
}

/* What could not be read, one line a reason: most machines lack many metrics for one cause. */
static void print_absent(FILE *out, const json_t *metrics)
{
    json_t *reasons = json_object(), *metric, *names;
    const char *name, *why;
    json_object_foreach((json_t *)(uintptr_t)metrics, name, metric)
    {
        if (!json_object_get(metric, "absent"))
            continue;
        why = view_text(metric, "absent");
        if (!json_object_get(reasons, why))
            json_object_set_new(reasons, why, json_array());
        json_array_append_new(json_object_get(reasons, why), json_string(name));
    }
    json_object_foreach(reasons, why, names)
    {
        fputs("not available: ", out);
        for (size_t i = 0; i < json_array_size(names); i++)
            print_element(out, i ? ", " : "", json_string_value(json_array_get(names, i)), "");
        print_element(out, " (", why, ")\n");
    }
    json_decref(reasons);
}

static void print_metrics(FILE *out, const json_t *cell)
{
    const char *name;
    json_t *metric;
    json_object_foreach(json_object_get(cell, "metrics"), name, metric)
    {
        if (json_object_get(metric, "absent"))
            continue;
        print_element(out, "", name, "");
        fprintf(out, ": %.6g ", view_number(metric, "value", 0));
        print_element(out, "", view_text(metric, "unit"), "\n");
    }
    print_absent(out, json_object_get(cell, "metrics"));
}

static void print_facts(FILE *out, const json_t *verdict)
{
    static const struct {
        const char *key, *label;
        double factor;
        const char *unit;
    } rows[] = {{"tolerance", "tolerance", 100, " %"}, {"smallest_visible", "smallest change that could be seen", 100, " %"}, {"rounds", "rounds", 1, ""}, {"generations", "processes per build", 1, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (json_is_number(json_object_get(verdict, rows[i].key)))
            fprintf(out, "%s: %.4g%s\n", rows[i].label, rows[i].factor * view_number(verdict, rows[i].key, 0), rows[i].unit);
}

/* Lines of text, not a list of elements: a page of 1,000 cells spends half its time to load on those. */
static void print_details(FILE *out, const json_t *run, const json_t *cell, const json_t *verdict)
{
    char *command = NULL;
    size_t size;
    FILE *text = open_memstream(&command, &size);
    if (!text)
        return;
    view_reproduce(text, run, cell);
    fclose(text);
    print_element(out, "<details><summary>measure again</summary><p><code>", command, "</code></p><pre>");
    free(command);
    print_facts(out, verdict);
    if (*view_text(cell, "backend"))
        print_element(out, "ran on: ", view_text(cell, "backend"), "\n");
    print_metrics(out, cell);
    fputs("</pre></details>", out);
}

static void print_reason(FILE *out, const json_t *cell, const json_t *verdict)
{
    const json_t *differs = json_object_get(verdict, "differs");
    const char *reason = view_text(verdict ? verdict : cell, "reason");
    if (*reason)
        print_element(out, "<p class=\"why\">", reason, "</p>");
    for (size_t i = 0; i < json_array_size(differs); i++)
        print_element(out, "<p class=\"why\">", json_string_value(json_array_get(differs, i)), "</p>");
}

static void print_row(FILE *out, const json_t *run, const json_t *cell, const json_t *verdict)
{
    const struct view_state *state = verdict ? view_verdict_state(verdict) : view_cell_state(cell);
    fprintf(out, "<tr class=\"%s\"><td data-sort=\"%d\"><span class=\"state\">%s</span></td>", state->name, state->severity, state->label);
    print_element(out, "<th scope=\"row\"><code>", view_text(cell, "id"), "</code>");
    print_reason(out, cell, verdict);
    print_details(out, run, cell, verdict);
    fputs("</th>", out);
    print_change(out, verdict, "ratio");
    print_interval(out, verdict);
    print_element(out, "<td>", view_text(verdict, "metric"), *view_text(verdict, "against") ? ", " : "");
    print_element(out, "", view_text(verdict, "against"), "</td>");
    print_numbers(out, cell);
    fputs("</tr>\n", out);
}

/* Cells that nobody asked to measure, or that skipped themselves, would bury the others: they have a list of their own. */
static bool is_left_out(const json_t *cell)
{
    return view_cell_state(cell)->severity >= STATE_not_selected;
}

static void print_rows(FILE *out, const json_t *run, const json_t *cell)
{
    const json_t *verdicts = json_object_get(cell, "verdicts");
    for (size_t i = 0; i < json_array_size(verdicts); i++)
        print_row(out, run, cell, json_array_get(verdicts, i));
    if (json_array_size(verdicts) == 0)
        print_row(out, run, cell, NULL);
}

/* How many cells of each bench were set aside: one row a bench. */
static void print_aside(FILE *out, const json_t *const *cells, size_t n)
{
    json_t *counts = json_object(), *count;
    const char *name;
    for (size_t i = 0; i < n; i++) {
        char key[256];
        snprintf(key, sizeof key, "%.120s/%.120s", view_text(cells[i], "suite"), view_text(cells[i], "bench"));
        if (view_is_aside(cells[i]))
            json_object_set_new(counts, key, json_integer(json_integer_value(json_object_get(counts, key)) + 1));
    }
    json_object_foreach(counts, name, count)
    {
        fprintf(out, "<li>not selected: %lld of <code>", (long long)json_integer_value(count));
        print_element(out, "", name, "</code></li>\n");
    }
    json_decref(counts);
}

static void print_left_out(FILE *out, const json_t *const *cells, size_t n)
{
    fprintf(out, "<details class=\"rest\"><summary>%zu cells were not measured</summary><ul>\n", n);
    print_aside(out, cells, n);
    for (size_t i = 0; i < n; i++) {
        if (view_is_aside(cells[i]))
            continue;
        fprintf(out, "<li>%s: <code>", view_cell_state(cells[i])->label);
        print_element(out, "", view_text(cells[i], "id"), "</code> ");
        print_element(out, "", view_text(cells[i], "reason"), "</li>\n");
    }
    fputs("</ul></details>\n", out);
}

static void print_table(FILE *out, const json_t *run)
{
    size_t n, shown = 0;
    const json_t **cells = view_sorted(run, &n);
    while (shown < n && !is_left_out(cells[shown])) /* they sort last */
        shown++;
    fputs("<section aria-labelledby=\"verdicts\"><h2 id=\"verdicts\">Cells</h2>\n<div id=\"tools\" hidden></div>\n"
          "<div class=\"wide\" role=\"region\" aria-label=\"Table of cells\" tabindex=\"0\"><table id=\"cells\"><caption>Worst first. Change is time of head over time of base: "
          "above zero is slower.</caption>\n<thead><tr><th scope=\"col\">verdict</th><th scope=\"col\">cell</th><th scope=\"col\">change</th><th scope=\"col\">interval</th>"
          "<th scope=\"col\">judged by</th><th scope=\"col\">median time</th><th scope=\"col\">rate</th></tr></thead>\n<tbody>\n", out);
    for (size_t c = 0; c < shown; c++)
        print_rows(out, run, cells[c]);
    fputs("</tbody></table></div>\n", out);
    if (shown < n)
        print_left_out(out, cells + shown, n - shown);
    fputs("</section>\n", out);
    free(cells);
}

/* ---- machine, notes */

static void print_scalar(FILE *out, const json_t *value)
{
    if (json_is_string(value)) {
        escape_markup(out, json_string_value(value));
        return;
    }
    if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", out);
    else
        fprintf(out, "%.15g", json_number_value(value));
}

static void print_scalars(FILE *out, const char *caption, const json_t *object)
{
    const char *name;
    json_t *value;
    if (json_object_size(object) == 0)
        return;
    fprintf(out, "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table class=\"facts\"><caption>%s</caption><tbody>\n", caption, caption);
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        print_element(out, "<tr><th scope=\"row\">", name, "</th><td>");
        print_scalar(out, value);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void print_machine(FILE *out, const json_t *run)
{
    const json_t *hardware = json_object_get(run, "hardware");
    fputs("<section aria-labelledby=\"machine\"><h2 id=\"machine\">Machine</h2>\n", out);
    print_element(out, "<p>Results compare only with those of the same hardware key: <code>", view_text(hardware, "key"), "</code>");
    if (*view_text(hardware, "gpu_key"))
        print_element(out, ", GPU <code>", view_text(hardware, "gpu_key"), "</code>");
    fputs("</p>\n<div class=\"pair\">\n", out);
    print_scalars(out, "Hardware", json_object_get(hardware, "fields"));
    print_scalars(out, "Environment", json_object_get(run, "environment"));
    fputs("</div></section>\n", out);
}

static void print_list(FILE *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        print_element(out, "<li>", json_string_value(json_array_get(list, i)), "</li>\n");
}

static void print_notes(FILE *out, const json_t *run)
{
    const json_t *reasons = json_object_get(json_object_get(run, "fitness"), "reasons"), *notes = json_object_get(json_object_get(run, "gate"), "notes");
    if (json_array_size(reasons) + json_array_size(notes) == 0)
        return;
    fputs("<section aria-labelledby=\"notes\"><h2 id=\"notes\">Notes</h2>\n<ul>\n", out);
    print_list(out, reasons);
    print_list(out, notes);
    fputs("</ul></section>\n", out);
}

/* ---- summary */

/* What a reader without statistics should take away, by exit status. */
static const char *in_words(int exit)
{
    static const char *const words[] = {
        "Nothing measured here is slower than the tolerance allows.", "At least one cell is slower than the tolerance allows, with confidence.",
        "A suite or a tool is broken; the figures below are not whole.", "For at least one cell this machine could not tell, or there was nothing to compare with; each row says why.",
        "An expected cell is missing, or its subject crashed, hung or gave a wrong result.", "A baseline or result file is invalid."};
    return exit >= 0 && exit < (int)(sizeof words / sizeof *words) ? words[exit] : "The run was interrupted; what had been measured is here.";
}

static void print_counts(FILE *out, const json_t *run)
{
    size_t counts[STATE_COUNT];
    view_counts(run, counts);
    fputs("<ul class=\"counts\">", out);
    for (int i = 0; i < STATE_COUNT; i++)
        if (counts[i])
            fprintf(out, "<li class=\"%s\"><b>%zu</b> <span class=\"state\">%s</span></li>", view_state_row(i)->name, counts[i], view_state_row(i)->label);
    fputs("</ul>\n", out);
}

static void print_summary(FILE *out, const json_t *run, const char *headline)
{
    const json_t *gate = json_object_get(run, "gate");
    int exit = (int)view_number(run, "exit", 2);
    fprintf(out, "<body>\n<header class=\"exit-%d\"><p class=\"brand\">Ternmark</p>\n", exit);
    print_element(out, "<h1>", headline, "</h1>\n");
    fprintf(out, "<p>%s</p>\n", strcmp(view_text(run, "kind"), "run") == 0 && exit == 0 ? "Every selected cell was measured." : in_words(exit));
    print_counts(out, run);
    print_element(out, "<p class=\"meta\">", view_text(run, "started_at"), " · commit <code>");
    print_element(out, "", *view_text(json_object_get(run, "git"), "commit") ? view_text(json_object_get(run, "git"), "commit") : "none", "</code>");
    fputs(json_is_true(json_object_get(json_object_get(run, "git"), "dirty")) ? " with changes" : "", out);
    if (*view_text(gate, "base"))
        print_element(out, " · against <code>", view_text(gate, "base"), "</code>");
    fputs("</p>\n<nav aria-label=\"Sections\"><a href=\"#verdicts\">Cells</a> <a href=\"#pictures\">Pictures</a> <a href=\"#machine\">Machine</a> "
          "<a href=\"report.md\">Markdown</a> <a href=\"data/run-01.json\">Result file</a></nav></header>\n<main>\n", out);
}

void html_page(FILE *out, const struct picture_source *source, const char *dir, const struct picture_drawn *drawn, size_t n_drawn, const char *why)
{
    char headline[512];
    view_headline(source->main, headline, sizeof headline);
    print_head(out, headline);
    print_summary(out, source->main, headline);
    print_notes(out, source->main);
    size_t first = 0; /* the overview belongs before the table: it is what most readers need */
    fputs(n_drawn && drawn[0].picture == &pictures[0] ? "<section aria-labelledby=\"overview\"><h2 id=\"overview\">Overview</h2>\n" : "<section>\n", out);
    while (first < n_drawn && drawn[first].picture == &pictures[0])
        html_figure(out, dir, &drawn[first++]);
    fputs("</section>\n", out);
    print_table(out, source->main);
    html_figures(out, dir, drawn + first, n_drawn - first, why);
    print_machine(out, source->main);
    fprintf(out, "</main>\n<footer><p>Written by ternmark %s. Times are per iteration; ± is the median absolute deviation.</p></footer>\n</body>\n</html>\n", TERNMARK_VERSION);
}
