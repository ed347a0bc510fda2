/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/resample.h"

#include "plan/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 8 };

/* Where a generation's rounds lie in a cell. */
struct piece {
    size_t start, n;
};

/* The generations of a cell whose rounds lie together, in order; returns how many. `pieces` holds cell->n. */
static size_t find_pieces(const struct rounds_cell *cell, struct piece *pieces)
{
    size_t n = 0;
    for (size_t r = 0; r < cell->n; r++) {
        if (r == 0 || cell->rounds[r].generation != cell->rounds[r - 1].generation)
            pieces[n++] = (struct piece){r, 0};
        pieces[n - 1].n++;
    }
    return n;
}

static void rename_lanes(struct decide_round *to, const struct decide_round *from, const size_t *names)
{
    for (size_t i = 0; i < N_LANES; i++) {
        to->ns[names[i]] = from->ns[i];
        to->order[i] = (enum lane)names[from->order[i]];
    }
}

static void draw_generation(const struct rounds_cell *from, struct piece piece, int64_t number, size_t n, uint64_t *random, struct rounds_cell *to)
{
    size_t names[N_LANES] = {LANE_BASE, LANE_BASE2, LANE_HEAD}, at = 0;
    order_shuffle(random, names, N_LANES);
    for (size_t r = 0; r < n; r++) {
        if (r % BLOCK == 0)
            at = (size_t)order_below(random, piece.n);
        struct decide_round *round = &to->rounds[to->n++];
        *round = (struct decide_round){.generation = number, .round = (int64_t)r};
        rename_lanes(round, &from->rounds[piece.start + at], names);
        at = (at + 1) % piece.n;
    }
}

static bool draw_cell(const struct rounds_cell *from, size_t number, uint64_t *random, struct rounds_cell *to)
{
    struct piece *pieces = calloc(from->n, sizeof *pieces);
    struct decide_round *rounds = calloc(from->n, sizeof *rounds);
    char *name = NULL;
    bool ok = pieces && rounds && asprintf(&name, "%zu/%s", number, from->name) != -1;
    *to = (struct rounds_cell){name, rounds, 0, from->n};
    size_t n = ok ? find_pieces(from, pieces) : 0;
    for (size_t g = 0; g < n; g++)
        draw_generation(from, pieces[order_below(random, n)], (int64_t)g, pieces[g].n, random, to);
    free(pieces);
    return ok;
}

bool resample_run(const struct rounds *recorded, size_t cells, uint64_t *random, struct rounds *run)
{
    *run = (struct rounds){.cells = calloc(cells, sizeof *run->cells), .n = cells, .room = cells};
    bool ok = run->cells != NULL && recorded->n > 0;
    for (size_t c = 0; ok && c < cells; c++)
        ok = draw_cell(&recorded->cells[order_below(random, recorded->n)], c, random, &run->cells[c]);
    if (!ok) {
        run->n = run->cells ? cells : 0;
        rounds_clear(run);
    }
    return ok;
}
