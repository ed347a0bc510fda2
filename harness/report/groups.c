/* SPDX-License-Identifier: Apache-2.0 */
#include "report/groups.h"

#include "report/view.h"

#include <stdlib.h>

double *groups_of(const json_t *cell, size_t *n)
{
    size_t samples;
    double *x = view_samples(cell, NULL, &samples);
    if (x && samples == 0) {
        free(x);
        x = NULL;
    }
    if (x && samples > GROUPS_MOST) {
        for (size_t g = 0; g < GROUPS_MOST; g++) { /* group g begins at or after its own place: nothing unread is overwritten */
            size_t from = g * samples / GROUPS_MOST, to = (g + 1) * samples / GROUPS_MOST;
            x[g] = summary_median(x + from, to - from);
        }
        samples = GROUPS_MOST;
    }
    *n = x ? samples : 0;
    return x;
}

json_int_t groups_iterations(const json_t *cell)
{
    const json_t *runs = json_object_get(cell, "runs");
    const json_t *counts = json_object_get(json_array_get(runs, json_array_size(runs) ? json_array_size(runs) - 1 : 0), "iterations");
    json_int_t count = json_integer_value(json_array_get(counts, json_array_size(counts) ? json_array_size(counts) - 1 : 0));
    return count > 0 ? count : 1;
}
