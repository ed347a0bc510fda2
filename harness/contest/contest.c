/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/contest.h"

#include "contest/lane_metrics.h"
#include "contest/offsets.h"
#include "gate/neighbours.h"
#include "measure/clock.h"
#include "measure/interrupt.h"
#include "measure/lanes.h"
#include "plan/order.h"
#include "probe/cpuset.h"
#include "probe/load.h"
#include "stats/summary.h"
#include "text.h"
#include "units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Rounds of a generation: enough that two quiet generations decide an unchanged cell (seen with lab: 54 rounds). Where processes differ
 * by more than a seventh of the tolerance, rounds say little and processes much: after two generations these are short (two rounds of
 * every order) and many. Elsewhere rounds grow for cells that need more than eight generations.
 * Chosen on 114 cells recorded on a Xeon with AMX, seven pairs of processors side by side (16 generations each, drawn anew): +10 % red within 1 s of turns 83.8 -> 94.6 %, +7 %
 * within 2 s 63.6 -> 79.8 %, identical cells passed 97.4 -> 98.2 %, against 28 rounds in at most 40 generations.
 */
enum { FIRST_ROUNDS = 27, WIDE_ROUNDS = 12, LEAST_ROUNDS = 6, MOST_ROUNDS = 128, EVEN_GENERATIONS = 2, SAME_GENERATIONS = 8, MOST_GENERATIONS = 100 };
static const double wide_share = 0.15;
static const double usual_turn_ns = 1e6;
static const double generation_ns = 0.15e9; /* of one cell, inside turns: long calls get fewer rounds a generation, so that the five generations of a red take less than 1 s */
static const double cell_ns = 5e9;          /* inside turns, all lanes, less what was set aside: what a cell may use before it is called inconclusive */
static const double most_voided = 0.01;
/*
 * A cell's generation during which others used more than this many processors is measured again; which it was says nothing
 * of a lane, since rounds take turns. Seen: a builder on the other core slows two-thread cells 1.8-fold for some turns.
 */
static const double most_others = 0.15;
enum { MOST_REPEATS = 4 };

/* One contest under way. */
struct course {
    const struct contest *contest;
    struct contest_cell *cells;
    size_t n;
    uint64_t random, deadline;
    size_t generation, n_done, n_due;
    struct lanes *lanes;       /* of the suite being measured; NULL: none */
    const char *suite;
};

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

void contest_clear(struct contest_cell *results, size_t n)
{
    for (size_t i = 0; results && i < n; i++) {
        json_decref(results[i].generations);
        json_decref(results[i].rounds);
        json_decref(results[i].lane_metrics);
        decide_close(results[i].decide);
    }
    free(results);
}

static double tolerance_of(const struct contest *contest, const json_t *planned)
{
    json_t *own = json_object_get(planned, "tolerance");
    return json_is_number(own) ? json_number_value(own) : contest->tolerance;
}

static bool open_cell(const struct contest *contest, const json_t *planned, struct contest_cell *cell)
{
    double tolerance = tolerance_of(contest, planned);
    *cell = (struct contest_cell){.planned = planned, .generations = json_array(), .rounds = json_array(), .lost = N_LANES,
                                  .decide = decide_open(tolerance, contest->n_tests)};
    double history[SPREAD_GRID];
    cell->lane_metrics = lane_metrics_new(planned);
    if (cell->decide && offsets_of(contest->history, planned, history))
        decide_set_history(cell->decide, history);
    return cell->generations && cell->rounds && cell->decide;
}

static void lose(struct contest_cell *cell, enum lane lane, const struct fault *fault)
{
    cell->is_lost = cell->is_settled = true;
    cell->lost = lane;
    text_escape(fault->text, cell->reason, sizeof cell->reason);
}

/* ---- one cell in one generation */

/* Of cell_ns. */
static double used_ns(const struct contest_cell *cell)
{
    return cell->turn_ns - cell->aside_ns;
}

static size_t rounds_wanted(const struct course *course, const struct contest_cell *cell, double round_ns)
{
    if (course->contest->fixed_rounds)
        return course->contest->fixed_rounds;
    double wanted = FIRST_ROUNDS;
    bool is_wide = decide_verdict(cell->decide)->process_spread > wide_share * tolerance_of(course->contest, cell->planned);
    if (is_wide && course->generation >= EVEN_GENERATIONS)
        wanted = WIDE_ROUNDS;
    for (size_t g = SAME_GENERATIONS; !is_wide && g <= course->generation && wanted < MOST_ROUNDS; g++)
        wanted = fmin(MOST_ROUNDS, 1.4 * wanted);
    double fits = fmin(generation_ns, cell_ns - used_ns(cell)) / fmax(round_ns, 1);
    return (size_t)fmax(LEAST_ROUNDS, fmin(wanted, fits));
}

static json_t *round_json(const struct decide_round *round)
{
    json_t *order = json_array(), *ns = json_array();
    for (size_t i = 0; i < N_LANES; i++) {
        json_array_append_new(order, json_string(lane_name(round->order[i])));
        json_array_append_new(ns, json_real(round->ns[round->order[i]]));
    }
    return json_pack("{s:I,s:I,s:o,s:o}", "generation", (json_int_t)round->generation, "round", (json_int_t)round->round, "order", order, "ns", ns);
}

/* Head's side of a generation, for the result file. */
struct tally {
    json_t *samples;
    struct worker_usage usage, lanes[N_LANES];  /* head's, and every lane's for the metrics that gate */
    size_t rounds, voided, throttled;
    double round_ns;      /* of the latest whole round, all lanes, warm-up left out */
    struct decide_round *kept;
    size_t n_kept, room;
    double turn_ns;       /* of all its turns */
    double others;        /* processors that others used meanwhile */
};

static bool keep_round(struct tally *tally, const struct decide_round *round)
{
    if (tally->n_kept == tally->room) {
        size_t room = tally->room ? 2 * tally->room : 64;
        struct decide_round *bigger = realloc(tally->kept, room * sizeof *bigger);
        if (!bigger)
            return false;
        tally->kept = bigger;
        tally->room = room;
    }
    tally->kept[tally->n_kept++] = *round;
    return true;
}

static void count_round(struct tally *tally, const struct lanes_round *round, double iterations, bool is_whole)
{
    for (size_t i = 0; i < N_LANES; i++)
        lane_metrics_sum(&tally->lanes[i], &round->each[i]);
    tally->usage.cpu_ns += round->usage.cpu_ns;
    tally->usage.faults += round->usage.faults;
    tally->usage.switches += round->usage.switches;
    tally->usage.peak_bytes = fmax(tally->usage.peak_bytes, round->usage.peak_bytes);
    card_add(&tally->usage.card, &round->usage.card);
    tally->rounds++;
    tally->voided += !is_whole && !round->slowed;
    tally->throttled += round->slowed != 0;
    if (!is_whole)
        return;
    json_array_append_new(tally->samples, json_real(round->ns[LANE_HEAD]));
    tally->round_ns = 0;
    for (size_t i = 0; i < N_LANES; i++)
        tally->round_ns += round->ns[i] * iterations;
}

static bool run_rounds(struct course *course, struct contest_cell *cell, struct tally *tally, enum lane *lost, struct fault *fault)
{
    struct lanes_turn turn = {cell->turn.iterations, cell->turn.warm, course->contest->change};
    size_t wanted = LEAST_ROUNDS;
    for (size_t r = 0; r < wanted; r++) {
        struct lanes_round round;
        if (interrupt_asked())
            return fault_set(fault, EXIT_CODE_INTERRUPTED, "interrupted");
        if (!lanes_run(course->lanes, &turn, &round, lost, fault))
            return false;
        bool is_whole = round.ns[0] > 0 && round.ns[1] > 0 && round.ns[2] > 0 && !round.slowed;
        count_round(tally, &round, (double)turn.iterations, is_whole);
        if (!is_whole)
            continue;
        struct decide_round add = {.generation = (int64_t)course->generation, .round = (int64_t)r};
        memcpy(add.ns, round.ns, sizeof add.ns);
        memcpy(add.order, round.order, sizeof add.order);
        if (!keep_round(tally, &add))
            return fault_set(fault, EXIT_CODE_USAGE, "out of memory");
        cell->turn_ns += tally->round_ns;
        tally->turn_ns += tally->round_ns;
        wanted = rounds_wanted(course, cell, tally->round_ns);
    }
    return true;
}

static double median_sample(const json_t *samples)
{
    size_t n = json_array_size(samples), i;
    double *x = calloc(n + 1, sizeof *x);
    json_t *value;
    json_array_foreach(samples, i, value)
        if (x)
            x[i] = json_number_value(value);
    struct summary s = {0};
    if (x)
        summary_of(x, n, &s);
    free(x);
    return s.median;
}

static void keep_generation(struct course *course, struct contest_cell *cell, const struct tally *tally, double empty_ns,
                            json_t *const opened[N_LANES], json_t *const closed[N_LANES])
{
    double iterations = (double)cell->turn.iterations, runs = (iterations + (double)cell->turn.warm) * (double)tally->rounds;
    double median = median_sample(tally->samples);
    json_t *g = json_pack("{s:I,s:O,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:I}", "iterations", (json_int_t)cell->turn.iterations, "samples_ns",
                          tally->samples, "voided", (json_int_t)tally->voided, "overhead",
                          median > 0 ? empty_ns / iterations / median : 0.0, "empty_ns", empty_ns, "cpu_ns", tally->usage.cpu_ns / runs,
                          "faults", tally->usage.faults / runs, "switches", tally->usage.switches, "peak_bytes", tally->usage.peak_bytes,
                          "number", (json_int_t)course->generation);
    const json_t *opening = opened[LANE_HEAD], *closing = closed[LANE_HEAD];
    card_describe(g, &tally->usage.card, tally->throttled);
    bool is_command = opening && strcmp(text_of(opening, "kind"), "command") == 0;
    if (opening)
        json_object_update(g, (json_t *)(uintptr_t)opening);
    if (closing)
        json_object_update(g, (json_t *)(uintptr_t)closing);
    if (is_command)
        json_object_set_new(g, "peak_bytes", json_real(tally->usage.peak_bytes));
    json_array_append_new(cell->generations, g);
}

/* Hands the rounds of a generation to the decision, unless others were at work and there is patience left. */
static bool take_rounds(const struct course *course, struct contest_cell *cell, const struct tally *tally, struct fault *fault)
{
    if (tally->others > most_others && cell->n_repeats < MOST_REPEATS && !course->contest->fixed_rounds) {
        cell->n_repeats++;
        cell->aside_ns += tally->turn_ns;
        return true;
    }
    for (size_t i = 0; i < tally->n_kept; i++) {
        if (!decide_add(cell->decide, &tally->kept[i]))
            return fault_set(fault, EXIT_CODE_USAGE, "out of memory");
        json_array_append_new(cell->rounds, round_json(&tally->kept[i]));
    }
    return true;
}

static struct load load_of(const struct course *course)
{
    int pids[N_LANES];
    for (size_t i = 0; i < N_LANES; i++)
        pids[i] = lanes_pid(course->lanes, (enum lane)i);
    return load_now(pids, N_LANES);
}

/* Opens, measures and closes a cell in all lanes. False: the contest ends; a cell that is lost is no reason to end it. */
static bool measure_cell(struct course *course, struct contest_cell *cell, struct fault *fault)
{
    json_t *opened[N_LANES] = {0}, *closed[N_LANES] = {0};
    struct tally tally = {.samples = json_array()};
    struct lanes_turn turn = {cell->turn.iterations, cell->turn.warm, 0};
    enum lane lost = N_LANES;
    double empty_ns = 0, aim = course->contest->turn_ns > 0 ? course->contest->turn_ns : usual_turn_ns;
    *fault = (struct fault){0};
    bool ok = lanes_open(course->lanes, cell->planned, opened, &lost, fault) && lanes_warm(course->lanes, aim, &turn, &lost, fault);
    cell->turn.iterations = turn.iterations;
    cell->turn.warm = turn.warm;
    struct load before = load_of(course);
    ok = ok && run_rounds(course, cell, &tally, &lost, fault);
    struct load after = load_of(course);
    tally.others = load_of_others(&before, &after);
    ok = ok && (lanes_empty(course->lanes, &turn, &empty_ns, fault) || ((lost = LANE_HEAD), false));
    ok = ok && lane_metrics_stream(cell->lane_metrics, course->lanes, &course->random, &lost, fault);
    lanes_close(course->lanes, closed);
    cell->n_voided += tally.voided;
    cell->n_throttled += tally.throttled;
    size_t before_rounds = json_array_size(cell->rounds);
    ok = ok && take_rounds(course, cell, &tally, fault);
    free(tally.kept);
    bool is_kept = json_array_size(cell->rounds) > before_rounds;
    if (ok && is_kept)
        lane_metrics_add(cell->lane_metrics, tally.lanes, (double)(cell->turn.iterations + cell->turn.warm) * (double)tally.rounds, closed);
    if (ok && is_kept)
        keep_generation(course, cell, &tally, empty_ns, opened, closed);
    for (size_t i = 0; i < N_LANES; i++) {
        json_decref(opened[i]);
        json_decref(closed[i]);
    }
    json_decref(tally.samples);
    if (!ok && fault->code != EXIT_CODE_FAILED)
        return false;
    if (!ok)
        lose(cell, lost, fault);
    return true;
}

/* ---- a suite in one generation */

static bool start_lanes(struct course *course, const char *file, enum lane *lost, struct fault *fault)
{
    struct worker_start starts[N_LANES];
    int cpu = cpuset_quietest();
    memcpy(starts, course->contest->starts, sizeof starts);
    for (size_t i = 0; i < N_LANES; i++) {
        starts[i].suite = file;
        starts[i].cpu = cpu;
    }
    *fault = (struct fault){0};
    course->lanes = lanes_start(starts, order_next(&course->random), lost, fault);
    return course->lanes != NULL;
}

/* Verdicts so far, and how long it can still take. */
static void show_verdicts(const struct course *course)
{
    size_t counts[DECISION_UNFIT + 1] = {0};
    char left[32];
    uint64_t now = clock_now_ns();
    for (size_t i = 0; i < course->n; i++)
        if (course->cells[i].is_settled && !course->cells[i].is_lost)
            counts[course->cells[i].verdict.decision]++;
    for (int d = DECISION_PASS; d <= DECISION_UNFIT; d++)
        if (counts[d])
            fprintf(course->contest->progress, "%zu %s, ", counts[d], decide_word((enum decision)d));
    if (course->deadline > now && course->deadline != UINT64_MAX)
        fprintf(course->contest->progress, "at most %s left  ", units_print(UNIT_TIME_NS, (double)(course->deadline - now), left, sizeof left));
}

static void show_progress(const struct course *course, const struct contest_cell *cell)
{
    if (!course->contest->progress)
        return;
    fprintf(course->contest->progress, "\r\033[Kprocesses %zu  cell %zu of %zu  ", course->generation + 1, course->n_done + 1, course->n_due);
    show_verdicts(course);
    text_print(course->contest->progress, text_of(cell->planned, "id"));
    fflush(course->contest->progress);
}

/* Lanes that are ready for this cell's suite; a suite that a build cannot load costs its cells, not the contest. */
static bool ready(struct course *course, struct contest_cell *cell, bool *is_ready, struct fault *fault)
{
    enum lane lost = N_LANES;
    *is_ready = course->lanes && lanes_alive(course->lanes);
    if (*is_ready)
        return true;
    lanes_stop(course->lanes);
    course->lanes = NULL;
    *is_ready = start_lanes(course, text_of(cell->planned, "file"), &lost, fault);
    if (*is_ready)
        return true;
    if (fault->code == EXIT_CODE_INTERRUPTED || (fault->code == EXIT_CODE_USAGE && lost == LANE_HEAD))
        return false;
    lose(cell, lost, fault);
    return true;
}

static bool measure_suite(struct course *course, const size_t *order, struct fault *fault)
{
    bool ok = true;
    for (size_t i = 0; ok && i < course->n; i++) {
        struct contest_cell *cell = &course->cells[order[i]];
        bool is_ready;
        if (cell->is_settled || strcmp(text_of(cell->planned, "suite"), course->suite) != 0)
            continue;
        if (clock_now_ns() >= course->deadline)
            break;
        show_progress(course, cell);
        ok = ready(course, cell, &is_ready, fault) && (!is_ready || measure_cell(course, cell, fault));
        course->n_done++;
    }
    lanes_stop(course->lanes);
    course->lanes = NULL;
    return ok;
}

static bool is_first_of_suite(const struct course *course, const size_t *order, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(text_of(course->cells[order[i]].planned, "suite"), text_of(course->cells[order[at]].planned, "suite")) == 0)
            return false;
    return true;
}

/* Fresh processes for every suite that has undecided cells; suites and cells in a new order. */
static bool measure_generation(struct course *course, struct fault *fault)
{
    size_t *order = calloc(course->n + 1, sizeof *order);
    bool ok = order != NULL || fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    course->n_done = course->n_due = 0;
    for (size_t i = 0; ok && i < course->n; i++) {
        order[i] = i;
        course->n_due += !course->cells[i].is_settled;
    }
    if (ok)
        order_shuffle(&course->random, order, course->n);
    for (size_t i = 0; ok && i < course->n; i++)
        if (is_first_of_suite(course, order, i)) {
            course->suite = text_of(course->cells[order[i]].planned, "suite");
            ok = measure_suite(course, order, fault);
        }
    free(order);
    return ok;
}

/* ---- decisions between generations */

static const char *id_of(const void *context, size_t i)
{
    return text_of(((const struct course *)context)->cells[i].planned, "id");
}

/* New array, a pool a cell; NULL when memory is short. */
static struct spread_pool *fit_pools(struct course *course)
{
    struct spread_pool *pools = calloc(course->n + 1, sizeof *pools);
    struct spread_cell *cells = calloc(course->n + 1, sizeof *cells);
    for (size_t i = 0; cells && i < course->n; i++)
        decide_cell(course->cells[i].decide, &cells[i]);
    if (cells && pools)
        neighbours_pools(cells, course->n, id_of, course, pools);
    free(cells);
    return pools;
}

/* A cell went red: its neighbours along an axis hear of it. */
static void tell_neighbours(struct course *course, const struct contest_cell *red)
{
    for (size_t i = 0; i < course->n; i++)
        if (neighbours_along_axis(text_of(course->cells[i].planned, "id"), text_of(red->planned, "id")))
            decide_support(course->cells[i].decide);
}

static void void_by_clock(struct contest_cell *cell)
{
    double all = (double)(cell->n_voided + json_array_size(cell->rounds));
    if (cell->is_lost || cell->n_voided <= 1 || (double)cell->n_voided <= most_voided * all)
        return;
    cell->verdict.decision = DECISION_UNFIT;
    cell->verdict.reason = "the clock stood still or stepped back during turns";
}

/* No round is left, and those there were had a turn at a throttled clock of the card. */
static bool is_throttled_out(const struct contest_cell *cell)
{
    return json_array_size(cell->rounds) == 0 && cell->n_throttled >= 3 * LEAST_ROUNDS;
}

static void void_by_card(struct contest_cell *cell)
{
    if (cell->is_lost || !is_throttled_out(cell))
        return;
    cell->verdict.decision = DECISION_UNFIT;
    cell->verdict.reason = "every round had a turn at a throttled clock of the card";
}

/* Looks at every cell that a look is due for; `last`: at all that are left. Returns how many stay undecided. */
static size_t decide_all(struct course *course, bool last)
{
    size_t left = 0, fixed = course->contest->fixed_generations;
    if (fixed && !last)
        return course->generation + 1 < fixed;
    struct spread_pool *pools = fit_pools(course);
    for (size_t i = 0; pools && i < course->n; i++) {
        struct contest_cell *cell = &course->cells[i];
        if (cell->is_settled)
            continue;
        bool ends = last || used_ns(cell) >= cell_ns || is_throttled_out(cell);
        if (ends || decide_is_due(cell->decide))
            cell->is_settled = decide_look(cell->decide, pools[i], ends) != DECISION_NONE && (ends || lane_metrics_is_enough(cell->lane_metrics));
        if (cell->is_settled && decide_verdict(cell->decide)->decision == DECISION_REGRESSION)
            tell_neighbours(course, cell);
        left += !cell->is_settled;
    }
    free(pools);
    return left;
}

static bool run(struct course *course, struct fault *fault)
{
    bool ok = true;
    size_t left = course->n;
    for (; ok && left && course->generation < MOST_GENERATIONS && clock_now_ns() < course->deadline; course->generation++) {
        ok = measure_generation(course, fault);
        left = decide_all(course, !ok);
    }
    decide_all(course, true);
    for (size_t i = 0; i < course->n; i++) {
        course->cells[i].verdict = *decide_verdict(course->cells[i].decide);
        void_by_clock(&course->cells[i]);
        void_by_card(&course->cells[i]);
    }
    if (course->contest->progress)
        fprintf(course->contest->progress, "\r\033[K");
    return ok;
}

bool contest_run(const struct contest *contest, struct contest_cell **results, struct fault *fault)
{
    size_t n = json_array_size(contest->cells);
    struct course course = {.contest = contest, .n = n, .random = contest->seed, .cells = calloc(n + 1, sizeof *course.cells)};
    course.deadline = contest->budget_ns > 0 ? clock_now_ns() + (uint64_t)contest->budget_ns : UINT64_MAX;
    bool ok = course.cells != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = open_cell(contest, json_array_get(contest->cells, i), &course.cells[i]);
    *results = course.cells;
    if (!ok)
        return fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    return run(&course, fault);
}
