/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "command/progress.h"
#include "command/request.h"
#include "command/resume.h"
#include "command/watch.h"
#include "contest/count.h"
#include "contest/judge.h"
#include "measure/interrupt.h"
#include "measure/record.h"
#include "measure/session.h"
#include "measure/top.h"
#include "probe/fitness.h"
#include "report/formats.h"
#include "report/table.h"
#include "store/durable.h"
#include "store/journal.h"
#include "store/runfile.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_out[] = "reports/out/run.json";

struct run {
    struct options options;  /* a copy: --resume overwrites some */
    struct resume state;
    struct journal *journal;
    struct progress progress;
    json_t *cells;  /* the plan */
    struct sampling sampling;
    struct fitness_snapshot before;
};

/* ---- where the result goes */

static void name_default(struct run *run)
{
    run->state.out = strdup(run->options.out ? run->options.out : default_out);
    if (asprintf(&run->state.journal, "%s.journal", run->state.out) < 0)
        abort();
    if (!run->options.out) {
        mkdir("reports", 0777);
        mkdir("reports/out", 0777);
    }
}

/* An earlier run's journal holds what was measured: it is kept beside, not replaced. */
static void keep_old_journal(const char *path)
{
    char *kept = NULL;
    if (access(path, F_OK) != 0 || asprintf(&kept, "%s.kept", path) < 0)
        return;
    if (rename(path, kept) == 0)
        fprintf(stderr, "ternmark: the journal of an earlier run that did not end is kept as %s\n", kept);
    free(kept);
}

static bool open_files(struct run *run, struct fault *fault)
{
    if (!durable_check(run->state.out, fault))
        return false;
    for (size_t i = 0; i < run->options.format.n; i++)
        if (!formats_check(run->options.format.items[i], fault))
            return false;
    if (run->state.top) {
        run->journal = journal_open(run->state.journal, NULL, fault);
        return run->journal != NULL;
    }
    json_t *arguments = resume_arguments(&run->options);
    run->state.top = top_new("run", arguments);
    json_decref(arguments);
    keep_old_journal(run->state.journal);
    json_t *line = json_copy(run->state.top);
    json_object_del(line, "cells");
    run->journal = journal_open(run->state.journal, line, fault);
    json_decref(line);
    return run->journal != NULL;
}

/* ---- measuring */

static json_t *find_cell(const struct run *run, const char *id)
{
    size_t i;
    json_t *cell;
    json_array_foreach(run->cells, i, cell)
        if (strcmp(json_string_value(json_object_get(cell, "id")), id) == 0)
            return cell;
    return NULL;
}

/* The samples in the order taken: the time of each that was kept, why each other was not. */
static void print_samples(const json_t *generation)
{
    const json_t *kept = json_object_get(generation, "samples_ns"), *dropped = json_object_get(generation, "dropped");
    size_t n = json_array_size(kept) + json_array_size(dropped), d = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *lost = json_array_get(dropped, d);
        if (lost && (size_t)json_integer_value(json_array_get(lost, 0)) == i) {
            fprintf(stderr, " (%s)", json_string_value(json_array_get(lost, 1)));
            d++;
        } else
            fprintf(stderr, " %.5g", json_number_value(json_array_get(kept, i - d)));
    }
}

/* --verbose: what became of each sample of a generation. */
static void print_fate(const char *id, const json_t *generation)
{
    const char *failed = json_string_value(json_object_get(generation, "failed")), *unfit = json_string_value(json_object_get(generation, "unfit"));
    text_print(stderr, id);
    fprintf(stderr, "  generation %d: ", (int)json_integer_value(json_object_get(generation, "number")));
    if (failed || unfit)
        text_print(stderr, failed ? failed : unfit);
    else
        fprintf(stderr, "%lld iterations a sample, %zu kept, %zu dropped, ns:", (long long)json_integer_value(json_object_get(generation, "iterations")),
                json_array_size(json_object_get(generation, "samples_ns")), json_array_size(json_object_get(generation, "dropped")));
    print_samples(generation);
    fputc('\n', stderr);
}

static bool on_finished(void *context, const char *id, const json_t *generation, struct fault *fault)
{
    struct run *run = context;
    const json_t *cell = find_cell(run, id);
    json_object_set((json_t *)(uintptr_t)generation, "plan_hash", json_object_get(cell, "workload_hash"));
    if (run->options.verbose) {
        progress_clear(&run->progress);
        print_fate(id, generation);
    }
    json_t *line = json_pack("{s:s,s:O}", "cell", id, "generation", (json_t *)(uintptr_t)generation);
    bool ok = journal_append(run->journal, line, fault);
    json_decref(line);
    return ok;
}

static void on_progress(void *context, const char *id, size_t done, size_t all)
{
    struct run *run = context;
    progress_show(&run->progress, id, done, all);
}

static size_t count_selected(const json_t *cells)
{
    size_t n = 0, i;
    json_t *cell;
    json_array_foreach(cells, i, cell)
        n += !record_is_done(cell, NULL, 1);
    return n;
}

static bool measure(struct run *run, struct fault *fault)
{
    struct plan_request request = request_of(&run->options);
    struct clock_quality clock = clock_measure();
    struct sampling sampling = sampling_default();
    if (clock.resolution_ns > 1e6)
        return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "the clock has steps of %.3g ms: nothing can be measured with it", clock.resolution_ns / 1e6);
    if (run->options.budget > 0)
        sampling = sampling_for_budget(run->options.budget, count_selected(run->cells), &clock);
    if (sampling.sample_ns < sampling_floor_ns(&clock))
        sampling.sample_ns = sampling_floor_ns(&clock);
    if (!run->state.generations)
        run->state.generations = json_object();
    resume_keep_planned(&run->state, run->cells);
    run->sampling = sampling;
    struct session session = {.request = &request, .sampling = sampling, .cells = run->cells, .generations = run->state.generations,
                              .seed = (uint64_t)run->options.seed, .budget_ns = run->options.budget, .finished = on_finished, .progress = on_progress, .context = run};
    bool ok = session_run(&session, fault);
    progress_clear(&run->progress);
    return ok;
}

/* ---- the result */

static json_t *result_cells(const struct run *run)
{
    struct record_run common = {.run_id = json_string_value(json_object_get(run->state.top, "run_id")),
                                .tolerance = run->options.tolerance,
                                .generations = run->sampling.generations};
    json_t *cells = json_array(), *planned;
    size_t i;
    json_array_foreach(run->cells, i, planned) {
        json_t *generations = json_object_get(run->state.generations, json_string_value(json_object_get(planned, "id")));
        json_t *cell = record_cell(planned, generations, &common);
        record_targets(planned, cell);
        json_array_append_new(cells, cell);
    }
    record_compare(run->cells, cells);
    return cells;
}

/* --count, --simulate: after the times were taken, so that nothing of it runs beside them. */
static bool count_cells(const struct run *run, json_t *cells, struct fault *fault)
{
    struct plan_request request = request_of(&run->options);
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell) {
        const struct count_request asked = {run->options.count, run->options.simulate, json_array_get(run->cells, i), cell, &request.worker};
        if (!(asked.count || asked.simulate) || strcmp(json_string_value(json_object_get(cell, "status")), "ok") != 0)
            continue;
        json_t *answer = count_cell(&asked, fault);
        if (!answer)
            return false;
        count_put(&asked, answer, json_object_get(cell, "metrics"));
        json_decref(answer);
    }
    return true;
}

static void print_result(const json_t *top, bool as_json)
{
    if (!as_json) {
        table_print(stdout, top);
        return;
    }
    json_dumpf(top, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
    putchar('\n');
}

/* What happened to the machine meanwhile. Notes stand among the reasons; only reasons make it unfit. */
static bool set_fitness(const struct run *run)
{
    struct fitness_snapshot now = fitness_take();
    json_t *reasons = json_array(), *notes = json_array();
    bool fit = fitness_judge(&run->before, &now, reasons, notes);
    json_array_extend(reasons, notes);
    json_decref(notes);
    json_object_set_new(run->state.top, "fitness", json_pack("{s:b,s:o}", "fit", fit, "reasons", reasons));
    return fit;
}

static enum exit_code finish(struct run *run, enum exit_code ended, struct fault *fault)
{
    json_t *top = run->state.top, *cells = result_cells(run);
    bool fit = set_fitness(run);
    if (ended == EXIT_CODE_PASS && !count_cells(run, cells, fault))
        ended = fault->code;
    bool complete = ended == EXIT_CODE_PASS;
    enum exit_code code = complete ? judge_cells(cells, &(struct judge_rule){0}) : ended;
    if (!fit)
        code = exit_worst(code, EXIT_CODE_CANNOT_JUDGE);
    top_find_card(top, run->state.generations);
    json_object_set_new(top, "cells", cells);
    json_object_set_new(top, "complete", json_boolean(complete));
    json_object_set_new(top, "exit", json_integer(code));
    struct fault saving = {0};
    if (!runfile_save(run->state.out, top, &saving)) {
        *fault = saving;
        return exit_worst(code, saving.code);
    }
    for (size_t i = 0; i < run->options.format.n; i++)
        if (!formats_write(top, run->options.format.items[i], &saving)) {
            *fault = saving;
            code = exit_worst(code, saving.code);
        }
    print_result(top, run->options.json);
    if (complete)
        unlink(run->state.journal);
    fprintf(stderr, "%s: %s%s\n", complete ? "result" : "incomplete result", run->state.out,
            complete ? "" : " (go on with --resume)");
    return code;
}

static enum exit_code run_all(struct run *run, struct fault *fault)
{
    if (!request_check(&run->options, fault) || !(run->options.resume ? resume_load(&run->state, &run->options, fault) : (name_default(run), true)))
        return fault->code;
    struct plan_request request = request_of(&run->options);
    run->cells = plan_collect(&request, fault);
    if (!run->cells || !open_files(run, fault))
        return fault->code;
    run->before = fitness_take();
    bool ok = measure(run, fault);
    return finish(run, ok ? EXIT_CODE_PASS : fault->code, fault);
}

static enum exit_code run_once(const struct options *options, struct fault *fault)
{
    struct run run = {.options = *options};
    struct text_list none = {0};
    if (options->resume)
        run.options.operands = run.options.set = run.options.artifact = none;  /* the journal's take their place */
    enum exit_code code = run_all(&run, fault);
    journal_close(run.journal);
    if (options->resume) {
        free(run.options.operands.items);
        free(run.options.set.items);
        free(run.options.artifact.items);
    }
    json_decref(run.cells);
    resume_clear(&run.state);
    return code;
}

/* After a run: waits until one of its suites is saved and runs that one's cells again, until Ctrl-C. */
static enum exit_code run_watching(const struct options *options, enum exit_code code, struct fault *fault)
{
    struct plan_request request = request_of(options);
    json_t *paths = plan_suites(&request, fault);
    const char *saved;
    if (fault->text[0])
        fprintf(stderr, "ternmark: %s\n", fault->text);
    *fault = (struct fault){0};
    while (paths && (saved = watch_wait(paths, fault))) {
        struct options one = *options;
        one.operands = (struct text_list){&saved, 1};
        code = run_once(&one, fault);
        if (fault->text[0])
            fprintf(stderr, "ternmark: %s\n", fault->text);
        *fault = (struct fault){0};
    }
    json_decref(paths);
    return interrupt_asked() ? EXIT_CODE_INTERRUPTED : code;
}

static enum exit_code run_suites(const struct options *options, struct fault *fault)
{
    interrupt_install();
    enum exit_code code = run_once(options, fault);
    return options->watch && !options->resume && !interrupt_asked() ? run_watching(options, code, fault) : code;
}

enum exit_code command_run(const struct options *options, struct fault *fault)
{
    return options->resume ? run_suites(options, fault) : request_with_project(options, run_suites, fault);
}
