/* SPDX-License-Identifier: Apache-2.0
 *
 * A bout: everything `ternmark gate` compares at once: head's plan against base's, which cells are measured in pairs and which
 * once, and the cells of the result with their paired verdicts.
 */
#ifndef CONTEST_BOUT_H
#define CONTEST_BOUT_H

#include "cli.h"
#include "plan/plan.h"

#include <jansson.h>

struct bout {
    const struct options *options;
    struct plan_request request;   /* head's: suites, artifacts, selection */
    json_t *plan;                  /* head's cells, those of the main job selected */
    json_t *base_plan;             /* base's, likewise; NULL: the base has head's cells, or there is no base */
    json_t *head_artifacts, *base_artifacts;  /* "NAME=PATH" arrays; base's NULL: no base */
    const json_t *history;         /* a baseline of this hardware, for what processes differ by; NULL: none */
    const char *run_id;
    json_t *notes;                 /* sentences are added here */
    size_t n_tests;                /* result: decisions that shared the error rates */
    json_t *cells;                 /* result: cells of a result file */
    json_t *card;                  /* result: what a cell on a card says of it; NULL where none ran on one */
};

/*
 * Selects the cells of the main job: those tagged "ci", or all where no cell has the tag, less what the command line leaves out.
 * EXIT_CODE_USAGE as select_cells.
 */
bool bout_select(json_t *plan, const struct plan_request *request, json_t *notes, struct fault *fault);

/* Measures and judges; fills bout->cells, also when it returns false (EXIT_CODE_INTERRUPTED, EXIT_CODE_USAGE). */
bool bout_run(struct bout *bout, struct fault *fault);

/*
 * Counts (contest/count.h, what the options ask for) head in every measured cell, and where it was timed in pairs base too, with verdicts.
 * False: interrupted.
 */
bool bout_count(const struct bout *bout, struct fault *fault);

/* Measures one cell of head again, alone, in fresh processes: a new cell, NULL where it could not be. */
json_t *bout_measure_again(struct bout *bout, const char *id);

#endif
