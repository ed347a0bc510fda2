/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/decide.h"

#include "stats/binomial.h"
#include "stats/paired.h"
#include "stats/spending.h"
#include "stats/tail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Error rates of one test, and the reserves that decide.h states. */
static const double identical_family = 0.0001, red_family = 0.05, red_rate = 0.01, pass_rate = 0.01;
static const double confirm_rate = 0.05;
static const double far_family = 0.001;         /* of a red because all of head's processes are far */
static const size_t least_rounds = 6;           /* below, a spread within a process means nothing */
static const size_t least_pass_generations = 2;
static const double no_weight = 1e6;            /* a variance that takes a generation out, of the spread's estimate too */
static const double odd_errors = 5;             /* of the null contrast: a process to which something happened */
static const double wide_share = 0.25;          /* of the tolerance: processes of one build that differ by more are wide */
static const double wide_rate = 1e-4;           /* of red by chance of the processes' order, where they are */
/*
 * How far what pairs of lanes owe may move head, in what it shows of itself: 8 is t = 5.9 with its 4 degrees of freedom, P = 0.002 a side, and
 * 25 is t = 18, P = 2.6e-5. A red must stand beyond what one of 40 cells reaches in one of 1000 runs.
 */
static const double tangle_reach = 8, tangle_red_reach = 25;
static const double improve_patience = 4;       /* how many times the rounds of a pass may go into calling it improved */

struct seen_round {
    size_t generation;             /* index */
    struct paired_round round;
};

struct decide {
    double threshold;              /* ln(1 + tolerance) */
    double n_tests;
    struct seen_round *rounds;     /* in the order they came */
    size_t n_rounds, room;
    int64_t *ids;                  /* of generations */
    size_t *lengths;               /* rounds of each */
    size_t n_generations, id_room, length_room, newest;
    size_t next_look;              /* index into spending.h */
    size_t passed_at;              /* rounds when a pass was first seen; 0: not yet */
    bool improves;                 /* a look found it improved, and nothing since contradicts */
    size_t suspected_at;           /* generations when red was first suspected; 0: not yet */
    bool supported;                /* a neighbour is red */
    bool has_history;
    double history[SPREAD_GRID];
    struct paired paired;          /* of the latest estimate */
    struct decide_verdict verdict;
};

struct decide *decide_open(double tolerance, size_t n_tests)
{
    struct decide *d = calloc(1, sizeof *d);
    if (d) {
        d->threshold = log1p(tolerance);
        d->n_tests = (double)n_tests;
        d->verdict = (struct decide_verdict){.ratio = 1, .low = 0, .high = INFINITY, .smallest_visible = INFINITY, .null_ratio = 1, .inflation = 1};
    }
    return d;
}

void decide_close(struct decide *d)
{
    if (!d)
        return;
    paired_clear(&d->paired);
    free(d->rounds);
    free(d->ids);
    free(d->lengths);
    free(d);
}

static bool grow(void **array, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return true;
    size_t more = *room ? 2 * *room : 64;
    void *bigger = realloc(*array, more * size);
    if (!bigger)
        return false;
    *array = bigger;
    *room = more;
    return true;
}

/* The index of a generation, new if need be; the latest is looked at first. */
static size_t find_generation(struct decide *d, int64_t id)
{
    for (size_t g = d->n_generations; g-- > 0;)
        if (d->ids[g] == id)
            return g;
    d->ids[d->n_generations] = id;
    d->lengths[d->n_generations] = 0;
    return d->n_generations++;
}

bool decide_add(struct decide *d, const struct decide_round *round)
{
    if (!grow((void **)&d->rounds, d->n_rounds, &d->room, sizeof *d->rounds) ||
        !grow((void **)&d->ids, d->n_generations, &d->id_room, sizeof *d->ids) ||
        !grow((void **)&d->lengths, d->n_generations, &d->length_room, sizeof *d->lengths))
        return false;
    struct seen_round *to = &d->rounds[d->n_rounds++];
    to->generation = find_generation(d, round->generation);
    d->lengths[to->generation]++;
    d->newest = to->generation;
    for (size_t i = 0; i < N_LANES; i++) {
        to->round.log_ns[i] = log(round->ns[i]);
        to->round.order[i] = (unsigned char)round->order[i];
    }
    return true;
}

/* While a suspected red waits for fresh processes, also when the newest has 6, 12, 24, … rounds. */
static bool waits_for_confirmation(const struct decide *d)
{
    if (!d->suspected_at || d->n_generations <= d->suspected_at)
        return false;
    size_t newest = d->lengths[d->newest], steps = newest / least_rounds;
    if (newest % least_rounds)
        return false;
    return (steps & (steps - 1)) == 0;
}

bool decide_is_due(const struct decide *d)
{
    return d->n_rounds >= spending_rounds(d->next_look) || waits_for_confirmation(d);
}

/* Of the rounds sorted by generation. */
static bool estimate(struct decide *d)
{
    struct paired_round *sorted = malloc(d->n_rounds * sizeof *sorted), *to = sorted;
    if (!sorted)
        return false;
    for (size_t g = 0; to < sorted + d->n_rounds; g++)
        for (size_t r = 0; r < d->n_rounds; r++)
            if (d->rounds[r].generation == g)
                *to++ = d->rounds[r].round;
    bool ok = paired_estimate(sorted, d->lengths, d->n_generations, &d->paired);
    free(sorted);
    return ok;
}

bool decide_cell(struct decide *d, struct spread_cell *cell)
{
    *cell = (struct spread_cell){.history = d->has_history ? d->history : NULL};
    paired_clear(&d->paired);
    if (d->n_rounds == 0 || !estimate(d))
        return false;
    struct paired *p = &d->paired;
    *cell = (struct spread_cell){p->n, p->head, p->head_variance, p->null, p->null_variance, cell->history, 0};
    for (size_t g = 0; g < p->n; g++)
        cell->n_far += fabs(p->null[g]) > d->threshold;
    return true;
}

void decide_set_history(struct decide *d, const double *log_likelihood)
{
    memcpy(d->history, log_likelihood, sizeof d->history);
    d->has_history = true;
}

void decide_support(struct decide *d)
{
    d->supported = true;
}

/* What this test may spend on a red at the tolerance. */
static double red_share(const struct decide *d)
{
    return d->supported ? red_rate : fmin(red_rate, red_family / d->n_tests);
}

static bool is_odd(const struct spread_cell *cell, size_t g, double s)
{
    return fabs(cell->null[g]) > odd_errors * sqrt(cell->null_variance[g] + 2 * s * s);
}

/*
 * Sets aside generations whose null contrast stands far out from what its rounds and the run's processes explain: something
 * happened to one of base's two processes. Judged by the null lane alone, so nothing is said about head by it. When more than
 * a third stand out, none is set aside: then that is how this machine is.
 */
static void screen(struct decide *d, struct spread_cell *cell, struct spread_pool pool)
{
    struct paired *p = &d->paired;
    double s = exp(pool.centre);
    size_t odd = 0;
    for (size_t g = 0; g < cell->n; g++)
        odd += is_odd(cell, g, s);
    d->verdict.set_aside = 3 * odd > cell->n ? 0 : odd;
    for (size_t g = 0; d->verdict.set_aside > 0 && g < cell->n; g++)
        if (is_odd(cell, g, s))
            p->head_variance[g] = p->null_variance[g] = no_weight;
}

static bool has_say(const struct spread_cell *cell, size_t g)
{
    return cell->head_variance[g] < no_weight;
}

/* How many of the generations from `first` on have a say. */
static size_t count_kept(const struct spread_cell *cell, size_t first)
{
    size_t n = 0;
    for (size_t g = first; g < cell->n; g++)
        n += has_say(cell, g);
    return n;
}

/* Everything a look needs to know. */
struct look {
    struct spread_cell cell;
    struct spread_pool pool;
    double df;
    size_t kept;        /* generations that have a say */
    double share;       /* of the error rates; 0 at a look that only confirms */
    bool last;
    double wide;        /* s beyond which processes differ widely */
    struct spread_posterior posterior;
};

static bool looks_red(const struct decide *d, const struct look *look)
{
    return spread_below(&look->posterior, d->threshold) <= red_share(d) * look->share &&
           spread_below(&look->posterior, 0) <= identical_family / d->n_tests * look->share;
}

/* Whether generations first..n alone leave no more than `confirm_rate` for a ratio within the tolerance. */
static bool agrees(const struct decide *d, const struct look *look, size_t first, size_t n)
{
    struct spread_cell part = {n, look->cell.head + first, look->cell.head_variance + first, look->cell.null + first,
                               look->cell.null_variance + first, look->cell.history, 0};
    struct spread_posterior posterior;
    spread_judge(&part, look->pool, look->df, &posterior);
    return spread_below(&posterior, d->threshold) <= confirm_rate;
}

/* The same without the generation in which head was slowest. */
static bool agrees_without_slowest(struct decide *d, const struct look *look)
{
    size_t slowest = 0;
    double most = -INFINITY;
    for (size_t g = 0; g < look->cell.n; g++)
        if (has_say(&look->cell, g) && look->cell.head[g] > most) {
            slowest = g;
            most = look->cell.head[g];
        }
    double *variance = &d->paired.head_variance[slowest], keep = *variance;
    *variance = no_weight;
    bool agreed = agrees(d, look, 0, look->cell.n);
    *variance = keep;
    return agreed;
}

/* Whether in each generation that has a say head is slower by more than the tolerance, and base and base2 agree within it. */
static bool is_beyond_everywhere(const struct decide *d, const struct look *look)
{
    for (size_t g = 0; g < look->cell.n; g++)
        if (has_say(&look->cell, g) && (look->cell.head[g] <= d->threshold || fabs(look->cell.null[g]) > d->threshold))
            return false;
    return true;
}

/*
 * Where processes of one build differ widely, their offsets follow no law that is known (two states, rare far ones), and a red
 * is also held against what no law is needed for: that all of head's are far (may_all_be_far sees to it that this is no chance), or their
 * order, since of three processes of one build each is the slowest of its generation with chance 1/3. Without it resampled recordings gave
 * one red in 1000 runs of 40 identical cells; wide processes are the suspect.
 */
static bool order_agrees(const struct decide *d, const struct look *look)
{
    size_t n = 0, slowest = 0;
    if (look->posterior.s <= look->wide || is_beyond_everywhere(d, look))
        return true;
    for (size_t g = 0; g < look->cell.n; g++) {
        if (!has_say(&look->cell, g))
            continue;
        n++;
        slowest += look->cell.head[g] > fabs(look->cell.null[g]) / 2;  /* head - mean(base, base2) beyond the slower of both */
    }
    return binomial_at_least(slowest, n, 1.0 / 3) <= wide_rate;
}

/* Whether all of head's processes may be far by chance: few processes tell a slow build from that only where far ones are rare. */
static bool may_all_be_far(const struct decide *d, const struct look *look)
{
    return spread_all_far(look->pool, look->kept) * d->n_tests > far_family;
}

static bool is_confirmed(struct decide *d, const struct look *look)
{
    size_t first = d->suspected_at;
    bool is_fresh = look->kept >= DECIDE_RED_GENERATIONS && count_kept(&look->cell, first) > 0;
    return (is_fresh ? agrees(d, look, first, look->cell.n - first) : look->last) && agrees_without_slowest(d, look);
}

/* Base and base2 are the same build: a shift between them of half the tolerance, beyond what the rounds scatter. */
static bool null_disagrees(const struct decide *d, const struct look *look)
{
    double weights = 0, sum = 0;
    for (size_t g = 0; g < look->cell.n; g++) {
        double w = 1 / (look->cell.null_variance[g] + 1e-14);
        weights += w;
        sum += w * look->cell.null[g];
    }
    return fabs(sum / weights) > d->threshold / 2 + 2.58 / sqrt(weights);
}

static enum decision judge_red(struct decide *d, const struct look *look)
{
    if (!d->suspected_at && looks_red(d, look))
        d->suspected_at = look->cell.n;
    if (!d->suspected_at || !is_confirmed(d, look) || !order_agrees(d, look) || may_all_be_far(d, look))
        return DECISION_NONE;
    /* What was suspected once must still stand with everything that came since. */
    return spread_below(&look->posterior, d->threshold) <= red_rate ? DECISION_REGRESSION : DECISION_NONE;
}

static enum decision judge_pass(struct decide *d, const struct look *look)
{
    double rate = pass_rate * look->share, slower = spread_above(&look->posterior, d->threshold), not_faster = spread_above(&look->posterior, -d->threshold);
    if (look->kept < least_pass_generations && !look->last)
        return DECISION_NONE;
    if (!d->passed_at && slower <= rate)
        d->passed_at = d->n_rounds;
    if (!d->passed_at || slower > pass_rate)
        return DECISION_NONE;
    d->improves = not_faster <= (d->improves ? pass_rate : rate);
    if (d->improves)
        return look->kept >= DECIDE_RED_GENERATIONS || look->last ? DECISION_IMPROVED : DECISION_NONE;
    bool is_settled = spread_below(&look->posterior, -d->threshold) <= pass_rate || (double)d->n_rounds >= improve_patience * (double)d->passed_at;
    return is_settled || look->last ? DECISION_PASS : DECISION_NONE;
}

static void describe(struct decide *d, const struct look *look)
{
    struct decide_verdict *v = &d->verdict;
    double error = spread_error(&look->posterior), share = look->share > 0 ? look->share : spending_share(d->next_look);
    double z = tail_normal_inverse(red_share(d) * share);
    v->ratio = exp(spread_mean(&look->posterior));
    v->low = exp(spread_quantile(&look->posterior, red_share(d) * share));
    v->high = exp(spread_quantile(&look->posterior, 1 - pass_rate * share));
    v->smallest_visible = expm1(d->threshold + (z + tail_normal_inverse(0.05)) * error);
    double null = 0, counted = 0;
    for (size_t g = 0; g < look->cell.n; g++)
        if (has_say(&look->cell, g)) {
            null += look->cell.null[g];
            counted++;
        }
    v->null_ratio = counted > 0 ? exp(null / counted) : 1;
    v->process_spread = expm1(look->posterior.s);
    v->inflation = d->paired.inflation;
    v->rounds = d->n_rounds;
    v->generations = d->n_generations;
}

/* The decision that stands although head may be off by what pairs of lanes owe; DECISION_NONE: none. */
static enum decision untangle(const struct decide *d, const struct look *look, enum decision decision)
{
    double mean = spread_mean(&look->posterior), reach = tangle_reach * d->paired.tangle, red_reach = tangle_red_reach * d->paired.tangle;
    if (decision == DECISION_IMPROVED && -mean <= reach)
        decision = DECISION_PASS;
    if ((decision == DECISION_REGRESSION && mean <= red_reach) || (decision == DECISION_PASS && d->threshold - mean <= reach))
        return DECISION_NONE;
    return decision;
}

static const char *why_not(const struct decide *d, const struct look *look, bool disagrees)
{
    if (disagrees)
        return "base disagrees with itself by more than half the tolerance";
    if (d->n_rounds < least_rounds)
        return "too few rounds";
    if (tangle_reach * d->paired.tangle >= d->threshold)
        return "what a turn owes to the lane before it differs from lane to lane: that cannot be told from a change";
    if (d->suspected_at && may_all_be_far(d, look))
        return "too few processes: as many of one build may all be this far off by chance";
    if (d->suspected_at)
        return "a suspected slowdown was not confirmed in fresh processes";
    return look->posterior.s > 0.02 ? "processes of one build differ too much" : "the rounds ended before the interval left the tolerance";
}

static void settle(struct decide *d, const struct look *look)
{
    bool disagrees = null_disagrees(d, look), can_tell = !disagrees && d->n_rounds >= least_rounds;
    enum decision decision = can_tell ? judge_red(d, look) : DECISION_NONE;
    if (can_tell && decision == DECISION_NONE)
        decision = judge_pass(d, look);
    decision = untangle(d, look, decision);
    d->verdict.reason = NULL;
    if (decision == DECISION_NONE && look->last) {
        decision = disagrees ? DECISION_UNFIT : DECISION_INCONCLUSIVE;
        d->verdict.reason = why_not(d, look, disagrees);
    }
    d->verdict.decision = decision;
}

/* Takes the share of the look that is due; several that came due at once are one. */
static double spend(struct decide *d, bool last)
{
    if (d->n_rounds < spending_rounds(d->next_look) && !last)
        return 0;
    double share = spending_share(d->next_look++);
    while (d->n_rounds >= spending_rounds(d->next_look))
        d->next_look++;
    return share;
}

enum decision decide_look(struct decide *d, struct spread_pool pool, bool last)
{
    struct look look = {.pool = pool, .last = last, .wide = wide_share * d->threshold};
    if (d->verdict.decision != DECISION_NONE)
        return d->verdict.decision;
    if (!decide_cell(d, &look.cell)) {
        d->verdict.reason = "too few rounds";
        return d->verdict.decision = last ? DECISION_INCONCLUSIVE : DECISION_NONE;
    }
    screen(d, &look.cell, pool);
    look.kept = count_kept(&look.cell, 0);
    double freedom = (double)(d->n_rounds - d->n_generations) / d->paired.inflation;
    look.df = fmax(freedom, 3);
    look.share = spend(d, last);
    spread_judge(&look.cell, pool, look.df, &look.posterior);
    settle(d, &look);
    describe(d, &look);
    return d->verdict.decision;
}

const struct decide_verdict *decide_verdict(const struct decide *d)
{
    return &d->verdict;
}

bool decide_is_suspected(const struct decide *d)
{
    return d->suspected_at != 0;
}

size_t decide_rounds(const struct decide *d)
{
    return d->n_rounds;
}

size_t decide_generations(const struct decide *d)
{
    return d->n_generations;
}

const char *decide_word(enum decision decision)
{
    static const char *const words[] = {[DECISION_NONE] = "inconclusive",         [DECISION_PASS] = "pass",
                                        [DECISION_IMPROVED] = "improved",         [DECISION_REGRESSION] = "regression",
                                        [DECISION_INCONCLUSIVE] = "inconclusive", [DECISION_UNFIT] = "unfit"};
    return words[decision];
}
