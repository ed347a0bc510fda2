/* SPDX-License-Identifier: Apache-2.0
 *
 * The same cells on each machine whose run was given: time per iteration, one mark per machine, 30 cells a picture.
 */
#include "report/picture.h"
#include "report/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 30, MACHINES = 8 };

/* The latest run of each machine. */
static size_t machines(const struct picture_source *source, const json_t *found[MACHINES])
{
    size_t n = 0;
    for (size_t i = 0; i < source->n_runs; i++) {
        const char *key = view_text(json_object_get(source->runs[i], "hardware"), "key");
        size_t at = 0;
        while (at < n && strcmp(view_text(json_object_get(found[at], "hardware"), "key"), key) != 0)
            at++;
        if (at < MACHINES)
            found[at] = source->runs[i];
        n += at == n && n < MACHINES;
    }
    return n;
}

static double median_in(const json_t *run, const char *id)
{
    const json_t *cells = json_object_get(run, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++)
        if (strcmp(view_text(json_array_get(cells, i), "id"), id) == 0)
            return view_number(json_object_get(json_array_get(cells, i), "summary"), "median", 0);
    return 0;
}

static size_t machines_with(const json_t *const *runs, size_t n, const char *id)
{
    size_t with = 0;
    for (size_t i = 0; i < n; i++)
        with += median_in(runs[i], id) > 0;
    return with;
}

bool picture_hardware(const struct picture_source *source, size_t index, struct picture_job *job)
{
    const json_t *runs[MACHINES], *cells = json_object_get(source->main, "cells");
    size_t n = machines(source, runs), shared = 0, rows = 0;
    const char *ids[ROWS];
    for (size_t i = 0; n > 1 && i < json_array_size(cells); i++) {
        const char *id = view_text(json_array_get(cells, i), "id");
        if (machines_with(runs, n, id) > 1 && shared++ / ROWS == index)
            ids[rows++] = id;
    }
    for (size_t m = 0; m < n; m++) {
        fprintf(job->data, "%s# row\ttime ns\tcell on ", m ? "\n\n" : "");
        picture_name(job->data, view_text(json_object_get(runs[m], "hardware"), "key"), 80);
        fputc('\n', job->data);
        for (size_t i = 0; i < rows; i++) {
            double median = median_in(runs[m], ids[i]);
            if (!(median > 0))
                continue;
            fprintf(job->data, "%zu\t%.6g\t", rows - i, median);
            picture_name(job->data, ids[i], 64);
            fputc('\n', job->data);
        }
        picture_name(job->names, view_text(json_object_get(runs[m], "hardware"), "key"), 64);
        fputc('\n', job->names);
    }
    fprintf(job->constants, "MACHINES = %zu\nROWS = %zu\n", n, rows);
    job->height = 150 + 24 * (int)(rows + n);
    snprintf(job->heading, sizeof job->heading, "Hardware side by side");
    snprintf(job->alt, sizeof job->alt, "Time per iteration of %zu cells on %zu machines", rows, n);
    return rows > 0;
}
