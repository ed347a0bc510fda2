/* SPDX-License-Identifier: Apache-2.0
 *
 * ternmark gate: is this tree slower than its base?
 */
#include "cli.h"
#include "command/request.h"
#include "contest/baseline.h"
#include "contest/bout.h"
#include "contest/judge.h"
#include "contest/levels.h"
#include "contest/offsets.h"
#include "contest/process.h"
#include "contest/tree.h"
#include "measure/interrupt.h"
#include "measure/top.h"
#include "probe/fitness.h"
#include "report/formats.h"
#include "report/html.h"
#include "report/table.h"
#include "store/durable.h"
#include "store/runfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum side_kind { SIDE_HERE, SIDE_COMMIT, SIDE_ARTIFACT, SIDE_RUN, SIDE_NONE };

struct side {
    enum side_kind kind;
    struct tree tree;
    const char *text;      /* as given on the command line */
    json_t *artifacts;     /* "NAME=PATH" */
};

struct gate {
    struct options options;
    char root[4096];
    struct side base, head;
    char *suites;           /* head's, absolute */
    json_t *notes, *top;
    json_t *stored;         /* what head is held against beside the paired base; NULL: nothing */
    json_t *history;        /* this hardware's baseline, for what processes of one build differ by; NULL: none */
    char *out;
    bool crowded;           /* others used the processors meanwhile */
};

/* ---- the two sides */

static bool is_artifact(const char *text)
{
    const char *equals = text ? strchr(text, '=') : NULL;
    return equals && equals > text && equals[1];
}

static bool is_run_file(const char *text)
{
    size_t n = text ? strlen(text) : 0;
    return n > 5 && strcmp(text + n - 5, ".json") == 0;
}

static void note(struct gate *gate, const char *text)
{
    json_array_append_new(gate->notes, json_string(text));
}

/* Puts NAME=PATH (absolute) into a list, in place of an entry of that name. */
static bool put_artifact(json_t *list, const char *text, const char *option, struct fault *fault)
{
    size_t n = (size_t)(strchr(text, '=') - text) + 1, i;
    char path[4096];
    json_t *one;
    if (!realpath(text + n, path))
        return fault_set(fault, EXIT_CODE_USAGE, "%s %s: %s", option, text, strerror(errno));
    json_array_foreach(list, i, one)
        if (strncmp(json_string_value(one), text, n) == 0) {
            json_array_remove(list, i);
            break;
        }
    json_array_append_new(list, json_sprintf("%.*s%s", (int)n, text, path));
    return true;
}

/* Artifacts of the tree we stand in that are there already: nothing is built when files are compared with files. */
static bool artifacts_as_they_are(struct gate *gate, struct side *side, struct fault *fault)
{
    const char *name;
    json_t *file;
    if (!side->tree.project.artifacts && !project_load(gate->root, &side->tree.project, fault))
        return false;
    snprintf(side->tree.root, sizeof side->tree.root, "%s", gate->root);
    side->artifacts = json_array();
    json_object_foreach(side->tree.project.artifacts, name, file) {
        char path[8200];
        snprintf(path, sizeof path, "%s/%s", gate->root, json_string_value(file));
        if (access(path, R_OK) == 0)
            json_array_append_new(side->artifacts, json_sprintf("%s=%s", name, path));
    }
    return true;
}

static bool add_given(struct gate *gate, struct side *side, const char *option, struct fault *fault)
{
    const struct text_list *given = &gate->options.artifact;
    for (size_t i = 0; i < given->n; i++)
        if (!put_artifact(side->artifacts, given->items[i], "--artifact", fault))
            return false;
    return side->kind != SIDE_ARTIFACT || put_artifact(side->artifacts, side->text, option, fault);
}

static bool open_head(struct gate *gate, struct fault *fault)
{
    struct side *head = &gate->head;
    bool files_only = gate->base.kind == SIDE_ARTIFACT || head->kind == SIDE_ARTIFACT;
    char commit[65];
    if (head->kind == SIDE_COMMIT) {
        struct project here;
        if (!project_load(gate->root, &here, fault))
            return false;
        bool ok = tree_find_base(gate->root, head->text, commit, fault) && tree_open_commit(gate->root, commit, &here, &head->tree, fault);
        project_clear(&here);
        if (!ok)
            fault->code = EXIT_CODE_USAGE;  /* a head that does not build is its author's */
        head->artifacts = ok ? tree_artifacts(&head->tree, fault) : NULL;
    } else if (files_only)
        return artifacts_as_they_are(gate, head, fault);
    else if (tree_open_here(gate->root, &head->tree, fault))
        head->artifacts = tree_artifacts(&head->tree, fault);
    return head->artifacts != NULL;
}

static bool open_base(struct gate *gate, struct fault *fault)
{
    struct side *base = &gate->base;
    char commit[65];
    if (base->kind == SIDE_RUN)
        return true;
    if (base->kind == SIDE_ARTIFACT) {
        base->artifacts = json_copy(gate->head.artifacts);
        return true;
    }
    if (!tree_find_base(gate->root, base->text, commit, fault)) {
        base->kind = SIDE_NONE;
        return fault->code == EXIT_CODE_PASS;
    }
    base->kind = SIDE_COMMIT;
    if (!tree_open_commit(gate->root, commit, &gate->head.tree.project, &base->tree, fault))
        return false;
    base->artifacts = tree_artifacts(&base->tree, fault);
    return base->artifacts != NULL;
}

static const char *path_of(const json_t *artifacts, const char *name)
{
    size_t i, n = strlen(name);
    json_t *one;
    json_array_foreach(artifacts, i, one)
        if (strncmp(json_string_value(one), name, n) == 0 && json_string_value(one)[n] == '=')
            return json_string_value(one) + n + 1;
    return NULL;
}

/* The engine's CUDA half, which not every machine builds, is an artifact of its own wherever it lies beside the engine. */
static void add_cuda_half(json_t *artifacts)
{
    const char *engine = path_of(artifacts, "tern"), *slash = engine ? strrchr(engine, '/') : NULL;
    char path[4200];
    if (!slash || path_of(artifacts, "tern_cuda"))
        return;
    snprintf(path, sizeof path, "%.*s/libtern_cuda.so", (int)(slash - engine), engine);
    if (access(path, R_OK) == 0)
        json_array_append_new(artifacts, json_sprintf("tern_cuda=%s", path));
}

/* A side that has none takes the other's: two builds of the engine alone are compared on the same kernels. */
static void share_cuda_half(const json_t *from, json_t *to)
{
    const char *path = path_of(from, "tern_cuda");
    if (path && to && !path_of(to, "tern_cuda"))
        json_array_append_new(to, json_sprintf("tern_cuda=%s", path));
}

/* Head NAME=PATH replaces its file only after base took over head's others. */
static bool open_sides(struct gate *gate, struct fault *fault)
{
    bool ok = open_head(gate, fault) && open_base(gate, fault) && add_given(gate, &gate->head, "--head", fault) &&
              (!gate->base.artifacts || add_given(gate, &gate->base, "--base", fault));
    if (!ok)
        return false;
    add_cuda_half(gate->head.artifacts);
    add_cuda_half(gate->base.artifacts);
    share_cuda_half(gate->head.artifacts, gate->base.artifacts);
    share_cuda_half(gate->base.artifacts, gate->head.artifacts);
    return true;
}

/* ---- plans */

static json_t *plan_of(struct gate *gate, const struct side *side, const char *suites, struct plan_request *request, struct fault *fault)
{
    size_t n = json_array_size(side->artifacts);
    const char **artifacts = calloc(n + 1, sizeof *artifacts);
    if (!artifacts)
        return NULL;
    for (size_t i = 0; i < n; i++)
        artifacts[i] = json_string_value(json_array_get(side->artifacts, i));
    *request = request_of(&gate->options);
    request->worker.artifacts = artifacts;  /* lives as long as the process: workers are started from it */
    request->worker.n_artifacts = n;
    if (suites) {
        const char **only = calloc(1, sizeof *only);
        if (!only)
            return NULL;
        only[0] = suites;
        request->suites = only;
        request->n_suites = 1;
    }
    return plan_collect(request, fault);
}

/* The base's own list: its suites on its build. A base that cannot list is nothing to compare with. */
static bool plan_base(struct gate *gate, struct bout *bout, struct fault *fault)
{
    char suites[8300];
    struct plan_request request;
    struct fault wrong = {0};
    if (gate->base.kind != SIDE_COMMIT)
        return true;
    snprintf(suites, sizeof suites, "%s/%s", gate->base.tree.root, gate->base.tree.project.suites);
    if (gate->options.operands.n || access(suites, F_OK) != 0) {
        note(gate, gate->options.operands.n ? "suites were named: what base lists is not compared" : "the base has no suites: every cell is taken as known");
        return true;
    }
    bout->base_plan = plan_of(gate, &gate->base, suites, &request, &wrong);
    if (!bout->base_plan)
        return fault_set(fault, wrong.code == EXIT_CODE_INTERRUPTED ? wrong.code : EXIT_CODE_CANNOT_JUDGE, "the base cannot list its cells: %s; its build's log is %s.log",
                         wrong.text, gate->base.tree.root);
    struct select_rule none = {0};
    struct plan_request selection = bout->request;
    if (!bout_select(bout->base_plan, &selection, NULL, &wrong)) {
        selection.select = none;  /* an axis that base does not have */
        return bout_select(bout->base_plan, &selection, NULL, fault);
    }
    return true;
}

static bool make_plans(struct gate *gate, struct bout *bout, struct fault *fault)
{
    const char *suites = gate->options.operands.n ? NULL : gate->suites;
    bout->plan = plan_of(gate, &gate->head, suites, &bout->request, fault);
    return bout->plan && bout_select(bout->plan, &bout->request, gate->notes, fault) && plan_base(gate, bout, fault);
}

/* ---- stored results */

static const char *key_of(const struct gate *gate)
{
    return json_string_value(json_object_get(json_object_get(gate->top, "hardware"), "key"));
}

/* Says which baselines of other machines there are, when there is none of this one. */
static void note_other_keys(struct gate *gate, const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' && gate->options.stored)
            json_array_append_new(gate->notes, json_sprintf("there is a baseline of other hardware: %s; here is %s", entries[i]->d_name, key_of(gate)));
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/*
 * Loads what head is held against: the run file of --base, or the baseline of this hardware as the base's tree has it, so that a
 * change cannot bring the baseline it is judged by. EXIT_CODE_INVALID: a broken file.
 */
static bool load_stored(struct gate *gate, struct fault *fault)
{
    char folder[4200];
    if (gate->base.kind == SIDE_RUN) {
        gate->stored = runfile_load(gate->base.text, fault);
        return gate->stored != NULL;
    }
    snprintf(folder, sizeof folder, "%s/baselines", gate->base.kind == SIDE_COMMIT ? gate->base.tree.root : gate->root);
    gate->history = baseline_load(folder, key_of(gate), fault);
    if (gate->options.paired) {
        *fault = (struct fault){0};  /* not judged against it: a broken one is as good as none */
        return true;
    }
    gate->stored = json_incref(gate->history);
    if (fault->code != EXIT_CODE_PASS)
        return false;
    if (!gate->stored)
        note_other_keys(gate, folder);
    return true;
}

static bool was_accepted(const json_t *baseline, const json_t *before, const char *id)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(baseline, "accepted"), i, one)
        if (strcmp(json_string_value(json_object_get(one, "cell")), id) == 0 && i >= json_array_size(json_object_get(before, "accepted")))
            return true;
    return false;
}

static json_t *cell_called(const json_t *cells, const char *id)
{
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell)
        if (strcmp(json_string_value(json_object_get(cell, "id")), id) == 0)
            return cell;
    return NULL;
}

/* A cell whose baseline this change moves without saying why is red: a gate is not passed by moving it. */
static void judge_changed_baseline(struct gate *gate, json_t *cells)
{
    struct fault ignored = {0};
    size_t i;
    json_t *cell;
    if (gate->base.kind != SIDE_COMMIT || !gate->stored || json_object_get(gate->stored, "anchor") == NULL)
        return;
    json_t *mine = baseline_load("baselines", key_of(gate), &ignored);
    if (ignored.code != EXIT_CODE_PASS)
        note(gate, ignored.text);
    json_array_foreach(json_object_get(gate->stored, "cells"), i, cell) {
        const char *id = json_string_value(json_object_get(cell, "id"));
        const json_t *now = cell_called(json_object_get(mine, "cells"), id);
        json_t *judged = cell_called(cells, id);
        if (!judged || (now && json_equal(json_object_get(now, "runs"), json_object_get(cell, "runs"))) || was_accepted(mine, gate->stored, id))
            continue;
        json_array_append_new(json_object_get(judged, "verdicts"),
                              judge_word("time", "stored", gate->options.tolerance, "regression",
                                         "this change moves the cell's baseline without a recorded reason (ternmark baseline accept)", NULL));
    }
    json_decref(mine);
}

/* Whether a verdict is a red that stands on runs of another time: not of a pair, nor of a target, which is judged by bounds of its own. */
static bool is_red_by_stored(const json_t *verdict)
{
    const char *against = json_string_value(json_object_get(verdict, "against"));
    return strcmp(json_string_value(json_object_get(verdict, "verdict")), "regression") == 0 && strcmp(against, "paired") != 0 &&
           strcmp(against, "target") != 0 && json_is_number(json_object_get(verdict, "ratio"));
}

/* A red against stored runs is measured once more in fresh processes before it is said. */
static void confirm_stored(struct gate *gate, struct bout *bout, const struct levels *levels)
{
    size_t i, k;
    json_t *cell, *verdict;
    json_array_foreach(bout->cells, i, cell)
        json_array_foreach(json_object_get(cell, "verdicts"), k, verdict) {
            const bool red = is_red_by_stored(verdict);
            json_t *again = red ? bout_measure_again(bout, json_string_value(json_object_get(cell, "id"))) : NULL;
            if (red && (!again || !levels_confirms(levels, json_string_value(json_object_get(verdict, "metric")), again))) {
                json_object_set_new(verdict, "verdict", json_string("inconclusive"));
                json_object_set_new(verdict, "reason", json_string("a suspected slowdown was not confirmed in fresh processes"));
            }
            json_decref(again);
        }
    (void)gate;
}

static void judge_stored(struct gate *gate, struct bout *bout)
{
    if (!gate->stored)
        return;
    json_object_set(gate->top, "cells", bout->cells);
    const struct levels levels = {.base = gate->stored, .head = gate->top, .tolerance = gate->options.tolerance, .strict = gate->options.strict,
                                  .planned = bout->base_plan, .crowded = gate->crowded, .lists_new = gate->options.stored || gate->base.kind == SIDE_RUN};
    levels_judge(&levels, gate->notes);
    confirm_stored(gate, bout, &levels);
    judge_changed_baseline(gate, bout->cells);
}

/* ---- the result */

static const char *side_name(const struct side *side, const char *fallback)
{
    if (side->kind == SIDE_COMMIT)
        return side->tree.commit;
    return side->kind == SIDE_ARTIFACT || side->kind == SIDE_RUN ? side->text : fallback;
}

static json_t *gate_json(const struct gate *gate)
{
    bool paired = gate->base.artifacts && !gate->options.stored, first = gate->base.kind == SIDE_NONE && !gate->stored;
    const char *mode = first ? "first run" : paired && gate->stored ? "both" : paired ? "paired" : "stored";
    return json_pack("{s:s?,s:s,s:f,s:s,s:b,s:O}", "base", gate->base.kind == SIDE_NONE ? NULL : side_name(&gate->base, NULL), "head", side_name(&gate->head, "working tree"),
                     "tolerance", gate->options.tolerance, "mode", mode, "strict", gate->options.strict, "notes", gate->notes);
}

static bool save(struct gate *gate, struct fault *fault)
{
    if (!runfile_save(gate->out, gate->top, fault))
        return false;
    for (size_t i = 0; i < gate->options.format.n; i++)
        if (!formats_write(gate->top, gate->options.format.items[i], fault))
            return false;
    return true;
}

static void show(struct gate *gate)
{
    char folder[4200];
    struct fault fault = {0};
    if (gate->options.json) {
        json_dumpf(gate->top, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
        putchar('\n');
        return;
    }
    table_print(stdout, gate->top);
    snprintf(folder, sizeof folder, "%s", gate->out);
    char *slash = strrchr(folder, '/');
    snprintf(slash ? slash : folder, slash ? sizeof folder - (size_t)(slash - folder) : sizeof folder, "%s", slash ? "" : ".");
    if (report_write(&(struct picture_source){.runs = &gate->top, .n_runs = 1, .main = gate->top}, folder, &fault))
        printf("report: %s/index.html\n", folder);
    else
        printf("no report: %s\n", fault.text);
    printf("result: %s\n", gate->out);
}

static enum exit_code finish(struct gate *gate, struct bout *bout, bool complete, struct fault *fault)
{
    bool first_run = gate->base.kind == SIDE_NONE && !gate->options.stored && !gate->options.strict;
    const struct judge_rule rule = {gate->options.strict, gate->options.two_sided, first_run};
    enum exit_code code = judge_cells(bout->cells, &rule);
    bool nothing = !gate->stored && (gate->base.kind == SIDE_NONE || gate->options.stored);
    if (nothing)
        note(gate, gate->options.stored ? "there is no baseline of this hardware to compare with" : "first run, nothing to compare with");
    else if (first_run)
        note(gate, "first run: no base to measure in pairs; where the stored baseline cannot tell, that is not held against it");
    if ((nothing && (gate->options.strict || gate->options.stored)) || (gate->base.kind == SIDE_NONE && gate->options.strict))
        code = exit_worst(code, EXIT_CODE_CANNOT_JUDGE);
    if (!complete)
        code = exit_worst(code, fault->code);
    json_t *processes = offsets_note(bout->cells, gate->history);
    if (processes)
        json_array_append_new(gate->notes, processes);
    json_object_set(gate->top, "cells", bout->cells);
    json_object_set_new(gate->top, "complete", json_boolean(complete));
    json_object_set_new(gate->top, "exit", json_integer(code));
    json_object_set_new(gate->top, "gate", gate_json(gate));
    struct fault saving = {0};
    if (!save(gate, &saving)) {
        *fault = saving;
        return exit_worst(code, saving.code);
    }
    show(gate);
    return code;
}

/* ---- start */

static bool choose_sides(struct gate *gate, struct fault *fault)
{
    const struct options *o = &gate->options;
    gate->base.text = o->base;
    gate->head.text = o->head;
    gate->base.kind = is_artifact(o->base) ? SIDE_ARTIFACT : is_run_file(o->base) ? SIDE_RUN : SIDE_COMMIT;
    gate->head.kind = is_artifact(o->head) ? SIDE_ARTIFACT : o->head ? SIDE_COMMIT : SIDE_HERE;
    if (o->paired && o->stored)
        return fault_set(fault, EXIT_CODE_USAGE, "--paired and --stored: expected one of them at most");
    if (!(o->tolerance > 0) || o->tolerance >= 1)
        return fault_set(fault, EXIT_CODE_USAGE, "--tolerance: expected a share between 0 and 1");
    return true;
}

/* "NAME=FILE" with FILE from `here`, unless it is absolute or "-" for standard output. */
static const char *from_here(const char *format, const char *here)
{
    const char *equals = strchr(format, '=');
    char *whole = NULL;
    if (!equals || !equals[1] || equals[1] == '/' || strcmp(equals + 1, "-") == 0)
        return format;
    if (asprintf(&whole, "%.*s=%s/%s", (int)(equals - format), format, here, equals + 1) < 0)
        abort();
    return whole;
}

/* Operands and the result's path are given from where the user stands; everything else happens at the root. */
static bool move_to_root(struct gate *gate, struct fault *fault)
{
    char path[4096], here[4096];
    struct text_list *operands = &gate->options.operands;
    if (!getcwd(here, sizeof here))
        return fault_set(fault, EXIT_CODE_USAGE, "cannot tell the current folder: %s", strerror(errno));
    for (size_t i = 0; i < operands->n; i++) {
        if (!realpath(operands->items[i], path))
            return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", operands->items[i], strerror(errno));
        operands->items[i] = strdup(path);
    }
    tree_find_root(gate->root, sizeof gate->root);
    const char *out = gate->options.out;
    int n = out && out[0] != '/' ? asprintf(&gate->out, "%s/%s", here, out) : asprintf(&gate->out, "%s", out ? out : "reports/out/gate.json");
    if (n < 0)
        abort();
    /* Paths in NAME=PATH are resolved before we move. */
    for (const char **text = &gate->options.base; text; text = text == &gate->options.base ? &gate->options.head : NULL)
        if (is_run_file(*text) && realpath(*text, path))
            *text = strdup(path);
        else if (is_artifact(*text) && realpath(strchr(*text, '=') + 1, path)) {
            char *whole = NULL;
            if (asprintf(&whole, "%.*s%s", (int)(strchr(*text, '=') - *text) + 1, *text, path) < 0)
                abort();
            *text = whole;
        }
    for (size_t i = 0; i < gate->options.format.n; i++)
        gate->options.format.items[i] = from_here(gate->options.format.items[i], here);
    if (chdir(gate->root) != 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", gate->root, strerror(errno));
    return out || process_make_folder("reports/out", fault);
}

static bool check_formats(const struct gate *gate, struct fault *fault)
{
    for (size_t i = 0; i < gate->options.format.n; i++)
        if (!formats_check(gate->options.format.items[i], fault))
            return false;
    return true;
}

static void note_fitness(struct gate *gate, const struct fitness_snapshot *before)
{
    struct fitness_snapshot after = fitness_take();
    json_t *reasons = json_array();
    size_t notes = json_array_size(gate->notes);
    bool fit = fitness_judge(before, &after, reasons, gate->notes);
    gate->crowded = json_array_size(gate->notes) > notes;
    json_object_set_new(gate->top, "fitness", json_pack("{s:b,s:o}", "fit", fit, "reasons", reasons));
}

static enum exit_code run_gate(struct gate *gate, struct fault *fault)
{
    struct bout bout = {.options = &gate->options, .notes = gate->notes};
    json_t *arguments = json_array();
    gate->top = top_new("gate", arguments);
    json_decref(arguments);
    bool ready = move_to_root(gate, fault) && choose_sides(gate, fault) && durable_check(gate->out, fault) && check_formats(gate, fault) && open_sides(gate, fault);
    if (ready && asprintf(&gate->suites, "%s/%s", gate->head.tree.root, gate->head.tree.project.suites) < 0)
        abort();
    if (!ready || !load_stored(gate, fault) || !make_plans(gate, &bout, fault))
        return fault->code;
    bout.head_artifacts = gate->head.artifacts;
    bout.base_artifacts = gate->options.stored ? NULL : gate->base.artifacts;
    bout.history = gate->history;
    bout.run_id = json_string_value(json_object_get(gate->top, "run_id"));
    struct fitness_snapshot before = fitness_take();
    bool ok = bout_run(&bout, fault);
    top_set_card(gate->top, bout.card);
    note_fitness(gate, &before);
    ok = ok && (!(gate->options.count || gate->options.simulate) || bout_count(&bout, fault));
    judge_stored(gate, &bout);
    enum exit_code code = finish(gate, &bout, ok, fault);
    json_decref(bout.plan);
    json_decref(bout.base_plan);
    json_decref(bout.cells);
    json_decref(bout.card);
    return code;
}

enum exit_code command_gate(const struct options *options, struct fault *fault)
{
    struct gate gate = {.options = *options, .notes = json_array()};
    interrupt_install();
    enum exit_code code = run_gate(&gate, fault);
    tree_close(&gate.base.tree);
    tree_close(&gate.head.tree);
    json_decref(gate.base.artifacts);
    json_decref(gate.head.artifacts);
    json_decref(gate.notes);
    json_decref(gate.top);
    json_decref(gate.stored);
    json_decref(gate.history);
    free(gate.suites);
    free(gate.out);
    return code;
}
