/* SPDX-License-Identifier: Apache-2.0
 *
 * Recorded rounds: runs drawn from them.
 */
#include "gate/resample.h"
#include "gate/rounds.h"

#include "seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "near.h"

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
    const struct CMUnitTest tests[] = {cmocka_unit_test(resampled_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
