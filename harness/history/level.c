/* SPDX-License-Identifier: Apache-2.0 */
#include "history/level.h"

#include "stats/changepoint.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 16 };

static void fill(struct level_newest *out, const struct store_points *p, size_t first, double spread)
{
    double log_sum = 0;
    if (p->n - first > MOST)
        first = p->n - MOST;
    for (size_t i = first; i < p->n; i++)
        log_sum += log(p->items[i].value);
    out->points = (int64_t)(p->n - first);
    out->value = exp(log_sum / (double)out->points);
    out->spread = spread > 0 ? spread : p->items[p->n - 1].spread / p->items[p->n - 1].value;
}

bool level_newest(const struct store_points *p, struct level_newest *out)
{
    size_t room = p->n + 1, n = 0;
    int64_t *index = calloc(room, sizeof *index);
    double *value = calloc(room, sizeof *value);
    struct changepoint *found = calloc(room, sizeof *found);
    struct changepoint_trend trend = {0};
    bool ok = index && value && found;
    for (size_t i = 0; ok && i < p->n; i++) {
        index[i] = (int64_t)i;
        value[i] = p->items[i].value;
    }
    ok = ok && changepoint_find(index, value, p->n, &changepoint_defaults, found, p->n, &n, &trend);
    if (ok) {
        fill(out, p, n ? found[n - 1].at : 0, trend.spread);
        out->change = n ? found[n - 1].change : 0;
    }
    free(index);
    free(value);
    free(found);
    return ok;
}
