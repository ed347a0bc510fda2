/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/levels.h"

#include "contest/judge.h"
#include "contest/level_metrics.h"

#include "stats/stored.h"
#include "stats/summary.h"
#include "stats/tail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double identical_family = 0.0001, red_rate = 0.01, pass_rate = 0.01;
static const double error_of_one_generation = 0.01;  /* where a run has a single process: what processes differ by, doubled */
static const double environment_widens = 1.5;
enum { MOST_RUNS = 64, MOST_GENERATIONS = 256, MOST_YARDSTICKS = 16 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_on_card(const json_t *cell)
{
    return strcmp(text_of(cell, "backend"), "cuda") == 0;
}

/* Yardsticks are what drift is seen by, and a card does not drift with the processor's. */
static bool has_drift(const json_t *cell)
{
    return !has_prefix(text_of(cell, "id"), "yardstick/") && !is_on_card(cell);
}

/* ---- levels */

static double log_median(const json_t *samples)
{
    size_t n = json_array_size(samples), i;
    double *x = calloc(n + 1, sizeof *x);
    json_t *value;
    struct summary s = {0};
    json_array_foreach(samples, i, value)
        if (x)
            x[i] = json_number_value(value);
    bool ok = x && summary_of(x, n, &s) && s.median > 0;
    free(x);
    return ok ? log(s.median) : NAN;
}

double levels_of_run(const json_t *run, double *error)
{
    double x[MOST_GENERATIONS];
    size_t n = 0, i;
    json_t *samples;
    json_array_foreach(json_object_get(run, "samples_ns"), i, samples) {
        double level = log_median(samples);
        if (isfinite(level) && n < MOST_GENERATIONS)
            x[n++] = level;
    }
    if (n == 0)
        return NAN;
    double centre = summary_median(x, n);
    if (error) {
        double spread = n > 1 ? 1.4826 * summary_mad(x, n, centre) : 0;
        *error = fmax(error_of_one_generation, 1.25 * spread) / sqrt((double)n);
    }
    return centre;
}

static const json_t *last_run(const json_t *cell)
{
    const json_t *runs = json_object_get(cell, "runs");
    size_t n = json_array_size(runs);
    return n ? json_array_get(runs, n - 1) : NULL;
}

/* ---- yardsticks */

struct drift {
    double shift;      /* what head's machine state adds to every log time */
    double spread;     /* how differently the yardsticks moved */
    size_t n;
};

static struct drift find_drift(const struct levels *l)
{
    double moved[MOST_YARDSTICKS];
    struct drift drift = {0};
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(l->base, "cells"), i, cell) {
        const json_t *mine = has_prefix(text_of(cell, "id"), "yardstick/") ? judge_find(l->head, text_of(cell, "id")) : NULL;
        double before = levels_of_run(last_run(cell), NULL), now = levels_of_run(last_run(mine), NULL);
        if (mine && isfinite(before) && isfinite(now) && drift.n < MOST_YARDSTICKS)
            moved[drift.n++] = now - before;
    }
    if (drift.n == 0)
        return drift;
    summary_sort(moved, drift.n);
    drift.shift = summary_quantile(moved, drift.n, 0.5);
    drift.spread = moved[drift.n - 1] - moved[0];
    return drift;
}

/* How a stored run lay against the last one, by the same yardsticks. */
static double shift_of_run(const struct levels *l, const char *run_id)
{
    double moved[MOST_YARDSTICKS];
    size_t n = 0, i, k;
    json_t *cell, *run;
    json_array_foreach(json_object_get(l->base, "cells"), i, cell) {
        if (!has_prefix(text_of(cell, "id"), "yardstick/"))
            continue;
        double last = levels_of_run(last_run(cell), NULL);
        json_array_foreach(json_object_get(cell, "runs"), k, run)
            if (strcmp(text_of(run, "run_id"), run_id) == 0 && n < MOST_YARDSTICKS && isfinite(last))
                moved[n++] = levels_of_run(run, NULL) - last;
    }
    return n ? summary_median(moved, n) : 0;
}

/* ---- what makes two files incomparable */

static void add_differing(json_t *differs, const json_t *a, const json_t *b)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, name, value)
        if (!json_equal(value, json_object_get(b, name))) {
            char *x = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT), *y = json_dumps(json_object_get(b, name), JSON_ENCODE_ANY | JSON_COMPACT);
            json_array_append_new(differs, json_sprintf("%s: base %s, head %s", name, x, y ? y : "nothing"));
            free(x);
            free(y);
        }
}

/* A new array of sentences; empty: the machines are the same. */
static json_t *hardware_differs(const struct levels *l)
{
    const json_t *a = json_object_get(l->base, "hardware"), *b = json_object_get(l->head, "hardware");
    json_t *differs = json_array();
    if (strcmp(text_of(a, "key"), text_of(b, "key")) == 0)
        return differs;
    add_differing(differs, json_object_get(a, "fields"), json_object_get(b, "fields"));
    if (json_array_size(differs) == 0)
        json_array_append_new(differs, json_sprintf("hardware key: base %s, head %s", text_of(a, "key"), text_of(b, "key")));
    return differs;
}

/* Whether a cell ran on a card, and on another one than the base's. */
static json_t *card_differs(const struct levels *l, const json_t *cell)
{
    const char *a = text_of(json_object_get(l->base, "hardware"), "gpu_key"), *b = text_of(json_object_get(l->head, "hardware"), "gpu_key");
    if (!is_on_card(cell) || strcmp(a, b) == 0)
        return NULL;
    return json_pack("[o]", json_sprintf("gpu key: base %s, head %s", *a ? a : "none", *b ? b : "none"));
}

static double widening(const struct levels *l, json_t *notes)
{
    static const char *const names[] = {"kernel", "microcode", "governor", "compiler", "libc"};
    const json_t *a = json_object_get(l->base, "environment"), *b = json_object_get(l->head, "environment");
    double factor = 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *x = json_object_get(a, names[i]), *y = json_object_get(b, names[i]);
        if (!x || !y || json_equal(x, y))
            continue;
        factor = environment_widens;
        json_array_append_new(notes, json_sprintf("stored: %s differs from the baseline's: its interval is widened", names[i]));
    }
    return factor;
}

/* ---- judging */

/* Everything that judging needs about all cells. */
struct court {
    const struct levels *levels;
    struct drift drift;
    struct stored_pool pool;
    double widen;
    size_t n_tests;
};

/* Levels of a base cell's runs, machine drift taken off; only `only` when not NULL, all but it when `not` is. */
static size_t base_levels(const struct levels *l, const json_t *cell, const char *only, double *x)
{
    size_t n = 0, i;
    json_t *run;
    json_array_foreach(json_object_get(cell, "runs"), i, run) {
        double level = levels_of_run(run, NULL);
        if (!isfinite(level) || n >= MOST_RUNS || (only && strcmp(text_of(run, "run_id"), only) != 0))
            continue;
        x[n++] = has_drift(cell) ? level - shift_of_run(l, text_of(run, "run_id")) : level;
    }
    return n;
}

static double tolerance_of(const struct levels *l, const json_t *cell)
{
    json_t *own = json_object_get(cell, "tolerance");
    return json_is_number(own) ? json_number_value(own) : l->tolerance;
}

static enum decision decide(const struct stored_estimate *e, double threshold, size_t n_tests)
{
    if (stored_below(e, threshold) <= red_rate && stored_below(e, 0) <= identical_family / (double)n_tests)
        return DECISION_REGRESSION;
    if (stored_above(e, -threshold) <= pass_rate)
        return DECISION_IMPROVED;
    return stored_above(e, threshold) <= pass_rate ? DECISION_PASS : DECISION_INCONCLUSIVE;
}

static struct decide_verdict verdict_of(const struct court *court, const struct stored_estimate *e, double tolerance, size_t runs, size_t generations)
{
    double threshold = log1p(tolerance), z = tail_normal_inverse(red_rate);
    struct decide_verdict v = {.decision = decide(e, threshold, court->n_tests), .ratio = exp(e->centre), .low = exp(e->centre - z * e->error),
                               .high = exp(e->centre + z * e->error), .rounds = runs, .generations = generations};
    double red = fmax(threshold + z * e->error, tail_normal_inverse(identical_family / (double)court->n_tests) * e->error);
    v.smallest_visible = expm1(red + tail_normal_inverse(0.05) * e->error);
    if (v.decision == DECISION_INCONCLUSIVE)
        v.reason = "stored runs scatter too much to see the tolerance";
    return v;
}

static bool is_unfit(const struct levels *l)
{
    return l->crowded || json_is_false(json_object_get(json_object_get(l->head, "fitness"), "fit"));
}

/* The verdict of one cell against base's runs (or only its anchor's). New reference. */
static json_t *judge_cell(const struct court *court, const json_t *base, const json_t *head, const char *only)
{
    const struct levels *l = court->levels;
    double x[MOST_RUNS], error = 0, tolerance = fmin(tolerance_of(l, head), tolerance_of(l, base));
    struct stored_cell cell = {.base = x, .n_base = base_levels(l, base, only, x)};
    cell.head = levels_of_run(last_run(head), &error) - (has_drift(head) ? court->drift.shift : 0);
    cell.head_error = error;
    if (cell.n_base == 0 || !isfinite(cell.head))
        return NULL;
    struct stored_estimate e = stored_judge(&cell, &court->pool);
    struct decide_verdict v = verdict_of(court, &e, tolerance, cell.n_base, json_array_size(json_object_get(last_run(head), "samples_ns")));
    if (court->drift.spread > log1p(tolerance) && v.decision != DECISION_PASS) {
        v.decision = DECISION_INCONCLUSIVE;
        v.reason = "the yardsticks moved differently: the machine is in another state than the baseline's";
    }
    if (is_unfit(l) && v.decision == DECISION_REGRESSION) {
        v.decision = DECISION_UNFIT;
        v.reason = "the machine was not fit while head was measured";
    }
    return judge_decision("time", only ? "anchor" : "stored", tolerance, &v);
}

static bool was_measured(const json_t *cell)
{
    return cell && strcmp(text_of(cell, "status"), "ok") == 0 && last_run(cell);
}

static size_t count_occasions(const struct levels *l)
{
    const json_t *days = json_object_get(json_object_get(l->base, "environment"), "occasions");
    return json_is_integer(days) && json_integer_value(days) > 0 ? (size_t)json_integer_value(days) : 1;
}

static struct court convene(const struct levels *l, json_t *notes)
{
    size_t n = 0, others = 0, i;
    json_t *cell;
    const json_t *cells = json_object_get(l->base, "cells");
    struct stored_cell *all = calloc(json_array_size(cells) + 1, sizeof *all);
    double (*x)[MOST_RUNS] = calloc(json_array_size(cells) + 1, sizeof *x);
    struct court court = {.levels = l, .drift = find_drift(l), .widen = widening(l, notes)};
    json_array_foreach(cells, i, cell) {
        if (!all || !x)
            break;
        all[n] = (struct stored_cell){.base = x[n], .n_base = base_levels(l, cell, NULL, x[n])};
        n += all[n].n_base > 0;
        others += level_metrics_count(cell);
    }
    court.n_tests = n + others ? n + others : 1;
    court.pool = stored_fit(all, all && x ? n : 0, count_occasions(l), court.widen);
    free(all);
    free(x);
    return court;
}

static void add_verdict(json_t *cell, json_t *verdict)
{
    if (verdict)
        json_array_append_new(json_object_get(cell, "verdicts"), verdict);
}

/* The id under which head has a cell of base. */
static const char *renamed(const struct levels *l, const char *id)
{
    const char *other = json_string_value(json_object_get(json_object_get(l->base, "renames"), id));
    return other ? other : id;
}

/* Whether the base's plan has dropped a cell that its baseline still holds. */
static bool is_dropped(const struct levels *l, const char *id)
{
    size_t i;
    json_t *cell;
    json_array_foreach(l->planned, i, cell)
        if (strcmp(text_of(cell, "id"), id) == 0)
            return !json_is_true(json_object_get(cell, "main"));
    return l->planned != NULL;
}

/* head lacks what base measured */
static void add_missing(const struct levels *l, const json_t *base, json_t *mine)
{
    double tolerance = tolerance_of(l, base);
    const char *reason = text_of(mine, "reason");
    if (mine && strcmp(text_of(mine, "status"), "failed") == 0)
        return;
    if (mine && !l->strict && strcmp(reason, "left out on the command line") == 0)
        return;
    if (mine) {
        add_verdict(mine, judge_word("time", "stored", tolerance, "missing", *reason ? reason : "not measured", NULL));
        return;
    }
    json_t *cell = json_copy((json_t *)(uintptr_t)base);
    json_object_set_new(cell, "status", json_string("not selected"));
    json_object_set_new(cell, "reason", json_string("head's list lacks it"));
    json_object_set_new(cell, "runs", json_array());
    json_object_set_new(cell, "summary", json_null());
    json_object_set_new(cell, "metrics", json_object());
    json_object_set_new(cell, "paired", json_null());
    json_object_set_new(cell, "verdicts", json_pack("[o]", judge_word("time", "stored", tolerance, "missing", "head's list lacks it", NULL)));
    json_array_append_new(json_object_get(l->head, "cells"), cell);
}

static void judge_pair(const struct court *court, const json_t *base, json_t *mine)
{
    const struct levels *l = court->levels;
    const char *anchor = text_of(json_object_get(l->base, "anchor"), "run_id");
    if (strcmp(text_of(base, "workload_hash"), text_of(mine, "workload_hash")) != 0) {
        add_verdict(mine, judge_word("time", "stored", tolerance_of(l, mine), "not_comparable", "the cell's work is another one under the same name",
                                     json_pack("[s]", "workload")));
        return;
    }
    json_t *differs = card_differs(l, mine);
    if (differs) {
        add_verdict(mine, judge_word("time", "stored", tolerance_of(l, mine), "not_comparable", "the base was measured on another card", differs));
        return;
    }
    const struct level_metrics how = {.shift = has_drift(mine) ? court->drift.shift : 0, .moved = court->drift.spread, .widen = court->widen,
                                      .unfit = is_unfit(l), .n_tests = court->n_tests};
    add_verdict(mine, judge_cell(court, base, mine, NULL));
    level_metrics_judge(&how, base, mine);
    if (*anchor && json_array_size(json_object_get(base, "runs")) > 1)
        add_verdict(mine, judge_cell(court, base, mine, anchor));
}

static void refuse_all(const struct levels *l, json_t *differs, const char *reason)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(l->head, "cells"), i, cell)
        if (was_measured(cell))
            add_verdict(cell, judge_word("time", "stored", tolerance_of(l, cell), "not_comparable", reason, json_incref(differs)));
}

static void list_new(const struct levels *l)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(l->head, "cells"), i, cell)
        if (was_measured(cell) && !judge_find(l->base, text_of(cell, "id")) && json_array_size(json_object_get(cell, "verdicts")) == 0)
            add_verdict(cell, judge_word("time", "stored", tolerance_of(l, cell), "new", "the baseline lacks this cell", NULL));
}

void levels_judge(const struct levels *l, json_t *notes)
{
    json_t *differs = hardware_differs(l), *cell;
    size_t i;
    if (json_array_size(differs) > 0)
        refuse_all(l, differs, "the base was measured on other hardware");
    else if (!json_is_true(json_object_get(l->base, "complete")))
        refuse_all(l, differs, "the base's run did not end");
    else {
        struct court court = convene(l, notes);
        json_array_foreach(json_object_get(l->base, "cells"), i, cell) {
            json_t *mine = judge_find(l->head, renamed(l, text_of(cell, "id")));
            if (!last_run(cell))
                continue;
            if (was_measured(mine))
                judge_pair(&court, cell, mine);
            else if (!is_dropped(l, text_of(cell, "id")))
                add_missing(l, cell, mine);
        }
        if (l->lists_new)
            list_new(l);
    }
    json_decref(differs);
}

bool levels_confirms(const struct levels *l, const char *metric, json_t *again)
{
    json_t *ignored = json_array(), *base = judge_find(l->base, text_of(again, "id")), *verdict;
    struct court court = convene(l, ignored);
    bool red = false;
    size_t i;
    if (base && was_measured(again))
        judge_pair(&court, base, again);
    json_array_foreach(json_object_get(again, "verdicts"), i, verdict)
        red = red || (strcmp(text_of(verdict, "metric"), metric) == 0 && strcmp(text_of(verdict, "against"), "stored") == 0 &&
                      strcmp(text_of(verdict, "verdict"), "regression") == 0);
    json_decref(ignored);
    return red;
}
