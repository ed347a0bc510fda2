/* SPDX-License-Identifier: Apache-2.0
 *
 * Every judged cell's change with its interval, furthest from no change first; 60 rows a picture.
 */
#include "report/picture.h"
#include "report/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 60 };

struct row {
    const json_t *cell, *verdict;
};

static int by_ratio(const void *left, const void *right)
{
    double a = view_number(((const struct row *)left)->verdict, "ratio", 1), b = view_number(((const struct row *)right)->verdict, "ratio", 1);
    return (a < b) - (a > b);
}

/* The verdict with an interval that a cell is drawn by: the leading one, else the first that has one. */
static const json_t *drawable(const json_t *cell)
{
    const json_t *lead = view_lead(cell), *verdicts = json_object_get(cell, "verdicts");
    if (view_number(lead, "ratio", 0) > 0 && view_number(lead, "low", 0) > 0)
        return lead;
    for (size_t i = 0; i < json_array_size(verdicts); i++)
        if (view_number(json_array_get(verdicts, i), "ratio", 0) > 0 && view_number(json_array_get(verdicts, i), "low", 0) > 0)
            return json_array_get(verdicts, i);
    return NULL;
}

static struct row *collect(const json_t *run, size_t *n)
{
    const json_t *cells = json_object_get(run, "cells");
    struct row *rows = calloc(json_array_size(cells) + 1, sizeof *rows);
    for (size_t i = 0; rows && i < json_array_size(cells); i++) {
        rows[*n] = (struct row){json_array_get(cells, i), drawable(json_array_get(cells, i))};
        *n += rows[*n].verdict != NULL;
    }
    if (rows)
        qsort(rows, *n, sizeof *rows, by_ratio);
    return rows;
}

static double percent(const json_t *verdict, const char *key)
{
    double ratio = view_number(verdict, key, 1);
    return fmin(fmax((ratio - 1) * 100, -100), 400);
}

static double print_rows(struct picture_job *job, const struct row *rows, size_t n)
{
    double widest = 0;
    fputs("# row\tchange %\tlow %\thigh %\ttolerance %\tstate\tcell\n", job->data);
    for (size_t i = 0; i < n; i++) {
        const json_t *verdict = rows[i].verdict;
        double low = percent(verdict, "low"), high = percent(verdict, "high");
        fprintf(job->data, "%zu\t%.3f\t%.3f\t%.3f\t%.3f\t%d\t", n - i, percent(verdict, "ratio"), low, high, 100 * view_number(verdict, "tolerance", 0.05),
                view_verdict_state(verdict)->severity);
        picture_name(job->data, view_text(rows[i].cell, "id"), 64);
        fputc('\n', job->data);
        widest = fmax(widest, fmax(fabs(low), fabs(high)));
    }
    return widest;
}

bool picture_overview(const struct picture_source *source, size_t index, struct picture_job *job)
{
    size_t n = 0;
    struct row *rows = collect(source->main, &n);
    size_t first = index * ROWS, count = n > first ? n - first : 0;
    count = count > ROWS ? ROWS : count;
    if (rows && count) {
        double tolerance = 100 * view_number(rows[first].verdict, "tolerance", 0.05);
        double widest = fmax(print_rows(job, rows + first, count), 2 * tolerance);
        fprintf(job->constants, "ROWS = %zu\nWIDEST = %.6g\nTOLERANCE = %.6g\n", count, ceil(widest * 1.08), tolerance);
        job->height = 130 + 20 * (int)count;
        char extra[64] = "";
        if (n > ROWS)
            snprintf(extra, sizeof extra, ", rows %zu to %zu of %zu", first + 1, first + count, n);
        snprintf(job->heading, sizeof job->heading, "Change of every judged cell%s", extra);
        snprintf(job->alt, sizeof job->alt, "Change of time from base to head with confidence intervals for %zu cells, slowest change on top; the table gives the same figures", count);
    }
    free(rows);
    return count > 0;
}
