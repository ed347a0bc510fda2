/* SPDX-License-Identifier: Apache-2.0
 *
 * A run: every selected cell of a plan, over several generations. In each generation suites and cells come in a fresh random order
 * from the seed; one worker holds a suite's cells until one of them takes it down or leaves memory behind, then another goes on with the rest.
 */
#ifndef MEASURE_SESSION_H
#define MEASURE_SESSION_H

#include "measure/sampling.h"
#include "plan/plan.h"

struct session {
    const struct plan_request *request;
    struct sampling sampling;
    const json_t *cells;     /* the plan */
    json_t *generations;     /* cell id → array of generations so far; those of a resumed run are there already */
    uint64_t seed;
    double budget_ns;        /* after it, and at least 2 s, no further generation begins; cells that have none yet are unfit, with that reason. 0: none */
    /* Called with each finished generation, before the next begins; false stops the run with its fault. May be NULL. */
    bool (*finished)(void *context, const char *id, const json_t *generation, struct fault *fault);
    /* Called before each cell is opened, for a progress line. May be NULL. */
    void (*progress)(void *context, const char *id, size_t done, size_t all);
    void *context;
};

/*
 * Measures what is left. True also when cells failed: that stands in their generations. False with EXIT_CODE_INTERRUPTED, or with
 * the fault of `finished` or of a suite that no longer loads (EXIT_CODE_USAGE).
 */
bool session_run(struct session *session, struct fault *fault);

/* Opens a cell, samples it, closes it: a new generation without its number, or one with {failed} or {unfit}. NULL: interrupted. */
json_t *session_measure(struct worker *worker, const json_t *cell, const struct sampling *sampling, struct fault *fault);

#endif
