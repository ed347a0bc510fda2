/* SPDX-License-Identifier: Apache-2.0
 *
 * One cell over all runs given of the main run's machine, in the order of their dates; the cells that moved most come first.
 */
#include "report/picture.h"
#include "report/view.h"
#include "stats/changepoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGES = 16 };

static bool same_machine(const json_t *a, const json_t *b)
{
    return strcmp(view_text(json_object_get(a, "hardware"), "key"), view_text(json_object_get(b, "hardware"), "key")) == 0;
}

static const json_t *find_cell(const json_t *run, const char *id)
{
    const json_t *cells = json_object_get(run, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++)
        if (strcmp(view_text(json_array_get(cells, i), "id"), id) == 0)
            return json_array_get(cells, i);
    return NULL;
}

static int by_date(const void *left, const void *right)
{
    return strcmp(view_text(*(const json_t *const *)left, "started_at"), view_text(*(const json_t *const *)right, "started_at"));
}

static const json_t **runs_of_machine(const struct picture_source *source, size_t *n)
{
    const json_t **runs = calloc(source->n_runs + 1, sizeof *runs);
    *n = 0;
    for (size_t i = 0; runs && i < source->n_runs; i++)
        if (same_machine(source->runs[i], source->main))
            runs[(*n)++] = source->runs[i];
    if (runs)
        qsort(runs, *n, sizeof *runs, by_date);
    return runs;
}

static double median_in(const json_t *run, const char *id)
{
    return view_number(json_object_get(find_cell(run, id), "summary"), "median", 0);
}

/* How far the cell moved from the first run to the last: |log ratio|; -1 where it isn't in both. */
static double movement(const json_t **runs, size_t n, const char *id)
{
    double first = median_in(runs[0], id), last = median_in(runs[n - 1], id);
    return first > 0 && last > 0 ? fabs(log(last / first)) : -1;
}

/* The cell with the index-th largest movement. Quadratic, over a few cells. */
static const json_t *pick(const struct picture_source *source, const json_t **runs, size_t n, size_t index)
{
    const json_t *cells = json_object_get(source->main, "cells"), *best = NULL;
    double below = INFINITY, most;
    size_t from = 0;
    for (size_t k = 0; k <= index; k++) {
        most = -1;
        best = NULL;
        for (size_t i = 0; i < json_array_size(cells); i++) {
            double moved = movement(runs, n, view_text(json_array_get(cells, i), "id"));
            bool later = moved < below || (moved == below && i > from);
            if (later && moved > most) {
                most = moved;
                best = json_array_get(cells, i);
            }
        }
        if (!best)
            return NULL;
        for (from = 0; json_array_get(cells, from) != best; from++)
            ;
        below = most;
    }
    return best;
}

static void print_run(struct picture_job *job, const json_t *run, const json_t *cell, size_t at, double factor)
{
    size_t n;
    double *x = view_samples(cell, NULL, &n), median = view_number(json_object_get(cell, "summary"), "median", 0), low = median, high = median;
    if (x && n) {
        summary_sort(x, n);
        low = summary_quantile(x, n, 0.05);
        high = summary_quantile(x, n, 0.95);
    }
    free(x);
    fprintf(job->data, "%zu\t%.6g\t%.6g\t%.6g\t", at, median / factor, low / factor, high / factor);
    picture_name(job->data, view_text(run, "started_at"), 20);
    fputc('\t', job->data);
    picture_name(job->data, view_text(json_object_get(run, "git"), "commit"), 12);
    fprintf(job->data, "\t%d\n", strcmp(view_text(run, "kind"), "baseline") == 0);
}

/* Rows: run, level after, change in per cent. At most CHANGES. */
static size_t print_changes(struct picture_job *job, const json_t **runs, size_t n, const char *id, double factor)
{
    struct changepoint changes[CHANGES];
    int64_t *index = calloc(n, sizeof *index);
    double *value = calloc(n, sizeof *value);
    size_t found = 0;
    for (size_t i = 0; index && value && i < n; i++) {
        double median = median_in(runs[i], id);
        index[i] = (int64_t)i;
        value[i] = median > 0 ? median : NAN;
    }
    fputs("\n\n# run\tlevel after\tchange\n", job->data);
    if (index && value && changepoint_find(index, value, n, &changepoint_defaults, changes, CHANGES, &found, NULL))
        for (size_t i = 0; i < found; i++)
            fprintf(job->data, "%.1f\t%.6g\t\"%+.1f %%\"\n", (double)changes[i].at - 0.5, changes[i].after / factor, 100 * changes[i].change);
    free(index);
    free(value);
    return found;
}

bool picture_history(const struct picture_source *source, size_t index, struct picture_job *job)
{
    size_t n;
    const json_t **runs = runs_of_machine(source, &n);
    const json_t *cell = n > 1 ? pick(source, runs, n, index) : NULL;
    if (cell) {
        const char *id = view_text(cell, "id");
        struct picture_scale scale = picture_time_scale(median_in(runs[n - 1], id));
        fprintf(job->data, "# run\tmedian %s\tP5\tP95\tdate\tcommit\tbaseline\n", scale.unit);
        for (size_t i = 0; i < n; i++)
            if (median_in(runs[i], id) > 0)
                print_run(job, runs[i], find_cell(runs[i], id), i, scale.factor);
        size_t changes = print_changes(job, runs, n, id, scale.factor);
        fprintf(job->names, "median time (%s)\n", scale.unit);
        fprintf(job->constants, "RUNS = %zu\nEVERY = %zu\nCHANGES = %zu\n", n, n / 12 + 1, changes);
        snprintf(job->heading, sizeof job->heading, "Over %zu runs: %.400s", n, id);
        snprintf(job->alt, sizeof job->alt, "Median time of %.400s over %zu runs", id, n);
    }
    free(runs);
    return cell != NULL;
}
