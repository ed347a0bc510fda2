/* SPDX-License-Identifier: Apache-2.0
 *
 * ternmark compare BASE.json HEAD.json: two result files. The same pair gives the same bytes.
 */
#include "cli.h"
#include "contest/levels.h"
#include "report/table.h"
#include "store/runfile.h"

#include <stdio.h>

/* Verdicts of earlier comparisons say nothing here. */
static void forget_verdicts(json_t *top)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(top, "cells"), i, cell)
        json_object_set_new(cell, "verdicts", json_array());
}

static void print_json(const json_t *head, enum exit_code code)
{
    size_t i;
    json_t *cell, *cells = json_array();
    json_array_foreach(json_object_get(head, "cells"), i, cell)
        json_array_append_new(cells, json_pack("{s:O,s:O}", "id", json_object_get(cell, "id"), "verdicts", json_object_get(cell, "verdicts")));
    json_t *top = json_pack("{s:i,s:o}", "exit", code, "cells", cells);
    json_dumpf(top, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(top);
}

static enum exit_code compare(const struct options *options, const json_t *base, json_t *head, struct fault *fault)
{
    json_t *notes = json_array();
    const struct levels levels = {.base = base, .head = head, .tolerance = options->tolerance, .strict = options->strict, .lists_new = true};
    const struct judge_rule rule = {options->strict, options->two_sided, false};
    enum exit_code code = EXIT_CODE_CANNOT_JUDGE;
    if (!json_is_true(json_object_get(head, "complete")))
        fault_set(fault, code, "%s: the run did not end: nothing to judge", options->operands.items[1]);
    else {
        forget_verdicts(head);
        levels_judge(&levels, notes);
        code = judge_cells(json_object_get(head, "cells"), &rule);
    }
    json_object_set_new(head, "exit", json_integer(code));
    json_object_set_new(head, "gate", json_pack("{s:s,s:s,s:f,s:s,s:b,s:o}", "base", options->operands.items[0], "head", options->operands.items[1],
                                                "tolerance", options->tolerance, "mode", "stored", "strict", options->strict, "notes", notes));
    json_object_set_new(head, "kind", json_string("gate"));
    if (options->json)
        print_json(head, code);
    else
        table_print(stdout, head);
    if (options->out && !runfile_save(options->out, head, fault))
        return fault->code;
    return code;
}

enum exit_code command_compare(const struct options *options, struct fault *fault)
{
    if (options->operands.n != 2) {
        fault_set(fault, EXIT_CODE_USAGE, "compare: expected two result files, found %zu", options->operands.n);
        return fault->code;
    }
    if (!(options->tolerance > 0) || options->tolerance >= 1) {
        fault_set(fault, EXIT_CODE_USAGE, "--tolerance: expected a share between 0 and 1");
        return fault->code;
    }
    json_t *base = runfile_load(options->operands.items[0], fault);
    json_t *head = base ? runfile_load(options->operands.items[1], fault) : NULL;
    enum exit_code code = head ? compare(options, base, head, fault) : fault->code;
    json_decref(base);
    json_decref(head);
    return code;
}
