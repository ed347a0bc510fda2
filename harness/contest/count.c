/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/count.h"

#include "contest/judge.h"
#include "measure/callgrind.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double same_count = 0.001;
enum { MOST_EVENTS = 4 };

/*
 * Every metric that counts give, one row: the sum of `events`, and where there are `of` its share of their sum, or what is left of that
 * (`is_hits`). Judged in pairs where `tolerance` is above 0, and where at least `floor` of the events `among` have moved: below that the
 * model's caches see where the kernel put the data, not what the code does.
 */
static const struct count_row {
    const char *name, *unit;
    bool is_simulated;
    const char *events[MOST_EVENTS], *of[MOST_EVENTS];
    bool is_hits;
    double tolerance, floor;
    const char *among[MOST_EVENTS];
} rows[] = {
    {"instruction_count", "per iteration", false, {"Ir"}, {0}, false, 0.01, 0, {0}},
    {"simulated_l1_hit_rate", "of accesses, simulated", true, {"D1mr", "D1mw"}, {"Dr", "Dw"}, true, 0, 0, {0}},
    {"simulated_ll_hit_rate", "of L1's misses, simulated", true, {"DLmr", "DLmw"}, {"D1mr", "D1mw"}, true, 0, 0, {0}},
    {"simulated_branch_miss_rate", "of branches, simulated", true, {"Bcm", "Bim"}, {"Bc", "Bi"}, false, 0, 0, {0}},
    {"simulated_l1_misses", "per iteration, simulated", true, {"D1mr", "D1mw"}, {0}, false, 0.05, 0.001, {"Dr", "Dw"}},
    {"simulated_ll_misses", "per iteration, simulated", true, {"DLmr", "DLmw"}, {0}, false, 0.05, 0.001, {"Dr", "Dw"}},
    {"simulated_branch_misses", "per iteration, simulated", true, {"Bcm", "Bim"}, {0}, false, 0.05, 0.001, {"Bc", "Bi"}},
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool is_asked(const struct count_row *row, const struct count_request *request)
{
    return row->is_simulated ? request->simulate : request->count;
}

static bool is_judged(const struct count_row *row, const struct count_request *request)
{
    return is_asked(row, request) && row->tolerance > 0;
}

/* Counts are differences of two calls: one that is no more than the other's by chance is none. */
static double sum_of(const json_t *counts, const char *const events[MOST_EVENTS])
{
    double sum = 0;
    for (int i = 0; i < MOST_EVENTS && events[i]; i++)
        sum += json_number_value(json_object_get(counts, events[i]));
    return fmax(sum, 0);
}

static json_t *metric_of(const struct count_row *row, const json_t *counts)
{
    double value = sum_of(counts, row->events), whole = sum_of(counts, row->of);
    if (row->of[0] && whole <= 0)
        return json_pack("{s:s}", "absent", "there were none of them in an iteration");
    if (row->of[0])
        value = row->is_hits ? 1 - fmin(value / whole, 1) : fmin(value / whole, 1);
    return json_pack("{s:f,s:s}", "value", value, "unit", row->unit);
}

json_t *count_cell(const struct count_request *request, struct fault *fault)
{
    const struct callgrind asked = {.start = request->lane, .cell = request->planned, .backend = json_string_value(json_object_get(request->cell, "backend")),
                                    .caches = request->simulate};
    return callgrind_count(&asked, fault);
}

void count_put(const struct count_request *request, const json_t *answer, json_t *metrics)
{
    const json_t *counts = json_object_get(answer, "counts");
    for (size_t i = 0; i < ROWS; i++)
        if (is_asked(&rows[i], request))
            json_object_set_new(metrics, rows[i].name, counts ? metric_of(&rows[i], counts) : json_pack("{s:O}", "absent", json_object_get(answer, "absent")));
}

/* ---- verdicts */

static bool is_red(double ratio, double tolerance)
{
    return ratio > 1 + tolerance;
}

static const char *word_of(double ratio, double tolerance)
{
    return is_red(ratio, tolerance) ? "regression" : ratio < 1 / (1 + tolerance) ? "improved" : "pass";
}

/* Time moved and the instructions did not: whoever reads the verdict looks elsewhere than in the code. */
static void explain(json_t *time, double ratio)
{
    const char *word = json_string_value(json_object_get(time, "verdict"));
    bool moved = word && (strcmp(word, "regression") == 0 || strcmp(word, "improved") == 0);
    if (!moved || json_is_string(json_object_get(time, "reason")) || fabs(ratio - 1) > same_count)
        return;
    json_object_set_new(time, "reason", json_sprintf("time %+.1f %%, instructions %+.1f %%: layout or machine",
                                                     100 * (json_number_value(json_object_get(time, "ratio")) - 1), 100 * (ratio - 1) + 0.0));
}

/* Head's events over base's: 1 where too few of them moved. */
static double ratio_of(const struct count_row *row, const json_t *base, const json_t *head)
{
    double before = sum_of(base, row->events), now = sum_of(head, row->events), among = fmax(sum_of(base, row->among), sum_of(head, row->among));
    bool is_small = fabs(now - before) <= row->floor * among;
    if (!is_small && before <= 0)
        before = row->floor * among; /* none before: held against the most that counts as none */
    return is_small || before <= 0 ? 1 : now / before;
}

static json_t *verdict_of(const struct count_row *row, double ratio)
{
    struct decide_verdict exact = {.ratio = ratio, .low = ratio, .high = ratio, .smallest_visible = row->tolerance, .rounds = 1, .generations = 1};
    json_t *verdict = judge_decision(row->name, "paired", row->tolerance, &exact);
    json_object_set_new(verdict, "verdict", json_string(word_of(ratio, row->tolerance)));
    return verdict;
}

bool count_is_red(const struct count_request *request, const json_t *base, const json_t *head)
{
    const json_t *before = json_object_get(base, "counts"), *now = json_object_get(head, "counts");
    for (size_t i = 0; before && now && i < ROWS; i++)
        if (is_judged(&rows[i], request) && is_red(ratio_of(&rows[i], before, now), rows[i].tolerance))
            return true;
    return false;
}

void count_judge(const struct count_request *request, const json_t *base, const json_t *head, json_t *verdicts)
{
    const json_t *before = json_object_get(base, "counts"), *now = json_object_get(head, "counts");
    for (size_t i = 0; before && now && i < ROWS; i++) {
        if (!is_judged(&rows[i], request))
            continue;
        double ratio = ratio_of(&rows[i], before, now);
        if (!rows[i].is_simulated)
            explain(json_array_get(verdicts, 0), ratio);
        json_array_append_new(verdicts, verdict_of(&rows[i], ratio));
    }
}
