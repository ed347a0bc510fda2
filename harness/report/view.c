/* SPDX-License-Identifier: Apache-2.0 */
#include "report/view.h"

#include "report/escape.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct view_state states[] = {
#define STATE(name, label, mark, ansi, junit) {STATE_##name, #name, label, mark, ansi, JUNIT_##junit},
#include "report/states.def"
#undef STATE
};

const struct view_state *view_state_row(int severity)
{
    return &states[severity];
}

static const struct view_state *state_named(const char *name)
{
    for (int i = 0; i < STATE_COUNT; i++)
        if (strcmp(states[i].name, name) == 0)
            return &states[i];
    return &states[STATE_measured]; /* status ok */
}

const char *view_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double view_number(const json_t *object, const char *key, double fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

const struct view_state *view_verdict_state(const json_t *verdict)
{
    return state_named(view_text(verdict, "verdict"));
}

static bool cannot_tell(const json_t *verdict)
{
    static const char *const words[] = {"inconclusive", "unfit", "not_comparable"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(view_text(verdict, "verdict"), words[i]) == 0)
            return true;
    return false;
}

/* As for the exit status: a stored run that cannot tell takes nothing from a verdict in pairs that could. */
static bool is_overruled(const json_t *verdict, const json_t *verdicts)
{
    if (!cannot_tell(verdict) || strcmp(view_text(verdict, "against"), "paired") == 0)
        return false;
    for (size_t i = 0; i < json_array_size(verdicts); i++) {
        const json_t *other = json_array_get(verdicts, i);
        if (strcmp(view_text(other, "against"), "paired") == 0 && !cannot_tell(other))
            return true;
    }
    return false;
}

const json_t *view_lead(const json_t *cell)
{
    const json_t *verdicts = json_object_get(cell, "verdicts"), *lead = NULL;
    for (size_t i = 0; i < json_array_size(verdicts); i++) {
        const json_t *verdict = json_array_get(verdicts, i);
        if (!is_overruled(verdict, verdicts) && (!lead || view_verdict_state(verdict)->severity < view_verdict_state(lead)->severity))
            lead = verdict;
    }
    return lead;
}

const struct view_state *view_cell_state(const json_t *cell)
{
    const json_t *lead = view_lead(cell);
    const char *status = view_text(cell, "status");
    if (lead)
        return view_verdict_state(lead);
    return state_named(strcmp(status, "not selected") == 0 ? "not_selected" : status);
}

bool view_is_aside(const json_t *cell)
{
    return view_cell_state(cell)->severity == STATE_not_selected && !*view_text(cell, "reason");
}

static double distance(const json_t *cell)
{
    double ratio = view_number(view_lead(cell), "ratio", 1);
    return ratio > 0 ? fabs(log(ratio)) : 0;
}

static int by_severity(const void *left, const void *right)
{
    const json_t *a = *(const json_t *const *)left, *b = *(const json_t *const *)right;
    int order = view_cell_state(a)->severity - view_cell_state(b)->severity;
    double da = distance(a), db = distance(b);
    if (order == 0)
        order = (da < db) - (da > db);
    return order ? order : strcmp(view_text(a, "id"), view_text(b, "id"));
}

const json_t **view_sorted(const json_t *run, size_t *n)
{
    const json_t *cells = json_object_get(run, "cells");
    *n = json_array_size(cells);
    const json_t **sorted = *n ? calloc(*n, sizeof *sorted) : NULL;
    if (!sorted) {
        *n = 0;
        return NULL;
    }
    for (size_t i = 0; i < *n; i++)
        sorted[i] = json_array_get(cells, i);
    qsort(sorted, *n, sizeof *sorted, by_severity);
    return sorted;
}

void view_counts(const json_t *run, size_t counts[STATE_COUNT])
{
    const json_t *cells = json_object_get(run, "cells");
    memset(counts, 0, STATE_COUNT * sizeof *counts);
    for (size_t i = 0; i < json_array_size(cells); i++)
        counts[view_cell_state(json_array_get(cells, i))->severity]++;
}

/* The word a run is summed up by, from its exit status: the gate decided that, not the report. */
static const char *outcome(const json_t *run, const size_t counts[STATE_COUNT])
{
    static const struct {
        int exit;
        const char *word;
    } rows[] = {{1, "REGRESSION"}, {2, "ERROR"}, {3, "CANNOT JUDGE"}, {4, "FAILED"}, {5, "INVALID"}, {130, "INTERRUPTED"}};
    int exit = (int)view_number(run, "exit", 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].exit == exit)
            return rows[i].word;
    if (strcmp(view_text(run, "kind"), "gate") != 0)
        return "MEASURED";
    return counts[STATE_pass] + counts[STATE_improved] ? "PASS" : "PASS (nothing compared)";
}

void view_headline(const json_t *run, char *buffer, size_t size)
{
    size_t counts[STATE_COUNT], used;
    view_counts(run, counts);
    const char *mode = view_text(json_object_get(run, "gate"), "mode");
    used = (size_t)snprintf(buffer, size, "%s%s%s:", outcome(run, counts), counts[STATE_not_selected] ? " PARTIAL" : "",
                            json_is_true(json_object_get(run, "complete")) ? "" : " INCOMPLETE");
    for (int i = 0; i < STATE_COUNT && used < size; i++)
        if (counts[i])
            used += (size_t)snprintf(buffer + used, size - used, " %zu %s,", counts[i], states[i].label);
    if (used >= size)
        used = size - 1;
    buffer[used - 1] = 0; /* the last comma or colon */
    if (strcmp(mode, "first run") == 0)
        snprintf(buffer + used - 1, size - used + 1, "; first run, nothing to compare with");
}

bool view_rate(const json_t *cell, struct view_rate *rate)
{
    static const struct {
        const char *key, *unit;
    } rows[] = {{"ops", "op/s"}, {"bytes", "B/s"}, {"items", "items/s"}};
    double median = view_number(json_object_get(cell, "summary"), "median", 0);
    *rate = (struct view_rate){.per_iteration = 1, .unit = "/s"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double work = view_number(json_object_get(cell, "work"), rows[i].key, 0);
        if (work > 0) {
            rate->per_iteration = work;
            rate->unit = rows[i].unit;
            break;
        }
    }
    rate->value = median > 0 ? rate->per_iteration / median * 1e9 : 0;
    return median > 0;
}

static size_t count_numbers(const json_t *lists)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(lists); i++)
        n += json_array_size(json_array_get(lists, i));
    return n;
}

static double *run_samples(const json_t *cell, size_t *n)
{
    const json_t *runs = json_object_get(cell, "runs");
    const json_t *last = json_array_get(runs, json_array_size(runs) ? json_array_size(runs) - 1 : 0);
    const json_t *generations = json_object_get(last, "samples_ns");
    double *samples = calloc(count_numbers(generations) + 1, sizeof *samples);
    for (size_t g = 0; samples && g < json_array_size(generations); g++)
        for (size_t i = 0; i < json_array_size(json_array_get(generations, g)); i++)
            samples[(*n)++] = json_number_value(json_array_get(json_array_get(generations, g), i));
    return samples;
}

static double *lane_samples(const json_t *cell, const char *lane, size_t *n)
{
    const json_t *rounds = json_object_get(json_object_get(cell, "paired"), "rounds");
    double *samples = calloc(json_array_size(rounds) + 1, sizeof *samples);
    for (size_t r = 0; samples && r < json_array_size(rounds); r++) {
        const json_t *round = json_array_get(rounds, r), *order = json_object_get(round, "order");
        for (size_t i = 0; i < json_array_size(order); i++)
            if (strcmp(json_string_value(json_array_get(order, i)), lane) == 0)
                samples[(*n)++] = json_number_value(json_array_get(json_object_get(round, "ns"), i));
    }
    return samples;
}

double *view_samples(const json_t *cell, const char *lane, size_t *n)
{
    *n = 0;
    return lane ? lane_samples(cell, lane, n) : run_samples(cell, n);
}

const char *view_change(double ratio, char *buffer, size_t size)
{
    double percent = (ratio - 1) * 100;
    if (!(ratio > 0))
        return "n/a";
    snprintf(buffer, size, fabs(percent) < 99.95 ? "%+.1f %%" : "%+.0f %%", percent);
    return buffer;
}

void view_reproduce(FILE *out, const json_t *run, const json_t *cell)
{
    const json_t *gate = json_object_get(run, "gate");
    const char *base = view_text(gate, "base");
    fputs(gate ? "ternmark gate" : "ternmark run", out);
    if (*base) {
        fputs(" --base '", out);
        for (const char *at = base; *at; at++)
            fputs(*at == '\'' ? "'\\''" : (char[]){*at, 0}, out);
        fputc('\'', out);
    }
    fputs(" --filter '^", out);
    escape_shell_expression(out, view_text(cell, "id"));
    fputs("$'", out);
}
