/* SPDX-License-Identifier: Apache-2.0
 *
 * A contest: cells measured live in lanes (measure/lanes.h), generation after generation in fresh processes, each until the
 * decision (gate/decide.h) is made or the time is up. Time goes to undecided cells only.
 */
#ifndef CONTEST_CONTEST_H
#define CONTEST_CONTEST_H

#include "gate/decide.h"
#include "measure/worker.h"

#include <stdio.h>

struct contest {
    const json_t *cells;                  /* of a plan (plan/plan.h): those to be measured */
    struct worker_start starts[N_LANES];  /* per lane; suite and processor are filled in here */
    const json_t *history;                /* a baseline of this hardware (top object): what its cells' processes differed by; NULL: none */
    double tolerance;                     /* of cells that state none */
    size_t n_tests;                       /* decisions that share the error rates, at least the number of cells */
    uint64_t seed;
    double budget_ns;                     /* of the whole contest; 0: only the limit per cell */
    double turn_ns;                       /* aimed-at length of a turn; 0: 1 ms */
    size_t fixed_generations, fixed_rounds;  /* for recording: so many of each cell, whatever the decision would be; 0: until decided */
    double change;                        /* of head's time, for the laboratory (struct lanes_turn); 0: none */
    FILE *progress;                       /* a terminal, or NULL */
};

/* What became of one cell. */
struct contest_cell {
    const json_t *planned;
    json_t *generations;      /* head's, as sampling_generation plus worker_open and worker_close give them; owned */
    json_t *rounds;           /* [{generation, round, order, ns}] of the result file; owned */
    struct decide_verdict verdict;
    enum lane lost;           /* the lane that could not be measured; N_LANES: none */
    bool is_lost;
    char reason[600];         /* why it was lost */
    double turn_ns;           /* inside turns, all lanes */
    double aside_ns;          /* of it, in generations set aside because others were using the processors */
    size_t n_voided;          /* turns that the clock voided */
    size_t n_throttled;       /* rounds dropped because the card's clock was held down in one of their turns */
    json_t *lane_metrics;     /* what lane_metrics.h keeps of the metrics that gate it, NULL: none do; owned */
    size_t n_repeats;         /* how many these were */
    /* inner state */
    struct decide *decide;
    struct { uint64_t iterations, warm; } turn;
    bool is_settled;
};

/*
 * Measures all cells; `results` gets an array of json_array_size(cells) entries, in the cells' order, to be freed with contest_clear.
 * False with EXIT_CODE_INTERRUPTED or a suite that no longer loads in head (EXIT_CODE_USAGE); results are filled all the same.
 */
bool contest_run(const struct contest *contest, struct contest_cell **results, struct fault *fault);
void contest_clear(struct contest_cell *results, size_t n);

#endif
