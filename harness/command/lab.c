/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "command/lab_counts.h"
#include "command/lab_live.h"
#include "command/lab_table.h"
#include "gate/replay.h"
#include "gate/resample.h"
#include "units.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *finite_or_null(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *verdicts_json(const struct replay *replay, const struct rounds *rounds, const struct decide_verdict *verdicts)
{
    json_t *cells = json_array();
    for (size_t c = 0; c < rounds->n; c++) {
        const struct decide_verdict *v = &verdicts[c];
        json_array_append_new(cells, json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o}", "cell", rounds->cells[c].name, "verdict",
                                               decide_word(v->decision), "rounds", (json_int_t)v->rounds, "ratio",
                                               finite_or_null(v->ratio), "low", finite_or_null(v->low), "high",
                                               finite_or_null(v->high), "smallest_visible", finite_or_null(v->smallest_visible)));
    }
    return json_pack("{s:f, s:o}", "tolerance", replay->tolerance, "cells", cells);
}

static bool print_json(const struct replay *replay, const struct rounds *rounds, const struct decide_verdict *verdicts)
{
    json_t *top = verdicts_json(replay, rounds, verdicts);
    bool ok = top && json_dumpf(top, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 && putchar('\n') != EOF;
    json_decref(top);
    return ok;
}

static bool print_text(const struct rounds *rounds, const struct decide_verdict *verdicts)
{
    for (size_t c = 0; c < rounds->n; c++) {
        const struct decide_verdict *v = &verdicts[c];
        printf("%-12s %-40s %+7.2f %% [%+.2f, %+.2f]  visible %.1f %%  spread of processes %.2f %%  rounds %zu in %zu%s%s\n",
               decide_word(v->decision), rounds->cells[c].name, 100 * (v->ratio - 1), 100 * (v->low - 1), 100 * (v->high - 1),
               100 * v->smallest_visible, 100 * v->process_spread, v->rounds, v->generations, v->reason ? "  " : "",
               v->reason ? v->reason : "");
    }
    return !ferror(stdout);
}

static bool parse_inject(const char *text, double *inject, struct fault *fault)
{
    char *end;
    *inject = text ? strtod(text, &end) : 1;
    if (text && (!*text || *end || !isfinite(*inject) || *inject <= 0))
        return fault_set(fault, EXIT_CODE_USAGE, "--inject: expected a factor like 1.10, found '%s'", text);
    return true;
}

static enum exit_code replay_file(const struct options *options, struct replay *replay, struct fault *fault)
{
    struct rounds rounds;
    if (!rounds_load(options->operands.items[1], &rounds, fault))
        return fault->code;
    struct decide_verdict *verdicts = calloc(rounds.n + 1, sizeof *verdicts);
    bool ok = verdicts && replay_run(replay, &rounds, verdicts) &&
              (options->json ? print_json(replay, &rounds, verdicts) : print_text(&rounds, verdicts));
    enum exit_code code = EXIT_CODE_PASS;
    for (size_t c = 0; ok && c < rounds.n; c++)
        code = exit_worst(code, replay_exit(verdicts[c].decision));
    if (rounds.n == 0) {
        fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "%s: no rounds: nothing to judge", options->operands.items[1]);
        code = fault->code;
    }
    if (!ok && rounds.n) {
        fault_set(fault, EXIT_CODE_USAGE, "cannot replay: out of memory or cannot print");
        code = fault->code;
    }
    free(verdicts);
    rounds_clear(&rounds);
    return code;
}

static enum exit_code lab_replay(const struct options *options, struct fault *fault)
{
    struct replay replay = {.tolerance = options->tolerance};
    if (options->operands.n != 2) {
        fault_set(fault, EXIT_CODE_USAGE, "lab replay: expected one file, found %zu", options->operands.n - 1);
        return fault->code;
    }
    if (!(replay.tolerance > 0) || replay.tolerance >= 1) {
        fault_set(fault, EXIT_CODE_USAGE, "--tolerance: expected a share between 0 and 1");
        return fault->code;
    }
    if (!parse_inject(options->inject, &replay.inject, fault))
        return fault->code;
    return replay_file(options, &replay, fault);
}

/* ---- null runs drawn from recorded rounds */

static bool is_recording(const struct options *options)
{
    size_t n = options->operands.n > 1 ? strlen(options->operands.items[1]) : 0;
    return n > 4 && strcmp(options->operands.items[1] + n - 4, ".csv") == 0;
}

/* One line a red, for whoever asks which recorded cells it comes from. */
static void tell_reds(const struct rounds *run, const struct decide_verdict *verdicts)
{
    for (size_t c = 0; c < run->n; c++)
        if (verdicts[c].decision == DECISION_REGRESSION)
            fprintf(stderr, "regression %s ratio %.4f [%.4f, %.4f] rounds %zu generations %zu processes %.2f %% null %.4f\n", run->cells[c].name, verdicts[c].ratio,
                    verdicts[c].low, verdicts[c].high, verdicts[c].rounds, verdicts[c].generations, 100 * verdicts[c].process_spread, verdicts[c].null_ratio);
}

static bool count_run(const struct replay *replay, const struct rounds *recorded, size_t cells, bool verbose, uint64_t *random, struct lab_counts *counts)
{
    struct rounds run;
    struct decide_verdict *verdicts = calloc(cells, sizeof *verdicts);
    const struct lab_counts before = *counts;
    bool ok = verdicts && resample_run(recorded, cells, random, &run);
    bool judged = ok && replay_run(replay, &run, verdicts);
    for (size_t c = 0; judged && c < cells; c++)
        lab_count(counts, verdicts[c].decision, 0);
    if (judged && verbose)
        tell_reds(&run, verdicts);
    lab_count_run(counts, &before);
    if (ok)
        rounds_clear(&run);
    free(verdicts);
    return judged;
}

/* The cells of all files: recordings of several occasions. */
static bool load_all(const struct text_list *operands, struct rounds *recorded, struct fault *fault)
{
    bool ok = rounds_load(operands->items[1], recorded, fault);
    for (size_t i = 2; ok && i < operands->n; i++) {
        struct rounds more;
        ok = rounds_load(operands->items[i], &more, fault) && (rounds_join(recorded, &more) || fault_set(fault, EXIT_CODE_USAGE, "out of memory"));
        if (!ok)
            rounds_clear(recorded);
    }
    return ok;
}

/* Runs of 40 cells until --cells were judged. */
static enum exit_code resample(const struct options *options, double change, struct fault *fault)
{
    enum { RUN = 40 };
    const struct replay replay = {.tolerance = options->tolerance, .inject = 1 + change};
    struct rounds recorded;
    struct lab_counts counts = {.change = change};
    uint64_t random = (uint64_t)options->seed;
    if (!load_all(&options->operands, &recorded, fault))
        return fault->code;
    bool ok = recorded.n > 0 || fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "%s: no rounds", options->operands.items[1]);
    while (ok && counts.cells < (size_t)options->cells)
        ok = count_run(&replay, &recorded, RUN, options->verbose, &random, &counts) || fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    rounds_clear(&recorded);
    lab_print(&counts, options->json);
    return ok ? EXIT_CODE_PASS : fault->code;
}

static enum exit_code lab_null(const struct options *options, struct fault *fault)
{
    return is_recording(options) ? resample(options, 0, fault) : lab_live(options, 0, false, fault);
}

static enum exit_code lab_power(const struct options *options, struct fault *fault)
{
    double change;
    char *end;
    change = strtod(options->change, &end);
    if (!*options->change || *end || !(change > -0.9) || !(change < 10) || change == 0) {
        fault_set(fault, EXIT_CODE_USAGE, "--change: expected a share of time like 0.10 or -0.10, found '%s'", options->change);
        return fault->code;
    }
    return is_recording(options) ? resample(options, change, fault) : lab_live(options, change, false, fault);
}

static enum exit_code lab_record(const struct options *options, struct fault *fault)
{
    if (!options->out) {
        fault_set(fault, EXIT_CODE_USAGE, "lab record: expected --out FILE.csv");
        return fault->code;
    }
    return lab_live(options, 0, true, fault);
}

static const struct mode {
    const char *name;
    enum exit_code (*body)(const struct options *, struct fault *);
} modes[] = {
    {"null", lab_null}, {"power", lab_power}, {"record", lab_record}, {"replay", lab_replay}, {"table", lab_table},
};

enum exit_code command_lab(const struct options *options, struct fault *fault)
{
    const char *name = options->operands.n ? options->operands.items[0] : "";
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0)
            return modes[i].body(options, fault);
    fault_set(fault, EXIT_CODE_USAGE, "lab: expected null, power, record, replay or table, found '%s'", name);
    return fault->code;
}
