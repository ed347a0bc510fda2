/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes in lock-step: one worker process per lane (base, base2, head) holds the same cell open, and turns go round among them, one
 * at a time, each handed over by the futex word of its shared page. The others sleep meanwhile and their engines' threads are
 * parked, so one worker is runnable at any time. Iterations right after a switch (cold caches, a woken core) are outside the
 * timed window; all lanes run the same number of iterations, by which times are divided.
 *
 * The order within a round is random and balanced: every six rounds hold each of the six orders of three lanes once, so each lane
 * comes first, second and third, and after each other lane, equally often (a Williams square and its mirror, Williams 1949). None runs twice in
 * a row, from round to round either: where data stays in a cache, the second turn was 16 to 30 % shorter, a difference by pair of lanes.
 *
 * A function that fails says which lane broke in `*lost` (N_LANES: none in particular). One thread drives a set of lanes.
 */
#ifndef MEASURE_LANES_H
#define MEASURE_LANES_H

#include "lane.h"
#include "measure/worker.h"

struct lanes;

/* One round: per lane the time of a turn over its iterations (ns; 0 where the clock voided it), and the order run. */
struct lanes_round {
    double ns[N_LANES];
    enum lane order[N_LANES];
    struct worker_usage usage;  /* of head's turn; of the card, of all turns */
    struct worker_usage each[N_LANES];  /* of every lane's turn */
    int slowed;                 /* what held the card's clock down in one of the turns (enum gpu_slow); 0: nothing */
};

/* How long turns are: shared by all lanes and generations of a cell. */
struct lanes_turn {
    uint64_t iterations;  /* 0: not known yet */
    uint64_t warm;
    double change;        /* of head's time against base's, made by a spin in the slower lanes' turns, for the laboratory; 0: none */
};

/* Starts a worker per lane; `seed` orders the rounds. NULL with `fault`, as worker_start. */
struct lanes *lanes_start(const struct worker_start starts[N_LANES], uint64_t seed, enum lane *lost, struct fault *fault);

/* Ends the workers. NULL is allowed. */
void lanes_stop(struct lanes *lanes);

/* Whether all workers can take another cell. */
bool lanes_alive(const struct lanes *lanes);

/* Opens a cell of a plan in every lane (setup, then check; all at once, nothing of it is timed), fills infos[lane] with new objects (worker_open). */
bool lanes_open(struct lanes *lanes, const json_t *cell, json_t *infos[N_LANES], enum lane *lost, struct fault *fault);

/*
 * Gets the open cell ready: finds the iterations of a turn of about `aim_ns` in base, if turn->iterations is 0, and how many
 * go before the window (a tenth of the turn and at least 0.25 ms, none for calls over 5 ms); runs every lane twice untimed.
 */
bool lanes_warm(struct lanes *lanes, double aim_ns, struct lanes_turn *turn, enum lane *lost, struct fault *fault);

bool lanes_run(struct lanes *lanes, const struct lanes_turn *turn, struct lanes_round *round, enum lane *lost, struct fault *fault);

/* Serves the open stream once in one lane, as worker_stream: new object, NULL with `fault`. */
json_t *lanes_stream(struct lanes *lanes, enum lane lane, struct fault *fault);

/* The time of an empty body of the same kind and iterations in head's worker, ns per turn; what clock and loop cost. */
bool lanes_empty(struct lanes *lanes, const struct lanes_turn *turn, double *ns, struct fault *fault);

/* Leaves the cell in every lane that still lives; infos[lane] as worker_close, NULL where it failed. */
void lanes_close(struct lanes *lanes, json_t *infos[N_LANES]);

/* The process of a lane, for tests. */
int lanes_pid(const struct lanes *lanes, enum lane lane);

#endif
