/* SPDX-License-Identifier: Apache-2.0
 *
 * A gate's result as it might be measured, made from a seed: every picture has something to show. For tests of the report.
 */
#ifndef MADE_RUN_H
#define MADE_RUN_H

#include "store/runfile.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MADE_HASH "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static uint64_t made_state = 1;

static inline double made_uniform(void)
{
    made_state = made_state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(made_state >> 11) + 0.5) / 9007199254740992.0;
}

static inline double made_normal(void)
{
    return sqrt(-2 * log(made_uniform())) * cos(6.283185307179586 * made_uniform());
}

/* A time around `median` with a tail to the right, as on a shared machine. */
static inline double made_time(double median, double spread)
{
    double tail = made_uniform() < 0.04 ? 1 + 0.3 * made_uniform() : 1;
    return median * exp(spread * made_normal()) * tail;
}

static inline json_t *made_paired(double median, double spread, double change)
{
    static const char *const lanes[] = {"base", "base2", "head"};
    json_t *rounds = json_array();
    for (int g = 0; g < 5; g++) {
        double layout[3] = {exp(0.004 * made_normal()), exp(0.004 * made_normal()), exp(0.004 * made_normal())};
        for (int r = 0; r < 24; r++) {
            json_t *order = json_array(), *ns = json_array();
            int first = (int)(made_uniform() * 3);
            for (int i = 0; i < 3; i++) {
                int lane = (first + i) % 3;
                json_array_append_new(order, json_string(lanes[lane]));
                json_array_append_new(ns, json_real(made_time(median * layout[lane] * (lane == 2 ? change : 1), spread)));
            }
            json_array_append_new(rounds, json_pack("{s:i, s:i, s:o, s:o}", "generation", g, "round", r, "order", order, "ns", ns));
        }
    }
    return json_pack("{s:{s:s, s:s, s:s}, s:o}", "builds", "base", MADE_HASH, "base2", MADE_HASH, "head", MADE_HASH, "rounds", rounds);
}

static inline json_t *made_verdict(double change, double half)
{
    double low = change * exp(-half), high = change * exp(half);
    const char *word = low > 1.05 ? "regression" : high < 1 / 1.05 ? "improved" : high < 1.05 ? "pass" : "inconclusive";
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:n, s:[]}", "metric", "time", "against", "paired", "verdict", word, "ratio", change, "low", low, "high", high,
                     "tolerance", 0.05, "smallest_visible", 0.05 + 2 * half, "rounds", 120, "generations", 5, "reason", "differs");
}

/* A measured cell; change 0: not judged. `params` is taken. */
static inline json_t *made_cell(const char *suite, const char *bench, json_t *params, double median, double ops, double bytes, double change)
{
    char id[512];
    const char *name;
    json_t *value, *samples = json_array(), *iterations = json_array();
    int used = snprintf(id, sizeof id, "%s/%s", suite, bench);
    json_object_foreach(params, name, value)
        used += snprintf(id + used, sizeof id - (size_t)used, json_is_string(value) ? "/%s=%s" : "/%s=%.0s%g", name, json_is_string(value) ? json_string_value(value) : "", json_number_value(value));
    for (int g = 0; g < 3; g++) {
        json_t *one = json_array();
        for (int i = 0; i < 30; i++)
            json_array_append_new(one, json_real(made_time(median, 0.02)));
        json_array_append_new(samples, one);
        json_array_append_new(iterations, json_integer(1000));
    }
    json_t *cell = json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:n, s:O?, s:[{s:s, s:o, s:o}], s:{s:f,s:f,s:f,s:f,s:f,s:f,s:f}, s:{s:{s:f,s:s}, s:{s:s}}, s:{s:f,s:f,s:n}, s:f, s:[s], s:n, s:n, s:[]}",
        "id", id, "suite", suite, "bench", bench, "params", params, "workload_hash", MADE_HASH, "status", "ok", "reason", "backend", json_object_get(params, "backend"),
        "runs", "run_id", "0b9f3a54-5e0c-4f6e-9d27-6c1b2a3d4e5f", "iterations", iterations, "samples_ns", samples,
        "summary", "median", median, "mad", median * 0.011, "p50", median, "p95", median * 1.06, "p99", median * 1.2, "min", median * 0.96, "max", median * 1.31,
        "metrics", "peak_memory", "value", 4.2e6, "unit", "B", "energy", "absent", "no RAPL on this machine",
        "work", "ops", ops, "bytes", bytes, "items", "tolerance", 0.05, "tags", "ci", "compiled", "paired", "verdicts");
    if (ops <= 0)
        json_object_set_new(json_object_get(cell, "work"), "ops", json_null());
    if (bytes <= 0)
        json_object_set_new(json_object_get(cell, "work"), "bytes", json_null());
    if (change > 0) {
        json_object_set_new(cell, "paired", made_paired(median, 0.025, change));
        json_array_append_new(json_object_get(cell, "verdicts"), made_verdict(change * exp(0.004 * made_normal()), 0.012));
    }
    return cell;
}

static inline void made_bitlinear(json_t *cells)
{
    static const struct {
        const char *name;
        double gops;
    } backends[] = {{"scalar", 4}, {"sse41", 60}, {"avx2", 180}, {"avx512vnni", 420}};
    static const struct {
        const char *name;
        double n, k;
    } shapes[] = {{"768x768", 768, 768}, {"2560x2560", 2560, 2560}};
    static const int batches[] = {1, 8, 32, 128};
    for (size_t b = 0; b < 4; b++)
        for (size_t s = 0; s < 2; s++)
            for (size_t i = 0; i < 4; i++) {
                double nk = shapes[s].n * shapes[s].k, ops = 2 * nk * batches[i], rate = backends[b].gops * (batches[i] == 1 ? 0.6 : 1) * (1 + 0.1 * made_uniform());
                double change = b == 2 && i == 1 ? 1.10 : b == 3 && i == 2 ? 0.88 : b == 1 && i == 3 && s == 0 ? 1.046 : 1;
                json_t *params = json_pack("{s:s, s:i, s:s}", "backend", backends[b].name, "batch", batches[i], "shape", shapes[s].name);
                json_array_append_new(cells, made_cell("bitlinear", "bitlinear", params, ops / rate, ops, nk / 4 + (shapes[s].k + 4 * shapes[s].n) * batches[i], change));
            }
}

static inline void made_roofline(json_t *cells)
{
    static const struct {
        const char *name;
        double rate;
        int is_bytes, threads;
    } rows[] = {{"avx2", 320, 0, 1}, {"avx512vnni", 455, 0, 1}, {"avx512vnni", 890, 0, 2}, {"l1", 340, 1, 2}, {"l2", 175, 1, 2}, {"l3", 29, 1, 2}, {"dram", 16, 1, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        json_array_append_new(cells, made_cell("roofline", rows[i].is_bytes ? "read" : "peak", json_pack("{s:s, s:i}", rows[i].is_bytes ? "level" : "isa", rows[i].name, "threads", rows[i].threads), 1e6,
            rows[i].is_bytes ? 0 : rows[i].rate * 1e6, rows[i].is_bytes ? rows[i].rate * 1e6 : 0, 0));
}

/* Cells that leave one thing out, and one that observed its memory. */
static inline void made_ablation(json_t *cells)
{
    static const struct {
        const char *without;
        double median;
    } rows[] = {{"nothing", 1e5}, {"vectors", 4e6}, {"second-thread", 1.9e5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        json_array_append_new(cells, made_cell("ablation", "layer", json_pack("{s:s, s:i}", "without", rows[i].without, "batch", 1), rows[i].median, 1e7, 1e6, 0));
    json_t *cell = made_cell("memory", "churn", json_pack("{s:s}", "allocator", "pool"), 1e3, 0, 0, 0), *series = json_array();
    for (int i = 0; i < 60; i++)
        json_array_append_new(series, json_real(5e8 + 1e7 * i));
    json_object_set_new(json_object_get(cell, "metrics"), "held_bytes", json_pack("{s:f, s:s, s:o}", "value", 1.09e9, "unit", "bytes", "series", series));
    json_array_append_new(cells, cell);
}

static inline void made_others(json_t *cells)
{
    made_ablation(cells);
    static const double percentiles[] = {50, 90, 95, 99, 99.9};
    for (int t = 1; t <= 4; t *= 2)
        json_array_append_new(cells, made_cell("threads", "bitlinear", json_pack("{s:s, s:i}", "backend", "avx2", "threads", t), 1e5 / pow(t, 0.93), 1e7, 1e6, 0));
    for (int rate = 1; rate <= 3; rate++) {
        json_t *cell = made_cell("stream", "decode", json_pack("{s:i}", "load", rate * 25), 8e5 * rate, 0, 0, 0);
        for (size_t p = 0; p < 5; p++) {
            char name[32];
            snprintf(name, sizeof name, "latency_p%g", percentiles[p]);
            json_object_set_new(json_object_get(cell, "metrics"), name, json_pack("{s:f, s:s}", "value", 8e5 * rate * (1 + 0.4 * (double)(p * p)), "unit", "ns"));
        }
        json_array_append_new(cells, cell);
    }
}

/* A whole result with a right checksum; day counts the runs, machine tells apart two of them. */
static inline json_t *made_run(uint64_t seed, int day, const char *machine)
{
    char date[32], checksum[72];
    made_state = seed * 2654435761u + 12345;
    snprintf(date, sizeof date, "2026-11-%02dT02:38:35Z", day);
    json_t *cells = json_array();
    made_bitlinear(cells);
    made_roofline(cells);
    made_others(cells);
    json_t *run = json_pack("{s:i, s:s, s:b, s:s, s:s, s:s, s:{s:s, s:b}, s:{s:s, s:n, s:{s:s, s:i, s:b}}, s:{s:s, s:s}, s:{s:b, s:[]}, s:i, s:o, s:{s:s, s:s, s:f, s:s, s:b, s:[s]}}",
        "schema", 1, "kind", "gate", "complete", 1, "ternmark", "0.1.0", "run_id", "0b9f3a54-5e0c-4f6e-9d27-6c1b2a3d4e5f", "started_at", date,
        "git", "commit", "81a95e0c4d3b2a1908f7e6d5c4b3a29180f7e6d5", "dirty", 0, "hardware", "key", machine, "gpu_key", "fields", "cpu", "Some CPU @ 2.0 GHz", "cores", 2, "smt", 0,
        "environment", "kernel", "6.1.0", "governor", "performance", "fitness", "fit", 1, "reasons", "exit", 1, "cells", cells,
        "gate", "base", "HEAD^", "head", "working tree", "tolerance", 0.05, "mode", "paired", "strict", 0, "notes", "no hardware counters on this machine");
    if (!run || !runfile_checksum(run, checksum) || json_object_set_new(run, "checksum", json_string(checksum)) != 0)
        abort();
    return run;
}

#endif
