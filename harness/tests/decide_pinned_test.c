/* SPDX-License-Identifier: Apache-2.0
 *
 * What the decision says of seeded traces, to nine digits, so that no change of it goes unseen. `decide_pinned_test pin` prints the rows anew.
 */
#include "gate/decide.h"

#include "traces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct pinned {
    size_t kind;
    double factor;
    int generations, n, last_only, odd;  /* odd: one generation whose base2 is far out */
    enum decision decision;
    size_t rounds, seen, set_aside;
    double ratio, low, high, visible, null_ratio, spread, inflation;
};

static const struct pinned pinned_rows[] = {
#include "decide_pinned.def"
};

static struct pinned decide_pinned(const struct pinned *row)
{
    struct traces_cell cell;
    struct decide *d = decide_open(0.05, 40);
    enum decision decision = DECISION_NONE;
    traces_open(&cell, &traces_kinds[row->kind], 1000 + row->kind);
    for (int g = 0; g < row->generations && decision == DECISION_NONE; g++) {
        traces_generation(&cell);
        for (int i = 0; i < row->n && decision == DECISION_NONE; i++) {
            struct decide_round round;
            traces_round(&cell, g, 0, &round);
            round.round = i;
            round.ns[LANE_HEAD] *= row->factor;
            round.ns[LANE_BASE2] *= g == 1 && row->odd ? 1.2 : 1;
            assert_true(decide_add(d, &round));
            bool last = g == row->generations - 1 && i == row->n - 1;
            if (last || (!row->last_only && decide_is_due(d)))
                decision = decide_look(d, spread_pool_start(), last);
        }
    }
    struct pinned result = *row;
    const struct decide_verdict *v = decide_verdict(d);
    result.decision = decision;
    result.rounds = v->rounds;
    result.seen = v->generations;
    result.set_aside = v->set_aside;
    result.ratio = v->ratio;
    result.low = v->low;
    result.high = v->high;
    result.visible = v->smallest_visible;
    result.null_ratio = v->null_ratio;
    result.spread = v->process_spread;
    result.inflation = v->inflation;
    decide_close(d);
    return result;
}

static void print_pinned(const struct pinned *row)
{
    struct pinned p = decide_pinned(row);
    printf("{%zu, %.9g, %d, %d, %d, %d, %d, %zu, %zu, %zu, %.9g, %.9g, %.9g, %.9g, %.9g, %.9g, %.9g},\n", p.kind, p.factor, p.generations, p.n,
           p.last_only, p.odd, (int)p.decision, p.rounds, p.seen, p.set_aside, p.ratio, p.low, p.high, p.visible, p.null_ratio, p.spread, p.inflation);
}

static int print_pins(void)
{
    static const double factors[] = {0.9, 0.97, 1, 1.05, 1.075, 1.12, 1.3};
    static const int shapes[][4] = {{5, 40, 0, 0}, {12, 14, 0, 0}, {2, 24, 0, 0}, {1, 30, 1, 0}, {6, 20, 0, 1}, {4, 6, 1, 0}, {3, 2, 1, 0}};
    for (size_t kind = 0; kind < TRACES_KINDS; kind++)
        for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
            const int *shape = shapes[(kind + f) % (sizeof shapes / sizeof *shapes)];
            if ((kind + f) % 3)
                continue;
            print_pinned(&(struct pinned){.kind = kind, .factor = factors[f], .generations = shape[0], .n = shape[1], .last_only = shape[2], .odd = shape[3]});
            print_pinned(&(struct pinned){.kind = kind, .factor = factors[f], .generations = 12, .n = 14});
        }
    return 0;
}

static void pinned_verdicts_stay(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pinned_rows / sizeof *pinned_rows; i++) {
        const struct pinned *a = &pinned_rows[i];
        struct pinned b = decide_pinned(a);
        const double pairs[][2] = {{a->ratio, b.ratio}, {a->low, b.low}, {a->high, b.high}, {a->visible, b.visible}, {a->null_ratio, b.null_ratio}, {a->spread, b.spread}, {a->inflation, b.inflation}};
        if (a->decision != b.decision || a->rounds != b.rounds || a->seen != b.seen || a->set_aside != b.set_aside)
            fail_msg("row %zu: %s after %zu rounds in %zu, %zu set aside; pinned %s, %zu, %zu, %zu", i, decide_word(b.decision), b.rounds, b.seen, b.set_aside, decide_word(a->decision),
                     a->rounds, a->seen, a->set_aside);
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
            if (!(fabs(pairs[k][0] - pairs[k][1]) <= 1e-6 * fabs(pairs[k][0])) && pairs[k][0] != pairs[k][1])
                fail_msg("row %zu, figure %zu: %.9g, pinned %.9g", i, k, pairs[k][1], pairs[k][0]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pinned_verdicts_stay)};
    if (argc == 2 && strcmp(argv[1], "pin") == 0)
        return print_pins();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
