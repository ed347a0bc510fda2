/* SPDX-License-Identifier: Apache-2.0
 *
 * The samples behind a verdict, one picture per cell measured in pairs that did not simply pass (else the cell furthest from 1): each turn of
 * each lane in order, and the cumulative distributions.
 */
#include "report/picture.h"
#include "report/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const lanes[] = {"base", "base2", "head"};
enum { LANES = 3, CURVE = 400 };

static bool is_shown(const json_t *cell, size_t position)
{
    const json_t *rounds = json_object_get(json_object_get(cell, "paired"), "rounds");
    int severity = view_cell_state(cell)->severity;
    return json_array_size(rounds) > 0 && (severity < STATE_pass || position == 0);
}

static const json_t *find_cell(const json_t *run, size_t index)
{
    size_t n, shown = 0;
    const json_t **cells = view_sorted(run, &n), *found = NULL;
    for (size_t i = 0; i < n && !found; i++)
        if (is_shown(cells[i], shown) && shown++ == index)
            found = cells[i];
    free(cells);
    return found;
}

static double print_turns(struct picture_job *job, const json_t *cell, const struct picture_scale *scale)
{
    const json_t *rounds = json_object_get(json_object_get(cell, "paired"), "rounds");
    double starts = 0, last = -1;
    for (size_t lane = 0; lane < LANES; lane++) {
        fprintf(job->data, "%s# round\ttime %s\tlane (%s)\n", lane ? "\n\n" : "", scale->unit, lanes[lane]);
        for (size_t r = 0; r < json_array_size(rounds); r++) {
            const json_t *round = json_array_get(rounds, r), *order = json_object_get(round, "order");
            for (size_t i = 0; i < json_array_size(order); i++)
                if (strcmp(json_string_value(json_array_get(order, i)), lanes[lane]) == 0)
                    fprintf(job->data, "%zu\t%.6g\t%zu\n", r, json_number_value(json_array_get(json_object_get(round, "ns"), i)) / scale->factor, lane);
        }
    }
    fputs("\n\n# round at which a process began\n", job->data);
    for (size_t r = 0; r < json_array_size(rounds); r++) {
        double generation = view_number(json_array_get(rounds, r), "generation", 0);
        if (generation != last)
            fprintf(job->data, "%.1f\n", (double)r - 0.5);
        starts += generation != last;
        last = generation;
    }
    return starts;
}

/* At most CURVE points of each lane's distribution; widens [low, high] to the central 98 per cent of all. */
static void print_curves(struct picture_job *job, const json_t *cell, const struct picture_scale *scale, double *low, double *high)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t n;
        double *x = view_samples(cell, lanes[lane], &n);
        fprintf(job->data, "\n\n# time %s\tshare of turns not longer (%s)\n", scale->unit, lanes[lane]);
        if (x && n) {
            summary_sort(x, n);
            size_t step = n > CURVE ? n / CURVE : 1;
            for (size_t i = 0; i < n; i += step)
                fprintf(job->data, "%.6g\t%.5f\n", x[i] / scale->factor, (double)(i + 1) / (double)n);
            *low = fmin(*low, summary_quantile(x, n, 0.01) / scale->factor);
            *high = fmax(*high, summary_quantile(x, n, 0.97) / scale->factor);
        }
        free(x);
    }
}

bool picture_cell(const struct picture_source *source, size_t index, struct picture_job *job)
{
    const json_t *cell = find_cell(source->main, index);
    if (!cell)
        return false;
    size_t n;
    double low = INFINITY, high = 0, *x = view_samples(cell, "head", &n);
    struct picture_scale scale = picture_time_scale(x && n ? summary_median(x, n) : 1);
    free(x);
    double starts = print_turns(job, cell, &scale);
    print_curves(job, cell, &scale, &low, &high);
    double margin = fmax((high - low) * 0.06, high * 0.002);
    fprintf(job->constants, "LOW = %.8g\nHIGH = %.8g\nPROCESSES = %.0f\nROUNDS = %zu\n", fmax(low - margin, 0), high + margin, starts,
            json_array_size(json_object_get(json_object_get(cell, "paired"), "rounds")));
    fprintf(job->names, "time (%s)\n", scale.unit);
    job->height = 640;
    const struct view_state *state = view_cell_state(cell);
    snprintf(job->heading, sizeof job->heading, "%s: %s", view_text(cell, "id"), state->label);
    snprintf(job->alt, sizeof job->alt, "Times of every turn of base, base again and head for the cell %.300s, and their cumulative distributions", view_text(cell, "id"));
    return true;
}
