/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/fleet.h"

#include "contest/process.h"
#include "fleet/job.h"
#include "history/spool.h"
#include "store/durable.h"
#include "store/runfile.h"
#include "store/store.h"
#include "text.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CLASSES = 64, MAX_WORDS = 96, CLASS_NAME = 64 };

/* What a class may ask of Slurm. */
static const struct {
    const char *key, *option;
} asks[] = {{"partition", "--partition"}, {"constraint", "--constraint"}, {"gres", "--gres"}, {"nodelist", "--nodelist"}, {"time", "--time"}, {"cpus", "--cpus-per-task"}, {"account", "--account"}};

struct fleet {
    const struct options *options;
    char folder[PATH_MAX];
    json_t *classes;  /* [{name, job}] */
};

static bool is_class_name(const char *name, size_t n)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return n > 0 && n < CLASS_NAME && name[0] != '.' && name[0] != '-' && strspn(name, letters) >= n;
}

static bool open_folder(struct fleet *f, bool create, struct fault *fault)
{
    const char *out = f->options->out;
    if (!out)
        return fault_set(fault, EXIT_CODE_USAGE, "fleet: expected --out DIR, a folder that all nodes see");
    if (create && !process_make_folder(out, fault))
        return false;
    return realpath(out, f->folder) || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", out, strerror(errno));
}

static void path_in(const struct fleet *f, const char *name, const char *ending, char path[PATH_MAX + 128])
{
    snprintf(path, PATH_MAX + 128, "%s/%s%s", f->folder, name, ending);
}

static bool save(const struct fleet *f, struct fault *fault)
{
    char path[PATH_MAX + 128];
    path_in(f, "fleet", ".json", path);
    json_t *top = json_pack("{s:i, s:O}", "fleet", 1, "classes", f->classes);
    char *text = json_dumps(top, JSON_INDENT(1));
    bool ok = text ? durable_write(path, text, strlen(text), fault) : fault_set(fault, EXIT_CODE_USAGE, "fleet: no memory");
    free(text);
    json_decref(top);
    return ok;
}

static bool load(struct fleet *f, struct fault *fault)
{
    char path[PATH_MAX + 128];
    json_error_t error;
    size_t i;
    const json_t *one;
    if (!open_folder(f, false, fault))
        return false;
    path_in(f, "fleet", ".json", path);
    json_t *top = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    f->classes = json_incref(json_object_get(top, "classes"));
    json_decref(top);
    if (!json_is_array(f->classes) || json_array_size(f->classes) == 0)
        return fault_set(fault, top ? EXIT_CODE_INVALID : EXIT_CODE_USAGE, "%s: expected what fleet submit wrote", path);
    json_array_foreach(f->classes, i, one) {
        const char *name = json_string_value(json_object_get(one, "name")), *job = json_string_value(json_object_get(one, "job"));
        if (!name || !is_class_name(name, strlen(name)) || !job || !*job || strspn(job, "0123456789") != strlen(job))
            return fault_set(fault, EXIT_CODE_INVALID, "%s: class %zu: expected name and job", path, i);
    }
    return true;
}

/* ---- submit */

struct words {
    const char *items[MAX_WORDS];
    size_t n;
};

static void add(struct words *w, const char *word)
{
    if (w->n + 1 < MAX_WORDS)
        w->items[w->n++] = word;
}

/* The options of a class, "key=value,…", changed in place. */
static bool add_asks(struct words *w, char *text, struct fault *fault)
{
    for (char *one = strtok(text, ","); one; one = strtok(NULL, ",")) {
        char *value = strchr(one, '=');
        size_t i = 0, n = sizeof asks / sizeof *asks;
        while (value && i < n && (strncmp(asks[i].key, one, strlen(asks[i].key)) != 0 || asks[i].key[value - one] != '\0'))
            i++;
        if (!value || i == n)
            return fault_set(fault, EXIT_CODE_USAGE, "--class: expected partition=, constraint=, gres=, nodelist=, time=, cpus= or account=, found '%s'", one);
        add(w, asks[i].option);
        add(w, value + 1);
    }
    return true;
}

/* sbatch prints the number of the job, or number;cluster. */
static bool submit_class(struct fleet *f, const char *script, char *text, struct fault *fault)
{
    const struct options *o = f->options;
    char *colon = strchr(text, ':'), job[256], log[PATH_MAX + 128], self[4096], budget[32], bundle[PATH_MAX];
    struct words w = {0};
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    if (colon)
        *colon = '\0';
    if (!is_class_name(text, strlen(text)))
        return fault_set(fault, EXIT_CODE_USAGE, "--class: expected a name of letters, digits and ._-, found '%s'", text);
    if (o->bundle && !realpath(o->bundle, bundle))
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", o->bundle, strerror(errno));
    path_in(f, text, ".job.log", log);
    const char *const first[] = {"sbatch", "--parsable", "--job-name", text, "--nodes", "1", "--output", log, "--chdir", o->bundle ? "/" : "."};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        add(&w, first[i]);
    if (o->exclusive)
        add(&w, "--exclusive");
    if (colon && !add_asks(&w, colon + 1, fault))
        return false;
    const char *const words[] = {script, f->folder, text, o->bundle ? bundle : "-", self};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        add(&w, words[i]);
    for (size_t i = 1; i < o->operands.n; i++)
        add(&w, o->operands.items[i]);
    if (o->given_budget) {
        snprintf(budget, sizeof budget, "%.0fms", o->budget / 1e6);
        add(&w, "--budget");
        add(&w, budget);
    }
    int code = process_capture(w.items, NULL, job, sizeof job);
    job[strspn(job, "0123456789")] = '\0';
    if (code != 0 || !*job)
        return fault_set(fault, EXIT_CODE_USAGE, "sbatch did not take class %s (exit %d): is Slurm here, and does the class name a partition of it?", text, code);
    return json_array_append_new(f->classes, json_pack("{s:s, s:s}", "name", text, "job", job)) == 0;
}

enum exit_code fleet_submit(const struct options *options, struct fault *fault)
{
    struct fleet f = {.options = options, .classes = json_array()};
    char script[PATH_MAX + 128], old[PATH_MAX + 128];
    bool ok = options->class.n || fault_set(fault, EXIT_CODE_USAGE, "fleet submit: expected --class NAME[:partition=…,constraint=…,gres=…], one for each kind of machine");
    ok = ok && open_folder(&f, true, fault);
    path_in(&f, "fleet", ".json", old);
    if (ok && access(old, F_OK) == 0)
        ok = fault_set(fault, EXIT_CODE_USAGE, "%s: a fleet was submitted from this folder already", f.folder);
    path_in(&f, "job", ".sh", script);
    ok = ok && durable_write(script, fleet_job, strlen(fleet_job), fault);
    for (size_t i = 0; ok && i < options->class.n; i++) {
        char *text = strdup(options->class.items[i]);
        ok = text && submit_class(&f, script, text, fault);
        free(text);
    }
    /* What was taken is kept even when a later class was refused, so that it can be watched and cancelled. */
    if (json_array_size(f.classes))
        ok = save(&f, ok ? fault : &(struct fault){0}) && ok;
    if (ok)
        printf("%zu jobs submitted; ternmark fleet status --out %s\n", json_array_size(f.classes), options->out);
    json_decref(f.classes);
    return ok ? EXIT_CODE_PASS : fault->code;
}

/* ---- status */

/* The result of a class, or NULL while there is none; a broken file is EXIT_CODE_INVALID. */
static json_t *result_of(const struct fleet *f, const json_t *one, struct fault *fault)
{
    char path[PATH_MAX + 128];
    path_in(f, json_string_value(json_object_get(one, "name")), ".json", path);
    return access(path, F_OK) == 0 ? runfile_load(path, fault) : NULL;
}

/* Slurm's word for the job, "" when it knows it no longer. */
static void state_of(const json_t *one, char state[64])
{
    const char *const argv[] = {"squeue", "-h", "-o", "%T", "-j", json_string_value(json_object_get(one, "job")), NULL};
    if (process_capture(argv, NULL, state, 64) != 0)
        state[0] = '\0';
}

static bool is_waited_for(const char *state)
{
    static const char *const live[] = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED"};
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        if (strcmp(live[i], state) == 0)
            return true;
    return false;
}

static bool print_class(const struct fleet *f, const json_t *one)
{
    struct fault fault = {0};
    char state[64];
    json_t *result = result_of(f, one, &fault);
    bool is_done = result != NULL;
    printf("%-20s job %-8s ", json_string_value(json_object_get(one, "name")), json_string_value(json_object_get(one, "job")));
    if (result)
        printf("done, exit %d\n", (int)json_integer_value(json_object_get(result, "exit")));
    else if (fault.text[0])
        printf("damaged result\n");
    else {
        state_of(one, state);
        for (char *at = state; *at; at++)
            *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
        printf("%s\n", *state ? state : "lost: no job and no result");
    }
    json_decref(result);
    return is_done;
}

enum exit_code fleet_status(const struct options *options, struct fault *fault)
{
    struct fleet f = {.options = options};
    size_t done = 0, i;
    const json_t *one;
    if (!load(&f, fault))
        return json_decref(f.classes), fault->code;
    json_array_foreach(f.classes, i, one) done += print_class(&f, one);
    bool is_all = done == json_array_size(f.classes);
    json_decref(f.classes);
    return is_all ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}

/* ---- collect */

struct collecting {
    struct store *store;
    char spool[PATH_MAX];
    struct store_counts counts;
    size_t done, waiting;
    enum exit_code worst;
};

static bool take(struct collecting *c, json_t *result, struct fault *fault)
{
    c->done++;
    c->worst = exit_worst(c->worst, (enum exit_code)json_integer_value(json_object_get(result, "exit")));
    if (c->store && store_import(c->store, result, &c->counts, fault))
        return true;
    if (c->store && !store_is_down(c->store))
        return false;
    store_close(c->store);
    c->store = NULL;
    c->waiting++;
    fault->text[0] = '\0';
    return spool_add(c->spool, result, fault);
}

static bool open_store(struct collecting *c, const struct options *options, struct fault *fault)
{
    char url[PATH_MAX + 16];
    if (!spool_folder(c->spool, sizeof c->spool, fault) || (!options->store && !store_default_url(url, sizeof url, fault)))
        return false;
    c->store = store_open(options->store ? options->store : url, STORE_WRITE, fault);
    bool may_wait = !c->store && strncmp(options->store ? options->store : url, "postgres", 8) == 0 && fault->code == EXIT_CODE_USAGE;
    if (may_wait)
        fault->text[0] = '\0';
    return c->store || may_wait;
}

static void say_missing(const struct fleet *f, const json_t *one)
{
    char state[64];
    (void)f;
    state_of(one, state);
    printf("missing: %s (job %s, %s)\n", json_string_value(json_object_get(one, "name")), json_string_value(json_object_get(one, "job")), is_waited_for(state) ? "not finished" : "lost");
}

enum exit_code fleet_collect(const struct options *options, struct fault *fault)
{
    struct fleet f = {.options = options};
    struct collecting c = {.worst = EXIT_CODE_PASS};
    size_t i, n = 0;
    const json_t *one;
    bool ok = load(&f, fault) && open_store(&c, options, fault);
    json_array_foreach(f.classes, i, one) {
        json_t *result = ok ? result_of(&f, one, fault) : NULL;
        ok = ok && (result ? take(&c, result, fault) : !fault->text[0]);
        if (ok && !result)
            say_missing(&f, one);
        json_decref(result);
        n++;
    }
    if (ok) {
        printf("%s: %zu of %zu classes; %zu runs with %zu points imported, %zu were there already\n", c.done == n ? "complete" : "incomplete", c.done, n, c.counts.runs, c.counts.points, c.counts.known);
        if (c.waiting)
            printf("the database is out of reach: %zu results wait for the next import\n", c.waiting);
    }
    store_close(c.store);
    json_decref(f.classes);
    return !ok ? fault->code : c.done == n ? c.worst : exit_worst(c.worst, EXIT_CODE_CANNOT_JUDGE);
}

enum exit_code fleet_cancel(const struct options *options, struct fault *fault)
{
    struct fleet f = {.options = options};
    size_t i;
    const json_t *one;
    bool ok = load(&f, fault);
    json_array_foreach(f.classes, i, one) {
        char state[64];
        state_of(one, state);
        const char *const argv[] = {"scancel", "--full", "--signal=TERM", json_string_value(json_object_get(one, "job")), NULL};
        const char *const pending[] = {"scancel", json_string_value(json_object_get(one, "job")), NULL};
        if (ok && is_waited_for(state))
            ok = process_build(strcmp(state, "RUNNING") == 0 ? argv : pending, NULL, NULL) == 0 || fault_set(fault, EXIT_CODE_USAGE, "scancel did not take job %s", argv[3]);
    }
    json_decref(f.classes);
    return ok ? EXIT_CODE_PASS : fault->code;
}
