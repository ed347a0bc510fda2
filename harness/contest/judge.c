/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/judge.h"

#include <math.h>
#include <string.h>

static json_t *finite_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *judge_decision(const char *metric, const char *against, double tolerance, const struct decide_verdict *v)
{
    bool measured = v->rounds > 0;
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:f,s:o,s:I,s:I,s:s?,s:[]}", "metric", metric, "against", against, "verdict",
                     decide_word(v->decision), "ratio", finite_or_null(measured ? v->ratio : NAN), "low",
                     finite_or_null(measured ? v->low : NAN), "high", finite_or_null(measured ? v->high : NAN), "tolerance", tolerance,
                     "smallest_visible", finite_or_null(measured ? v->smallest_visible : NAN), "rounds", (json_int_t)v->rounds,
                     "generations", (json_int_t)v->generations, "reason", v->reason, "differs");
}

json_t *judge_find(const json_t *top, const char *id)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(top, "cells"), i, cell) {
        const char *own = json_string_value(json_object_get(cell, "id"));
        if (own && strcmp(own, id) == 0)
            return cell;
    }
    return NULL;
}

json_t *judge_word(const char *metric, const char *against, double tolerance, const char *word, const char *reason, json_t *differs)
{
    return json_pack("{s:s,s:s,s:s,s:n,s:n,s:n,s:f,s:n,s:i,s:i,s:s?,s:o}", "metric", metric, "against", against, "verdict", word, "ratio",
                     "low", "high", "tolerance", tolerance, "smallest_visible", "rounds", 0, "generations", 0, "reason", reason, "differs",
                     differs ? differs : json_array());
}

static const struct word_row {
    const char *word;
    enum exit_code code, strict, two_sided;
} word_rows[] = {
    {"pass", EXIT_CODE_PASS, EXIT_CODE_PASS, EXIT_CODE_PASS},
    {"improved", EXIT_CODE_PASS, EXIT_CODE_PASS, EXIT_CODE_REGRESSION},
    {"regression", EXIT_CODE_REGRESSION, EXIT_CODE_REGRESSION, EXIT_CODE_REGRESSION},
    {"inconclusive", EXIT_CODE_CANNOT_JUDGE, EXIT_CODE_CANNOT_JUDGE, EXIT_CODE_CANNOT_JUDGE},
    {"unfit", EXIT_CODE_CANNOT_JUDGE, EXIT_CODE_CANNOT_JUDGE, EXIT_CODE_CANNOT_JUDGE},
    {"not_comparable", EXIT_CODE_CANNOT_JUDGE, EXIT_CODE_CANNOT_JUDGE, EXIT_CODE_CANNOT_JUDGE},
    {"missing", EXIT_CODE_FAILED, EXIT_CODE_FAILED, EXIT_CODE_FAILED},
    {"failed", EXIT_CODE_FAILED, EXIT_CODE_FAILED, EXIT_CODE_FAILED},
    {"new", EXIT_CODE_PASS, EXIT_CODE_FAILED, EXIT_CODE_PASS},
};

enum exit_code judge_exit(const char *word, const struct judge_rule *rule)
{
    for (size_t i = 0; i < sizeof word_rows / sizeof *word_rows; i++)
        if (strcmp(word_rows[i].word, word) == 0)
            return exit_worst(word_rows[i].code, exit_worst(rule->strict ? word_rows[i].strict : EXIT_CODE_PASS,
                                                            rule->two_sided ? word_rows[i].two_sided : EXIT_CODE_PASS));
    return EXIT_CODE_INVALID;
}

static bool is_against(const json_t *verdict, const char *what)
{
    return strcmp(json_string_value(json_object_get(verdict, "against")), what) == 0;
}

/* The code of a cell's verdicts: where base and head were told apart in pairs, or there is no base, stored runs that cannot tell take
 * nothing from it. */
static enum exit_code judge_cell(const json_t *verdicts, const struct judge_rule *rule)
{
    enum exit_code code = EXIT_CODE_PASS;
    bool is_decided = rule->first_run;
    size_t k;
    json_t *verdict;
    json_array_foreach(verdicts, k, verdict)
        is_decided |= is_against(verdict, "paired") && judge_exit(json_string_value(json_object_get(verdict, "verdict")), rule) != EXIT_CODE_CANNOT_JUDGE;
    json_array_foreach(verdicts, k, verdict) {
        enum exit_code one = judge_exit(json_string_value(json_object_get(verdict, "verdict")), rule);
        bool is_stored = is_against(verdict, "stored") || is_against(verdict, "anchor");
        if (!(is_stored && is_decided && one == EXIT_CODE_CANNOT_JUDGE))
            code = exit_worst(code, one);
    }
    return code;
}

enum exit_code judge_cells(const json_t *cells, const struct judge_rule *rule)
{
    enum exit_code code = EXIT_CODE_PASS;
    size_t measured = 0, i;
    json_t *cell;
    json_array_foreach(cells, i, cell) {
        const char *status = json_string_value(json_object_get(cell, "status"));
        measured += strcmp(status, "ok") == 0;
        if (strcmp(status, "failed") == 0)
            code = exit_worst(code, EXIT_CODE_FAILED);
        if (strcmp(status, "unfit") == 0)
            code = exit_worst(code, EXIT_CODE_CANNOT_JUDGE);
        code = exit_worst(code, judge_cell(json_object_get(cell, "verdicts"), rule));
    }
    return measured ? code : exit_worst(code, EXIT_CODE_CANNOT_JUDGE);
}
