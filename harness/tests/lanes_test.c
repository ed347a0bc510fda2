/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes in lock-step: balanced order, one iteration count, only one worker running at a time; and a contest over them, with an
 * unchanged cell, one that is slower, one that crashes in head, one that base cannot run.
 */
#include "contest/contest.h"
#include "measure/lanes.h"

#include "seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "near.h"

/* Whether `lost` is fixed by an artifact: a lane whose file says "broken" fails in setup, "crash" in the body. */
static const char suite_text[] =
    "local bench, ffi = require 'bench', require 'ffi'\n"
    "ffi.cdef 'int raise(int); int usleep(unsigned); void *fopen(const char *, const char *); size_t fread(void *, size_t, size_t, void *);'\n"
    "local file = ffi.C.fopen(bench.artifact 'word', 'r')\n"
    "local buffer = ffi.new('char[64]')\n"
    "local word = ffi.string(buffer, ffi.C.fread(buffer, 1, 63, file))\n"
    "local function spin(_, n) local x = 1; for i = 1, n * 100 do x = (x * 1103515245 + 12345) % 2147483648 end; return x end\n"
    "return { steady = { run = spin },\n"
    "  rest = { run = function(_, n) ffi.C.usleep(500 * n) end },\n"
    "  odd = { setup = function() if word == 'broken' then error('cannot set up') end end,\n"
    "          run = function(s, n) if word == 'crash' then ffi.C.raise(11) end; return spin(s, n) end } }\n";

static char folder[] = "/tmp/ternmark-lanes-XXXXXX";
static char suite[100], words[3][100];

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_files(void **state)
{
    static const char *const texts[3] = {"good", "broken", "crash"};
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(suite, sizeof suite, "%s/spin.lua", folder);
    put(suite, suite_text);
    for (int i = 0; i < 3; i++) {
        char path[80];
        snprintf(path, sizeof path, "%s/%s", folder, texts[i]);
        put(path, texts[i]);
        snprintf(words[i], sizeof words[i], "word=%s", path);
    }
    return 0;
}

static int remove_files(void **state)
{
    char command[80];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static struct worker_start start_with(const char *const *artifact)
{
    return (struct worker_start){.suite = suite, .artifacts = artifact, .n_artifacts = 1, .cpu = -1, .seed = 1, .timeout_ns = 10e9};
}

static struct lanes *open_lanes_by(uint64_t seed, enum lane *lost)
{
    static const char *good[1];
    good[0] = words[0];
    struct worker_start starts[N_LANES] = {start_with(good), start_with(good), start_with(good)};
    struct fault fault = {0};
    struct lanes *lanes = lanes_start(starts, seed, lost, &fault);
    if (!lanes)
        fail_msg("%s", fault.text);
    return lanes;
}

static struct lanes *open_lanes(enum lane *lost)
{
    return open_lanes_by(seed_of_test("lanes"), lost);
}

/* Who comes first gets other pages: were it always base, it could be told from the others for that alone. */
static void each_lane_starts_first_at_times(void **state)
{
    (void)state;
    int first[N_LANES] = {0};
    for (uint64_t seed = 1; seed <= 12; seed++) {
        enum lane lost, least = LANE_BASE;
        struct lanes *lanes = open_lanes_by(seed, &lost);
        for (size_t i = 0; i < N_LANES; i++)
            if (lanes_pid(lanes, (enum lane)i) < lanes_pid(lanes, least))
                least = (enum lane)i;
        first[least]++;
        lanes_stop(lanes);
    }
    for (size_t i = 0; i < N_LANES; i++)
        assert_true(first[i] > 0);
}

static json_t *cell_of(const char *bench)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:{}}", "id", bench, "suite", "spin", "bench", bench, "file", suite, "params");
}

static void order_is_balanced(void **state)
{
    (void)state;
    enum lane lost;
    struct lanes *lanes = open_lanes(&lost);
    struct fault fault = {0};
    json_t *cell = cell_of("steady"), *infos[N_LANES];
    struct lanes_turn turn = {0};
    assert_true(lanes_open(lanes, cell, infos, &lost, &fault));
    assert_true(lanes_warm(lanes, 2e4, &turn, &lost, &fault));
    assert_true(turn.iterations > 0 && turn.warm > 0);
    int first[N_LANES] = {0}, after[N_LANES][N_LANES] = {{0}};
    enum lane last = N_LANES;
    for (int r = 0; r < 60; r++) {
        struct lanes_round round;
        assert_true(lanes_run(lanes, &turn, &round, &lost, &fault));
        assert_int_equal((1 << round.order[0]) | (1 << round.order[1]) | (1 << round.order[2]), 7);
        assert_int_not_equal(round.order[0], last);
        last = round.order[N_LANES - 1];
        first[round.order[0]]++;
        after[round.order[0]][round.order[1]]++;
        after[round.order[1]][round.order[2]]++;
        for (int i = 0; i < N_LANES; i++)
            assert_true(round.ns[i] > 0);
    }
    for (int i = 0; i < N_LANES; i++) {
        assert_int_equal(first[i], 20);
        for (int k = 0; k < N_LANES; k++)
            assert_int_equal(after[i][k], i == k ? 0 : 20);
    }
    double empty;
    assert_true(lanes_empty(lanes, &turn, &empty, &fault));
    for (int i = 0; i < N_LANES; i++)
        json_decref(infos[i]);
    lanes_close(lanes, infos);
    assert_true(lanes_alive(lanes));
    for (int i = 0; i < N_LANES; i++)
        json_decref(infos[i]);
    json_decref(cell);
    lanes_stop(lanes);
}

/* A body that rests for half a millisecond: what is slower lasts as much longer at least, and no lane is cut short. */
static void changes_are_known(void **state)
{
    (void)state;
    static const struct { double change, base, head; } rows[] = {{0, 1, 1}, {3, 1, 4}, {-0.75, 4, 1}};
    enum lane lost;
    struct lanes *lanes = open_lanes(&lost);
    struct fault fault = {0};
    json_t *cell = cell_of("rest"), *infos[N_LANES];
    assert_true(lanes_open(lanes, cell, infos, &lost, &fault));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lanes_round round;
        assert_true(lanes_run(lanes, &(struct lanes_turn){.iterations = 1, .change = rows[i].change}, &round, &lost, &fault));
        assert_true(round.ns[LANE_BASE] >= rows[i].base * 500e3 && round.ns[LANE_BASE2] >= rows[i].base * 500e3);
        assert_true(round.ns[LANE_HEAD] >= rows[i].head * 500e3);
    }
    for (int i = 0; i < N_LANES; i++)
        json_decref(infos[i]);
    json_decref(cell);
    lanes_stop(lanes);
}

/* ns that a process has run */
static double ran(int pid)
{
    char path[40];
    double ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%lf", &ns) != 1)
            ns = 0;
        fclose(file);
    }
    return ns;
}

/* While one worker takes turns, another with the same cell open uses less than 0.1 % of a processor. */
static void waiting_lanes_sleep(void **state)
{
    (void)state;
    const char *good[1] = {words[0]};
    struct worker_start start = start_with(good);
    struct fault fault = {0};
    struct worker *workers[2];
    json_t *none = json_object(), *info = NULL;
    for (int i = 0; i < 2; i++) {
        workers[i] = worker_start(&start, &fault);
        assert_non_null(workers[i]);
        assert_true(worker_open(workers[i], "steady", none, &info, &fault));
        json_decref(info);
    }
    struct worker_turn turn = {.verb = WORKER_VERB_TURN, .iterations = 20000, .samples = 1};
    double used = ran(worker_pid(workers[1])), busy = 0, ns;
    for (int i = 0; i < 100; i++) {
        assert_true(worker_turn(workers[0], &turn, &ns, NULL, &fault));
        busy += ns;
    }
    used = ran(worker_pid(workers[1])) - used;
    assert_true(busy > 1e7);
    if (used > 0.001 * busy)
        fail_msg("a waiting worker ran %.0f ns in %.0f", used, busy);
    for (int i = 0; i < 2; i++)
        worker_stop(workers[i]);
    json_decref(none);
}

static void run_contest(const char *bench, const char *base, const char *head, double change, struct contest_cell *out)
{
    const char *const base_list[1] = {base}, *const head_list[1] = {head};
    json_t *cells = json_pack("[o]", cell_of(bench));
    struct contest contest = {.cells = cells, .tolerance = 0.05, .n_tests = 1, .seed = 3, .change = change, .turn_ns = 2e5, .budget_ns = 8e9};
    for (int i = 0; i < N_LANES; i++)
        contest.starts[i] = start_with(i == LANE_HEAD ? head_list : base_list);
    struct contest_cell *results = NULL;
    struct fault fault = {0};
    if (!contest_run(&contest, &results, &fault))
        fail_msg("%s", fault.text);
    *out = results[0];
    out->generations = json_deep_copy(results[0].generations);
    out->rounds = NULL;
    contest_clear(results, 1);
    json_decref(cells);
}

/* How the machine is just now may leave a cell undecided; it must never turn a verdict round. */
static void contests_end_as_they_should(void **state)
{
    (void)state;
    struct contest_cell cell;
    run_contest("steady", words[0], words[0], 0, &cell);
    assert_true(cell.verdict.decision != DECISION_REGRESSION && cell.verdict.decision != DECISION_IMPROVED);
    assert_true(cell.verdict.rounds >= 16 && json_array_size(cell.generations) >= 1);
    json_decref(cell.generations);
    run_contest("steady", words[0], words[0], 0.5, &cell);
    assert_true(cell.verdict.decision != DECISION_PASS && cell.verdict.decision != DECISION_IMPROVED);
    if (cell.verdict.decision == DECISION_REGRESSION)
        assert_true(cell.verdict.generations >= 5 && cell.verdict.ratio > 1.3);
    json_decref(cell.generations);
}

static void lost_lanes_are_named(void **state)
{
    (void)state;
    struct contest_cell cell;
    run_contest("odd", words[0], words[2], 0, &cell);
    assert_true(cell.is_lost && cell.lost == LANE_HEAD);
    json_decref(cell.generations);
    run_contest("odd", words[1], words[0], 0, &cell);
    assert_true(cell.is_lost && cell.lost == LANE_BASE);
    assert_non_null(strstr(cell.reason, "cannot set up"));
    json_decref(cell.generations);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_lane_starts_first_at_times), cmocka_unit_test(order_is_balanced),
                                       cmocka_unit_test(changes_are_known), cmocka_unit_test(waiting_lanes_sleep),
                                       cmocka_unit_test(contests_end_as_they_should), cmocka_unit_test(lost_lanes_are_named)};
    if (worker_is_child(argc, argv))
        return worker_main();
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
