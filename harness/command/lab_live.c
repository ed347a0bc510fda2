/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lab_live.h"

#include "command/lab_counts.h"
#include "command/request.h"
#include "contest/baseline.h"
#include "contest/bout.h"
#include "contest/contest.h"
#include "gate/rounds.h"
#include "measure/clock.h"
#include "measure/interrupt.h"
#include "plan/order.h"
#include "probe/host.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_GENERATIONS = 16, RECORD_ROUNDS = 28 };

/* Cells of a run with a known change, drawn anew for each: whole ones would take minutes where nothing can be decided. Runs in a row without a verdict end it. */
enum { POWER_CELLS = 4, MOST_BARREN = 10 };

struct lab {
    const struct options *options;
    struct plan_request request;
    json_t *cells;          /* to be measured */
    json_t *history;        /* this hardware's baseline here, as the gate would read it, or NULL */
    FILE *out;              /* rounds, or NULL */
    bool records;           /* every cell as long as the others, to be judged later */
    uint64_t deadline, random;
    size_t run;
    struct lab_counts counts;
};

/* Main cells that can run. */
static bool choose(struct lab *lab, struct fault *fault)
{
    size_t i;
    json_t *cell, *plan = plan_collect(&lab->request, fault);
    if (!plan || !bout_select(plan, &lab->request, NULL, fault)) {
        json_decref(plan);
        return false;
    }
    lab->cells = json_array();
    json_array_foreach(plan, i, cell)
        if (json_is_true(json_object_get(cell, "main")) && json_is_true(json_object_get(cell, "selected")) &&
            !json_is_string(json_object_get(cell, "skip")) && !json_is_string(json_object_get(cell, "broken")))
            json_array_append(lab->cells, cell);
    json_decref(plan);
    return json_array_size(lab->cells) > 0 || fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "no cell to measure");
}

static bool write_rounds(const struct lab *lab, const struct contest_cell *cell)
{
    char name[1200];
    size_t i, k;
    json_t *round;
    snprintf(name, sizeof name, "%zu/%s", lab->run, json_string_value(json_object_get(cell->planned, "id")));
    json_array_foreach(cell->rounds, i, round) {
        struct decide_round out = {.generation = json_integer_value(json_object_get(round, "generation")),
                                   .round = json_integer_value(json_object_get(round, "round"))};
        for (k = 0; k < N_LANES; k++) {
            const char *lane = json_string_value(json_array_get(json_object_get(round, "order"), k));
            out.order[k] = strcmp(lane, "base") == 0 ? LANE_BASE : strcmp(lane, "base2") == 0 ? LANE_BASE2 : LANE_HEAD;
            out.ns[out.order[k]] = json_number_value(json_array_get(json_object_get(round, "ns"), k));
        }
        if (!rounds_print(lab->out, name, &out))
            return false;
    }
    return true;
}

/* One line a cell, for whoever asks which cells a rate comes from. */
static void tell_cell(const struct lab *lab, const struct contest_cell *cell)
{
    const struct decide_verdict *v = &cell->verdict;
    fprintf(stderr, "%+.3f %zu %s %s ratio %.4f [%.4f, %.4f] rounds %zu generations %zu turns %.3f s processes %.2f %% null %.4f inflation %.2f again %zu  %s\n",
            lab->counts.change, lab->run, decide_word(v->decision), json_string_value(json_object_get(cell->planned, "id")), v->ratio, v->low, v->high,
            v->rounds, v->generations, 1e-9 * cell->turn_ns, 100 * v->process_spread, v->null_ratio, v->inflation, cell->n_repeats, v->reason ? v->reason : "");
}

/* New array: the cells of the next run. */
static json_t *draw_cells(struct lab *lab)
{
    size_t n = json_array_size(lab->cells), *order = calloc(n + 1, sizeof *order);
    json_t *drawn = json_array();
    for (size_t i = 0; order && i < n; i++)
        order[i] = i;
    if (order && lab->counts.change != 0)
        order_shuffle(&lab->random, order, n);
    for (size_t i = 0; order && i < n && (lab->counts.change == 0 || i < POWER_CELLS); i++)
        json_array_append(drawn, json_array_get(lab->cells, order[i]));
    free(order);
    return drawn;
}

/* Counts and writes what a run gave. */
static bool take_results(struct lab *lab, const struct contest_cell *results, size_t n, struct fault *fault)
{
    for (size_t i = 0; i < n; i++) {
        if (results[i].is_lost) {
            fprintf(stderr, "ternmark: left out: %s: %s\n", json_string_value(json_object_get(results[i].planned, "id")), results[i].reason);
            continue;
        }
        lab_count(&lab->counts, results[i].verdict.decision, 1e-9 * results[i].turn_ns);
        if (lab->options->verbose)
            tell_cell(lab, &results[i]);
        if (lab->out && !write_rounds(lab, &results[i]))
            return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", lab->options->out, strerror(errno));
    }
    return !lab->out || fflush(lab->out) == 0 || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", lab->options->out, strerror(errno));
}

/* All cells share the error rates, whichever are drawn. A run that the deadline cut short would count as undecided what it had no time for: it does not count. */
static bool run_once(struct lab *lab, struct fault *fault)
{
    json_t *cells = draw_cells(lab);
    size_t n = json_array_size(cells);
    struct contest contest = {.cells = cells, .history = lab->history, .tolerance = lab->options->tolerance, .n_tests = json_array_size(lab->cells),
                              .seed = (uint64_t)lab->options->seed + lab->run, .change = lab->counts.change,
                              .progress = isatty(STDERR_FILENO) ? stderr : NULL};
    if (lab->records) {
        contest.fixed_generations = RECORD_GENERATIONS;
        contest.fixed_rounds = RECORD_ROUNDS;
    }
    struct contest_cell *results = NULL;
    for (size_t i = 0; i < N_LANES; i++)
        contest.starts[i] = lab->request.worker;
    uint64_t began = clock_now_ns();
    contest.budget_ns = lab->deadline == UINT64_MAX ? 0 : (double)(lab->deadline - began);
    struct lab_counts before = lab->counts;
    bool ok = contest_run(&contest, &results, fault);
    lab->counts.wall_s += 1e-9 * (double)(clock_now_ns() - began);
    bool is_cut = clock_now_ns() >= lab->deadline && !lab->records;
    if (is_cut)
        lab->counts = before;
    else
        ok = ok && take_results(lab, results, n, fault);
    contest_clear(results, n);
    json_decref(cells);
    lab->run++;
    if (!is_cut)
        lab_count_run(&lab->counts, &before);
    return ok;
}

static bool open_out(struct lab *lab, struct fault *fault)
{
    if (!lab->options->out)
        return true;
    lab->out = fopen(lab->options->out, "we");
    return (lab->out && rounds_print_header(lab->out)) || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", lab->options->out, strerror(errno));
}

static json_t *load_history(void)
{
    struct fault ignored = {0};
    json_t *hardware = host_hardware();
    json_t *history = baseline_load("baselines", json_string_value(json_object_get(hardware, "key")), &ignored);
    json_decref(hardware);
    return history;
}

enum exit_code lab_live(const struct options *options, double change, bool records, struct fault *fault)
{
    struct options plain = *options;
    struct lab lab = {.options = options, .counts.change = change, .records = records};
    lab.random = (uint64_t)options->seed;
    lab.deadline = options->budget > 0 ? clock_now_ns() + (uint64_t)options->budget : UINT64_MAX;
    plain.operands.items++;
    plain.operands.n--;
    interrupt_install();
    lab.request = request_of(&plain);
    lab.history = load_history();
    bool ok = choose(&lab, fault) && open_out(&lab, fault);
    for (size_t barren = 0; ok && lab.counts.cells < (size_t)options->cells && barren < MOST_BARREN && clock_now_ns() < lab.deadline;) {
        size_t before = lab.counts.cells;
        ok = run_once(&lab, fault);
        barren = lab.counts.cells > before ? 0 : barren + 1;
    }
    lab_print(&lab.counts, options->json);
    if (lab.out && fclose(lab.out) != 0)
        ok = fault_set(fault, EXIT_CODE_USAGE, "%s: %s", options->out, strerror(errno));
    json_decref(lab.cells);
    json_decref(lab.history);
    return !ok ? fault->code : lab.counts.cells ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}
