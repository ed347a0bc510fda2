/* SPDX-License-Identifier: Apache-2.0 */
#include "history/live_window.h"

#include <stdlib.h>
#include <string.h>

/* X binomial(64, 1/2): P(X >= 45) = 0.0008, P(X <= 21) = 0.004. */
enum { SURELY_ABOVE = 45, LOW_RANK = 21, HIGH_RANK = 42 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct live_judged live_window_add(struct live_window *w, double ns, double level, double tolerance)
{
    double sorted[LIVE_WINDOW], limit = level * (1 + tolerance);
    struct live_judged j = {0};
    w->ring[w->total++ % LIVE_WINDOW] = ns;
    if (w->total < LIVE_WINDOW || level <= 0)
        return j;
    size_t above = 0;
    for (size_t i = 0; i < LIVE_WINDOW; i++)
        above += w->ring[i] > limit;
    if (w->is_above ? above > LIVE_WINDOW / 2 : above < SURELY_ABOVE)
        return j;  /* nothing new */
    j.is_raised = !w->is_above;
    w->is_above = j.is_raised;
    if (!j.is_raised)
        return j;
    memcpy(sorted, w->ring, sizeof sorted);
    qsort(sorted, LIVE_WINDOW, sizeof *sorted, by_value);
    j.median = 0.5 * (sorted[LIVE_WINDOW / 2 - 1] + sorted[LIVE_WINDOW / 2]);
    j.low = sorted[LOW_RANK];
    j.high = sorted[HIGH_RANK];
    return j;
}
