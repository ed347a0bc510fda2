/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells along an axis, and the pools of benches.
 */
#include "gate/neighbours.h"
#include "stats/spread.h"

#include "seed.h"
#include "traces.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "near.h"

static void neighbours_by_id(void **state)
{
    (void)state;
    static const struct row {
        const char *a, *b;
        bool bench, axis;
    } rows[] = {
        {"s/b/x=1/y=2", "s/b/x=1/y=3", true, true},    {"s/b/x=1/y=2", "s/b/x=2/y=2", true, true},   {"s/b/x=1/y=2", "s/b/x=2/y=3", true, false},
        {"s/b/x=1", "s/b/x=1", true, false},           {"s/b/x=1", "s/c/x=2", false, false},         {"s/b", "s/b", false, false},
        {"s/b/x=1", "s/b/x=1/y=2", true, false},       {"s/b/x=1", "s/b/y=2", true, false},          {"s/b/x=1", "s/bb/x=1", false, false},
        {"7/s/b/x=a", "7/s/b/x=ab", true, true},       {"7/s/b/x=a", "8/s/b/x=b", false, false},     {"x=1", "x=2", false, false},
        {"s/b/x=1/y=2", "s/b/x=1", true, false},       {"s/b/x=12/y=2", "s/b/x=1/y=2", true, true},  {"", "", false, false},
        {"s/b/x=1", "s/b/x=2/y=2", true, false},       {"s/b/x=2/y=2", "s/b/x=1", true, false},
        {"s/b/x=1/y", "s/b/x=2/y", true, true},      {"s/b/x=1/yy=1", "s/b/x=1/y=1", true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (neighbours_same_bench(rows[i].a, rows[i].b) != rows[i].bench || neighbours_along_axis(rows[i].a, rows[i].b) != rows[i].axis)
            fail_msg("row %zu: %s, %s", i, rows[i].a, rows[i].b);
}

static const char *word_at(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

/* Two benches of unlike spread: each cell's pool is nearer to its own bench's than the run's is, and lone cells keep the run's. */
static void benches_have_pools(void **state)
{
    (void)state;
    enum { CELLS = 13, G = 6, FIRST_NARROW = 0, FIRST_WIDE = 1, LONE = 8 };
    static const char *const ids[CELLS] = {"s/narrow/k=1", "s/wide/k=1", "s/narrow/k=2", "s/wide/k=2", "s/narrow/k=3", "s/wide/k=3", "s/narrow/k=4",
                                           "s/wide/k=4",   "s/alone",    "s/narrow/k=5", "s/wide/k=5", "s/narrow/k=6", "s/wide/k=6"};
    static double head[CELLS][G], null[CELLS][G], variance[CELLS][G];
    struct spread_cell cells[CELLS];
    struct spread_pool pools[CELLS];
    struct traces_random r = traces_seed(seed_of_test("neighbours") + 2);
    for (size_t c = 0; c < CELLS; c++) {
        double s = strstr(ids[c], "wide") ? 0.02 : 0.002;
        for (size_t g = 0; g < G; g++) {
            double base = s * traces_normal(&r), base2 = s * traces_normal(&r);
            variance[c][g] = 1e-7;
            head[c][g] = s * traces_normal(&r) - 0.5 * (base + base2);
            null[c][g] = base2 - base;
        }
        cells[c] = (struct spread_cell){G, head[c], variance[c], null[c], variance[c], NULL, 0};
    }
    assert_true(neighbours_pools(cells, CELLS, word_at, ids, pools));
    for (size_t c = 0; c < CELLS; c++) {
        if (c == LONE)
            continue;
        bool wide = strstr(ids[c], "wide");
        assert_near(pools[c].centre, log(wide ? 0.02 : 0.002), 0.8);
        assert_true(wide ? pools[c].centre > pools[LONE].centre : pools[c].centre < pools[LONE].centre);
        assert_memory_equal(&pools[c], &pools[wide ? FIRST_WIDE : FIRST_NARROW], sizeof *pools);
    }
}

/* A narrow cell beside a wide bench: one cell is no bench, whether its id has an axis or not. */
static void one_cell_is_no_bench(void **state)
{
    (void)state;
    static const char *const ids[2][3] = {{"s/wide/k=1", "s/one", "s/wide/k=2"}, {"s/wide/k=1", "s/one/k=1", "s/wide/k=2"}};
    static const double wide[4] = {-0.04, 0.02, 0.04, -0.02}, narrow[4] = {-0.001, 0.0005, 0.001, -0.0005}, variance[4] = {1e-8, 1e-8, 1e-8, 1e-8};
    const struct spread_cell cells[3] = {{4, wide, variance, wide, variance, NULL, 0}, {4, narrow, variance, narrow, variance, NULL, 0}, {4, wide, variance, wide, variance, NULL, 0}};
    struct spread_pool pools[2][3];
    for (size_t axis = 0; axis < 2; axis++)
        assert_true(neighbours_pools(cells, 3, word_at, ids[axis], pools[axis]));
    assert_memory_equal(pools[0], pools[1], sizeof pools[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(neighbours_by_id), cmocka_unit_test(benches_have_pools), cmocka_unit_test(one_cell_is_no_bench)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
