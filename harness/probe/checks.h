/* SPDX-License-Identifier: Apache-2.0
 *
 * What `ternmark doctor` looks at: one row per check, each with what to do about it.
 */
#ifndef PROBE_CHECKS_H
#define PROBE_CHECKS_H

#include "probe/fitness.h"

/* What the checks look at; filled once. */
struct checks_state {
    struct fitness_snapshot before, after;  /* around the burn-in */
    struct fitness_burn burn;
    double clock_cost_ns, clock_resolution_ns;
};

/* Burns `ns` and takes the state. */
struct checks_state checks_take(double ns);

/*
 * Every check's answer: a new array of {check, state "good"|"note"|"bad"|"unknown", found, advice|null}. "bad" means: not fit to
 * measure until it is changed.
 */
json_t *checks_run(const struct checks_state *state);

#endif
