/* SPDX-License-Identifier: Apache-2.0 */
#include "history/made.h"

#include "hash.h"
#include "stats/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *summary_object(const json_t *samples)
{
    struct summary s;
    size_t n = json_array_size(samples);
    double *x = calloc(n + 1, sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        x[i] = json_number_value(json_array_get(samples, i));
    bool ok = x && summary_of(x, n, &s);
    free(x);
    return ok ? json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "median", s.median, "mad", s.mad, "p50", s.p50, "p95", s.p95, "p99", s.p99, "min", s.min, "max", s.max) : NULL;
}

json_t *made_cell(const char *suite, const char *uuid, const char *id, json_t *params, json_int_t iterations, json_t *samples)
{
    char workload[80] = "sha256:", hex[HASH_HEX];
    hash_sha256(id, strlen(id), hex);
    snprintf(workload + 7, sizeof workload - 7, "%s", hex);
    return json_pack("{s:s, s:s, s:s, s:O, s:s, s:s, s:n, s:n, s:[{s:s, s:[I], s:[O]}], s:o, s:{}, s:n, s:f, s:[], s:n, s:n, s:[]}", "id", id, "suite", suite, "bench",
                     id + strlen(suite) + 1, "params", params, "workload_hash", workload, "status", "ok", "reason", "backend", "runs", "run_id",
                     uuid, "iterations", iterations, "samples_ns", samples, "summary", summary_object(samples), "metrics", "work", "tolerance",
                     0.05, "tags", "compiled", "paired", "verdicts");
}

json_t *made_run(const char *uuid, const char *date, const char *commit, const char *key, const char *from, json_t *cells)
{
    return json_pack("{s:i, s:s, s:b, s:s, s:s, s:s, s:{s:s?, s:b}, s:{s:s, s:n, s:{}}, s:{s:s}, s:{s:b, s:[]}, s:i, s:o}", "schema", 1, "kind", "run", "complete", 1, "ternmark",
                     TERNMARK_VERSION, "run_id", uuid, "started_at", date, "git", "commit", commit, "dirty", 0, "hardware", "key", key, "gpu_key", "fields",
                     "environment", "imported_from", from, "fitness", "fit", 1, "reasons", "exit", 0, "cells", cells);
}
