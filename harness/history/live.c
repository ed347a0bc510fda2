/* SPDX-License-Identifier: Apache-2.0 */
#include "history/live.h"

#include "history/hook.h"
#include "history/level.h"
#include "history/live_window.h"
#include "history/made.h"
#include "history/severity.h"
#include "history/spool.h"
#include "measure/clock.h"
#include "measure/interrupt.h"
#include "measure/top.h"
#include "probe/host.h"
#include "store/runfile.h"
#include "store/store.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { LINE = 64 * 1024, MAX_NAMES = 1024, MAX_SAMPLES = 4096, CHILD_FD = 3, POLL_MS = 200 };

struct watched {
    char *id;              /* live/NAME */
    struct live_window window;
    double level;          /* of the store when it was first met; 0: it knew none */
    json_t *samples;       /* not stored yet: the first MAX_SAMPLES of this point's time */
};

struct live {
    const struct options *options;
    const char *url;
    struct store *store;   /* NULL: out of reach */
    char spool[PATH_MAX], key[128];
    struct watched *names[MAX_NAMES];
    size_t n, n_runs, n_waiting, n_alerts, n_bad_lines, n_without;
    bool is_red;
    uint64_t due;
    char line[LINE];
    size_t used;
    struct fault *fault;
};

static bool no_memory(struct live *l)
{
    return fault_set(l->fault, EXIT_CODE_USAGE, "history live: no memory");
}

/* ---- the store */

static bool open_store(struct live *l)
{
    l->store = store_open(l->url, STORE_WRITE, l->fault);
    if (!l->store && strncmp(l->url, "postgres", 8) == 0 && l->fault->code == EXIT_CODE_USAGE) {
        fprintf(stderr, "ternmark: %s\n", l->fault->text);
        l->fault->text[0] = '\0';
        return true;
    }
    return l->store != NULL;
}

/* After a fault of the store: true when it is out of reach, and from now on results wait. */
static bool is_now_down(struct live *l)
{
    if (!l->store || !store_is_down(l->store))
        return false;
    store_close(l->store);
    l->store = NULL;
    l->fault->text[0] = '\0';
    return true;
}

/* The series of a cell of exactly this id on this hardware, or NULL. */
static const struct store_series *series_of(const struct live *l, const struct store_series_list *list, const char *id)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i].cell_name, id) == 0 && strcmp(list->items[i].hardware_key, l->key) == 0)
            return &list->items[i];
    return NULL;
}

static bool list_times(struct live *l, struct store_series_list *list)
{
    const struct store_filter filter = {.metric = "^time$"};
    return store_list(l->store, &filter, list, l->fault);
}

/* What the store knows of a name when it is first met. */
static bool find_level(struct live *l, struct watched *w)
{
    struct store_series_list list = {0};
    struct store_points points = {0};
    struct level_newest newest;
    if (!l->store)
        return true;
    bool ok = list_times(l, &list);
    const struct store_series *s = ok ? series_of(l, &list, w->id + strlen("live/")) : NULL;
    s = s || !ok ? s : series_of(l, &list, w->id);
    if (s)
        ok = store_points_of(l->store, s, 0, &points, l->fault) && (points.n == 0 || level_newest(&points, &newest) || no_memory(l));
    if (ok && points.n)
        w->level = newest.value;
    free(points.items);
    store_list_clear(&list);
    return ok || is_now_down(l);
}

/* ---- points */

static json_t *cells_of(struct live *l, const char *uuid)
{
    json_t *cells = json_array(), *none = json_object();
    for (size_t i = 0; i < l->n; i++) {
        struct watched *w = l->names[i];
        if (json_array_size(w->samples))
            json_array_append_new(cells, made_cell("live", uuid, w->id, none, 1, w->samples));
        json_decref(w->samples);
        w->samples = json_array();
    }
    json_decref(none);
    return cells;
}

/* One run of all that came since the last; `uuid` receives its id. Nothing is stored when nothing came. */
static bool store_points_now(struct live *l, char uuid[37])
{
    char date[32];
    struct tm tm;
    time_t now = time(NULL);
    struct store_counts counts = {0};
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    top_uuid(uuid);
    json_t *cells = cells_of(l, uuid);
    if (json_array_size(cells) == 0) {
        json_decref(cells);
        return true;
    }
    json_t *run = made_run(uuid, date, l->options->commit, l->key, "live", cells);
    if (!run)
        return no_memory(l);
    bool ok = l->store && store_import(l->store, run, &counts, l->fault);
    if (!ok && (!l->store || is_now_down(l))) {
        ok = spool_add(l->spool, run, l->fault);
        l->n_waiting += ok;
    }
    l->n_runs += ok;
    json_decref(run);
    return ok;
}

/* ---- alerts */

/* From the newest point back to the first above the limit: they are one change, which may have been said in an earlier watch. */
static size_t first_above(const struct store_points *p, double limit)
{
    size_t first = p->n - 1;
    while (first > 0 && p->items[first - 1].value > limit)
        first--;
    return first;
}

static struct store_alert alert_of(const struct live *l, const struct watched *w, const struct store_series *s, const struct store_points *p, size_t first, const struct live_judged *j)
{
    const struct store_point *newest = &p->items[p->n - 1];
    struct store_alert a = {.cell = s->cell, .hardware = s->hardware, .metric = s->metric, .run = newest->run, .started = newest->started, .before = w->level, .after = j->median,
                            .change = j->median / w->level - 1, .low = j->low / w->level - 1, .high = j->high / w->level - 1, .confidence = 0.999, .raised = (int64_t)time(NULL),
                            .runs_late = (int64_t)(p->n - first), .seconds_late = (int64_t)time(NULL) - p->items[first].started};
    (void)l;
    snprintf(a.uuid, sizeof a.uuid, "%s", newest->uuid);
    snprintf(a.from_commit, sizeof a.from_commit, "%s", first ? p->items[first - 1].commit : "");
    snprintf(a.to_commit, sizeof a.to_commit, "%s", newest->commit);
    snprintf(a.kind, sizeof a.kind, "live");
    snprintf(a.severity, sizeof a.severity, "%s", severity_of(a.change));
    return a;
}

static json_t *json_of(const struct live *l, const struct watched *w, const struct store_alert *a, bool is_muted)
{
    return json_pack("{s:I, s:b, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:s, s:s, s:s, s:I}", "alert", (json_int_t)a->id, "new", 1, "muted", is_muted, "cell", w->id,
                     "hardware", l->key, "metric", "time", "unit", "ns", "kind", a->kind, "severity", a->severity, "change", a->change, "low", a->low, "high", a->high, "before", a->before,
                     "after", a->after, "from_commit", a->from_commit, "to_commit", a->to_commit, "run_id", a->uuid, "started", (json_int_t)a->started);
}

/* Said on standard error, since standard output may be the program's. */
static void print_alert(const struct watched *w, const struct store_alert *a, const char *why_muted)
{
    fprintf(stderr, "NEW %-8s %+7.1f %% (%+.1f … %+.1f)  ", a->severity, 100 * a->change, 100 * a->low, 100 * a->high);
    text_print(stderr, w->id);
    fprintf(stderr, "  %.6g to %.6g ns  #%lld", a->before, a->after, (long long)a->id);
    if (why_muted) {
        fputs("  muted: ", stderr);
        text_print(stderr, why_muted);
    }
    fputc('\n', stderr);
}

static bool tell(struct live *l, const struct watched *w, const struct store_alert *a)
{
    char reason[200];
    bool is_muted, ok = true;
    if (!store_muted(l->store, w->id, a->raised, reason, sizeof reason, &is_muted, l->fault))
        return false;
    l->n_alerts++;
    l->is_red = l->is_red || !is_muted;
    print_alert(w, a, is_muted ? reason : NULL);
    if (l->options->hook.n && !is_muted) {
        json_t *json = json_of(l, w, a, is_muted);
        char *text = json_dumps(json, JSON_COMPACT);
        ok = text ? hook_call(l->options->hook.items, l->options->hook.n, text, l->fault) : no_memory(l);
        free(text);
        json_decref(json);
    }
    return ok;
}

/* Stores the alert of a series whose newest point was just stored, unless its change was said before. */
static bool add_alert(struct live *l, struct watched *w, const struct store_series *s, const struct live_judged *j)
{
    struct store_points points = {0};
    if (!store_points_of(l->store, s, 0, &points, l->fault))
        return false;
    size_t first = points.n ? first_above(&points, w->level * (1 + l->options->tolerance)) : 0, n_near = points.n - first;
    int64_t *near = calloc(n_near + 1, sizeof *near);
    bool is_new = false, ok = near != NULL || no_memory(l);
    for (size_t i = 0; ok && i < n_near; i++)
        near[i] = points.items[first + i].run;
    if (ok && points.n) {
        struct store_alert a = alert_of(l, w, s, &points, first, j);
        ok = store_alert_add(l->store, &a, near, n_near, &is_new, l->fault) && (!is_new || tell(l, w, &a));
    }
    free(near);
    free(points.items);
    return ok;
}

static bool raise_alert(struct live *l, struct watched *w, const struct live_judged *j)
{
    char uuid[37];
    struct store_series_list list = {0};
    if (!store_points_now(l, uuid))
        return false;
    if (!l->store) {
        fprintf(stderr, "ternmark: %s is %+.1f %% above the store's level; the store is out of reach\n", w->id, 100 * (j->median / w->level - 1));
        l->is_red = true;
        return true;
    }
    bool ok = list_times(l, &list);
    const struct store_series *s = ok ? series_of(l, &list, w->id) : NULL;
    ok = ok && (!s || add_alert(l, w, s, j));
    store_list_clear(&list);
    return ok || is_now_down(l);
}

/* ---- lines */

static struct watched *find(struct live *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->names[i]->id + strlen("live/"), name) == 0)
            return l->names[i];
    struct watched *w = l->n < MAX_NAMES ? calloc(1, sizeof *w) : NULL;
    if (!w || asprintf(&w->id, "live/%s", name) < 0) {
        free(w);
        return NULL;
    }
    w->samples = json_array();
    l->names[l->n++] = w;
    if (!find_level(l, w))
        return NULL;
    l->n_without += w->level <= 0;
    return w;
}

static bool take_sample(struct live *l, struct watched *w, double ns)
{
    struct live_judged j = live_window_add(&w->window, ns, w->level, l->options->tolerance);
    if (json_array_size(w->samples) < MAX_SAMPLES)
        json_array_append_new(w->samples, json_real(ns));
    return !j.is_raised || raise_alert(l, w, &j);
}

/* A line that is none of ours is counted, and said at the end: what else the program prints is its own affair. */
static bool take_line(struct live *l, const char *text, size_t n)
{
    struct fault wrong = {0};
    json_t *line = runfile_read_json(text, n, "a line", &wrong), *ns;
    const char *name = json_string_value(json_object_get(line, "name"));
    const json_t *all = json_object_get(line, "ns");
    struct watched *w = name && *name && json_is_array(all) ? find(l, name) : NULL;
    bool ok = !l->fault->text[0];
    size_t i;
    l->n_bad_lines += w == NULL;
    if (w && ok)
        json_array_foreach((json_t *)(uintptr_t)all, i, ns)
            if (ok && json_number_value(ns) > 0 && isfinite(json_number_value(ns)))
                ok = take_sample(l, w, json_number_value(ns));
    json_decref(line);
    return ok;
}

static bool take_bytes(struct live *l)
{
    char *from = l->line, *end;
    bool ok = true;
    while (ok && (end = memchr(from, '\n', l->used - (size_t)(from - l->line)))) {
        ok = take_line(l, from, (size_t)(end - from));
        from = end + 1;
    }
    l->used -= (size_t)(from - l->line);
    memmove(l->line, from, l->used);
    if (l->used == sizeof l->line)
        l->used = 0;  /* longer than any line of ours */
    return ok;
}

/* ---- watching */

static bool store_when_due(struct live *l)
{
    char uuid[37];
    if (clock_now_ns() < l->due)
        return true;
    l->due = clock_now_ns() + (uint64_t)l->options->every;
    return store_points_now(l, uuid);
}

/* Until the other end closes. */
static bool watch(struct live *l, int descriptor)
{
    l->due = clock_now_ns() + (uint64_t)l->options->every;
    for (bool ok = true; ok && !interrupt_asked();) {
        struct pollfd p = {descriptor, POLLIN, 0};
        ok = store_when_due(l);
        if (!ok || poll(&p, 1, POLL_MS) <= 0)
            continue;
        ssize_t n = read(descriptor, l->line + l->used, sizeof l->line - l->used);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            break;
        l->used += n > 0 ? (size_t)n : 0;
        ok = take_bytes(l);
    }
    return !l->fault->text[0];
}

static bool start_program(const struct options *options, int ours, int theirs, pid_t *pid, struct fault *fault)
{
    char **words = calloc(options->operands.n + 1, sizeof *words), number[16];
    posix_spawn_file_actions_t actions;
    if (!words)
        return fault_set(fault, EXIT_CODE_USAGE, "history live: no memory");
    for (size_t i = 1; i < options->operands.n; i++)
        words[i - 1] = (char *)(uintptr_t)options->operands.items[i];
    snprintf(number, sizeof number, "%d", CHILD_FD);
    setenv("TERN_MONITOR", number, 1);
    posix_spawn_file_actions_init(&actions);
    if (ours != CHILD_FD)
        posix_spawn_file_actions_addclose(&actions, ours);
    posix_spawn_file_actions_adddup2(&actions, theirs, CHILD_FD);
    int code = posix_spawnp(pid, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(words);
    return code == 0 || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", options->operands.items[1], strerror(code));
}

static bool watch_program(struct live *l, enum exit_code *code)
{
    int pair[2], status = 0;
    pid_t pid;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fault_set(l->fault, EXIT_CODE_USAGE, "history live: %s", strerror(errno));
    bool ok = start_program(l->options, pair[0], pair[1], &pid, l->fault);
    close(pair[1]);
    if (ok) {
        ok = watch(l, pair[0]);
        if (!ok || interrupt_asked())
            kill(pid, SIGTERM);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        *code = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? EXIT_CODE_PASS : EXIT_CODE_FAILED;
    }
    close(pair[0]);
    return ok;
}

static void print_end(const struct live *l)
{
    fprintf(stderr, "%zu names, %zu points stored, %zu alerts", l->n, l->n_runs, l->n_alerts);
    if (l->n_without)
        fprintf(stderr, "; %zu names are new to the store: nothing to hold them against yet", l->n_without);
    if (l->n_waiting)
        fprintf(stderr, "; %zu points wait for the store", l->n_waiting);
    if (l->n_bad_lines)
        fprintf(stderr, "; %zu lines were none of a monitor", l->n_bad_lines);
    fputc('\n', stderr);
}

static bool prepare(struct live *l)
{
    json_t *hardware = host_hardware();
    snprintf(l->key, sizeof l->key, "%s", l->options->hardware ? l->options->hardware : json_string_value(json_object_get(hardware, "key")));
    json_decref(hardware);
    return spool_folder(l->spool, sizeof l->spool, l->fault) && open_store(l);
}

enum exit_code history_live(const struct options *options, const char *url, struct fault *fault)
{
    enum exit_code code = EXIT_CODE_PASS;
    char uuid[37];
    struct live *l = calloc(1, sizeof *l);
    if (!l)
        return fault_set(fault, EXIT_CODE_USAGE, "history live: no memory"), fault->code;
    *l = (struct live){.options = options, .url = url, .fault = fault};
    interrupt_install();
    bool ok = prepare(l) && (options->operands.n > 1 ? watch_program(l, &code) : watch(l, STDIN_FILENO));
    ok = ok && store_points_now(l, uuid);
    if (ok)
        print_end(l);
    code = !ok ? fault->code : interrupt_asked() ? EXIT_CODE_INTERRUPTED : exit_worst(code, l->is_red ? EXIT_CODE_REGRESSION : l->n ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE);
    for (size_t i = 0; i < l->n; i++) {
        json_decref(l->names[i]->samples);
        free(l->names[i]->id);
        free(l->names[i]);
    }
    store_close(l->store);
    free(l);
    return code;
}
