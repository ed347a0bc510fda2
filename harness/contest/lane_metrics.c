/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/lane_metrics.h"

#include "contest/judge.h"
#include "gate/metrics.h"
#include "plan/order.h"
#include "probe/counters.h"
#include "store/canonical.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char taken[] = "generations", streams[] = "latencies";

json_t *lane_metrics_new(const json_t *planned)
{
    json_t *declared = json_object_get(planned, "metrics"), *store = json_object(), *tolerance;
    const char *name;
    json_object_foreach(declared, name, tolerance)
        json_object_set_new(store, name, json_array());
    if (json_object_size(store) == 0) {
        json_decref(store);
        return NULL;
    }
    json_object_set_new(store, taken, json_integer(0));
    json_object_set_new(store, streams, json_pack("[[],[],[]]"));
    return store;
}

void lane_metrics_sum(struct worker_usage *sum, const struct worker_usage *turn)
{
    sum->cpu_ns += turn->cpu_ns;
    sum->peak_bytes = fmax(sum->peak_bytes, turn->peak_bytes);
    sum->energy_j = sum->energy_j < 0 || turn->energy_j < 0 ? -1 : sum->energy_j + turn->energy_j;
    for (int i = 0; i < COUNTERS; i++)
        sum->counters[i] = sum->counters[i] < 0 || turn->counters[i] < 0 ? -1 : sum->counters[i] + turn->counters[i];
}

/* What one lane gave, by metric; 0 where it is absent. */
static double value_of(const char *name, const struct worker_usage *usage, double runs, const json_t *closed)
{
    if (strcmp(name, "memory") == 0)
        return usage->peak_bytes > 0 ? usage->peak_bytes : json_number_value(json_object_get(closed, "peak_bytes"));
    if (strcmp(name, "cpu") == 0)
        return usage->cpu_ns / runs;
    if (strcmp(name, "instructions") == 0)
        return usage->counters[COUNTER_instructions] / runs;
    return strcmp(name, "energy") == 0 ? usage->energy_j / runs : 0;
}

static void append(json_t *list, const double values[N_LANES])
{
    json_t *generation = json_array();
    for (size_t i = 0; i < N_LANES; i++) {
        if (!(values[i] > 0) || !isfinite(values[i])) {
            json_decref(generation);
            return;
        }
        json_array_append_new(generation, json_real(values[i]));
    }
    json_array_append_new(list, generation);
}

void lane_metrics_add(json_t *store, const struct worker_usage usage[N_LANES], double runs, json_t *const closed[N_LANES])
{
    const char *name;
    json_t *list;
    if (!store)
        return;
    json_object_foreach(store, name, list) {
        double values[N_LANES];
        if (!json_is_array(list) || list == json_object_get(store, streams) || strcmp(name, "throughput") == 0)
            continue;
        for (size_t i = 0; i < N_LANES; i++)
            values[i] = value_of(name, &usage[i], runs, closed[i]);
        append(list, values);
    }
    json_object_set_new(store, taken, json_integer(json_integer_value(json_object_get(store, taken)) + 1));
}

bool lane_metrics_stream(json_t *store, struct lanes *lanes, uint64_t *random, enum lane *lost, struct fault *fault)
{
    size_t order[N_LANES] = {LANE_BASE, LANE_BASE2, LANE_HEAD};
    double rate[N_LANES];
    json_t *throughput = json_object_get(store, "throughput");
    if (!throughput && !json_object_get(store, "p99"))
        return true;
    order_shuffle(random, order, N_LANES);
    for (size_t i = 0; i < N_LANES; i++) {
        json_t *answer = lanes_stream(lanes, (enum lane)order[i], fault);
        *lost = (enum lane)order[i];
        if (!answer)
            return false;
        const json_t *latencies = json_object_get(answer, "latencies_ns");
        json_array_append(json_array_get(json_object_get(store, streams), order[i]), (json_t *)(uintptr_t)latencies);
        rate[order[i]] = (double)json_array_size(latencies) / json_number_value(json_object_get(answer, "wall_ns")) * 1e9;
        json_decref(answer);
    }
    if (throughput)
        append(throughput, rate);
    return true;
}

bool lane_metrics_is_enough(const json_t *store)
{
    return !store || json_integer_value(json_object_get(store, taken)) >= LANE_METRICS_GENERATIONS;
}

/* ---- verdicts */

static struct decide_verdict judge_values(const struct metrics_row *row, const json_t *list, double tolerance, size_t n_tests)
{
    size_t n = json_array_size(list);
    double *x = calloc(N_LANES * n + 1, sizeof *x);
    struct decide_verdict verdict = {.decision = DECISION_INCONCLUSIVE, .reason = "not measured: the cell's metrics say why"};
    for (size_t g = 0; x && g < n; g++)
        for (size_t i = 0; i < N_LANES; i++)
            x[i * n + g] = json_number_value(json_array_get(json_array_get(list, g), i));
    if (x && n)
        verdict = metrics_judge(row, &(struct metrics_values){n, {x, x + n, x + 2 * n}}, tolerance, n_tests);
    free(x);
    return verdict;
}

/* All latencies of one lane in a row; every lane served the same requests. */
static double *latencies_of(const json_t *generations, size_t *length)
{
    size_t n = 0, g, i, at = 0;
    json_t *one, *value;
    json_array_foreach(generations, g, one)
        n += length[g] = json_array_size(one);
    double *x = calloc(n + 1, sizeof *x);
    json_array_foreach(generations, g, one)
        json_array_foreach(one, i, value)
            if (x)
                x[at++] = json_number_value(value);
    return x;
}

static struct decide_verdict judge_stream(const json_t *store, double tolerance, size_t n_tests)
{
    const json_t *lanes = json_object_get(store, streams);
    size_t n = json_array_size(json_array_get(lanes, 0)), *length = calloc(n + 1, sizeof *length);
    double *x[N_LANES] = {0};
    struct decide_verdict verdict = {.decision = DECISION_INCONCLUSIVE, .reason = "the cell is no stream: it has no requests"};
    for (size_t i = 0; length && i < N_LANES; i++)
        if (json_array_size(json_array_get(lanes, i)) >= n)
            x[i] = latencies_of(json_array_get(lanes, i), length);
    if (n && x[LANE_BASE] && x[LANE_BASE2] && x[LANE_HEAD])
        verdict = metrics_judge_p99(&(struct metrics_stream){n, length, {x[LANE_BASE], x[LANE_BASE2], x[LANE_HEAD]}}, tolerance, n_tests);
    for (size_t i = 0; i < N_LANES; i++)
        free(x[i]);
    free(length);
    return verdict;
}

void lane_metrics_judge(const json_t *planned, const json_t *store, size_t n_tests, json_t *cell)
{
    const json_t *declared = json_object_get(planned, "metrics");
    size_t n = 0;
    if (!store || json_integer_value(json_object_get(store, taken)) == 0)
        return;
    const char **names = canonical_keys(declared, &n);
    for (size_t i = 0; names && i < n; i++) {
        const char *name = names[i];
        const struct metrics_row *row = metrics_find(name);
        double t = json_number_value(json_object_get(declared, name));
        if (!row || strcmp(name, "instruction_count") == 0)
            continue;
        struct decide_verdict v = strcmp(name, "p99") == 0 ? judge_stream(store, t, n_tests) : judge_values(row, json_object_get(store, name), t, n_tests);
        json_array_append_new(json_object_get(cell, "verdicts"), judge_decision(name, "paired", t, &v));
    }
    free(names);
}
