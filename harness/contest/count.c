/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/count.h"

#include "contest/judge.h"
#include "measure/callgrind.h"

#include <math.h>
#include <string.h>

const double count_tolerance = 0.01;
static const double same_count = 0.001;

json_t *count_metric(const json_t *planned, const json_t *cell, const struct worker_start *lane, struct fault *fault)
{
    const struct callgrind request = {.start = lane, .cell = planned, .backend = json_string_value(json_object_get(cell, "backend"))};
    json_t *answer = callgrind_count(&request, fault), *metric = NULL;
    const json_t *count = json_object_get(json_object_get(answer, "counts"), "Ir");
    if (json_is_number(count))
        metric = json_pack("{s:f,s:s}", "value", json_number_value(count), "unit", "per iteration");
    else if (answer)
        metric = json_pack("{s:O}", "absent", json_object_get(answer, "absent"));
    json_decref(answer);
    return metric;
}

static const char *word_of(double ratio, double tolerance)
{
    return ratio > 1 + tolerance ? "regression" : ratio < 1 / (1 + tolerance) ? "improved" : "pass";
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

json_t *count_verdict(const json_t *base, const json_t *head, double tolerance, json_t *time)
{
    const json_t *before = json_object_get(base, "value"), *now = json_object_get(head, "value");
    if (!json_is_number(before) || !json_is_number(now) || json_number_value(before) <= 0)
        return NULL;
    double ratio = json_number_value(now) / json_number_value(before);
    struct decide_verdict exact = {.ratio = ratio, .low = ratio, .high = ratio, .smallest_visible = tolerance, .rounds = 1, .generations = 1};
    json_t *verdict = judge_decision("instruction_count", "paired", tolerance, &exact);
    json_object_set_new(verdict, "verdict", json_string(word_of(ratio, tolerance)));
    explain(time, ratio);
    return verdict;
}
