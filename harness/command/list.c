/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "command/request.h"
#include "measure/interrupt.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* Why a cell would not be measured, or NULL. */
static const char *why_not(const json_t *cell)
{
    const char *broken = json_string_value(json_object_get(cell, "broken"));
    const char *skip = json_string_value(json_object_get(cell, "skip"));
    if (broken)
        return broken;
    return skip;
}

static void print_cell(const json_t *cell, bool why)
{
    const char *reason = why_not(cell);
    bool selected = json_is_true(json_object_get(cell, "selected"));
    if (!why && (reason || !selected))
        return;
    text_print(stdout, json_string_value(json_object_get(cell, "id")));
    const char *chosen = json_string_value(json_object_get(cell, "why"));
    if (chosen && selected) {
        fputs("  chosen: ", stdout);
        text_print(stdout, chosen);
    }
    if (reason || !selected) {
        fputs(json_is_string(json_object_get(cell, "broken")) ? "  broken: " : reason ? "  skipped: " : "  not selected", stdout);
        text_print(stdout, reason ? reason : "");
    }
    fputc('\n', stdout);
}

struct tally {
    size_t measured, skipped, deselected, broken;
};

static struct tally count(const json_t *cells)
{
    struct tally t = {0};
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell) {
        if (json_is_string(json_object_get(cell, "broken")))
            t.broken++;
        else if (!json_is_true(json_object_get(cell, "selected")))
            t.deselected++;
        else if (json_is_string(json_object_get(cell, "skip")))
            t.skipped++;
        else
            t.measured++;
    }
    return t;
}

static enum exit_code list_cells(const struct options *options, struct fault *fault)
{
    interrupt_install();
    struct plan_request request = request_of(options);
    request.why = options->why;
    json_t *cells = request_check(options, fault) ? plan_collect(&request, fault) : NULL, *cell;
    if (!cells)
        return fault->code;
    size_t i;
    if (options->json) {
        json_dumpf(cells, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
    } else
        json_array_foreach(cells, i, cell)
            print_cell(cell, options->why);
    struct tally t = count(cells);
    fprintf(stderr, "%zu cells", t.measured);
    if (t.skipped || t.deselected || t.broken)
        fprintf(stderr, ", %zu skipped, %zu not selected, %zu broken%s", t.skipped, t.deselected, t.broken, options->why || options->json ? "" : " (--why tells)");
    fputc('\n', stderr);
    json_decref(cells);
    return t.broken ? EXIT_CODE_FAILED : t.measured ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}

enum exit_code command_list(const struct options *options, struct fault *fault)
{
    return request_with_project(options, list_cells, fault);
}
