/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/offsets.h"

#include "contest/judge.h"
#include "stats/summary.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static const char offsets[] = "process_offsets", errors[] = "process_offset_errors";

static json_t *series_of(const json_t *metrics, const char *name)
{
    return json_object_get(json_object_get(metrics, name), "series");
}

static json_t *interleave(const double *a, const double *b, size_t n)
{
    json_t *series = json_array();
    for (size_t g = 0; g < n && g < OFFSETS_GENERATIONS; g++) {
        json_array_append_new(series, json_real(a[g]));
        json_array_append_new(series, json_real(b[g]));
    }
    return series;
}

static bool has(const json_t *metrics)
{
    size_t n = json_array_size(series_of(metrics, offsets));
    return n > 0 && n % 2 == 0 && n == json_array_size(series_of(metrics, errors));
}

static void set(json_t *metrics, json_t *x, json_t *v, double spread)
{
    json_object_set_new(metrics, errors, json_pack("{s:o,s:i,s:s}", "series", v, "value", (int)(json_array_size(v) / 2), "unit", "generations"));
    json_object_set_new(metrics, offsets, json_pack("{s:o,s:f,s:s}", "series", x, "value", spread, "unit", "of the time"));
}

void offsets_put(json_t *metrics, const struct spread_cell *m)
{
    struct spread_posterior posterior;
    spread_judge(m, spread_pool_start(), 100, &posterior);
    set(metrics, interleave(m->head, m->null, m->n), interleave(m->head_variance, m->null_variance, m->n), posterior.s);
}

static json_t *join(const json_t *now, const json_t *before)
{
    json_t *series = json_array();
    json_array_extend(series, (json_t *)(uintptr_t)now);
    for (size_t i = 0; i < json_array_size(before) && json_array_size(series) < 2 * OFFSETS_GENERATIONS; i++)
        json_array_append(series, json_array_get(before, i));
    return series;
}

void offsets_join(json_t *metrics, const json_t *now, const json_t *before)
{
    const json_t *first = has(now) ? now : before, *second = has(now) && has(before) ? before : NULL;
    if (!has(first))
        return;
    set(metrics, join(series_of(first, offsets), series_of(second, offsets)), join(series_of(first, errors), series_of(second, errors)),
        json_number_value(json_object_get(json_object_get(first, offsets), "value")));
}

static bool take(const json_t *series, double *a, double *b, size_t n)
{
    for (size_t g = 0; g < n; g++) {
        a[g] = json_number_value(json_array_get(series, 2 * g));
        b[g] = json_number_value(json_array_get(series, 2 * g + 1));
        if (!isfinite(a[g]) || !isfinite(b[g]))
            return false;
    }
    return true;
}

bool offsets_read(const json_t *metrics, double history[SPREAD_GRID])
{
    double head[OFFSETS_GENERATIONS], null[OFFSETS_GENERATIONS], head_variance[OFFSETS_GENERATIONS], null_variance[OFFSETS_GENERATIONS];
    size_t n = json_array_size(series_of(metrics, offsets)) / 2;
    if (n == 0 || n > OFFSETS_GENERATIONS || json_array_size(series_of(metrics, errors)) / 2 != n ||
        !take(series_of(metrics, offsets), head, null, n) || !take(series_of(metrics, errors), head_variance, null_variance, n))
        return false;
    for (size_t g = 0; g < n; g++)
        if (head_variance[g] < 0 || null_variance[g] < 0)
            return false;
    spread_history(&(struct spread_cell){n, head, head_variance, null, null_variance, NULL, 0}, history);
    return true;
}

bool offsets_of(const json_t *baseline, const json_t *cell, double history[SPREAD_GRID])
{
    const json_t *recorded = baseline ? judge_find(baseline, json_string_value(json_object_get(cell, "id"))) : NULL;
    const json_t *theirs = json_object_get(recorded, "workload_hash"), *own = json_object_get(cell, "workload_hash");
    bool is_other = json_is_string(theirs) && json_is_string(own) && !json_equal(theirs, own);
    return recorded && !is_other && offsets_read(json_object_get(recorded, "metrics"), history);
}

json_t *offsets_note(const json_t *cells, const json_t *history)
{
    size_t n = 0, recorded = 0, i;
    double *spread = calloc(json_array_size(cells) + 1, sizeof *spread), ignored[SPREAD_GRID];
    json_t *cell, *note = NULL;
    json_array_foreach(cells, i, cell) {
        const json_t *value = json_object_get(json_object_get(json_object_get(cell, "metrics"), "process_spread"), "value");
        if (!spread || !value)
            continue;
        spread[n++] = json_number_value(value);
        recorded += offsets_of(history, cell, ignored);
    }
    if (n) {
        summary_sort(spread, n);
        note = json_sprintf("processes of one build differ by %.2f %% in the median cell, %.2f %% in the widest (%zu cells of this run, %zu with a recorded history)",
                            100 * spread[n / 2], 100 * spread[n - 1], n, recorded);
    }
    free(spread);
    return note;
}
