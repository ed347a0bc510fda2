/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded rounds: read, refused, written, joined; runs drawn from them.
 */
#include "gate/resample.h"
#include "gate/rounds.h"

#include "seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "near.h"

/* What rounds_load says of a file with these bytes. */
static bool load(const char *bytes, size_t n, struct rounds *rounds, struct fault *fault)
{
    char path[] = "/tmp/rounds-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
    *fault = (struct fault){0};
    bool ok = rounds_load(path, rounds, fault);
    unlink(path);
    return ok;
}

#define HEADER "cell,process,round,lane,ns\n"

static void rows_become_rounds(void **state)
{
    (void)state;
    static const char text[] = HEADER "\"a,\"\"b\",0,0,head,2.5\r\n\"a,\"\"b\",0,0,base,.5\r\n\"a,\"\"b\",0,0,base2,1e3\r\n"
                                      "c,9,90,base,0.9\nc,9,90,base2,9007199254740993\nc,9,90,head,1\n"
                                      "\"a,\"\"b\",0,7,base,1\n\"a,\"\"b\",0,7,base2,1\n\"a,\"\"b\",0,7,head,1\n"
                                      "\"a,\"\"b\",1,0,base,1\n\"a,\"\"b\",1,0,base2,1\n\"a,\"\"b\",1,0,head,1";
    struct rounds rounds;
    struct fault fault;
    assert_true(load(text, sizeof text - 1, &rounds, &fault));
    assert_int_equal(rounds.n, 2);
    assert_string_equal(rounds.cells[0].name, "a,\"b");
    assert_string_equal(rounds.cells[1].name, "c");
    assert_int_equal(rounds.cells[0].n, 3);
    assert_int_equal(rounds.cells[1].n, 1);
    const struct decide_round *first = &rounds.cells[0].rounds[0], *other = &rounds.cells[1].rounds[0];
    const enum lane order[] = {LANE_HEAD, LANE_BASE, LANE_BASE2};
    assert_memory_equal(first->order, order, sizeof order);
    assert_near(first->ns[LANE_BASE], 0.5, 0);
    assert_near(first->ns[LANE_BASE2], 1000, 0);
    assert_near(first->ns[LANE_HEAD], 2.5, 0);
    assert_int_equal(other->generation, 9);
    assert_int_equal(other->round, 90);
    assert_int_equal(rounds.cells[0].rounds[1].round, 7);
    assert_int_equal(rounds.cells[0].rounds[2].generation, 1);
    rounds_clear(&rounds);
    assert_int_equal(rounds.n, 0);
    assert_null(rounds.cells);
    assert_true(load(HEADER, sizeof HEADER - 1, &rounds, &fault));
    assert_int_equal(rounds.n, 0);
    rounds_clear(&rounds);
}

#define ROW(text, said) {HEADER text, sizeof HEADER + sizeof text - 2, said}
#define BARE(text, said) {text, sizeof text - 1, said}
#define ONE_ROUND "c,0,5,base,1\nc,0,5,base2,1\nc,0,5,head,1\n"

static const struct {
    const char *bytes;
    size_t n;
    const char *said;
} broken_rows[] = {
    BARE("", "expected the header cell,process,round,lane,ns, found an empty file"),
    BARE("cell,process,round,lane,us\n", ":1: expected the header"),
    ROW("c,0,0,base\n", ":2: expected 5 fields"),
    ROW("c,0,0,base,1,2\n", ":2: expected 5 fields"),
    ROW("\n", ":2: expected 5 fields"),
    ROW("\"c\"d,0,0,base,1\n", ":2: expected 5 fields"),
    ROW("\"c,0,0,base,1\n", ":2: a quoted field does not end"),
    ROW("c,0,0,base,\"1\n", ":2: a quoted field does not end"),
    ROW(",0,0,base,1\n", ":2: cell: expected a name"),
    ROW("c,-1,0,base,1\n", ":2: process: expected a whole number from 0, found '-1'"),
    ROW("c, 1,0,base,1\n", ":2: process:"),
    ROW("c,:,0,base,1\n", ":2: process:"),
    ROW("c,1x,0,base,1\n", ":2: process:"),
    ROW("c,99999999999999999999,0,base,1\n", ":2: process:"),
    ROW("c,0,1.5,base,1\n", ":2: round: expected a whole number"),
    ROW("c,0,,base,1\n", ":2: round:"),
    ROW("c,0,0,tail,1\n", ":2: lane: expected base, base2 or head, found 'tail'"),
    ROW("c,0,0,base,nan\n", ":2: ns: expected a time above 0, found 'nan'"),
    ROW("c,0,0,base,inf\n", ":2: ns:"),
    ROW("c,0,0,base,1e999\n", ":2: ns:"),
    ROW("c,0,0,base,0\n", ":2: ns:"),
    ROW("c,0,0,base,1e-310\n", ":2: ns:"),
    ROW("c,0,0,base,-1\n", ":2: ns:"),
    ROW("c,0,0,base,+1\n", ":2: ns:"),
    ROW("c,0,0,base, 1\n", ":2: ns:"),
    ROW("c,0,0,base,\n", ":2: ns:"),
    ROW("c,0,0,base,1x\n", ":2: ns:"),
    ROW("c,0,0,base,0x10\n", ":2: ns:"),
    ROW("c,0,0,base,0X1\n", ":2: ns:"),
    ROW("c,0,0,base,1\0x\n", ":2: a NUL byte"),
    ROW("c,0,0,base,1\nc,0,0,base,2\n", ":3: lane base twice in a round"),
    ROW("c,0,0,base,1\nc,0,0,head,2\nc,0,0,head,2\n", ":4: lane head twice in a round"),
    ROW("c,0,0,base,1\nc,0,0,base2,2\n", ":3: the file ends within a round: 2 of 3 lanes"),
    ROW("c,0,0,base,1\n", ":2: the file ends within a round: 1 of 3 lanes"),
    ROW("c,0,0,base,1\nc,0,1,base2,2\n", ":3: the round before this row has 1 of 3 lanes"),
    ROW("c,0,0,base,1\nc,1,0,base2,2\n", ":3: the round before this row has 1 of 3 lanes"),
    ROW("c,0,0,base,1\nc,0,0,head,1\nd,0,0,base2,2\n", ":4: the round before this row has 2 of 3 lanes"),
    ROW(ONE_ROUND ONE_ROUND, ":5: round 5 does not come after round 5 of process 0"),
    ROW(ONE_ROUND "c,1,0,base,1\nc,1,0,base2,1\nc,1,0,head,1\nc,0,4,base,1\n", ":8: round 4 does not come after round 5 of process 0"),
};

static void broken_rows_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof broken_rows / sizeof *broken_rows; i++) {
        struct rounds rounds;
        struct fault fault;
        if (load(broken_rows[i].bytes, broken_rows[i].n, &rounds, &fault))
            fail_msg("row %zu is read: %s", i, broken_rows[i].bytes);
        if (!strstr(fault.text, broken_rows[i].said))
            fail_msg("row %zu: '%s', expected '%s'", i, fault.text, broken_rows[i].said);
        assert_int_equal(fault.code, EXIT_CODE_USAGE);
        assert_int_equal(rounds.n, 0);
        assert_null(rounds.cells);
    }
    struct rounds rounds;
    struct fault fault = {0};
    assert_false(rounds_load("/tmp/no such folder/rounds.csv", &rounds, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    assert_non_null(strstr(fault.text, "rounds.csv: No such file"));
    assert_false(rounds_load("/tmp", &rounds, &fault));
    assert_non_null(strstr(fault.text, "/tmp"));
}

/* What is written is read again, with more cells and rounds than arrays begin with and names that need quotes. */
static void what_is_written_is_read(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "with,comma", "with\"quote", "last"};
    enum { CELLS = 70, ROUNDS = 70 };
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_true(rounds_print_header(out));
    for (int c = 0; c < CELLS; c++)
        for (int r = 0; r < ROUNDS; r++) {
            char name[40];
            snprintf(name, sizeof name, "%s%d", names[(size_t)c % 4], c);
            assert_true(rounds_print(out, name, &(struct decide_round){.generation = r / 10, .round = r, .ns = {1 + r, 2.25, 1e9 + c}, .order = {1, 2, 0}}));
        }
    fclose(out);
    struct rounds rounds, more, nothing = {0};
    struct fault fault;
    if (!load(text, size, &rounds, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(rounds.n, CELLS);
    for (int c = 0; c < CELLS; c++) {
        char name[40];
        snprintf(name, sizeof name, "%s%d", names[(size_t)c % 4], c);
        assert_string_equal(rounds.cells[c].name, name);
        assert_int_equal(rounds.cells[c].n, ROUNDS);
        for (int r = 0; r < ROUNDS; r++) {
            const struct decide_round *one = &rounds.cells[c].rounds[r];
            assert_int_equal(one->round, r);
            assert_int_equal(one->generation, r / 10);
            assert_near(one->ns[LANE_BASE], 1 + r, 0);
            assert_near(one->ns[LANE_HEAD], 1e9 + c, 10);
            assert_int_equal(one->order[0], LANE_BASE2);
        }
    }
    assert_true(load(text, size, &more, &fault));
    assert_true(rounds_join(&rounds, &more));
    assert_int_equal(rounds.n, 2 * CELLS);
    assert_string_equal(rounds.cells[CELLS].name, "plain0");
    assert_int_equal(more.n, 0);
    assert_null(more.cells);
    assert_true(rounds_join(&rounds, &nothing));
    assert_int_equal(rounds.n, 2 * CELLS);
    assert_true(rounds_join(&nothing, &more));
    assert_int_equal(nothing.n, 0);
    rounds_clear(&nothing);
    rounds_clear(&rounds);
    free(text);
    FILE *full = fopen("/dev/full", "w");
    setbuf(full, NULL);
    assert_false(rounds_print_header(full));
    assert_false(rounds_print(full, "c", &(struct decide_round){.ns = {1, 1, 1}, .order = {0, 1, 2}}));
    fclose(full);
}

/* Processes of one round each: as many are drawn. */
static void single_rounds_are_drawn(void **state)
{
    (void)state;
    struct rounds recorded = {calloc(1, sizeof *recorded.cells), 1, 1}, run;
    recorded.cells[0] = (struct rounds_cell){strdup("s/b"), calloc(4, sizeof(struct decide_round)), 4, 4};
    for (int i = 0; i < 4; i++)
        recorded.cells[0].rounds[i] = (struct decide_round){.generation = i, .ns = {1 + i, 1 + i, 1 + i}, .order = {0, 1, 2}};
    uint64_t random = seed_of_test("rounds") + 2;
    size_t seen[4] = {0};
    assert_true(resample_run(&recorded, 60, &random, &run));
    for (size_t c = 0; c < run.n; c++) {
        assert_int_equal(run.cells[c].n, 4);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(run.cells[c].rounds[i].generation, i);
            seen[(size_t)run.cells[c].rounds[i].ns[0] - 1]++;
        }
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(seen[i] > 30);
    rounds_clear(&run);
    rounds_clear(&recorded);
}

/* A drawn generation is made of blocks of 8 rounds in a row of one recorded process, which goes on from its end at its beginning. */
static void blocks_keep_their_order(void **state)
{
    (void)state;
    enum { N = 24 };
    struct rounds recorded = {calloc(1, sizeof *recorded.cells), 1, 1}, run;
    recorded.cells[0] = (struct rounds_cell){strdup("s/b"), calloc(2 * N, sizeof(struct decide_round)), 2 * N, 2 * N};
    for (int i = 0; i < 2 * N; i++)
        recorded.cells[0].rounds[i] = (struct decide_round){.generation = i / N, .round = i % N, .ns = {i + 1, i + 1, i + 1}, .order = {0, 1, 2}};
    uint64_t random = seed_of_test("rounds") + 1;
    size_t starts[N] = {0}, different = 0;
    assert_true(resample_run(&recorded, 200, &random, &run));
    for (size_t c = 0; c < run.n; c++) {
        char name[40];
        snprintf(name, sizeof name, "%zu/s/b", c);
        assert_string_equal(run.cells[c].name, name);
        assert_int_equal(run.cells[c].n, 2 * N);
        for (size_t i = 0; i < 2 * N; i++) {
            size_t at = (size_t)run.cells[c].rounds[i].ns[0] - 1, before = i ? (size_t)run.cells[c].rounds[i - 1].ns[0] - 1 : 0;
            assert_int_equal(run.cells[c].rounds[i].round, i % N);
            if (i % N % 8 == 0)
                starts[at % N]++;
            else
                assert_int_equal(at, before / N * N + (before + 1) % N);
            if (i % N)
                assert_int_equal(at / N, before / N);
            different += i % N == 8 && at % N != 8;
        }
    }
    for (size_t i = 0; i < N; i++)
        assert_true(starts[i] > 0);
    assert_true(different > 300);
    rounds_clear(&run);
    rounds_clear(&recorded);
}

static void resampled_runs(void **state)
{
    (void)state;
    struct rounds recorded = {calloc(1, sizeof *recorded.cells), 1, 1}, run;
    struct rounds_cell *cell = &recorded.cells[0];
    *cell = (struct rounds_cell){strdup("s/b"), calloc(60, sizeof(struct decide_round)), 60, 60};
    for (int i = 0; i < 60; i++)
        cell->rounds[i] = (struct decide_round){.generation = i / 20, .round = i % 20, .ns = {1000 + i / 20, 2000 + i / 20, 3000 + i / 20}, .order = {2, 0, 1}};
    uint64_t random = seed_of_test("rounds");
    size_t heads[3] = {0};
    assert_true(resample_run(&recorded, 30, &random, &run));
    for (size_t c = 0; c < run.n; c++) {
        assert_int_equal(run.cells[c].n, 60);
        for (size_t i = 0; i < 60; i++) {
            const struct decide_round *one = &run.cells[c].rounds[i];
            double sum = one->ns[0] + one->ns[1] + one->ns[2];
            assert_true(sum >= 6000 && sum <= 6006);
            assert_int_equal(one->generation, i / 20);
            assert_near(one->ns[one->order[0]], 3000, 2);  /* the lane that ran first still did */
            heads[(size_t)(one->ns[LANE_HEAD] / 1000) - 1]++;
        }
    }
    assert_true(heads[0] > 0 && heads[1] > 0 && heads[2] > 0);
    rounds_clear(&run);
    rounds_clear(&recorded);
    assert_false(resample_run(&recorded, 3, &random, &run));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_become_rounds), cmocka_unit_test(broken_rows_are_refused), cmocka_unit_test(what_is_written_is_read),
                                       cmocka_unit_test(single_rounds_are_drawn), cmocka_unit_test(blocks_keep_their_order), cmocka_unit_test(resampled_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
