/* SPDX-License-Identifier: Apache-2.0 */
#include "history/alerts.h"

#include "history/filter.h"
#include "history/hook.h"
#include "history/severity.h"
#include "report/escape.h"
#include "stats/changepoint.h"
#include "store/durable.h"
#include "text.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    STREAMED = 250,  /* newest points that are looked at one by one; older ones at once, their time to detect is not known */
    NOT_KNOWN = -1,
};

/* One change as it is told. */
struct change {
    struct store_alert alert;
    const struct store_series *series;
    bool is_new, is_muted;
    char why_muted[200];
};

struct judging {
    const struct options *options;
    struct store *store;
    struct store_series_list list;
    struct change *changes;
    size_t n, room;
    int64_t now;
    struct fault *fault;
};

static bool no_memory(struct judging *j)
{
    return fault_set(j->fault, EXIT_CODE_USAGE, "history: no memory");
}

/* Commits either side, and how late it was seen when the point `seen` came. */
static struct store_alert alert_of(const struct judging *j, const struct store_series *s, const struct store_points *p, const struct changepoint *c, size_t seen, bool is_timed)
{
    const struct store_point *at = &p->items[c->at];
    struct store_alert a = {.cell = s->cell, .hardware = s->hardware, .metric = s->metric, .run = at->run, .started = at->started, .before = c->before, .after = c->after,
                            .change = c->change, .low = c->low, .high = c->high, .confidence = c->confidence, .raised = j->now,
                            .runs_late = is_timed ? (int64_t)(seen - c->at) + 1 : NOT_KNOWN, .seconds_late = is_timed ? p->items[seen].started - at->started : NOT_KNOWN};
    snprintf(a.uuid, sizeof a.uuid, "%s", at->uuid);
    snprintf(a.from_commit, sizeof a.from_commit, "%s", c->first ? p->items[c->first - 1].commit : "");
    snprintf(a.to_commit, sizeof a.to_commit, "%s", p->items[c->last].commit);
    snprintf(a.kind, sizeof a.kind, "%s", c->kind == CHANGEPOINT_RAMP ? "ramp" : "step");
    snprintf(a.severity, sizeof a.severity, "%s", severity_of(severity_worsening(c->change, severity_larger_is_better(s->metric_name, s->unit))));
    return a;
}

static bool remember(struct judging *j, const struct change *change)
{
    if (j->n == j->room) {
        size_t room = j->room ? 2 * j->room : 16;
        struct change *bigger = reallocarray(j->changes, room, sizeof *bigger);
        if (!bigger)
            return no_memory(j);
        j->changes = bigger;
        j->room = room;
    }
    j->changes[j->n++] = *change;
    return true;
}

/* Adds the alert unless one of the same series is near it, and takes it into what is told. */
static bool raise(struct judging *j, const struct store_series *s, const struct store_points *p, const struct changepoint *c, size_t seen, bool is_timed)
{
    int64_t near[2 * CHANGEPOINT_NEAR + 1];
    size_t n_near = 0, first = c->at > CHANGEPOINT_NEAR ? c->at - CHANGEPOINT_NEAR : 0;
    for (size_t i = first; i <= c->at + CHANGEPOINT_NEAR && i < p->n; i++)
        near[n_near++] = p->items[i].run;
    struct change change = {.series = s, .alert = alert_of(j, s, p, c, seen, is_timed)};
    return store_alert_add(j->store, &change.alert, near, n_near, &change.is_new, j->fault) &&
           store_muted(j->store, s->cell_name, j->now, change.why_muted, sizeof change.why_muted, &change.is_muted, j->fault) && (!change.is_new || remember(j, &change));
}

struct arrays {
    int64_t *index;
    double *value;
    size_t room;
    struct changepoint *found;
    struct changepoint_alarm *alarms;
};

static bool arrays_open(struct arrays *a, const struct store_points *p)
{
    size_t n = p->n + 1;
    *a = (struct arrays){calloc(n, sizeof *a->index), calloc(n, sizeof *a->value), n, calloc(n, sizeof *a->found), calloc(n, sizeof *a->alarms)};
    if (!a->index || !a->value || !a->found || !a->alarms)
        return false;
    for (size_t i = 0; i < p->n; i++) {
        a->index[i] = (int64_t)i;
        a->value[i] = p->items[i].value;
    }
    return true;
}

static void arrays_close(struct arrays *a)
{
    free(a->index);
    free(a->value);
    free(a->found);
    free(a->alarms);
}

/* The points before `from` at once, the rest one by one. */
static bool judge_points(struct judging *j, const struct store_series *s, const struct store_points *p, size_t judged, struct arrays *a)
{
    size_t from = judged, n;
    if (p->n > judged + STREAMED) {
        from = p->n - STREAMED;
        if (!changepoint_find(a->index, a->value, from, &changepoint_defaults, a->found, a->room, &n, NULL))
            return no_memory(j);
        for (size_t i = 0; i < n; i++)
            if (a->found[i].kind == CHANGEPOINT_STEP && !raise(j, s, p, &a->found[i], from - 1, false))
                return false;
    }
    if (!changepoint_stream(a->index, a->value, p->n, from, &changepoint_stream_defaults, a->alarms, a->room, &n))
        return no_memory(j);
    for (size_t i = 0; i < n; i++)
        if (!raise(j, s, p, &a->alarms[i].change, a->alarms[i].seen, true))
            return false;
    return true;
}

static bool judge_series(struct judging *j, const struct store_series *s)
{
    int64_t judged;
    struct store_points points;
    struct arrays arrays = {0};
    if (!store_judged(j->store, s, &judged, j->fault))
        return false;
    if (judged >= s->points)
        return true;
    if (!store_points_of(j->store, s, 0, &points, j->fault))
        return false;
    bool ok = arrays_open(&arrays, &points) ? judge_points(j, s, &points, (size_t)judged, &arrays) : no_memory(j);
    ok = ok && store_judged_set(j->store, s, (int64_t)points.n, j->fault);
    arrays_close(&arrays);
    free(points.items);
    return ok;
}

/* All of it or nothing, so that a kill neither loses an alert nor says one twice. */
static bool judge_all(struct judging *j)
{
    bool ok = store_begin(j->store, j->fault);
    for (size_t i = 0; ok && i < j->list.n; i++)
        ok = judge_series(j, &j->list.items[i]);
    if (ok && store_commit(j->store, j->fault))
        return true;
    store_rollback(j->store);
    return false;
}

static const struct store_series *series_of(const struct judging *j, const struct store_alert *a)
{
    for (size_t i = 0; i < j->list.n; i++) {
        const struct store_series *s = &j->list.items[i];
        if (s->cell == a->cell && s->hardware == a->hardware && s->metric == a->metric)
            return s;
    }
    return NULL;
}

/* Known alerts are told too, unless this call raised them. */
static bool take_known(void *to, const struct store_alert *alert)
{
    struct judging *j = to;
    struct change change = {.alert = *alert, .series = series_of(j, alert)};
    for (size_t i = 0; i < j->n; i++)
        if (j->changes[i].alert.id == alert->id)
            return true;
    return !change.series || remember(j, &change);
}

static int by_time(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    return (x->alert.started > y->alert.started) - (x->alert.started < y->alert.started);
}

static json_t *json_of(const struct change *c)
{
    const struct store_alert *a = &c->alert;
    return json_pack("{s:I, s:b, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:s, s:s, s:I, s:o, s:o}", "alert", (json_int_t)a->id, "new", c->is_new, "muted",
                     c->is_muted, "cell", c->series->cell_name, "hardware", c->series->hardware_key, "metric", c->series->metric_name, "unit", c->series->unit, "kind", a->kind,
                     "severity", a->severity, "change", a->change, "low", a->low, "high", a->high, "confidence", a->confidence, "before", a->before, "after", a->after, "from_commit",
                     a->from_commit, "to_commit", a->to_commit, "run_id", a->uuid, "started", (json_int_t)a->started, "runs_to_detect",
                     a->runs_late < 0 ? json_null() : json_integer((json_int_t)a->runs_late), "hours_to_detect",
                     a->seconds_late < 0 ? json_null() : json_real((double)a->seconds_late / 3600));
}

static void print_commits(FILE *out, const struct store_alert *a)
{
    fprintf(out, "%.12s..%.12s", *a->from_commit ? a->from_commit : "?", *a->to_commit ? a->to_commit : "?");
}

static void print_text(const struct judging *j)
{
    char date[24];
    for (size_t i = 0; i < j->n; i++) {
        const struct change *c = &j->changes[i];
        const struct store_alert *a = &c->alert;
        printf("%s%-11s %+7.1f %% (%+.1f … %+.1f)  %s  ", c->is_new ? "NEW " : "    ", a->severity, 100 * a->change, 100 * a->low, 100 * a->high, filter_date(a->started, date));
        print_commits(stdout, a);
        printf("  confidence %.2f  ", a->confidence);
        text_print(stdout, c->series->cell_name);
        printf(" %s on %s  #%lld", c->series->metric_name, c->series->hardware_key, (long long)a->id);
        if (a->runs_late >= 0)
            printf("  seen after %lld runs, %.1f h", (long long)a->runs_late, (double)a->seconds_late / 3600);
        if (c->is_muted) {
            fputs("  muted: ", stdout);
            text_print(stdout, c->why_muted);
        }
        putchar('\n');
    }
    if (j->n == 0)
        printf("no change in %zu series\n", j->list.n);
}

static void print_json(const struct judging *j)
{
    json_t *all = json_array();
    for (size_t i = 0; i < j->n; i++)
        json_array_append_new(all, json_of(&j->changes[i]));
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(all);
}

static bool write_markdown(const struct judging *j)
{
    struct durable file;
    char date[24];
    if (!durable_open(&file, j->options->out, j->fault))
        return false;
    fputs("| | change | 95 % | since | commits | cell | metric | hardware | seen after |\n|---|---|---|---|---|---|---|---|---|\n", file.stream);
    for (size_t i = 0; i < j->n; i++) {
        const struct store_alert *a = &j->changes[i].alert;
        fprintf(file.stream, "| %s%s | %+.1f %% | %+.1f … %+.1f | %s | ", j->changes[i].is_new ? "**new** " : "", a->severity, 100 * a->change, 100 * a->low, 100 * a->high,
                filter_date(a->started, date));
        print_commits(file.stream, a);
        fputs(" | ", file.stream);
        escape_markdown(file.stream, j->changes[i].series->cell_name);
        fputs(" | ", file.stream);
        escape_markdown(file.stream, j->changes[i].series->metric_name);
        fputs(" | ", file.stream);
        escape_markdown(file.stream, j->changes[i].series->hardware_key);
        fprintf(file.stream, a->runs_late < 0 ? " | – |\n" : " | %lld runs |\n", (long long)a->runs_late);
    }
    return durable_close(&file, j->fault);
}

/* Once per new change that is not muted. */
static bool call_hooks(const struct judging *j)
{
    bool ok = true;
    for (size_t i = 0; i < j->n && j->options->hook.n; i++) {
        if (!j->changes[i].is_new || j->changes[i].is_muted)
            continue;
        json_t *json = json_of(&j->changes[i]);
        char *text = json_dumps(json, JSON_COMPACT);
        ok = text && hook_call(j->options->hook.items, j->options->hook.n, text, j->fault) && ok;
        free(text);
        json_decref(json);
    }
    return ok;
}

static bool is_red(const struct change *c)
{
    return c->is_new && !c->is_muted && strcmp(c->alert.severity, "improvement") != 0 && strcmp(c->alert.severity, "slight") != 0;
}

static enum exit_code tell(struct judging *j)
{
    enum exit_code code = j->list.n ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
    for (size_t i = 0; i < j->n; i++)
        if (is_red(&j->changes[i]))
            code = EXIT_CODE_REGRESSION;
    if (j->options->json)
        print_json(j);
    else
        print_text(j);
    if (j->options->out && !write_markdown(j))
        code = exit_worst(code, j->fault->code);
    return call_hooks(j) ? code : exit_worst(code, j->fault->code);
}

static bool gather(struct judging *j)
{
    struct store_filter filter;
    char metric[128];
    if (!filter_of(j->options, &filter, metric, j->fault))
        return false;
    int64_t since = filter.since;
    filter.since = 0;  /* a window on what is told, not on what is judged: the past is what a change stands out against */
    if (!store_list(j->store, &filter, &j->list, j->fault) || !judge_all(j) || !store_alerts(j->store, take_known, j, j->fault))
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < j->n; i++)
        if (j->changes[i].alert.started >= since)
            j->changes[kept++] = j->changes[i];
    j->n = kept;
    if (j->n)
        qsort(j->changes, j->n, sizeof *j->changes, by_time);
    return true;
}

enum exit_code history_changes(const struct options *options, const char *url, struct fault *fault)
{
    struct judging j = {.options = options, .now = (int64_t)time(NULL), .fault = fault};
    j.store = store_open(url, STORE_WRITE, fault);
    enum exit_code code = j.store && gather(&j) ? tell(&j) : fault->code;
    free(j.changes);
    store_list_clear(&j.list);
    store_close(j.store);
    return code;
}

/* A note of either kind: reason and, of a mute, an end are asked for. */
static enum exit_code note(const struct options *options, const char *url, enum store_note kind, struct fault *fault)
{
    int64_t until = 0, alert = 0;
    const char *what = options->operands.n == 2 ? options->operands.items[1] : NULL;
    char *end = NULL;
    if (kind == STORE_ACKNOWLEDGE && what)
        alert = strtoll(what, &end, 10);
    if (!what || !options->reason || !*options->reason || (end && (*end || alert <= 0)))
        fault_set(fault, EXIT_CODE_USAGE, kind == STORE_MUTE ? "history mute: expected RE --reason TEXT --until YYYY-MM-DD" : "history acknowledge: expected the number of an alert and --reason TEXT");
    else if (kind == STORE_MUTE && (!options->until || !filter_time(options->until, 0, &until) || until <= 0))
        fault_set(fault, EXIT_CODE_USAGE, "history mute: expected --until YYYY-MM-DD");
    if (fault->text[0])
        return fault->code;
    struct store *store = store_open(url, STORE_WRITE, fault);
    bool ok = store && store_note_add(store, kind, alert, kind == STORE_MUTE ? what : NULL, options->reason, until, fault);
    store_close(store);
    return ok ? EXIT_CODE_PASS : fault->code;
}

enum exit_code history_mute(const struct options *options, const char *url, struct fault *fault)
{
    return note(options, url, STORE_MUTE, fault);
}

enum exit_code history_acknowledge(const struct options *options, const char *url, struct fault *fault)
{
    return note(options, url, STORE_ACKNOWLEDGE, fault);
}
