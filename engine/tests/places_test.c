/* SPDX-License-Identifier: Apache-2.0
 * Threads and memory over nodes and cores, on topologies that hwloc makes up. */
#include "core/places.h"
#include "tern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct tern_places places; /* too large for a stack */

static void expect_order(const char *topology, const char *allowed, int here, const int *expected, int n)
{
    int cpus[CPU_SETSIZE];
    cpu_set_t set;
    assert_true(tern_places_read(&places, topology));
    CPU_ZERO(&set);
    for (int cpu = 0; allowed[cpu]; cpu++)
        if (allowed[cpu] == '1')
            CPU_SET((size_t)cpu, &set);
    assert_int_equal(tern_places_order(&places, &set, here, cpus), n);
    for (int i = 0; i < n; i++)
        assert_int_equal(cpus[i], expected[i]);
}

/* Two nodes of two cores of two processors: cores before siblings, the caller's node before the other. */
static void cores_come_before_siblings(void **state)
{
    (void)state;
    expect_order("pack:2 [numa] core:2 pu:2", "11111111", 2, (const int[]){ 2, 0, 4, 6, 3, 1, 5, 7 }, 8);
    expect_order("pack:2 [numa] core:2 pu:2", "11111111", 7, (const int[]){ 7, 4, 0, 2, 5, 6, 1, 3 }, 8);
}

/* Many systems number the second processors of all cores after the first ones. */
static void siblings_are_known_by_their_core(void **state)
{
    (void)state;
    expect_order("core:4 pu:2(indexes=0,4,1,5,2,6,3,7)", "11111111", 0, (const int[]){ 0, 1, 2, 3, 4, 5, 6, 7 }, 8);
    expect_order("core:2 pu:2(indexes=0,2,1,3)", "1111", 3, (const int[]){ 3, 0, 1, 2 }, 4);
}

static void only_what_is_allowed_is_taken(void **state)
{
    (void)state;
    expect_order("pack:2 [numa] core:2 pu:2", "01110010", 1, (const int[]){ 1, 2, 6, 3 }, 4);
    expect_order("pack:2 [numa] core:2 pu:2", "00000100", 5, (const int[]){ 5 }, 1);
}

static void nonsense_leaves_one_flat_node(void **state)
{
    (void)state;
    assert_false(tern_places_read(&places, "no:such thing"));
    assert_int_equal(places.nodes, 1);
    assert_int_equal(places.core[5], 5);
    assert_null(places.bind);
}

/* ---- memory */

static struct {
    char *at;
    size_t bytes;
    int node, calls;
} bound;

static void record(void *at, size_t bytes, int node)
{
    bound.at = at;
    bound.bytes = bytes;
    bound.node = node;
    bound.calls++;
}

/* A share goes to the node of the processor that will read it, huge pages whole; what is smaller is left to first touch. */
static void shares_go_to_the_node_of_their_thread(void **state)
{
    const size_t unit = TERN_PLACES_UNIT;
    char *base = (char *)(uintptr_t)(64 * unit);
    (void)state;
    assert_true(tern_places_read(&places, "pack:2 [numa] core:2 pu:2"));
    assert_int_equal(places.nodes, 2);
    places.bind = record;
    tern_places_take(&places, 6, base + 100, 5 * unit);
    assert_int_equal(bound.calls, 1);
    assert_ptr_equal(bound.at, base + unit);
    assert_int_equal(bound.bytes, 4 * unit);
    assert_int_equal(bound.node, 1);
    tern_places_take(&places, 1, base, unit);
    assert_int_equal(bound.calls, 2);
    assert_int_equal(bound.node, 0);
    tern_places_take(&places, 1, base + 1, unit);
    tern_places_take(&places, 1, base, 0);
    tern_places_take(&places, -1, base, 8 * unit);
    assert_int_equal(bound.calls, 2);
    places.bind = NULL;
    tern_places_take(&places, 1, base, 8 * unit);
    assert_int_equal(bound.calls, 2);
}

/* From here on, for this is what reads the machine, the process is made to see two nodes: a bind on two threads still works, and the placement is told. */
static void placement_is_told(void **state)
{
    const struct tern_param params[] = { { "shape", "256x256" }, { "threads", "2" } };
    struct tern_error error;
    struct tern_op *op;
    char text[256];
    (void)state;
    setenv("HWLOC_SYNTHETIC", "pack:2 [numa] core:512 pu:1", 1);
    tern_placement(1000, text, sizeof text);
    assert_non_null(strstr(text, "node 0 of 2: processors "));
    tern_placement(1, text, 8);
    assert_int_equal(strlen(text), 7);
    assert_int_equal(tern_op_bind("bitlinear", params, 2, &op, &error), TERN_OK);
    assert_int_equal(tern_op_check(op, &error), TERN_OK);
    tern_op_close(op);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cores_come_before_siblings), cmocka_unit_test(siblings_are_known_by_their_core),
        cmocka_unit_test(only_what_is_allowed_is_taken), cmocka_unit_test(nonsense_leaves_one_flat_node),
        cmocka_unit_test(shares_go_to_the_node_of_their_thread), cmocka_unit_test(placement_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
