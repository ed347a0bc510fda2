/* SPDX-License-Identifier: Apache-2.0
 *
 * A result file into rows: one transaction, every statement of which leaves alone what is there already.
 */
#include "hash.h"
#include "store/canonical.h"
#include "store/store_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct store_statement find_hardware = {"SELECT id FROM hardware WHERE key = $1", 1};
static const struct store_statement add_hardware = {"INSERT INTO hardware (key, fields) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2};
static const struct store_statement find_environment = {"SELECT id FROM environment WHERE hash = $1", 1};
static const struct store_statement add_environment = {"INSERT INTO environment (hash, fields) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2};
static const struct store_statement find_cell = {"SELECT id FROM cell WHERE name = $1 AND workload = $2", 2};
static const struct store_statement add_cell = {"INSERT INTO cell (name, workload, suite, bench) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", 4};
static const struct store_statement find_metric = {"SELECT id FROM metric WHERE name = $1 AND unit = $2", 2};
static const struct store_statement add_metric = {"INSERT INTO metric (name, unit) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2};
static const struct store_statement find_run = {"SELECT id FROM run WHERE uuid = $1", 1};
static const struct store_statement add_run = {
    "INSERT INTO run (uuid, kind, started, imported, git_commit, dirty, hardware, gpu_key, environment, ternmark, complete, fit, exit_code)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING", 13};
static const struct store_statement add_point = {
    "INSERT INTO point (cell, hardware, metric, started, run, value, spread, n) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING", 8};
static const struct store_statement add_samples = {"INSERT INTO sample_set (run, cell, n, data) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", 4};
static const struct store_statement add_verdict = {
    "INSERT INTO verdict (run, cell, metric, against, verdict, ratio, low, high, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING", 9};

struct import {
    struct store *store;
    const json_t *top;
    struct store_counts *counts;
    struct fault *fault;
    json_t *seen;  /* run id: key; the key of a run that was there before is stored as -1 - key */
    int64_t started, now, hardware, gpu_hardware, environment;
};

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool no_memory(struct fault *fault)
{
    return fault_set(fault, EXIT_CODE_USAGE, "history: no memory");
}

/* "2026-11-23T02:38:35Z" in seconds since 1970. */
static int64_t seconds_of(const char *text)
{
    struct tm tm = {0};
    return text && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) ? (int64_t)timegm(&tm) : 0;
}

static bool key_of_hardware(struct import *i, const char *key, const json_t *fields, int64_t *id)
{
    char *text = json_dumps(fields, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return no_memory(i->fault);
    const struct store_value parameters[] = {store_text(key), store_text(text)};
    bool ok = store_key(i->store, &find_hardware, &add_hardware, parameters, id, i->fault);
    free(text);
    return ok;
}

static bool add_hardware_of(struct import *i)
{
    const json_t *hardware = json_object_get(i->top, "hardware"), *fields = json_object_get(hardware, "fields");
    const char *key = text_of(hardware, "key"), *gpu = text_of(hardware, "gpu_key");
    char both[512];
    if (!key_of_hardware(i, key, fields, &i->hardware))
        return false;
    i->gpu_hardware = i->hardware;
    if (!gpu)
        return true;
    snprintf(both, sizeof both, "%s+%s", key, gpu);
    return key_of_hardware(i, both, fields, &i->gpu_hardware);
}

static bool add_environment_of(struct import *i)
{
    char *text = json_dumps(json_object_get(i->top, "environment"), JSON_COMPACT | JSON_SORT_KEYS), hash[HASH_HEX];
    if (!text)
        return no_memory(i->fault);
    hash_sha256(text, strlen(text), hash);
    const struct store_value parameters[] = {store_text(hash), store_text(text)};
    bool ok = store_key(i->store, &find_environment, &add_environment, parameters, &i->environment, i->fault);
    free(text);
    return ok;
}

static bool insert_run(struct import *i, const char *uuid)
{
    const json_t *git = json_object_get(i->top, "git");
    const struct store_value parameters[] = {
        store_text(uuid), store_text(text_of(i->top, "kind")), store_integer(i->started), store_integer(i->now), store_text(text_of(git, "commit")),
        store_integer(json_is_true(json_object_get(git, "dirty"))), store_integer(i->hardware),
        store_text(text_of(json_object_get(i->top, "hardware"), "gpu_key")), store_integer(i->environment), store_text(text_of(i->top, "ternmark")),
        store_integer(json_is_true(json_object_get(i->top, "complete"))), store_integer(json_is_true(json_object_get(json_object_get(i->top, "fitness"), "fit"))),
        store_integer(json_integer_value(json_object_get(i->top, "exit")))};
    return STORE_RUN(i->store, &add_run, parameters, NULL, NULL, i->fault);
}

/* The key of the run with this id, added when it is new; asked of the database once. */
static bool key_of_run(struct import *i, const char *uuid, int64_t *key, bool *is_new)
{
    const struct store_value one[] = {store_text(uuid)};
    const json_t *seen = json_object_get(i->seen, uuid);
    *key = -1;
    if (!seen) {
        if (!STORE_RUN(i->store, &find_run, one, store_take_integer, key, i->fault))
            return false;
        *is_new = *key < 0;
        if (*is_new && (!insert_run(i, uuid) || !STORE_RUN(i->store, &find_run, one, store_take_integer, key, i->fault)))
            return false;
        ++*(*is_new ? &i->counts->runs : &i->counts->known);
        return json_object_set_new(i->seen, uuid, json_integer(*is_new ? *key : -1 - *key)) == 0 || no_memory(i->fault);
    }
    int64_t value = json_integer_value(seen);
    *is_new = value >= 0;
    *key = *is_new ? value : -1 - value;
    return true;
}

struct place {
    int64_t cell, hardware, run;
    bool is_new;  /* the run, with this import */
};

static bool add_value(struct import *i, const struct place *at, const char *name, const char *unit, double value, double spread, size_t n)
{
    int64_t metric;
    const struct store_value key[] = {store_text(name), store_text(unit)};
    if (!store_key(i->store, &find_metric, &add_metric, key, &metric, i->fault))
        return false;
    const struct store_value parameters[] = {store_integer(at->cell), store_integer(at->hardware), store_integer(metric), store_integer(i->started),
                                             store_integer(at->run), store_real(value), store_real(spread), store_integer((int64_t)n)};
    i->counts->points += at->is_new;
    return STORE_RUN(i->store, &add_point, parameters, NULL, NULL, i->fault);
}

static bool add_metrics(struct import *i, const struct place *at, const json_t *metrics)
{
    const char *name;
    const json_t *metric;
    json_object_foreach((json_t *)(uintptr_t)metrics, name, metric) {
        const json_t *value = json_object_get(metric, "value");
        if (json_is_number(value) && !add_value(i, at, name, text_of(metric, "unit"), json_number_value(value), 0, 1))
            return false;
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *x, size_t n)
{
    qsort(x, n, sizeof *x, by_value);
    return 0.5 * (x[(n - 1) / 2] + x[n / 2]);
}

/* Median and MAD of one run of a cell: a baseline holds several runs and the summary of the last only. */
static bool summarise(const json_t *generations, size_t n, double *median, double *mad)
{
    double *x = malloc(n * sizeof *x + 1);
    size_t g, k, at = 0;
    const json_t *samples, *sample;
    if (!x)
        return false;
    json_array_foreach(generations, g, samples) json_array_foreach(samples, k, sample) x[at++] = json_number_value(sample);
    *median = median_of(x, n);
    for (size_t j = 0; j < n; j++)
        x[j] = x[j] > *median ? x[j] - *median : *median - x[j];
    *mad = median_of(x, n);
    free(x);
    return true;
}

static bool add_samples_of(struct import *i, const struct place *at, const json_t *generations)
{
    unsigned char *bytes;
    size_t n_bytes, n;
    double median, mad;
    if (!store_samples_pack(generations, &bytes, &n_bytes, &n))
        return no_memory(i->fault);
    const struct store_value parameters[] = {store_integer(at->run), store_integer(at->cell), store_integer((int64_t)n),
                                             {.kind = STORE_BLOB, .bytes = bytes, .n = n_bytes}};
    bool ok = n == 0 || STORE_RUN(i->store, &add_samples, parameters, NULL, NULL, i->fault);
    free(bytes);
    if (!ok || n == 0)
        return ok;
    return summarise(generations, n, &median, &mad) ? add_value(i, at, "time", "ns", median, mad, n) : no_memory(i->fault);
}

static bool add_verdicts(struct import *i, const struct place *at, const json_t *verdicts)
{
    size_t k;
    const json_t *v;
    json_array_foreach(verdicts, k, v) {
        const json_t *ratio = json_object_get(v, "ratio"), *low = json_object_get(v, "low"), *high = json_object_get(v, "high");
        const struct store_value parameters[] = {
            store_integer(at->run), store_integer(at->cell), store_text(text_of(v, "metric")), store_text(text_of(v, "against")), store_text(text_of(v, "verdict")),
            store_real(json_is_number(ratio) ? json_number_value(ratio) : __builtin_nan("")), store_real(json_is_number(low) ? json_number_value(low) : __builtin_nan("")),
            store_real(json_is_number(high) ? json_number_value(high) : __builtin_nan("")), store_text(text_of(v, "reason"))};
        if (!STORE_RUN(i->store, &add_verdict, parameters, NULL, NULL, i->fault))
            return false;
    }
    return true;
}

/* Work on the GPU is told by the backend that really ran. */
static bool is_on_gpu(const json_t *cell)
{
    const char *backend = text_of(cell, "backend");
    return (backend && strncmp(backend, "cuda", 4) == 0) || strncmp(text_of(cell, "suite"), "gpu", 3) == 0;
}

static bool add_runs_of_cell(struct import *i, struct place *at, const json_t *cell)
{
    size_t k, n = json_array_size(json_object_get(cell, "runs"));
    const json_t *run;
    json_array_foreach(json_object_get(cell, "runs"), k, run) {
        if (!key_of_run(i, text_of(run, "run_id"), &at->run, &at->is_new) || !add_samples_of(i, at, json_object_get(run, "samples_ns")))
            return false;
        if (k + 1 == n && !add_metrics(i, at, json_object_get(cell, "metrics")))
            return false;
    }
    return true;
}

static bool add_cell_of(struct import *i, const json_t *cell, int64_t top_run)
{
    struct place at = {.hardware = is_on_gpu(cell) ? i->gpu_hardware : i->hardware, .run = top_run};
    const struct store_value key[] = {store_text(text_of(cell, "id")), store_text(text_of(cell, "workload_hash")), store_text(text_of(cell, "suite")),
                                      store_text(text_of(cell, "bench"))};
    if (!store_key(i->store, &find_cell, &add_cell, key, &at.cell, i->fault))
        return false;
    if (top_run >= 0 && !add_verdicts(i, &at, json_object_get(cell, "verdicts")))
        return false;
    return strcmp(text_of(cell, "status"), "ok") != 0 || add_runs_of_cell(i, &at, cell);
}

static bool import_all(struct import *i)
{
    bool is_baseline = strcmp(text_of(i->top, "kind"), "baseline") == 0, is_new;
    int64_t run = -1;
    size_t k;
    const json_t *cell;
    if (!add_hardware_of(i) || !add_environment_of(i) || (!is_baseline && !key_of_run(i, text_of(i->top, "run_id"), &run, &is_new)))
        return false;
    json_array_foreach(json_object_get(i->top, "cells"), k, cell) if (!add_cell_of(i, cell, run)) return false;
    return true;
}

bool store_import(struct store *store, const json_t *result, struct store_counts *counts, struct fault *fault)
{
    struct store_counts before = *counts;
    struct import i = {.store = store, .top = result, .counts = counts, .fault = fault, .seen = json_object(),
                       .started = seconds_of(text_of(result, "started_at")), .now = (int64_t)time(NULL)};
    bool ok = store_begin(store, fault) && import_all(&i) && store_commit(store, fault);
    json_decref(i.seen);
    if (ok)
        return true;
    store_rollback(store);
    *counts = before;
    return false;
}
