/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/lanes.h"

#include "measure/sampling.h"
#include "plan/order.h"

#include <math.h>
#include <stdlib.h>

enum { N_ORDERS = 6, WARM_TURNS = 2 };

static const enum lane orders[N_ORDERS][N_LANES] = {
    {LANE_BASE, LANE_BASE2, LANE_HEAD}, {LANE_BASE2, LANE_HEAD, LANE_BASE}, {LANE_HEAD, LANE_BASE, LANE_BASE2},
    {LANE_HEAD, LANE_BASE2, LANE_BASE}, {LANE_BASE, LANE_HEAD, LANE_BASE2}, {LANE_BASE2, LANE_BASE, LANE_HEAD},
};

static const double long_call_ns = 5e6;  /* a call this long dwarfs what a switch leaves behind */
static const double warm_share = 0.1;
static const double warm_ns = 0.25e6;    /* at least: a team's threads wake in 64 us here, and settle on their processors */

struct lanes {
    struct worker *workers[N_LANES];
    uint64_t random;
    size_t block[N_ORDERS];  /* the orders of the current six rounds */
    size_t next;             /* N_ORDERS: the block is used up */
    enum lane last;          /* to run in the round before; N_LANES: there was none */
    size_t line[N_LANES];    /* the order in which lanes start, open and warm up: by chance, as who comes first gets other pages */
};

void lanes_stop(struct lanes *lanes)
{
    if (!lanes)
        return;
    for (size_t i = 0; i < N_LANES; i++)
        worker_stop(lanes->workers[i]);
    free(lanes);
}

/* All load the suite at once. */
static bool start_all(struct lanes *lanes, const struct worker_start starts[N_LANES], enum lane *lost, struct fault *fault)
{
    for (size_t i = 0; i < N_LANES; i++) {
        size_t lane = lanes->line[i];
        lanes->workers[lane] = worker_start_begin(&starts[lane], fault);
        if (!lanes->workers[lane]) {
            *lost = (enum lane)lane;
            return false;
        }
    }
    for (size_t i = 0; i < N_LANES; i++)
        if (!worker_start_end(lanes->workers[i], fault)) {
            *lost = (enum lane)i;
            return false;
        }
    return true;
}

struct lanes *lanes_start(const struct worker_start starts[N_LANES], uint64_t seed, enum lane *lost, struct fault *fault)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);
    *lost = N_LANES;
    if (!lanes) {
        fault_set(fault, EXIT_CODE_USAGE, "out of memory");
        return NULL;
    }
    lanes->random = seed;
    lanes->next = N_ORDERS;
    lanes->last = N_LANES;
    for (size_t i = 0; i < N_LANES; i++)
        lanes->line[i] = i;
    order_shuffle(&lanes->random, lanes->line, N_LANES);
    if (start_all(lanes, starts, lost, fault))
        return lanes;
    lanes_stop(lanes);
    return NULL;
}

bool lanes_alive(const struct lanes *lanes)
{
    for (size_t i = 0; i < N_LANES; i++)
        if (!worker_alive(lanes->workers[i]))
            return false;
    return true;
}

bool lanes_open(struct lanes *lanes, const json_t *cell, json_t *infos[N_LANES], enum lane *lost, struct fault *fault)
{
    const char *bench = json_string_value(json_object_get(cell, "bench"));
    bool ok = true;
    for (size_t i = 0; i < N_LANES; i++)
        worker_open_begin(lanes->workers[lanes->line[i]], bench, json_object_get(cell, "params"));
    for (size_t i = 0; i < N_LANES; i++) {
        struct fault own = {0};
        infos[i] = NULL;
        if (worker_open_end(lanes->workers[i], &infos[i], &own) || !ok)
            continue;
        ok = false;
        *lost = (enum lane)i;
        *fault = own;
    }
    return ok;
}

/* How much longer a lane's turn has to be for a change of head against base. */
static double stretch_of(enum lane lane, double change)
{
    if (lane == LANE_HEAD)
        return fmax(change, 0);
    return change < 0 ? 1 / (1 + change) - 1 : 0;
}

/* One sample in one lane, ns of the whole of it. */
static bool turn_in(struct lanes *lanes, enum lane lane, enum worker_verb verb, const struct lanes_turn *turn, double *ns,
                    struct worker_usage *usage, enum lane *lost, struct fault *fault)
{
    struct worker_turn request = {.verb = verb, .warm = turn->warm, .iterations = turn->iterations, .samples = 1, .stretch = stretch_of(lane, turn->change)};
    *lost = lane;
    return worker_turn(lanes->workers[lane], &request, ns, usage, fault);
}

/* Iterations of base whose turn is about aim_ns long; *call_ns is the time of one. */
static bool calibrate(struct lanes *lanes, double aim_ns, struct lanes_turn *turn, double *call_ns, enum lane *lost, struct fault *fault)
{
    struct lanes_turn trial = {.iterations = 1};
    for (;;) {
        double ns;
        if (!turn_in(lanes, LANE_BASE, WORKER_VERB_TURN, &trial, &ns, NULL, lost, fault))
            return false;
        *call_ns = ns / (double)trial.iterations;
        if (ns >= 0.5 * aim_ns || trial.iterations >= (uint64_t)1 << 50)
            break;
        trial.iterations = sampling_next_iterations(trial.iterations, ns, aim_ns);
    }
    turn->iterations = *call_ns > 0 ? (uint64_t)fmax(1, round(aim_ns / *call_ns)) : trial.iterations;
    return true;
}

static bool warm_lane(struct lanes *lanes, enum lane lane, const struct lanes_turn *turn, enum lane *lost, struct fault *fault)
{
    double ns;
    for (int i = 0; i < WARM_TURNS; i++)
        if (!turn_in(lanes, lane, WORKER_VERB_TURN, turn, &ns, NULL, lost, fault))
            return false;
    return true;
}

bool lanes_warm(struct lanes *lanes, double aim_ns, struct lanes_turn *turn, enum lane *lost, struct fault *fault)
{
    double call_ns = 0;
    if (turn->iterations == 0) {
        /* Twice: the first finds a length at which loops get compiled and memory touched, the second is of a steady body. */
        if (!calibrate(lanes, aim_ns, turn, &call_ns, lost, fault) || !warm_lane(lanes, LANE_BASE, turn, lost, fault) ||
            !calibrate(lanes, aim_ns, turn, &call_ns, lost, fault))
            return false;
        turn->warm = call_ns > long_call_ns ? 0 : (uint64_t)ceil(fmax(warm_share * (double)turn->iterations, warm_ns / fmax(call_ns, 0.1)));
    }
    for (size_t i = 0; i < N_LANES; i++)
        if (!warm_lane(lanes, (enum lane)lanes->line[i], turn, lost, fault))
            return false;
    return true;
}

/* Whether with these orders the lane that ends a round also begins the next. */
static bool repeats_a_lane(const size_t block[N_ORDERS], enum lane last)
{
    for (size_t i = 0; i < N_ORDERS; last = orders[block[i++]][N_LANES - 1])
        if (orders[block[i]][0] == last)
            return true;
    return false;
}

/* One block in fifteen will do. */
static const enum lane *next_order(struct lanes *lanes)
{
    if (lanes->next == N_ORDERS) {
        enum lane last = lanes->last;
        do {
            for (size_t i = 0; i < N_ORDERS; i++)
                lanes->block[i] = i;
            order_shuffle(&lanes->random, lanes->block, N_ORDERS);
        } while (repeats_a_lane(lanes->block, last));
        lanes->next = 0;
    }
    const enum lane *order = orders[lanes->block[lanes->next++]];
    lanes->last = order[N_LANES - 1];
    return order;
}

bool lanes_run(struct lanes *lanes, const struct lanes_turn *turn, struct lanes_round *round, enum lane *lost, struct fault *fault)
{
    const enum lane *order = next_order(lanes);
    struct card_usage card = {0};
    for (size_t i = 0; i < N_LANES; i++) {
        enum lane lane = round->order[i] = order[i];
        double ns;
        struct worker_usage usage;
        if (!turn_in(lanes, lane, WORKER_VERB_TURN, turn, &ns, &usage, lost, fault))
            return false;
        round->ns[lane] = ns / (double)turn->iterations;
        card_add(&card, &usage.card);
        round->each[lane] = usage;
    }
    round->usage = round->each[LANE_HEAD];
    round->usage.card = card;
    round->slowed = card.slow_reasons;
    return true;
}

json_t *lanes_stream(struct lanes *lanes, enum lane lane, struct fault *fault)
{
    struct worker_usage usage;
    return worker_stream(lanes->workers[lane], &usage, fault);
}

bool lanes_empty(struct lanes *lanes, const struct lanes_turn *turn, double *ns, struct fault *fault)
{
    enum lane lost;
    struct lanes_turn empty = {.iterations = turn->iterations};
    return turn_in(lanes, LANE_HEAD, WORKER_VERB_EMPTY, &empty, ns, NULL, &lost, fault);
}

void lanes_close(struct lanes *lanes, json_t *infos[N_LANES])
{
    for (size_t i = 0; i < N_LANES; i++) {
        struct fault ignored = {0};
        infos[i] = NULL;
        if (worker_alive(lanes->workers[i]))
            worker_close(lanes->workers[i], &infos[i], &ignored);
    }
}

int lanes_pid(const struct lanes *lanes, enum lane lane)
{
    return worker_pid(lanes->workers[lane]);
}
