/* SPDX-License-Identifier: Apache-2.0 */
#include "history/versus.h"

#include "contest/process.h"
#include "stats/summary.h"
#include "store/runfile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_GENERATIONS = 256, MIN_ROUNDS = 6 };

/* Medians per generation, gathered: rounds come in the order of their generations. */
struct gathering {
    double logs[8192], medians[MAX_GENERATIONS];
    size_t n_logs, n_medians, n_rounds;
    double squares;  /* of the errors of the medians */
    int64_t generation;
};

static void end_generation(struct gathering *g)
{
    if (g->n_logs && g->n_medians < MAX_GENERATIONS) {
        size_t n = g->n_logs;
        double median = summary_median(g->logs, n), mad = summary_mad(g->logs, n, median);
        double error = 1.2533 * 1.4826 * mad / sqrt((double)n);  /* of a median of normal values */
        g->medians[g->n_medians++] = median;
        g->squares += error * error;
    }
    g->n_logs = 0;
}

static double time_of(const json_t *round, const char *lane)
{
    const json_t *order = json_object_get(round, "order"), *name;
    size_t i;
    json_array_foreach(order, i, name)
        if (strcmp(json_string_value(name), lane) == 0)
            return json_number_value(json_array_get(json_object_get(round, "ns"), i));
    return 0;
}

static void take_round(struct gathering *g, const json_t *round)
{
    double base = time_of(round, "base"), base2 = time_of(round, "base2"), head = time_of(round, "head");
    int64_t generation = json_integer_value(json_object_get(round, "generation"));
    if (generation != g->generation)
        end_generation(g);
    g->generation = generation;
    if (base > 0 && base2 > 0 && head > 0 && g->n_logs < sizeof g->logs / sizeof *g->logs) {
        g->logs[g->n_logs++] = log(head) - 0.5 * (log(base) + log(base2));
        g->n_rounds++;
    }
}

bool versus_from_rounds(const json_t *paired, struct versus_ratio *out)
{
    struct gathering *g = calloc(1, sizeof *g);
    const json_t *round;
    size_t i;
    if (!g)
        return false;
    g->generation = -1;
    json_array_foreach(json_object_get(paired, "rounds"), i, round) take_round(g, round);
    end_generation(g);
    double n = (double)g->n_medians, mean = 0, scatter = 0;
    for (size_t k = 0; k < g->n_medians; k++)
        mean += g->medians[k] / n;
    for (size_t k = 0; k < g->n_medians; k++)
        scatter += (g->medians[k] - mean) * (g->medians[k] - mean);
    double between = n > 1 ? sqrt(scatter / (n - 1) / n) : 0, within = sqrt(g->squares) / fmax(n, 1);
    *out = (struct versus_ratio){exp(mean), fmax(between, within), g->n_rounds, g->n_medians};
    bool ok = g->n_rounds >= MIN_ROUNDS;
    free(g);
    return ok;
}

/* "^" and the id with each letter that means something to a POSIX expression escaped, "$". */
static void exactly(const char *id, char *out, size_t size)
{
    size_t at = 0;
    out[at++] = '^';
    for (; *id && at + 4 < size; id++) {
        if (strchr(".[]()*+?{}|^$\\", *id))
            out[at++] = '\\';
        out[at++] = *id;
    }
    out[at++] = '$';
    out[at] = '\0';
}

/* The cell's own end, from a gate's result. */
static enum versus_end read_cell(const json_t *cell, struct versus_ratio *out)
{
    const json_t *paired = json_object_get(cell, "paired"), *verdict = json_array_get(json_object_get(cell, "verdicts"), 0);
    const char *word = json_string_value(json_object_get(verdict, "verdict")), *reason = json_string_value(json_object_get(verdict, "reason"));
    if (json_is_object(paired) && versus_from_rounds(paired, out))
        return VERSUS_MEASURED;
    *out = (struct versus_ratio){.ratio = 1};
    if (word && strcmp(word, "pass") == 0 && reason && strcmp(reason, "identical subject") == 0)
        return VERSUS_IDENTICAL;
    return word && (strcmp(word, "unfit") == 0 || strcmp(word, "inconclusive") == 0) ? VERSUS_UNFIT : VERSUS_NOT_BUILT;
}

static enum versus_end read_result(const char *path, const char *id, struct versus_ratio *out)
{
    struct fault fault = {0};
    json_t *result = runfile_load(path, &fault), *cell;
    enum versus_end end = VERSUS_NOT_BUILT;
    size_t i;
    json_array_foreach(json_object_get(result, "cells"), i, cell)
        if (strcmp(json_string_value(json_object_get(cell, "id")), id) == 0)
            end = read_cell(cell, out);
    json_decref(result);
    return end;
}

enum versus_end versus_measure(const struct versus *v, struct versus_ratio *out)
{
    char expression[2048], path[4200], log[4200], tolerance[32], budget[32], self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    *out = (struct versus_ratio){.ratio = 1};
    if (n <= 0)
        return VERSUS_NOT_BUILT;
    self[n] = '\0';
    exactly(v->cell, expression, sizeof expression);
    snprintf(path, sizeof path, "%s/result.json", v->folder);
    snprintf(log, sizeof log, "%s/log", v->folder);
    snprintf(tolerance, sizeof tolerance, "%.4f", v->tolerance);
    snprintf(budget, sizeof budget, "%.0fms", 1000 * v->seconds);
    unlink(path);
    const char *const argv[] = {self, "gate", "--paired", "--base", v->good, "--head", v->bad, "--filter", expression, "--tolerance", tolerance,
                                "--budget", budget, "--out", path, NULL};
    int code = process_build(argv, NULL, log);
    if (code == EXIT_CODE_INTERRUPTED || code > 128)
        return VERSUS_INTERRUPTED;
    return read_result(path, v->cell, out);
}
