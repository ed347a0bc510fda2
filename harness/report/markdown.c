/* SPDX-License-Identifier: Apache-2.0 */
#include "report/markdown.h"

#include "report/escape.h"
#include "report/view.h"
#include "units.h"

#include <stdbool.h>
#include <stdlib.h>

static void print_bounds(FILE *out, const json_t *verdict)
{
    char low[24], high[24];
    if (json_is_number(json_object_get(verdict, "low")))
        fprintf(out, "%s … %s", view_change(view_number(verdict, "low", 0), low, sizeof low), view_change(view_number(verdict, "high", 0), high, sizeof high));
}

static void print_why(FILE *out, const json_t *object)
{
    const json_t *differs = json_object_get(object, "differs");
    escape_markdown_text(out, view_text(object, "reason"));
    for (size_t i = 0; i < json_array_size(differs); i++) {
        fputs(i || *view_text(object, "reason") ? "; " : "", out);
        escape_markdown_text(out, json_string_value(json_array_get(differs, i)));
    }
}

static void print_verdict(FILE *out, const json_t *cell, const json_t *verdict)
{
    const struct view_state *state = view_verdict_state(verdict);
    char change[24];
    fprintf(out, state->severity <= STATE_missing ? "| **%s** | " : "| %s | ", state->label);
    escape_markdown(out, view_text(cell, "id"));
    fprintf(out, " | %s | ", json_is_number(json_object_get(verdict, "ratio")) ? view_change(view_number(verdict, "ratio", 0), change, sizeof change) : "");
    print_bounds(out, verdict);
    fputs(" | ", out);
    escape_markdown_text(out, view_text(verdict, "metric"));
    fprintf(out, ", %s | ", view_text(verdict, "against"));
    print_why(out, verdict);
    fputs(" |\n", out);
}

static void print_measured(FILE *out, const json_t *cell)
{
    char time[32] = "", number[32];
    struct view_rate rate;
    bool measured = view_rate(cell, &rate);
    if (measured)
        units_print(UNIT_TIME_NS, view_number(json_object_get(cell, "summary"), "median", 0), time, sizeof time);
    fprintf(out, "| %s | ", view_cell_state(cell)->label);
    escape_markdown(out, view_text(cell, "id"));
    fprintf(out, " | %s | %s%s | | ", time, measured ? units_print(UNIT_RATE, rate.value, number, sizeof number) : "", measured ? rate.unit : "");
    print_why(out, cell);
    fputs(" |\n", out);
}

static void print_rows(FILE *out, const json_t *cell)
{
    const json_t *verdicts = json_object_get(cell, "verdicts");
    for (size_t i = 0; i < json_array_size(verdicts); i++)
        print_verdict(out, cell, json_array_get(verdicts, i));
    if (json_array_size(verdicts) == 0)
        print_measured(out, cell);
}

/* Prints the rows of a cell unless they would pass the limit. */
static bool rows_fit(FILE *out, const json_t *cell, size_t limit, size_t *used)
{
    char *text = NULL;
    size_t size = 0;
    FILE *rows = open_memstream(&text, &size);
    if (!rows)
        return false;
    print_rows(rows, cell);
    fclose(rows);
    bool fits = *used + size <= limit;
    *used += size;
    if (fits)
        fwrite(text, 1, size, out);
    free(text);
    return fits;
}

static void print_notes(FILE *out, const json_t *run)
{
    const json_t *lists[] = {json_object_get(json_object_get(run, "fitness"), "reasons"), json_object_get(json_object_get(run, "gate"), "notes")};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < json_array_size(lists[l]) && i < 20; i++) {
            fputs("- ", out);
            escape_markdown_text(out, json_string_value(json_array_get(lists[l], i)));
            fputc('\n', out);
        }
}

void markdown_print(FILE *out, const json_t *run, size_t limit)
{
    char headline[512];
    size_t n, used = 0, left = 0;
    view_headline(run, headline, sizeof headline);
    fprintf(out, "## Ternmark\n\n**%s**\n\n", headline);
    const json_t **cells = view_sorted(run, &n);
    if (n)
        fputs(json_object_get(run, "gate") ? "| verdict | cell | change | interval | metric | why |\n|---|---|---:|---|---|---|\n"
                                           : "| state | cell | median | rate | | why |\n|---|---|---:|---:|---|---|\n", out);
    for (size_t i = 0; i < n; i++)
        if (!view_is_aside(cells[i]))
            left += left || !rows_fit(out, cells[i], limit, &used);
    free(cells);
    if (left)
        fprintf(out, "\n%zu more cells are in the report.\n", left);
    fputc('\n', out);
    print_notes(out, run);
    fputs("\nMachine: ", out);
    escape_markdown(out, view_text(json_object_get(run, "hardware"), "key"));
    fputs(", ", out);
    escape_markdown_text(out, view_text(run, "started_at"));
    fputs(".\n", out);
}
