/* SPDX-License-Identifier: Apache-2.0
 *
 * GitHub workflow commands: an error, warning or notice per cell worth one, worst first; ten of each at most, since GitHub shows no more.
 * This goes to standard output, which is a command channel there: nothing of a child may.
 */
#include "report/formats.h"

#include "report/escape.h"
#include "report/view.h"

#include <stdlib.h>

enum { MOST = 10 };

static const char *const levels[STATE_COUNT] = {
    [STATE_regression] = "error",   [STATE_failed] = "error",         [STATE_missing] = "error", [STATE_not_comparable] = "warning",
    [STATE_unfit] = "warning",      [STATE_inconclusive] = "warning", [STATE_new] = "notice",    [STATE_improved] = "notice",
};

static void print_command(FILE *out, const json_t *cell, const struct view_state *state)
{
    const json_t *lead = view_lead(cell);
    const char *reason = view_text(lead ? lead : cell, "reason");
    char change[24], low[24], high[24];
    fprintf(out, "::%s title=", levels[state->severity]);
    escape_command_property(out, state->label);
    fputs("::", out);
    escape_command_data(out, view_text(cell, "id"));
    if (view_number(lead, "ratio", 0) > 0 && view_number(lead, "low", 0) > 0)
        fprintf(out, " %s (%s to %s)", view_change(view_number(lead, "ratio", 0), change, sizeof change), view_change(view_number(lead, "low", 0), low, sizeof low),
                view_change(view_number(lead, "high", 0), high, sizeof high));
    fputs(*reason ? ": " : "", out);
    escape_command_data(out, reason);
    fputc('\n', out);
}

bool format_annotations(FILE *out, const json_t *run)
{
    size_t n, said[STATE_COUNT] = {0};
    const json_t **cells = view_sorted(run, &n);
    char headline[512];
    for (size_t i = 0; i < n; i++) {
        const struct view_state *state = view_cell_state(cells[i]);
        if (levels[state->severity] && said[state->severity]++ < MOST)
            print_command(out, cells[i], state);
    }
    free(cells);
    view_headline(run, headline, sizeof headline);
    fputs("::notice title=Ternmark::", out);
    escape_command_data(out, headline);
    fputc('\n', out);
    return true;
}
