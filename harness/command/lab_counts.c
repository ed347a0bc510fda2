/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lab_counts.h"

#include "stats/binomial.h"

#include <string.h>

const double lab_limits_s[LAB_LIMITS] = {1, 2, 5};

static const double one_side = 0.025;
static const enum decision shown[] = {DECISION_REGRESSION, DECISION_PASS, DECISION_IMPROVED, DECISION_INCONCLUSIVE, DECISION_UNFIT};
enum { N_SHOWN = sizeof shown / sizeof *shown };

void lab_count(struct lab_counts *counts, enum decision decision, double turn_s)
{
    counts->of[decision]++;
    counts->cells++;
    counts->turn_s += turn_s;
    for (size_t i = 0; i < LAB_LIMITS; i++)
        counts->within[i][decision] += turn_s > 0 && turn_s <= lab_limits_s[i];
}

void lab_count_run(struct lab_counts *counts, const struct lab_counts *before)
{
    size_t cells = counts->cells - before->cells, passed = 0;
    passed += counts->of[DECISION_PASS] - before->of[DECISION_PASS];
    passed += counts->of[DECISION_IMPROVED] - before->of[DECISION_IMPROVED];
    counts->runs++;
    counts->red_runs += counts->of[DECISION_REGRESSION] > before->of[DECISION_REGRESSION];
    counts->passed_runs += cells > 0 && passed == cells;
}

void lab_add(struct lab_counts *to, const struct lab_counts *from)
{
    for (size_t d = 0; d <= DECISION_UNFIT; d++) {
        to->of[d] += from->of[d];
        for (size_t i = 0; i < LAB_LIMITS; i++)
            to->within[i][d] += from->within[i][d];
    }
    to->cells += from->cells;
    to->runs += from->runs;
    to->red_runs += from->red_runs;
    to->passed_runs += from->passed_runs;
    to->turn_s += from->turn_s;
    to->wall_s += from->wall_s;
}

static json_t *within_json(const struct lab_counts *c, enum decision decision)
{
    json_t *within = json_array();
    for (size_t i = 0; i < LAB_LIMITS; i++)
        json_array_append_new(within, json_integer((json_int_t)c->within[i][decision]));
    return within;
}

static void print_json(const struct lab_counts *c)
{
    json_t *rates = json_object();
    for (size_t i = 0; i < N_SHOWN; i++) {
        size_t k = c->of[shown[i]];
        json_object_set_new(rates, decide_word(shown[i]),
                            json_pack("{s:I,s:f,s:f,s:f,s:o}", "count", (json_int_t)k, "rate", (double)k / (double)c->cells, "low",
                                      binomial_low(k, c->cells, one_side), "high", binomial_high(k, c->cells, one_side), "within",
                                      within_json(c, shown[i])));
    }
    json_t *top = json_pack("{s:f,s:I,s:I,s:I,s:f,s:I,s:f,s:f,s:o}", "change", c->change, "cells", (json_int_t)c->cells, "runs", (json_int_t)c->runs,
                            "red_runs", (json_int_t)c->red_runs, "red_runs_high", binomial_high(c->red_runs, c->runs ? c->runs : 1, one_side),
                            "passed_runs", (json_int_t)c->passed_runs, "turn_s", c->turn_s, "wall_s", c->wall_s, "rates", rates);
    json_dumpf(top, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(top);
}

void lab_print(const struct lab_counts *c, bool as_json)
{
    if (c->cells == 0)
        return;
    if (as_json) {
        print_json(c);
        return;
    }
    printf("change %+.1f %%: %zu cells in %zu runs", 100 * c->change, c->cells, c->runs);
    if (c->turn_s > 0)
        printf(", %.3f s in turns and %.3f s of wall time per cell", c->turn_s / (double)c->cells, c->wall_s / (double)c->cells);
    putchar('\n');
    for (size_t i = 0; i < N_SHOWN; i++) {
        size_t k = c->of[shown[i]];
        printf("  %-13s %6zu  %7.3f %%  [%.3f, %.3f]\n", decide_word(shown[i]), k, 100.0 * (double)k / (double)c->cells,
               100 * binomial_low(k, c->cells, one_side), 100 * binomial_high(k, c->cells, one_side));
    }
    printf("  runs with a red: %zu of %zu, at most %.3f %% with 97.5 %% confidence; all cells passed in %zu\n", c->red_runs, c->runs,
           100 * binomial_high(c->red_runs, c->runs, one_side), c->passed_runs);
}

static bool read_count(const json_t *top, const char *name, size_t *count)
{
    const json_t *value = json_object_get(top, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *count = (size_t)json_integer_value(value);
    return true;
}

static bool read_rate(const json_t *top, enum decision decision, struct lab_counts *counts)
{
    const json_t *rate = json_object_get(json_object_get(top, "rates"), decide_word(decision)), *within = json_object_get(rate, "within");
    if (!read_count(rate, "count", &counts->of[decision]) || json_array_size(within) != LAB_LIMITS)
        return false;
    for (size_t i = 0; i < LAB_LIMITS; i++)
        counts->within[i][decision] = (size_t)json_integer_value(json_array_get(within, i));
    return true;
}

bool lab_read(const json_t *top, struct lab_counts *counts)
{
    *counts = (struct lab_counts){.change = json_number_value(json_object_get(top, "change"))};
    counts->turn_s = json_number_value(json_object_get(top, "turn_s"));
    counts->wall_s = json_number_value(json_object_get(top, "wall_s"));
    bool ok = json_is_number(json_object_get(top, "change")) && read_count(top, "cells", &counts->cells) && read_count(top, "runs", &counts->runs) &&
              read_count(top, "red_runs", &counts->red_runs) && read_count(top, "passed_runs", &counts->passed_runs);
    size_t sum = 0;
    for (size_t i = 0; ok && i < N_SHOWN; i++) {
        ok = read_rate(top, shown[i], counts);
        sum += counts->of[shown[i]];
    }
    return ok && sum == counts->cells;
}
