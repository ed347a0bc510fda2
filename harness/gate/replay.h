/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded rounds through the decision of the gate, in the order they were measured.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "gate/decide.h"
#include "gate/rounds.h"

struct replay {
    double tolerance;
    double inject;    /* factor on the times of head */
};

/*
 * Decides every cell of `rounds` as the live gate would; verdicts[0..rounds->n) are filled. All cells are one run: the error rates are shared
 * among them, and the spread between processes is fitted to the null lanes and the scatter of generations of all of
 * them, and of each bench's (which no change of head moves), before the first look. False when memory is short.
 */
bool replay_run(const struct replay *replay, const struct rounds *rounds, struct decide_verdict *verdicts);

/* The exit code of one verdict. */
enum exit_code replay_exit(enum decision decision);

#endif
