/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/replay.h"

#include "gate/neighbours.h"

#include <stdlib.h>

static bool add(struct decide *d, const struct decide_round *round, double inject)
{
    struct decide_round changed = *round;
    changed.ns[LANE_HEAD] *= inject;
    return decide_add(d, &changed);
}

static const char *name_of(const void *context, size_t i)
{
    return ((const struct rounds *)context)->cells[i].name;
}

/* All rounds of each cell at once, for what the cells say together about the spread between processes. */
static bool fit_pools(const struct replay *replay, const struct rounds *rounds, struct spread_pool *pools)
{
    struct decide **all = calloc(rounds->n, sizeof *all);
    struct spread_cell *cells = calloc(rounds->n, sizeof *cells);
    bool ok = all && cells;
    for (size_t c = 0; ok && c < rounds->n; c++) {
        const struct rounds_cell *cell = &rounds->cells[c];
        ok = (all[c] = decide_open(replay->tolerance, rounds->n)) != NULL;
        for (size_t r = 0; ok && r < cell->n; r++)
            ok = add(all[c], &cell->rounds[r], replay->inject);
        ok = ok && decide_cell(all[c], &cells[c]);
    }
    ok = ok && neighbours_pools(cells, rounds->n, name_of, rounds, pools);
    for (size_t c = 0; all && c < rounds->n; c++)
        decide_close(all[c]);
    free(all);
    free(cells);
    return ok;
}

/* One cell among n_tests, of one round at least: the last look ends it; `supported`: a neighbour of it is red. */
static bool replay_cell(const struct replay *replay, const struct rounds_cell *cell, size_t n_tests, bool supported, struct spread_pool pool,
                        struct decide_verdict *verdict)
{
    struct decide *d = decide_open(replay->tolerance, n_tests);
    if (!d)
        return false;
    bool ok = true;
    enum decision decision = DECISION_NONE;
    if (supported)
        decide_support(d);
    for (size_t r = 0; ok && decision == DECISION_NONE; r++) {
        bool last = r + 1 == cell->n;
        ok = add(d, &cell->rounds[r], replay->inject);
        if (last || decide_is_due(d))
            decision = decide_look(d, pool, last);
    }
    *verdict = *decide_verdict(d);
    decide_close(d);
    return ok;
}

static bool has_red_neighbour(const struct rounds *rounds, const struct decide_verdict *verdicts, size_t c)
{
    for (size_t other = 0; other < rounds->n; other++)
        if (verdicts[other].decision == DECISION_REGRESSION && neighbours_along_axis(rounds->cells[c].name, rounds->cells[other].name))
            return true;
    return false;
}

/* Each cell for itself, then those that could not tell and have a red neighbour once more, with its support. */
bool replay_run(const struct replay *replay, const struct rounds *rounds, struct decide_verdict *verdicts)
{
    struct spread_pool *pools = calloc(rounds->n, sizeof *pools);
    bool *supported = calloc(rounds->n, sizeof *supported);
    bool ok = pools && supported && fit_pools(replay, rounds, pools);
    for (size_t c = 0; ok && c < rounds->n; c++)
        ok = replay_cell(replay, &rounds->cells[c], rounds->n, false, pools[c], &verdicts[c]);
    for (size_t c = 0; ok && c < rounds->n; c++)
        supported[c] = verdicts[c].decision == DECISION_INCONCLUSIVE && has_red_neighbour(rounds, verdicts, c);
    for (size_t c = 0; ok && c < rounds->n; c++)
        if (supported[c])
            ok = replay_cell(replay, &rounds->cells[c], rounds->n, true, pools[c], &verdicts[c]);
    free(pools);
    free(supported);
    return ok;
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
