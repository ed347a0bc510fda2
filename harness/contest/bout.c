/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/bout.h"

#include "contest/contest.h"
#include "contest/count.h"
#include "contest/lane_metrics.h"
#include "gate/metrics.h"
#include "contest/judge.h"
#include "hash.h"
#include "measure/record.h"
#include "measure/session.h"
#include "measure/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static const double usual_budget_ns = 180e9;  /* a busy machine ends in "inconclusive", not in a job without end */

/* ---- which cells */

static bool has_tag(const json_t *cell, const char *tag)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(cell, "tags"), i, one)
        if (strcmp(json_string_value(one), tag) == 0)
            return true;
    return false;
}

bool bout_select(json_t *plan, const struct plan_request *request, json_t *notes, struct fault *fault)
{
    size_t i, tagged = 0;
    json_t *cell;
    json_array_foreach(plan, i, cell)
        tagged += has_tag(cell, "ci");
    json_array_foreach(plan, i, cell)
        json_object_set_new(cell, "main", json_boolean(!tagged || has_tag(cell, "ci") || text_of(cell, "broken")));
    if (!tagged && notes && json_array_size(plan))
        json_array_append_new(notes, json_string("no cell has the tag ci: all cells are measured"));
    return select_cells(plan, &request->select, fault);
}

static bool is_main(const json_t *cell)
{
    return json_is_true(json_object_get(cell, "main"));
}

static bool is_selected(const json_t *cell)
{
    return is_main(cell) && json_is_true(json_object_get(cell, "selected"));
}

static json_t *find(const json_t *cells, const char *id)
{
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell)
        if (strcmp(text_of(cell, "id"), id) == 0)
            return cell;
    return NULL;
}

/* ---- artifacts */

static const char *path_of(const json_t *artifacts, const char *name)
{
    size_t i, n = strlen(name);
    json_t *one;
    json_array_foreach(artifacts, i, one) {
        const char *text = json_string_value(one);
        if (strncmp(text, name, n) == 0 && text[n] == '=')
            return text + n + 1;
    }
    return NULL;
}

/* Whether base and head give the cell the same bytes for every artifact it may use. */
static bool is_identical(const struct bout *bout, const json_t *cell)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(cell, "artifacts"), i, name) {
        const char *base = path_of(bout->base_artifacts, json_string_value(name)), *head = path_of(bout->head_artifacts, json_string_value(name));
        char a[HASH_HEX], b[HASH_HEX];
        struct fault ignored;
        if (!base != !head)
            return false;
        if (base && (!hash_file(base, a, &ignored) || !hash_file(head, b, &ignored) || strcmp(a, b) != 0))
            return false;
    }
    return true;
}

/* "sha256:…" over the artifacts of one lane. */
static void build_hash(const json_t *artifacts, char text[HASH_HEX + 7])
{
    struct hash hash;
    size_t i;
    json_t *one;
    hash_init(&hash);
    json_array_foreach(artifacts, i, one) {
        char hex[HASH_HEX];
        struct fault ignored;
        const char *equals = strchr(json_string_value(one), '=');
        hash_add(&hash, json_string_value(one), (size_t)(equals - json_string_value(one)) + 1);
        if (hash_file(equals + 1, hex, &ignored))
            hash_add(&hash, hex, strlen(hex));
    }
    memcpy(text, "sha256:", 7);
    hash_end(&hash, text + 7);
}

/* ---- what becomes of each planned cell */

enum fate { FATE_LEAVE, FATE_ONCE, FATE_NEW, FATE_IDENTICAL, FATE_PAIRED };

static enum fate fate_of(const struct bout *bout, const json_t *cell)
{
    if (!is_selected(cell) || text_of(cell, "skip") || text_of(cell, "broken"))
        return FATE_LEAVE;
    if (!bout->base_artifacts)
        return FATE_ONCE;
    json_t *theirs = bout->base_plan ? find(bout->base_plan, text_of(cell, "id")) : NULL;
    if (bout->base_plan && (!theirs || !is_main(theirs)))
        return FATE_NEW;
    return is_identical(bout, cell) ? FATE_IDENTICAL : FATE_PAIRED;
}

/* The same of other metrics; one that head no longer gates is gated by what base said. */
static void keep_metrics(struct bout *bout, json_t *cell, json_t *theirs)
{
    const char *name;
    json_t *old, *mine = json_object_get(cell, "metrics");
    json_object_foreach(theirs, name, old) {
        const json_t *now = json_object_get(mine, name);
        if (json_is_number(now) && json_number_value(now) <= json_number_value(old))
            continue;
        json_t *kept = json_is_object(mine) ? json_copy(mine) : json_object();
        json_object_set(kept, name, old);
        json_object_set_new(cell, "metrics", kept);
        mine = kept;
        json_array_append_new(bout->notes, json_sprintf("%s: head widens or drops the tolerance of %s; judged by the base's %.3g %%", text_of(cell, "id"), name,
                                                        100 * json_number_value(old)));
    }
}

/* A tolerance that head widened counts from the next change on. */
static void keep_tolerance(struct bout *bout, json_t *cell)
{
    const json_t *theirs = bout->base_plan ? find(bout->base_plan, text_of(cell, "id")) : NULL;
    double usual = bout->options->tolerance;
    json_t *mine = json_object_get(cell, "tolerance"), *old = json_object_get(theirs, "tolerance");
    double head = json_is_number(mine) ? json_number_value(mine) : usual, base = json_is_number(old) ? json_number_value(old) : usual;
    if (theirs)
        keep_metrics(bout, cell, json_object_get(theirs, "metrics"));
    if (!theirs || head <= base)
        return;
    json_object_set_new(cell, "tolerance", json_real(base));
    json_array_append_new(bout->notes, json_sprintf("%s: head widens the tolerance from %.3g %% to %.3g %%; judged by the base's",
                                                    text_of(cell, "id"), 100 * base, 100 * head));
}

static double tolerance_of(const struct bout *bout, const json_t *cell)
{
    json_t *own = json_object_get(cell, "tolerance");
    return json_is_number(own) ? json_number_value(own) : bout->options->tolerance;
}

/* ---- measuring */

static const char **strings_of(const json_t *list)
{
    size_t n = json_array_size(list);
    const char **strings = calloc(n + 1, sizeof *strings);
    for (size_t i = 0; strings && i < n; i++)
        strings[i] = json_string_value(json_array_get(list, i));
    return strings;
}

/* Decisions that share the error rates: every cell's time, and every other metric that gates it. */
static size_t count_tests(const json_t *cells)
{
    size_t n = 0, i;
    json_t *cell;
    json_array_foreach(cells, i, cell)
        n += 1 + json_object_size(json_object_get(cell, "metrics"));
    return n;
}

static bool measure_pairs(struct bout *bout, const json_t *cells, struct contest_cell **results, struct fault *fault)
{
    const char **base = strings_of(bout->base_artifacts), **head = strings_of(bout->head_artifacts);
    struct contest contest = {.cells = cells, .history = bout->history, .tolerance = bout->options->tolerance, .n_tests = bout->n_tests = count_tests(cells),
                              .seed = (uint64_t)bout->options->seed, .budget_ns = bout->options->budget > 0 ? bout->options->budget : usual_budget_ns,
                              .progress = isatty(STDERR_FILENO) ? stderr : NULL};
    for (size_t i = 0; i < N_LANES; i++) {
        const json_t *list = i == LANE_HEAD ? bout->head_artifacts : bout->base_artifacts;
        contest.starts[i] = bout->request.worker;
        contest.starts[i].artifacts = i == LANE_HEAD ? head : base;
        contest.starts[i].n_artifacts = json_array_size(list);
    }
    bool ok = base && head && contest_run(&contest, results, fault);
    free(base);
    free(head);
    return ok;
}

static bool measure_once(struct bout *bout, const json_t *cells, json_t *generations, struct fault *fault)
{
    struct sampling sampling = sampling_default();
    sampling.generations = 2;
    sampling.warm_ns = 10e6;
    struct session session = {.request = &bout->request, .sampling = sampling, .cells = cells, .generations = generations,
                              .seed = (uint64_t)bout->options->seed};
    return json_array_size(cells) == 0 || session_run(&session, fault);
}

/* ---- cells of the result */

static json_t *result_cell(struct bout *bout, const json_t *planned, const json_t *generations)
{
    size_t n = json_array_size(generations);
    struct record_run run = {.run_id = bout->run_id, .tolerance = bout->options->tolerance, .generations = n ? (unsigned)n : 1};
    json_t *cell = record_cell(planned, generations, &run);
    if (!bout->card)
        bout->card = json_incref(top_card(generations));
    if (!is_main(planned) || !json_is_true(json_object_get(planned, "selected"))) {
        json_object_set_new(cell, "status", json_string("not selected"));
        json_object_set_new(cell, "reason", json_string(is_main(planned) ? "left out on the command line" : "not tagged ci"));
    }
    record_targets(planned, cell);
    return cell;
}

static void add_verdict(json_t *cell, json_t *verdict)
{
    json_array_append_new(json_object_get(cell, "verdicts"), verdict);
}

/* The verdict of a cell that a lane could not run. */
static json_t *lost_verdict(const struct contest_cell *cell, double tolerance)
{
    static const char *const words[] = {[LANE_BASE] = "not_comparable", [LANE_BASE2] = "unfit", [LANE_HEAD] = "failed", [N_LANES] = "failed"};
    json_t *differs = cell->lost == LANE_BASE ? json_pack("[s]", "the base has the cell and cannot run it") : NULL;
    return judge_word("time", "paired", tolerance, words[cell->lost], cell->reason, differs);
}

static json_t *pair_cell(struct bout *bout, const struct contest_cell *result, const json_t *once)
{
    const json_t *generations = json_array_size(result->generations) ? result->generations : json_object_get(once, text_of(result->planned, "id"));
    json_t *failed = result->is_lost && result->lost >= LANE_HEAD ? json_pack("[{s:s}]", "failed", result->reason) : NULL;
    json_t *cell = result_cell(bout, result->planned, failed ? failed : generations);
    double tolerance = tolerance_of(bout, result->planned);
    add_verdict(cell, result->is_lost ? lost_verdict(result, tolerance) : judge_decision("time", "paired", tolerance, &result->verdict));
    json_decref(failed);
    lane_metrics_judge(result->planned, result->lane_metrics, bout->n_tests, cell);
    if (json_array_size(result->rounds) == 0)
        return cell;
    json_object_set_new(json_object_get(cell, "metrics"), "process_spread",
                        json_pack("{s:f,s:s}", "value", result->verdict.process_spread, "unit", "of the time"));
    char base[HASH_HEX + 7], head[HASH_HEX + 7];
    build_hash(bout->base_artifacts, base);
    build_hash(bout->head_artifacts, head);
    json_object_set_new(cell, "paired", json_pack("{s:{s:s,s:s,s:s},s:O}", "builds", "base", base, "base2", base, "head", head, "rounds", result->rounds));
    return cell;
}

static json_t *once_cell(struct bout *bout, const json_t *planned, enum fate fate, const json_t *once)
{
    json_t *cell = result_cell(bout, planned, json_object_get(once, text_of(planned, "id")));
    double tolerance = tolerance_of(bout, planned);
    bool ok = strcmp(text_of(cell, "status"), "ok") == 0, failed = strcmp(text_of(cell, "status"), "failed") == 0;
    const json_t *theirs = bout->base_plan ? find(bout->base_plan, text_of(planned, "id")) : NULL;
    bool is_expected = theirs && is_main(theirs) && !text_of(theirs, "skip") && !text_of(theirs, "broken");
    if (failed)
        add_verdict(cell, judge_word("time", "paired", tolerance, "failed", text_of(cell, "reason"), NULL));
    else if (fate == FATE_IDENTICAL && ok)
        add_verdict(cell, judge_word("time", "paired", tolerance, "pass", "identical subject", NULL));
    else if (fate == FATE_NEW && ok)
        add_verdict(cell, judge_word("time", "paired", tolerance, "new", "the base does not list this cell", NULL));
    else if (is_expected && text_of(planned, "skip"))
        add_verdict(cell, judge_word("time", "paired", tolerance, "missing", "head skips what base measures", NULL));
    else if (is_expected && !is_main(planned))
        add_verdict(cell, judge_word("time", "paired", tolerance, "missing", "head takes the tag ci off what base measures", NULL));
    else if (bout->options->strict && is_main(planned) && !is_selected(planned))
        add_verdict(cell, judge_word("time", "paired", tolerance, "missing", "left out on the command line", NULL));
    return cell;
}

/* ---- cells that head lacks */

static bool is_new(const struct bout *bout, const json_t *cell)
{
    return fate_of(bout, cell) == FATE_NEW;
}

/* A new cell of the same suite whose parameters are the missing one's: perhaps the same under another name. */
static char *rename_of(const struct bout *bout, const json_t *missing)
{
    size_t i;
    json_t *cell;
    char *text = NULL;
    json_array_foreach(bout->plan, i, cell)
        if (!text && is_new(bout, cell) && json_equal(json_object_get(cell, "params"), json_object_get(missing, "params")) &&
            asprintf(&text, "head's list lacks it; renamed to %s?", text_of(cell, "id")) < 0)
            text = NULL;
    return text ? text : strdup("head's list lacks it");
}

static bool is_left_out(const struct bout *bout, const json_t *cell)
{
    return !json_is_true(json_object_get(cell, "selected")) && !bout->options->strict;
}

static void add_missing(struct bout *bout)
{
    size_t i;
    json_t *theirs;
    json_array_foreach(bout->base_plan, i, theirs) {
        if (!is_main(theirs) || text_of(theirs, "skip") || text_of(theirs, "broken") || is_left_out(bout, theirs) ||
            find(bout->plan, text_of(theirs, "id")))
            continue;
        char *reason = rename_of(bout, theirs);
        json_object_set_new(theirs, "selected", json_false());
        json_t *cell = result_cell(bout, theirs, NULL);
        add_verdict(cell, judge_word("time", "paired", tolerance_of(bout, theirs), "missing", reason, NULL));
        json_array_append_new(bout->cells, cell);
        free(reason);
    }
}

/* ---- all of it */

struct lists {
    json_t *paired, *once;
    struct contest_cell *results;
    json_t *generations;
};

static void sort_out(struct bout *bout, struct lists *lists)
{
    size_t i;
    json_t *cell;
    json_array_foreach(bout->plan, i, cell) {
        enum fate fate = fate_of(bout, cell);
        if (fate == FATE_PAIRED)
            keep_tolerance(bout, cell);
        if (fate != FATE_LEAVE)
            json_array_append(fate == FATE_PAIRED ? lists->paired : lists->once, cell);
    }
}

/* What base could not run, or no time was left for, is still measured in head, for the report. */
static void add_lost(struct lists *lists)
{
    for (size_t i = 0; lists->results && i < json_array_size(lists->paired); i++)
        if (!(lists->results[i].is_lost && lists->results[i].lost >= LANE_HEAD) && json_array_size(lists->results[i].generations) == 0)
            json_array_append(lists->once, json_array_get(lists->paired, i));
}

static void collect(struct bout *bout, const struct lists *lists)
{
    size_t i, at = 0;
    json_t *planned, *all = json_array();
    json_array_foreach(bout->plan, i, planned) {
        enum fate fate = fate_of(bout, planned);
        bool is_paired = fate == FATE_PAIRED && lists->results;
        json_t *cell = is_paired ? pair_cell(bout, &lists->results[at], lists->generations) : once_cell(bout, planned, fate, lists->generations);
        at += fate == FATE_PAIRED;
        /* Cells of other jobs are no part of this one, unless something is said of them. */
        if (is_main(planned) || json_array_size(json_object_get(cell, "verdicts")) > 0)
            json_array_append(bout->cells, cell);
        json_array_append_new(all, cell);
    }
    record_compare(bout->plan, all);
    json_decref(all);
    add_missing(bout);
}

/*
 * What a cell asked for when it was opened (in setup, or as a word of its command) is known only now: names are added to its plan, so that
 * it is timed in pairs where these files differ.
 */
static void learn_artifacts(struct bout *bout, const json_t *generations)
{
    size_t i, k;
    json_t *cell, *name;
    json_array_foreach(bout->plan, i, cell) {
        const json_t *used = json_object_get(json_array_get(json_object_get(generations, text_of(cell, "id")), 0), "artifacts");
        json_t *all = json_array_size(used) ? json_deep_copy(json_object_get(cell, "artifacts")) : NULL;
        if (!all)
            continue;
        if (!json_is_array(all)) {
            json_decref(all);
            all = json_array();
        }
        json_array_foreach(used, k, name)
            json_array_append(all, name);
        json_object_set_new(cell, "artifacts", all);
    }
}

bool bout_run(struct bout *bout, struct fault *fault)
{
    struct lists lists = {.paired = json_array(), .once = json_array(), .generations = json_object()};
    sort_out(bout, &lists);
    bool ok = measure_once(bout, lists.once, lists.generations, fault);
    learn_artifacts(bout, lists.generations);
    json_array_clear(lists.paired);
    json_array_clear(lists.once);
    sort_out(bout, &lists);
    json_array_clear(lists.once);
    ok = ok && (json_array_size(lists.paired) == 0 || measure_pairs(bout, lists.paired, &lists.results, fault));
    add_lost(&lists);
    ok = ok && measure_once(bout, lists.once, lists.generations, fault);
    bout->cells = json_array();
    collect(bout, &lists);
    contest_clear(lists.results, json_array_size(lists.paired));
    json_decref(lists.paired);
    json_decref(lists.once);
    json_decref(lists.generations);
    return ok;
}

/* ---- --count, --simulate */

static json_t *count_in(const struct bout *bout, struct count_request *request, const json_t *artifacts, struct fault *fault)
{
    struct worker_start lane = bout->request.worker;
    const char **files = strings_of(artifacts);
    lane.artifacts = files;
    lane.n_artifacts = json_array_size(artifacts);
    request->lane = &lane;
    json_t *answer = files ? count_cell(request, fault) : NULL;
    free(files);
    return answer;
}

/* What one cell counts in each lane, new objects; base's is NULL where it was not timed in pairs. */
struct counted {
    json_t *base, *head;
};

static bool count_lanes(const struct bout *bout, struct count_request *request, struct counted *lanes, struct fault *fault)
{
    bool paired = json_is_object(json_object_get(request->cell, "paired"));
    lanes->head = count_in(bout, request, bout->head_artifacts, fault);
    lanes->base = lanes->head && paired ? count_in(bout, request, bout->base_artifacts, fault) : NULL;
    return lanes->head && (lanes->base || !paired);
}

static void counted_free(const struct counted *lanes)
{
    json_decref(lanes->base);
    json_decref(lanes->head);
}

/* One cell; what would be red is counted in fresh processes again, and their counts stand where they are not. False: interrupted. */
static bool count_planned(const struct bout *bout, const json_t *planned, json_t *cell, struct fault *fault)
{
    struct count_request request = {.count = bout->options->count, .simulate = bout->options->simulate, .planned = planned, .cell = cell};
    struct counted first = {0}, second = {0};
    bool ok = count_lanes(bout, &request, &first, fault), red = ok && count_is_red(&request, first.base, first.head);
    ok = ok && (!red || count_lanes(bout, &request, &second, fault));
    if (ok) {
        const struct counted *stands = red && !count_is_red(&request, second.base, second.head) ? &second : &first;
        count_judge(&request, stands->base, stands->head, json_object_get(cell, "verdicts"));
        count_put(&request, stands->head, json_object_get(cell, "metrics"));
    }
    counted_free(&first);
    counted_free(&second);
    return ok;
}

bool bout_count(const struct bout *bout, struct fault *fault)
{
    size_t i;
    json_t *planned;
    json_array_foreach(bout->plan, i, planned) {
        json_t *cell = find(bout->cells, text_of(planned, "id"));
        if (cell && strcmp(text_of(cell, "status"), "ok") == 0 && !count_planned(bout, planned, cell, fault))
            return false;
    }
    return true;
}

json_t *bout_measure_again(struct bout *bout, const char *id)
{
    struct fault ignored = {0};
    json_t *planned = find(bout->plan, id), *cells = json_array(), *generations = json_object(), *cell = NULL;
    if (planned)
        json_array_append(cells, planned);
    if (planned && measure_once(bout, cells, generations, &ignored))
        cell = result_cell(bout, planned, json_object_get(generations, id));
    json_decref(cells);
    json_decref(generations);
    return cell;
}
