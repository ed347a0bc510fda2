/* SPDX-License-Identifier: Apache-2.0
 *
 * ternmark baseline show|record|check|accept: what this machine is held against.
 */
#include "cli.h"
#include "command/request.h"
#include "contest/judge.h"
#include "contest/baseline.h"
#include "contest/bout.h"
#include "contest/contest.h"
#include "contest/levels.h"
#include "contest/offsets.h"
#include "contest/process.h"
#include "contest/tree.h"
#include "measure/interrupt.h"
#include "measure/record.h"
#include "measure/session.h"
#include "measure/top.h"
#include "probe/fitness.h"
#include "probe/host.h"
#include "store/runfile.h"
#include "text.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char folder[] = "baselines";
static const char latest[] = "reports/out/gate.json";
enum { RECORDED_RUNS = 5, OFFSET_GENERATIONS = 6, OFFSET_ROUNDS = 12 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static char *key_here(void)
{
    json_t *hardware = host_hardware();
    char *key = strdup(text_of(hardware, "key"));
    json_decref(hardware);
    return key;
}

/* ---- show */

static double spread_of_runs(const json_t *cell)
{
    double low = INFINITY, high = -INFINITY;
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(cell, "runs"), i, run) {
        double level = levels_of_run(run, NULL);
        low = isfinite(level) ? fmin(low, level) : low;
        high = isfinite(level) ? fmax(high, level) : high;
    }
    return high >= low ? expm1(high - low) : 0;
}

static void print_baseline(const json_t *all)
{
    size_t i;
    json_t *cell, *one;
    printf("hardware %s, anchor of %s at %s\n", text_of(json_object_get(all, "hardware"), "key"), text_of(json_object_get(all, "anchor"), "date"),
           text_of(json_object_get(all, "anchor"), "commit"));
    printf("%5s %12s %8s  cell\n", "runs", "median ns", "range");
    json_array_foreach(json_object_get(all, "cells"), i, cell) {
        printf("%5zu %12.4g %7.1f%%  ", json_array_size(json_object_get(cell, "runs")),
               json_number_value(json_object_get(json_object_get(cell, "summary"), "median")), 100 * spread_of_runs(cell));
        text_print(stdout, text_of(cell, "id"));
        putchar('\n');
    }
    json_array_foreach(json_object_get(all, "accepted"), i, one) {
        printf("accepted %s by ", text_of(one, "when"));
        text_print(stdout, text_of(one, "who"));
        fputs(": ", stdout);
        text_print(stdout, text_of(one, "cell"));
        fputs(": ", stdout);
        text_print(stdout, text_of(one, "reason"));
        putchar('\n');
    }
}

static enum exit_code baseline_show(const struct options *options, struct fault *fault)
{
    char *key = key_here();
    json_t *all = baseline_load(folder, key, fault);
    if (!all && fault->code == EXIT_CODE_PASS)
        fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "there is no baseline for %s: record one with: ternmark baseline record", key);
    if (all && options->json) {
        json_dumpf(all, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
        putchar('\n');
    } else if (all)
        print_baseline(all);
    enum exit_code code = all ? EXIT_CODE_PASS : fault->code;
    json_decref(all);
    free(key);
    return code;
}

/* ---- check */

static int is_key_folder(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum exit_code baseline_check(const struct options *options, struct fault *fault)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_key_folder, alphasort), found = 0;
    enum exit_code code = EXIT_CODE_PASS;
    (void)options;
    for (int i = 0; i < n; i++) {
        struct fault one = {0};
        json_t *all = baseline_load(folder, entries[i]->d_name, &one);
        if (all)
            printf("%s: %zu cells\n", entries[i]->d_name, json_array_size(json_object_get(all, "cells")));
        if (one.code != EXIT_CODE_PASS) {
            *fault = one;
            code = exit_worst(code, one.code);
        }
        found += all != NULL;
        json_decref(all);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    if (!found && code == EXIT_CODE_PASS) {
        fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "%s: there is no baseline", folder);
        code = fault->code;
    }
    return code;
}

/* ---- record */

struct recording {
    struct plan_request request;
    json_t *plan;
    json_t *runs[RECORDED_RUNS];
    json_t *offsets;   /* cell id → metrics of contest/offsets.h */
};

/* One run of the main job's cells: a top object of kind "run" with its cells. */
static json_t *record_run(const struct recording *recording, const struct options *options, unsigned number, struct fault *fault)
{
    struct fitness_snapshot before = fitness_take();
    json_t *arguments = json_array(), *top = top_new("run", arguments), *generations = json_object(), *cells = json_array(), *planned;
    struct sampling sampling = sampling_default();
    sampling.generations = 2;
    struct session session = {.request = &recording->request, .sampling = sampling, .cells = recording->plan, .generations = generations,
                              .seed = (uint64_t)options->seed + number};
    struct record_run common = {text_of(top, "run_id"), options->tolerance, sampling.generations};
    bool ok = session_run(&session, fault);
    size_t i;
    json_array_foreach(recording->plan, i, planned)
        json_array_append_new(cells, record_cell(planned, json_object_get(generations, text_of(planned, "id")), &common));
    struct fitness_snapshot after = fitness_take();
    json_t *reasons = json_array();
    json_object_set_new(top, "fitness", json_pack("{s:b,s:o}", "fit", fitness_judge(&before, &after, reasons, NULL), "reasons", reasons));
    top_find_card(top, generations);
    json_object_set_new(top, "cells", cells);
    json_object_set_new(top, "complete", json_true());
    json_decref(arguments);
    json_decref(generations);
    if (ok)
        return top;
    json_decref(top);
    return NULL;
}

static bool measure_runs(struct recording *recording, const struct options *options, struct fault *fault)
{
    for (unsigned r = 0; r < RECORDED_RUNS; r++) {
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r\033[Krun %u of %d", r + 1, RECORDED_RUNS);
        recording->runs[r] = record_run(recording, options, r, fault);
        if (!recording->runs[r])
            return false;
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    return true;
}

/* The plan's cells that were measured in every run. */
static json_t *measured_cells(const struct recording *recording)
{
    json_t *cells = json_array(), *planned;
    size_t i;
    json_array_foreach(recording->plan, i, planned) {
        const json_t *cell = judge_find(recording->runs[RECORDED_RUNS - 1], text_of(planned, "id"));
        if (strcmp(text_of(cell, "status"), "ok") == 0)
            json_array_append(cells, planned);
    }
    return cells;
}

/* Identical builds in lanes: what processes differ by, for the gate's decisions on this hardware (contest/offsets.h). */
static bool measure_offsets(struct recording *recording, const struct options *options, struct fault *fault)
{
    json_t *cells = measured_cells(recording);
    size_t n = json_array_size(cells);
    struct contest_cell *results = NULL;
    struct contest contest = {.cells = cells, .tolerance = options->tolerance, .n_tests = n, .seed = (uint64_t)options->seed,
                              .fixed_generations = OFFSET_GENERATIONS, .fixed_rounds = OFFSET_ROUNDS, .progress = isatty(STDERR_FILENO) ? stderr : NULL};
    for (size_t i = 0; i < N_LANES; i++)
        contest.starts[i] = recording->request.worker;
    bool ok = n == 0 || contest_run(&contest, &results, fault);
    recording->offsets = json_object();
    for (size_t i = 0; ok && i < n; i++) {
        struct spread_cell cell;
        json_t *metrics = json_object();
        if (!results[i].is_lost && decide_cell(results[i].decide, &cell))
            offsets_put(metrics, &cell);
        json_object_set_new(recording->offsets, text_of(results[i].planned, "id"), metrics);
    }
    contest_clear(results, n);
    json_decref(cells);
    return ok;
}

/* The new offsets of each cell, before those that the old baseline holds of it. */
static void add_offsets(const struct recording *recording, json_t *made, const json_t *old)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(made, "cells"), i, cell) {
        const json_t *before = old ? judge_find(old, text_of(cell, "id")) : NULL;
        json_t *metrics = json_copy(json_object_get(cell, "metrics"));
        offsets_join(metrics, json_object_get(recording->offsets, text_of(cell, "id")), json_object_get(before, "metrics"));
        json_object_set_new(cell, "metrics", metrics);
    }
}

/* Cells that were not asked for stay as they were recorded. */
static void keep_others(json_t *made, const json_t *old)
{
    json_t *cells = json_object_get(made, "cells"), *cell;
    size_t i;
    json_array_foreach(json_object_get(old, "cells"), i, cell)
        if (!judge_find(made, text_of(cell, "id")))
            json_array_append(cells, cell);
}

/* A file per suite; prints each. */
static bool save_suites(const struct recording *recording, const struct options *options, struct fault *fault)
{
    json_t *seen = json_object(), *cell;
    const json_t *last = recording->runs[RECORDED_RUNS - 1];
    const char *key = text_of(json_object_get(last, "hardware"), "key");
    size_t i;
    bool ok = true, are_named = options->operands.n > 1;
    json_array_foreach(json_object_get(last, "cells"), i, cell) {
        const char *suite = text_of(cell, "suite");
        if (!ok || strcmp(text_of(cell, "status"), "ok") != 0 || json_object_get(seen, suite))
            continue;
        json_object_set_new(seen, suite, json_true());
        char *path = baseline_path(folder, key, suite);
        json_t *old = access(path, F_OK) == 0 ? runfile_load(path, fault) : NULL;
        ok = access(path, F_OK) != 0 || old;
        json_t *made = ok ? baseline_make(suite, recording->runs, RECORDED_RUNS, old) : NULL;
        if (made)
            add_offsets(recording, made, old);
        if (made && old && are_named)
            keep_others(made, old);
        ok = ok && baseline_save(folder, suite, made, fault);
        if (ok)
            printf("%s: %zu cells, %d runs\n", path, json_array_size(json_object_get(made, "cells")), RECORDED_RUNS);
        json_decref(made);
        json_decref(old);
        free(path);
    }
    if (ok && json_object_size(seen) == 0)
        ok = fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "no cell was measured: nothing to record");
    json_decref(seen);
    return ok;
}

/* Operands are cells here: each becomes part of the filter's place by exact id. */
static bool choose_cells(json_t *plan, const struct options *options, struct fault *fault)
{
    size_t i;
    json_t *cell;
    size_t found = 0;
    json_array_foreach(plan, i, cell) {
        bool wanted = options->operands.n == 1 && json_is_true(json_object_get(cell, "main"));
        for (size_t k = 1; k < options->operands.n; k++)
            wanted |= strcmp(options->operands.items[k], text_of(cell, "id")) == 0;
        json_object_set_new(cell, "selected", json_boolean(wanted));
        found += wanted;
    }
    return found > 0 || fault_set(fault, options->operands.n > 1 ? EXIT_CODE_USAGE : EXIT_CODE_CANNOT_JUDGE, "no such cell among the suites'");
}

static enum exit_code baseline_record(const struct options *options, struct fault *fault)
{
    struct recording recording = {0};
    char root[4096];
    struct tree here;
    struct options plain = *options;
    plain.operands.n = 0;
    interrupt_install();
    tree_find_root(root, sizeof root);
    if (chdir(root) != 0 || !tree_open_here(root, &here, fault))
        return fault->code ? fault->code : EXIT_CODE_USAGE;
    json_t *artifacts = tree_artifacts(&here, fault);
    const char *suites[1] = {here.project.suites};
    size_t n = json_array_size(artifacts);
    const char **list = calloc(n + 1, sizeof *list);
    for (size_t i = 0; list && i < n; i++)
        list[i] = json_string_value(json_array_get(artifacts, i));
    recording.request = request_of(&plain);
    recording.request.suites = suites;
    recording.request.n_suites = 1;
    recording.request.worker.artifacts = list;
    recording.request.worker.n_artifacts = n;
    bool ok = artifacts && list && (recording.plan = plan_collect(&recording.request, fault)) &&
              bout_select(recording.plan, &recording.request, NULL, fault) && choose_cells(recording.plan, options, fault) &&
              measure_runs(&recording, options, fault) && measure_offsets(&recording, options, fault) && save_suites(&recording, options, fault);
    for (size_t i = 0; i < RECORDED_RUNS; i++)
        json_decref(recording.runs[i]);
    json_decref(recording.offsets);
    json_decref(recording.plan);
    json_decref(artifacts);
    free(list);
    tree_close(&here);
    return ok ? EXIT_CODE_PASS : fault->code;
}

/* ---- accept */

static void find_author(char *who, size_t size)
{
    if (process_capture((const char *const[]){"git", "config", "user.email", NULL}, NULL, who, size) != 0 || !*who)
        snprintf(who, size, "%s", getenv("USER") ? getenv("USER") : "unknown");
}

static bool accept_one(const struct options *options, const json_t *result, const char *id, const char *who, struct fault *fault)
{
    const json_t *cell = judge_find(result, id);
    if (!cell || strcmp(text_of(cell, "status"), "ok") != 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s has no measured cell '%s'", latest, id);
    char *path = baseline_path(folder, text_of(json_object_get(result, "hardware"), "key"), text_of(cell, "suite"));
    if (access(path, F_OK) != 0) {
        fault_set(fault, EXIT_CODE_USAGE, "there is no baseline %s to accept into: record one first", path);
        free(path);
        return false;
    }
    json_t *baseline = runfile_load(path, fault);
    bool ok = baseline && (baseline_accept(baseline, cell, options->metric, options->reason, who, text_of(json_object_get(result, "git"), "commit")) ||
                           fault_set(fault, EXIT_CODE_USAGE, "%s: no cell '%s'", path, id)) &&
              baseline_save(folder, text_of(cell, "suite"), baseline, fault);
    if (ok)
        printf("%s: %s accepted\n", path, id);
    json_decref(baseline);
    free(path);
    return ok;
}

static enum exit_code baseline_accept_cells(const struct options *options, struct fault *fault)
{
    char who[200], root[4096];
    if (!options->reason || !*options->reason || options->operands.n < 2) {
        fault_set(fault, EXIT_CODE_USAGE, "baseline accept: expected cells and --reason TEXT: a baseline moves for a reason, cell by cell");
        return fault->code;
    }
    tree_find_root(root, sizeof root);
    if (chdir(root) != 0)
        return EXIT_CODE_USAGE;
    json_t *result = runfile_load(latest, fault);
    find_author(who, sizeof who);
    bool ok = result != NULL;
    for (size_t i = 1; ok && i < options->operands.n; i++)
        ok = accept_one(options, result, options->operands.items[i], who, fault);
    json_decref(result);
    return ok ? EXIT_CODE_PASS : fault->code;
}

static const struct mode {
    const char *name;
    enum exit_code (*body)(const struct options *, struct fault *);
} modes[] = {{"show", baseline_show}, {"record", baseline_record}, {"check", baseline_check}, {"accept", baseline_accept_cells}};

enum exit_code command_baseline(const struct options *options, struct fault *fault)
{
    const char *name = options->operands.n ? options->operands.items[0] : "";
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, name) == 0)
            return modes[i].body(options, fault);
    fault_set(fault, EXIT_CODE_USAGE, "baseline: expected show, record, check or accept, found '%s'", name);
    return fault->code;
}
