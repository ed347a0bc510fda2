/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/replay.h"

#include <stdlib.h>

/* Recordings hold few processes; live, fresh ones are cheap and more are asked for. */
static const size_t red_generations = 3;

static bool add(struct decide *d, const struct decide_round *round, double inject)
{
    struct decide_round changed = *round;
    changed.ns[LANE_HEAD] *= inject;
    return decide_add(d, &changed);
}

/* All rounds of each cell at once, for what the cells say together about the spread between processes. */
static bool fit_pool(const struct replay *replay, const struct rounds *rounds, struct spread_pool *pool)
{
    struct decide **all = calloc(rounds->n, sizeof *all);
    struct spread_cell *cells = calloc(rounds->n, sizeof *cells);
    bool ok = all && cells;
    for (size_t c = 0; ok && c < rounds->n; c++) {
        const struct rounds_cell *cell = &rounds->cells[c];
        ok = (all[c] = decide_open(replay->tolerance, rounds->n, red_generations)) != NULL;
        for (size_t r = 0; ok && r < cell->n; r++)
            ok = add(all[c], &cell->rounds[r], replay->inject);
        ok = ok && decide_cell(all[c], &cells[c]);
    }
    if (ok)
        *pool = spread_fit(cells, rounds->n);
    for (size_t c = 0; all && c < rounds->n; c++)
        decide_close(all[c]);
    free(all);
    free(cells);
    return ok;
}

static bool replay_cell(const struct replay *replay, const struct rounds_cell *cell, size_t n_tests, struct spread_pool pool,
                        struct decide_verdict *verdict)
{
    struct decide *d = decide_open(replay->tolerance, n_tests, red_generations);
    bool ok = d != NULL;
    enum decision decision = DECISION_NONE;
    for (size_t r = 0; ok && r < cell->n && decision == DECISION_NONE; r++) {
        bool last = r + 1 == cell->n;
        ok = add(d, &cell->rounds[r], replay->inject);
        if (ok && (last || decide_is_due(d)))
            decision = decide_look(d, pool, last);
    }
    if (ok)
        *verdict = *decide_verdict(d);
    decide_close(d);
    return ok;
}

bool replay_run(const struct replay *replay, const struct rounds *rounds, struct decide_verdict *verdicts)
{
    struct spread_pool pool;
    if (!fit_pool(replay, rounds, &pool))
        return false;
    for (size_t c = 0; c < rounds->n; c++)
        if (!replay_cell(replay, &rounds->cells[c], rounds->n, pool, &verdicts[c]))
            return false;
    return true;
}

enum exit_code replay_exit(enum decision decision)
{
    switch (decision) {
    case DECISION_PASS:
    case DECISION_IMPROVED: return EXIT_CODE_PASS;
    case DECISION_REGRESSION: return EXIT_CODE_REGRESSION;
    default: return EXIT_CODE_CANNOT_JUDGE;
    }
}
