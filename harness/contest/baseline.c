/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/judge.h"
#include "contest/baseline.h"

#include "contest/offsets.h"
#include "contest/process.h"
#include "measure/top.h"
#include "store/runfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

char *baseline_path(const char *folder, const char *key, const char *suite)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s/%s.json", folder, key, suite) < 0 ? NULL : path;
}

/* ---- loading */

static int json_only(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0;
}

static bool check_file(const json_t *top, const char *path, const char *key, struct fault *fault)
{
    if (strcmp(text_of(top, "kind"), "baseline") != 0)
        return fault_set(fault, EXIT_CODE_INVALID, "%s: expected a baseline, found a %s", path, text_of(top, "kind"));
    if (strcmp(text_of(json_object_get(top, "hardware"), "key"), key) != 0)
        return fault_set(fault, EXIT_CODE_INVALID, "%s: its hardware key is %s, its folder says %s", path, text_of(json_object_get(top, "hardware"), "key"), key);
    return true;
}

static bool merge(json_t **all, json_t *top, const char *path, struct fault *fault)
{
    size_t i;
    json_t *cell;
    if (!*all) {
        *all = top;
        return true;
    }
    bool ok = true;
    json_array_foreach(json_object_get(top, "cells"), i, cell) {
        if (judge_find(*all, text_of(cell, "id")))
            ok = fault_set(fault, EXIT_CODE_INVALID, "%s: the cell %s stands in another baseline file too", path, text_of(cell, "id"));
        json_array_append(json_object_get(*all, "cells"), cell);
    }
    json_array_extend(json_object_get(*all, "accepted"), json_object_get(top, "accepted"));
    json_object_update_missing(json_object_get(*all, "renames"), json_object_get(top, "renames"));
    json_decref(top);
    return ok;
}

/* A key may come from a file of unknown origin, and names a folder. */
static bool is_folder_name(const char *key)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(key);
    return n > 0 && n <= 100 && key[0] != '.' && strspn(key, allowed) == n;
}

json_t *baseline_load(const char *folder, const char *key, struct fault *fault)
{
    char path[4096], file[4400];
    struct dirent **entries;
    json_t *all = NULL;
    if (!is_folder_name(key)) {
        fault_set(fault, EXIT_CODE_INVALID, "the hardware key is no name: expected at most 100 of a-z A-Z 0-9 . _ - and no dot first");
        return NULL;
    }
    snprintf(path, sizeof path, "%s/%s", folder, key);
    int n = scandir(path, &entries, json_only, alphasort);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        json_t *top = ok ? runfile_load(file, fault) : NULL;
        if (top && !check_file(top, file, key, fault)) {
            json_decref(top);
            top = NULL;
        }
        ok = top && merge(&all, top, file, fault);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    if (ok)
        return all;
    fault->code = EXIT_CODE_INVALID;
    json_decref(all);
    return NULL;
}

/* ---- making */

/* The run without what goes beyond the limit of samples: a baseline lives in the git tree. */
static json_t *trimmed(const json_t *run)
{
    json_t *copy = json_deep_copy(run), *samples;
    size_t i;
    json_array_foreach(json_object_get(copy, "samples_ns"), i, samples)
        while (json_array_size(samples) > BASELINE_SAMPLES)
            json_array_remove(samples, json_array_size(samples) - 1);
    return copy;
}

static const json_t *run_called(const json_t *cell, const char *run_id)
{
    size_t i;
    json_t *run;
    json_array_foreach(json_object_get(cell, "runs"), i, run)
        if (strcmp(text_of(run, "run_id"), run_id) == 0)
            return run;
    return NULL;
}

static json_t *runs_of_cell(const char *id, const char *workload, json_t *const *runs, size_t n, const json_t *old)
{
    json_t *all = json_array();
    const json_t *before = old ? judge_find(old, id) : NULL;
    const json_t *anchor = run_called(before, text_of(json_object_get(old, "anchor"), "run_id"));
    if (anchor && strcmp(text_of(before, "workload_hash"), workload) == 0)
        json_array_append_new(all, trimmed(anchor));
    for (size_t r = 0; r < n; r++) {
        const json_t *cell = judge_find(runs[r], id);
        if (strcmp(text_of(cell, "status"), "ok") == 0)
            json_array_append_new(all, trimmed(json_array_get(json_object_get(cell, "runs"), 0)));
    }
    return all;
}

/* Cells of the suite as the last run has them, each with all runs. */
static json_t *cells_of(const char *suite, json_t *const *runs, size_t n, const json_t *old)
{
    json_t *cells = json_array(), *cell;
    size_t i;
    json_array_foreach(json_object_get(runs[n - 1], "cells"), i, cell) {
        if (strcmp(text_of(cell, "suite"), suite) != 0 || strcmp(text_of(cell, "status"), "ok") != 0)
            continue;
        json_t *copy = json_copy(cell);
        json_object_set_new(copy, "runs", runs_of_cell(text_of(cell, "id"), text_of(cell, "workload_hash"), runs, n, old));
        json_object_set_new(copy, "verdicts", json_array());
        json_object_set_new(copy, "paired", json_null());
        json_array_append_new(cells, copy);
    }
    return cells;
}

/* How many days the runs are from. */
static json_int_t count_days(json_t *const *runs, size_t n, const json_t *old)
{
    json_t *days = json_object();
    char day[11];
    for (size_t i = 0; i <= n; i++) {
        const char *at = i < n ? text_of(runs[i], "started_at") : text_of(json_object_get(old, "anchor"), "date");
        snprintf(day, sizeof day, "%.10s", at);
        if (*day)
            json_object_set_new(days, day, json_true());
    }
    json_int_t count = (json_int_t)json_object_size(days);
    json_decref(days);
    return count;
}

json_t *baseline_make(const char *suite, json_t *const *runs, size_t n, const json_t *old)
{
    json_t *top = json_copy(runs[n - 1]), *environment = json_copy(json_object_get(runs[n - 1], "environment"));
    const json_t *first = runs[0], *git = json_object_get(first, "git");
    json_object_set_new(environment, "occasions", json_integer(count_days(runs, n, old)));
    json_object_del(environment, "arguments");
    json_object_set_new(top, "kind", json_string("baseline"));
    json_object_set_new(top, "environment", environment);
    json_object_set_new(top, "cells", cells_of(suite, runs, n, old));
    json_object_set_new(top, "exit", json_integer(0));
    json_object_set(top, "anchor", old ? json_object_get(old, "anchor") : NULL);
    if (!old)
        json_object_set_new(top, "anchor", json_pack("{s:O,s:O,s:O}", "run_id", json_object_get(first, "run_id"), "commit",
                                                     json_object_get(git, "commit"), "date", json_object_get(first, "started_at")));
    json_object_set_new(top, "accepted", old ? json_deep_copy(json_object_get(old, "accepted")) : json_array());
    json_object_set_new(top, "renames", old ? json_deep_copy(json_object_get(old, "renames")) : json_object());
    json_object_del(top, "gate");
    return top;
}

bool baseline_accept(json_t *baseline, const json_t *cell, const char *metric, const char *reason, const char *who, const char *commit)
{
    json_t *stored = judge_find(baseline, text_of(cell, "id")), *run = json_array_get(json_object_get(cell, "runs"), 0);
    if (!stored || !run)
        return false;
    json_object_set_new(stored, "runs", json_pack("[o]", trimmed(run)));
    json_object_set(stored, "summary", json_object_get(cell, "summary"));
    json_object_set(stored, "workload_hash", json_object_get(cell, "workload_hash"));
    json_t *metrics = json_copy(json_object_get(cell, "metrics"));
    offsets_join(metrics, NULL, json_object_get(stored, "metrics"));
    json_object_set_new(stored, "metrics", metrics);
    json_array_append_new(json_object_get(baseline, "accepted"),
                          json_pack("{s:s,s:s,s:s,s:s,s:o,s:s?}", "cell", text_of(cell, "id"), "metric", metric, "reason", reason, "who", who,
                                    "when", top_now(), "commit", commit && *commit ? commit : NULL));
    return true;
}

bool baseline_save(const char *folder, const char *suite, json_t *baseline, struct fault *fault)
{
    const char *key = text_of(json_object_get(baseline, "hardware"), "key");
    char *path = baseline_path(folder, key, suite), *slash = path ? strrchr(path, '/') : NULL;
    bool ok = slash != NULL;
    if (ok) {
        *slash = 0;
        ok = process_make_folder(path, fault);
        *slash = '/';
    }
    char *text = ok ? json_dumps(baseline, JSON_COMPACT) : NULL;
    if (text && strlen(text) > BASELINE_BYTES)
        ok = fault_set(fault, EXIT_CODE_USAGE, "%s would have %zu bytes: more than %d", path, strlen(text), BASELINE_BYTES);
    ok = ok && text && runfile_save(path, baseline, fault);
    free(text);
    free(path);
    return ok;
}
