/* SPDX-License-Identifier: Apache-2.0 */
#include "history/csv_changes.h"

#include "history/series.h"
#include "stats/changepoint.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void say(const struct series *s, const struct changepoint *c)
{
    text_print(stderr, s->name);
    fprintf(stderr, c->kind == CHANGEPOINT_RAMP ? ": a ramp from %" PRId64 " to %" PRId64 : ": a step at %" PRId64, s->index[c->at], s->index[c->last]);
    fprintf(stderr, ", %+.2f %% (%+.2f … %+.2f), %.6g to %.6g", 100 * c->change, 100 * c->low, 100 * c->high, c->before, c->after);
    if (c->kind == CHANGEPOINT_STEP)
        fprintf(stderr, ", between %" PRId64 " and %" PRId64 ", confidence %.2f", s->index[c->first], s->index[c->last], c->confidence);
    fputc('\n', stderr);
}

static void say_trend(const struct series *s, const struct changepoint_trend *trend)
{
    if (trend->per_index == 0)
        return;
    text_print(stderr, s->name);
    fprintf(stderr, ": a ramp over the whole series, %+.3g %% per unit of index\n", 100 * trend->per_index);
}

static void print_step(const struct series *s, size_t at, const int64_t *seen)
{
    series_print_field(stdout, s->name);
    printf(",%" PRId64, s->index[at]);
    if (seen)
        printf(",%" PRId64, *seen);
    putchar('\n');
}

static bool whole(const struct series *s, bool verbose)
{
    size_t found, room = s->n / 2 + 1;
    struct changepoint *out = calloc(room, sizeof *out);
    struct changepoint_trend trend;
    bool ok = out && changepoint_find(s->index, s->value, s->n, &changepoint_defaults, out, room, &found, &trend);
    for (size_t i = 0; ok && i < found; i++) {
        if (out[i].kind == CHANGEPOINT_STEP)
            print_step(s, out[i].at, NULL);
        if (verbose)
            say(s, &out[i]);
    }
    if (ok && verbose)
        say_trend(s, &trend);
    free(out);
    return ok;
}

static bool streamed(const struct series *s, bool verbose)
{
    size_t raised, room = s->n / 2 + 1;
    struct changepoint_alarm *out = calloc(room, sizeof *out);
    bool ok = out && changepoint_stream(s->index, s->value, s->n, 0, &changepoint_stream_defaults, out, room, &raised);
    for (size_t i = 0; ok && i < raised; i++) {
        print_step(s, out[i].at, &s->index[out[i].seen]);
        if (verbose)
            say(s, &out[i].change);
    }
    free(out);
    return ok;
}

bool csv_changes(const char *path, bool stream, bool verbose, struct fault *fault)
{
    struct series_set set;
    if (!series_read_csv(path, &set, fault))
        return false;
    bool ok = true;
    puts(stream ? "series,index,seen" : "series,index");
    for (size_t i = 0; ok && i < set.n; i++)
        ok = stream ? streamed(&set.items[i], verbose) : whole(&set.items[i], verbose);
    series_clear(&set);
    return ok || fault_set(fault, EXIT_CODE_USAGE, "%s: no memory", path);
}
