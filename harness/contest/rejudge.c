/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/rejudge.h"

#include "contest/baseline.h"
#include "contest/levels.h"
#include "gate/replay.h"
#include "gate/rounds.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool read_round(const json_t *from, struct decide_round *to)
{
    const json_t *order = json_object_get(from, "order"), *ns = json_object_get(from, "ns");
    if (json_array_size(order) != N_LANES)
        return false;
    to->generation = json_integer_value(json_object_get(from, "generation"));
    to->round = json_integer_value(json_object_get(from, "round"));
    for (size_t i = 0; i < N_LANES; i++)
        for (enum lane lane = 0; lane < N_LANES; lane++)
            if (strcmp(json_string_value(json_array_get(order, i)), lane_name(lane)) == 0) {
                to->order[i] = lane;
                to->ns[lane] = json_number_value(json_array_get(ns, i));
            }
    return true;
}

/* The rounds of a cell behind those that are there. */
static bool add_cell(struct rounds *rounds, const json_t *cell, struct fault *fault)
{
    const json_t *list = json_object_get(json_object_get(cell, "paired"), "rounds");
    struct rounds_cell *to = &rounds->cells[rounds->n];
    to->name = strdup(text_of(cell, "id"));
    to->rounds = calloc(json_array_size(list) + 1, sizeof *to->rounds);
    rounds->n++;
    if (!to->name || !to->rounds)
        return fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    for (; to->n < json_array_size(list); to->n++)
        if (!read_round(json_array_get(list, to->n), &to->rounds[to->n]))
            return fault_set(fault, EXIT_CODE_INVALID, "%s: round %zu: expected the lanes base, base2 and head", to->name, to->n);
    return true;
}

static bool has_rounds(const json_t *cell)
{
    return strcmp(text_of(cell, "status"), "ok") == 0 && json_array_size(json_object_get(json_object_get(cell, "paired"), "rounds")) > 0;
}

/* What can be said of a measured cell that was not timed in pairs. */
static json_t *verdict_without_rounds(const json_t *cell, double tolerance)
{
    const json_t *builds = json_object_get(json_object_get(cell, "paired"), "builds");
    bool same = builds && json_equal(json_object_get(builds, "base"), json_object_get(builds, "head")) && json_equal(json_object_get(builds, "base"), json_object_get(builds, "base2"));
    if (same)
        return judge_word("time", "paired", tolerance, "pass", "identical subject, by the hashes in the file", NULL);
    return judge_word("time", "paired", tolerance, "not_comparable", "the file has no rounds of this cell", NULL);
}

static bool put_verdicts(json_t *cells, double tolerance, const struct rounds *rounds, struct fault *fault)
{
    struct decide_verdict *verdicts = calloc(rounds->n + 1, sizeof *verdicts);
    const struct replay replay = {.tolerance = tolerance, .inject = 1};
    size_t i, at = 0;
    json_t *cell;
    bool ok = verdicts && (rounds->n == 0 || replay_run(&replay, rounds, verdicts));
    if (!ok)
        fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    json_array_foreach(cells, i, cell) {
        if (!ok)
            break;
        json_t *list = json_array();
        if (has_rounds(cell))
            json_array_append_new(list, judge_decision("time", "paired", tolerance, &verdicts[at++]));
        else if (strcmp(text_of(cell, "status"), "ok") == 0)
            json_array_append_new(list, verdict_without_rounds(cell, tolerance));
        json_object_set_new(cell, "verdicts", list);
        json_object_set_new(cell, "tolerance", json_real(tolerance));
    }
    free(verdicts);
    return ok;
}

/* Adds the verdicts against the trusted tree's baseline of the file's hardware. */
static bool judge_stored(json_t *gate, double tolerance, const char *folder, bool strict, struct fault *fault)
{
    const char *key = text_of(json_object_get(gate, "hardware"), "key");
    json_t *notes = json_object_get(json_object_get(gate, "gate"), "notes"), *stored = baseline_load(folder, key, fault);
    if (fault->code != EXIT_CODE_PASS)
        return false;
    if (stored)
        levels_judge(&(struct levels){.base = stored, .head = gate, .tolerance = tolerance, .strict = strict}, notes);
    else
        json_array_append_new(notes, json_sprintf("the base has no stored baseline of the hardware that the file names, %s", key));
    json_decref(stored);
    return true;
}

bool rejudge_run(json_t *gate, double tolerance, const char *baselines, const struct judge_rule *rule, struct fault *fault)
{
    json_t *cells = json_object_get(gate, "cells"), *cell, *told = json_object_get(gate, "gate");
    if (!told)
        return fault_set(fault, EXIT_CODE_USAGE, "--rejudge: expected the result of a gate, found kind %s", text_of(gate, "kind"));
    struct rounds rounds = {.cells = calloc(json_array_size(cells) + 1, sizeof *rounds.cells)};
    bool ok = rounds.cells != NULL;
    size_t i;
    json_array_foreach(cells, i, cell)
        ok = ok && (!has_rounds(cell) || add_cell(&rounds, cell, fault));
    ok = ok && put_verdicts(cells, tolerance, &rounds, fault) && (!baselines || judge_stored(gate, tolerance, baselines, rule->strict, fault));
    rounds_clear(&rounds);
    if (!ok)
        return false;
    enum exit_code code = judge_cells(cells, rule);
    if (!json_is_true(json_object_get(gate, "complete")))
        code = exit_worst(code, EXIT_CODE_CANNOT_JUDGE);
    json_object_set_new(told, "tolerance", json_real(tolerance));
    json_object_set_new(gate, "exit", json_integer(code));
    json_array_append_new(json_object_get(told, "notes"), json_string("judged anew from the raw rounds"));
    return true;
}
