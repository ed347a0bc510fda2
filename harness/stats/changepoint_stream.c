/* SPDX-License-Identifier: Apache-2.0
 *
 * A history seen as it grows. Each new point means a new analysis of all points so far; what keeps alarms from flapping
 * is that a step has to stand in several analyses running, surer than a finished series asks, before it is said, and
 * that nothing said is said again.
 */
#include "stats/changepoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 256 };

static const size_t need_running = 2;
static const double need_confidence = 0.55;

/* A step that the last analyses agreed on. */
struct standing {
    size_t at;
    size_t running;
};

struct watch {
    struct changepoint found[MAX_STEPS];
    struct standing last[MAX_STEPS], now[MAX_STEPS];
    size_t n_last, n_now;
};

static bool is_near(size_t a, size_t b)
{
    return a <= b + CHANGEPOINT_NEAR && b <= a + CHANGEPOINT_NEAR;
}

static size_t running_before(const struct watch *w, size_t at)
{
    size_t most = 0;
    for (size_t i = 0; i < w->n_last; i++)
        if (is_near(w->last[i].at, at) && w->last[i].running > most)
            most = w->last[i].running;
    return most;
}

static bool was_raised(const struct changepoint_alarm *out, size_t raised, size_t at)
{
    for (size_t i = 0; i < raised; i++)
        if (is_near(out[i].at, at))
            return true;
    return false;
}

/* What stands now becomes what stood; alarms for what has stood long enough, unless `is_past`. */
static void look(struct watch *w, size_t n_found, size_t seen, bool is_past, struct changepoint_alarm *out, size_t room, size_t *raised)
{
    w->n_now = 0;
    for (size_t i = 0; i < n_found; i++) {
        const struct changepoint *c = &w->found[i];
        if (c->kind != CHANGEPOINT_STEP)
            continue;
        struct standing s = {c->at, running_before(w, c->at) + 1};
        w->now[w->n_now++] = s;
        bool is_due = s.running >= need_running && c->confidence >= need_confidence && !is_past;
        if (is_due && *raised < room && !was_raised(out, *raised, c->at))
            out[(*raised)++] = (struct changepoint_alarm){c->at, seen, *c};
    }
    memcpy(w->last, w->now, w->n_now * sizeof *w->now);
    w->n_last = w->n_now;
}

bool changepoint_stream(const int64_t *index, const double *value, size_t n, size_t from, const struct changepoint_options *options,
                        struct changepoint_alarm *out, size_t room, size_t *raised)
{
    struct watch *w = calloc(1, sizeof *w);
    bool ok = w != NULL;
    *raised = 0;
    for (size_t seen = 2 * options->min_points; ok && seen <= n; seen++) {
        size_t found;
        if (seen + need_running < from + 2 || isnan(value[seen - 1]))
            continue;  /* too long ago to give the past its standing; a gap, which brings nothing new */
        ok = changepoint_find(index, value, seen, options, w->found, MAX_STEPS, &found, NULL);
        if (ok)
            look(w, found, seen - 1, seen <= from, out, room, raised);
    }
    free(w);
    return ok;
}
