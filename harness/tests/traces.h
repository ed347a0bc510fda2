/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded traces of rounds as machines give them, mild and bad, to try the gate's decision on. A kind is a row of
 * traces.def. Times of turns come from one time line, so that what a machine does (a burst, a stolen slice) hits
 * whichever lane runs then.
 */
#ifndef TRACES_H
#define TRACES_H

#include "gate/decide.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct traces_kind {
    const char *name;
    double noise;          /* robust sd of a turn, log scale */
    double tail;           /* degrees of freedom of its t distribution; 0: normal */
    double process;        /* sd of a process's offset */
    double process_tail;   /* degrees of freedom of that; 0: normal */
    double burst_rate;     /* bursts a second; each lasts burst_ms and slows by burst_factor */
    double burst_ms, burst_factor;
    double steal_ms, steal_every_ms;  /* a slice taken at a fixed period */
    double step;           /* sd of a lasting step of one lane, one a second on average */
    double drift;          /* sd of a lane's drift, per second */
    double ar;             /* correlation of a lane's noise from round to round */
    double mode, mode_share, mode_stay;  /* size of a second mode, its share, chance to stay as it is per turn */
    double carry;          /* spread of what a turn owes to the lane before it */
    double echo;           /* share of the deviation of the turn before */
    double slice, slice_every;  /* a slice taken at a fixed period, both in turns: 3 is a round */
    double pair;           /* spread of what a turn owes to its lane and the one before it together */
    double first;          /* what the first turn of a round owes */
    double skew;           /* a turn is late by max(0, N(0, skew^2)), log scale */
    double wild;           /* share of turns that are late by 1 + |Cauchy| times */
    double shock;          /* sd of what the turns of a round have in common */
    double warm, warm_rounds;  /* how much slower a process's first rounds are, and how many */
    double tear;           /* sd of a step of one lane amid its generation, in half of them */
    double odd, odd_share; /* how much slower one process of a generation is, and how often */
    double clock;          /* resolution of the clock, in turns */
    bool fixed_order;
    bool mild;             /* null cells are to pass and +10 % is to be seen */
};

static const struct traces_kind traces_kinds[] = {
#define TRACE(...) {__VA_ARGS__},
#include "traces.def"
#undef TRACE
};
enum { TRACES_KINDS = sizeof traces_kinds / sizeof *traces_kinds };

/* xoshiro256** by Blackman and Vigna (2018), seeded by splitmix64. */
struct traces_random {
    uint64_t s[4];
};

static inline uint64_t traces_rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static inline uint64_t traces_next(struct traces_random *r)
{
    uint64_t result = traces_rotate(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = traces_rotate(r->s[3], 45);
    return result;
}

static inline struct traces_random traces_seed(uint64_t seed)
{
    struct traces_random r;
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r.s[i] = z ^ (z >> 31);
    }
    return r;
}

static inline double traces_uniform(struct traces_random *r)
{
    return ((double)(traces_next(r) >> 11) + 0.5) * 0x1p-53;
}

static inline double traces_normal(struct traces_random *r)
{
    return sqrt(-2 * log(traces_uniform(r))) * cos(2 * M_PI * traces_uniform(r));
}

static inline double traces_student(struct traces_random *r, double df)
{
    if (df <= 0)
        return traces_normal(r);
    double chi = 0;
    for (int i = 0; i < (int)df; i++) {
        double z = traces_normal(r);
        chi += z * z;
    }
    return traces_normal(r) / sqrt(chi / floor(df));
}

/* A cell being measured. */
struct traces_cell {
    const struct traces_kind *kind;
    struct traces_random random;
    double turn_ns, now_ms, burst_end;
    double offset[N_LANES], noise[N_LANES], drift[N_LANES], carry[N_LANES], pair[N_LANES][N_LANES];
    bool slow[N_LANES];
    int rounds;          /* of this generation so far */
    int torn_at;         /* the round of its step; -1: none */
    int before;          /* the lane that ran last; -1: none */
    double deviation;    /* of that turn */
    double process_start;
};

static inline void traces_open(struct traces_cell *cell, const struct traces_kind *kind, uint64_t seed)
{
    *cell = (struct traces_cell){.kind = kind, .random = traces_seed(seed), .before = -1};
    cell->turn_ns = 1.6e6 * exp(0.3 * traces_normal(&cell->random));
    for (int i = 0; i < N_LANES; i++)
        cell->carry[i] = kind->carry * traces_normal(&cell->random);
    for (int i = 0; kind->pair > 0 && i < N_LANES * N_LANES; i++)
        cell->pair[i / N_LANES][i % N_LANES] = kind->pair * traces_normal(&cell->random);
    if (kind->slice > 0)
        cell->now_ms = cell->turn_ns / 1e6 * kind->slice_every * traces_uniform(&cell->random);
}

/* Fresh processes in all lanes. */
static inline void traces_generation(struct traces_cell *cell)
{
    const struct traces_kind *k = cell->kind;
    for (int i = 0; i < N_LANES; i++) {
        cell->offset[i] = k->process * traces_student(&cell->random, k->process_tail);
        cell->drift[i] = k->drift * traces_normal(&cell->random);
        cell->noise[i] = 0;
        cell->slow[i] = traces_uniform(&cell->random) < k->mode_share;
    }
    if (k->odd > 0 && traces_uniform(&cell->random) < k->odd_share)
        cell->offset[traces_next(&cell->random) % N_LANES] += k->odd;
    cell->torn_at = k->tear > 0 && traces_uniform(&cell->random) < 0.5 ? (int)(traces_next(&cell->random) % 20) : -1;
    cell->rounds = 0;
    cell->before = -1;
    cell->process_start = cell->now_ms;
}

enum { TRACES_GAP_US = 50 };  /* between turns */

/* How many ends of a period lie in the next `ms`. */
static inline double traces_hits(const struct traces_cell *cell, double ms, double period_ms)
{
    return floor((cell->now_ms + ms) / period_ms) - floor(cell->now_ms / period_ms);
}

/* How much of the turn [now, now + ms) the machine took away, in ms: fixed slices and bursts. */
static inline double traces_taken(struct traces_cell *cell, double ms)
{
    const struct traces_kind *k = cell->kind;
    double taken = 0;
    if (k->steal_every_ms > 0)
        taken += traces_hits(cell, ms, k->steal_every_ms) * k->steal_ms;
    if (k->slice > 0)
        taken += traces_hits(cell, ms, k->slice_every * (cell->turn_ns / 1e6 + TRACES_GAP_US / 1e3)) * k->slice * cell->turn_ns / 1e6;
    if (k->burst_rate > 0 && traces_uniform(&cell->random) < k->burst_rate * ms / 1000)
        cell->burst_end = cell->now_ms - k->burst_ms * log(traces_uniform(&cell->random));
    if (cell->now_ms < cell->burst_end)
        taken += ms * (k->burst_factor - 1) * traces_uniform(&cell->random);
    return taken;
}

/* How late a turn is by chance, beside its lane's noise. */
static inline double traces_late(const struct traces_kind *k, struct traces_random *r)
{
    double late = k->skew > 0 ? fmax(0, k->skew * traces_normal(r)) : 0;
    if (k->wild > 0 && traces_uniform(r) < k->wild)
        late += log1p(fmin(1e3, fabs(tan(M_PI * (traces_uniform(r) - 0.5)))));
    return late;
}

/* What the clock says of a time: whole ticks, at least one. */
static inline double traces_read(const struct traces_cell *cell, double ms)
{
    double tick = cell->kind->clock * cell->turn_ns / 1e6;
    return tick > 0 ? fmax(1, round(ms / tick)) * tick : ms;
}

/* `common`: of all turns of this round. */
static inline double traces_turn(struct traces_cell *cell, int lane, double common, double change)
{
    const struct traces_kind *k = cell->kind;
    struct traces_random *r = &cell->random;
    cell->noise[lane] = k->ar * cell->noise[lane] + sqrt(1 - k->ar * k->ar) * k->noise * traces_student(r, k->tail);
    if (k->step > 0 && traces_uniform(r) < cell->turn_ns * N_LANES / 1e9)
        cell->offset[lane] += k->step * traces_normal(r);
    if (traces_uniform(r) > k->mode_stay)
        cell->slow[lane] = traces_uniform(r) < k->mode_share;
    double deviation = cell->noise[lane] + (cell->slow[lane] ? k->mode : 0) + k->echo * cell->deviation;
    deviation = fmin(fmax(deviation, -0.3), 3) + traces_late(k, r);
    double steady = cell->offset[lane] + cell->drift[lane] * (cell->now_ms - cell->process_start) / 1000 +
                    (cell->before >= 0 ? cell->carry[cell->before] + cell->pair[cell->before][lane] : 0) + common + change;
    double ms = cell->turn_ns / 1e6 * exp(steady + deviation);
    double taken = traces_taken(cell, ms);
    cell->now_ms += ms + taken + TRACES_GAP_US / 1e3;
    cell->before = lane;
    cell->deviation = deviation;
    return traces_read(cell, ms + taken) * 1e6;
}

/* The next round; `change` is ln of what head's work is multiplied by. */
static inline void traces_round(struct traces_cell *cell, int64_t generation, double change, struct decide_round *round)
{
    static const enum lane orders[6][N_LANES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const struct traces_kind *k = cell->kind;
    size_t order = k->fixed_order ? 0 : (size_t)(traces_next(&cell->random) % 6);
    double common = (k->shock > 0 ? k->shock * traces_normal(&cell->random) : 0) + (cell->rounds < k->warm_rounds ? k->warm : 0);
    round->generation = generation;
    if (cell->rounds++ == cell->torn_at)
        cell->offset[traces_next(&cell->random) % N_LANES] += k->tear * traces_normal(&cell->random);
    for (int i = 0; i < N_LANES; i++) {
        enum lane lane = orders[order][i];
        round->order[i] = lane;
        round->ns[lane] = traces_turn(cell, (int)lane, common + (i == 0 ? k->first : 0), lane == LANE_HEAD ? change : 0);
    }
}

#endif
