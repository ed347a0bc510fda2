/* SPDX-License-Identifier: Apache-2.0
 *
 * github-action-benchmark, tool customSmallerIsBetter: [{name, unit, value, range, extra}], a row per measured cell.
 */
#include "report/formats.h"

#include "report/view.h"

#include <stdio.h>

bool format_action(FILE *out, const json_t *run)
{
    const json_t *cells = json_object_get(run, "cells");
    json_t *rows = json_array();
    for (size_t i = 0; rows && i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i), *summary = json_object_get(cell, "summary");
        char range[48], extra[160];
        struct view_rate rate;
        if (!view_rate(cell, &rate))
            continue;
        snprintf(range, sizeof range, "± %.6g", view_number(summary, "mad", 0));
        snprintf(extra, sizeof extra, "%.6g %s\nP95 %.6g ns, P99 %.6g ns\n%s", rate.value, rate.unit, view_number(summary, "p95", 0), view_number(summary, "p99", 0), view_cell_state(cell)->label);
        json_array_append_new(rows, json_pack("{s:s, s:s, s:f, s:s, s:s}", "name", view_text(cell, "id"), "unit", "ns/iter", "value", view_number(summary, "median", 0), "range", range, "extra", extra));
    }
    bool ok = rows && json_dumpf(rows, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
    json_decref(rows);
    return ok;
}
