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
static const struct store_statement find_run = {"SELECT id, started FROM run WHERE uuid = $1", 1};
static const struct store_statement add_run = {
    "INSERT INTO run (uuid, kind, started, imported, git_commit, dirty, hardware, gpu_key, environment, ternmark, complete, fit, exit_code)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING", 13};
static const struct store_statement find_point = {"SELECT count(*) FROM point WHERE cell = $1 AND hardware = $2 AND metric = $3 AND started = $4 AND run = $5", 5};
static const struct store_statement add_point = {
    "INSERT INTO point (cell, hardware, metric, started, run, value, spread, n, block, block_from, block_bytes)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING", 11};
static const struct store_statement add_verdict = {
    "INSERT INTO verdict (run, cell, metric, against, verdict, ratio, low, high, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING", 9};

struct import {
    struct store *store;
    const json_t *top;
    struct store_counts *counts;
    struct fault *fault;
    json_t *seen;  /* run id: [key, when it started, whether it is new] */
    json_t *absent;  /* set of what machines could not read, as text */
    struct store_block block;
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

/* Where a value goes. A run keeps the start it was stored with: a baseline that holds it says when the baseline was made. */
struct place {
    int64_t cell, hardware, run, started;
    bool is_new;  /* the run, with this import */
};

static bool take_run(void *to, const struct store_value *c, size_t n)
{
    struct place *at = to;
    (void)n;
    at->run = c[0].integer;
    at->started = c[1].integer;
    return false;
}

/* The run with this id, added when it is new; asked of the database once. */
static bool find_or_add_run(struct import *i, const char *uuid, struct place *at)
{
    const struct store_value one[] = {store_text(uuid)};
    const json_t *seen = json_object_get(i->seen, uuid);
    if (seen) {
        at->run = json_integer_value(json_array_get(seen, 0));
        at->started = json_integer_value(json_array_get(seen, 1));
        at->is_new = json_is_true(json_array_get(seen, 2));
        return true;
    }
    at->run = -1;
    if (!STORE_RUN(i->store, &find_run, one, take_run, at, i->fault))
        return false;
    at->is_new = at->run < 0;
    if (at->is_new && (!insert_run(i, uuid) || !STORE_RUN(i->store, &find_run, one, take_run, at, i->fault)))
        return false;
    ++*(at->is_new ? &i->counts->runs : &i->counts->known);
    return json_object_set_new(i->seen, uuid, json_pack("[I, I, b]", (json_int_t)at->run, (json_int_t)at->started, at->is_new)) == 0 || no_memory(i->fault);
}

/* What one value of a metric says; `place` where its samples lie. */
struct reading {
    double value, spread;
    size_t n;
    struct store_place place;
};

static bool add_point_of(struct import *i, const struct place *at, int64_t metric, const struct reading *r)
{
    const struct store_value none = {.kind = STORE_NULL};
    bool has_samples = r->place.block != 0;
    const struct store_value parameters[] = {
        store_integer(at->cell), store_integer(at->hardware), store_integer(metric), store_integer(at->started), store_integer(at->run),
        store_real(r->value), store_real(r->spread), store_integer((int64_t)r->n), has_samples ? store_integer(r->place.block) : none,
        has_samples ? store_integer(r->place.from) : none, has_samples ? store_integer(r->place.n) : none};
    i->counts->points += at->is_new;
    return STORE_RUN(i->store, &add_point, parameters, NULL, NULL, i->fault);
}

static bool key_of_metric(struct import *i, const char *name, const char *unit, int64_t *metric)
{
    const struct store_value key[] = {store_text(name), store_text(unit)};
    return store_key(i->store, &find_metric, &add_metric, key, metric, i->fault);
}

/* Every cell of a machine says the same: asked of the database once. */
static bool add_absence_of(struct import *i, const struct place *at, const char *name, const char *why)
{
    json_t *key = json_sprintf("%lld %s: %s", (long long)at->hardware, name, why);
    const char *text = json_string_value(key);
    bool known = !text || json_object_get(i->absent, text);
    bool ok = known || (store_absence_add(i->store, at->hardware, name, why, at->started, i->fault) &&
                        (json_object_set_new(i->absent, text, json_true()) == 0 || no_memory(i->fault)));
    json_decref(key);
    return ok;
}

static bool add_metrics(struct import *i, const struct place *at, const json_t *metrics)
{
    const char *name;
    const json_t *metric;
    json_object_foreach((json_t *)(uintptr_t)metrics, name, metric) {
        const json_t *value = json_object_get(metric, "value");
        const char *why = text_of(metric, "absent");
        const struct reading reading = {.value = json_number_value(value), .n = 1};
        int64_t key;
        if (json_is_number(value) && (!key_of_metric(i, name, text_of(metric, "unit"), &key) || !add_point_of(i, at, key, &reading)))
            return false;
        if (why && !add_absence_of(i, at, name, why))
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

/* Whether the point is there: a set that was stored is not packed again. */
static bool is_stored(struct import *i, const struct place *at, int64_t metric, bool *answer)
{
    const struct store_value key[] = {store_integer(at->cell), store_integer(at->hardware), store_integer(metric), store_integer(at->started), store_integer(at->run)};
    int64_t n = 0;
    bool ok = at->is_new || STORE_RUN(i->store, &find_point, key, store_take_integer, &n, i->fault);
    *answer = n > 0;
    return ok;
}

static bool add_samples_of(struct import *i, const struct place *at, const json_t *generations)
{
    unsigned char *bytes;
    size_t n_bytes;
    int64_t metric;
    bool stored;
    struct reading r = {0};
    if (!key_of_metric(i, "time", "ns", &metric) || !is_stored(i, at, metric, &stored))
        return false;
    if (stored)
        return true;
    if (!store_samples_pack(generations, &bytes, &n_bytes, &r.n))
        return no_memory(i->fault);
    bool ok = r.n == 0 || store_block_append(i->store, &i->block, bytes, n_bytes, &r.place, i->fault);
    free(bytes);
    if (!ok || r.n == 0)
        return ok;
    return summarise(generations, r.n, &r.value, &r.spread) ? add_point_of(i, at, metric, &r) : no_memory(i->fault);
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
        if (!find_or_add_run(i, text_of(run, "run_id"), at) || !add_samples_of(i, at, json_object_get(run, "samples_ns")))
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
    bool is_baseline = strcmp(text_of(i->top, "kind"), "baseline") == 0;
    struct place top = {.run = -1};
    size_t k;
    const json_t *cell;
    if (!add_hardware_of(i) || !add_environment_of(i) || (!is_baseline && !find_or_add_run(i, text_of(i->top, "run_id"), &top)))
        return false;
    json_array_foreach(json_object_get(i->top, "cells"), k, cell) if (!add_cell_of(i, cell, top.run)) return false;
    return store_block_write(i->store, &i->block, i->fault);
}

bool store_import(struct store *store, const json_t *result, struct store_counts *counts, struct fault *fault)
{
    struct store_counts before = *counts;
    struct import i = {.store = store, .top = result, .counts = counts, .fault = fault, .seen = json_object(), .absent = json_object(),
                       .started = seconds_of(text_of(result, "started_at")), .now = (int64_t)time(NULL)};
    bool ok = store_begin(store, fault) && import_all(&i) && store_commit(store, fault);
    json_decref(i.seen);
    json_decref(i.absent);
    store_block_clear(&i.block);
    if (ok)
        return true;
    store_rollback(store);
    *counts = before;
    return false;
}
