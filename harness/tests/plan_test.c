/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/cells.h"
#include "plan/order.h"
#include "plan/plan.h"
#include "plan/select.h"

#include "seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static json_t *read_json(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
    if (!value)
        fail_msg("%s: %s", text, error.text);
    return value;
}

static void ids_are_plain_and_unambiguous(void **state)
{
    (void)state;
    static const struct row {
        const char *params, *id;
    } rows[] = {
        {"{}", "s/b"},
        {"{\"backend\":\"avx2\",\"batch\":8}", "s/b/backend=avx2/batch=8"},
        {"{\"z\":1,\"a\":2}", "s/b/z=1/a=2"},
        {"{\"x\":0.1,\"y\":1e300,\"z\":2.5}", "s/b/x=0.1/y=1e+300/z=2.5"},
        {"{\"on\":true,\"off\":false}", "s/b/on=true/off=false"},
        {"{\"path\":\"a/b\",\"more\":\"100%\"}", "s/b/path=a%2Fb/more=100%25"},
        {"{\"odd\":\"\\n\\u001b[1m\\u007f\"}", "s/b/odd=%0A%1B[1m%7F"},
        {"{\"text\":\"two words = one\"}", "s/b/text=two words = one"},
        {"{\"utf8\":\"\\u00fcber\"}", "s/b/utf8=\xc3\xbc" "ber"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *params = read_json(rows[i].params);
        char *id = cells_id("s", "b", params);
        assert_string_equal(id, rows[i].id);
        free(id);
        json_decref(params);
    }
}

static void product_has_the_last_axis_fastest(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *axes = read_json("[[\"a\",[1,2]],[\"b\",[\"x\",\"y\",\"z\"]]]"), *cells = cells_product(axes, &fault);
    static const char *const ids[] = {"s/b/a=1/b=x", "s/b/a=1/b=y", "s/b/a=1/b=z", "s/b/a=2/b=x", "s/b/a=2/b=y", "s/b/a=2/b=z"};
    assert_int_equal(json_array_size(cells), 6);
    for (size_t i = 0; i < 6; i++) {
        char *id = cells_id("s", "b", json_array_get(cells, i));
        assert_string_equal(id, ids[i]);
        free(id);
    }
    json_decref(axes);
    json_decref(cells);
    axes = json_array();
    cells = cells_product(axes, &fault);
    assert_int_equal(json_array_size(cells), 1);
    json_decref(axes);
    json_decref(cells);
}

static void product_is_limited(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *values = json_array(), *axes = json_array();
    for (int i = 0; i < 1000; i++)
        json_array_append_new(values, json_integer(i));
    for (int i = 0; i < 8; i++)  /* 10^24 would wrap */
        json_array_append_new(axes, json_pack("[s,O]", "a", values));
    assert_null(cells_product(axes, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    json_decref(values);
    json_decref(axes);
}

static void order_depends_on_the_seed_alone(void **state)
{
    (void)state;
    size_t a[100], b[100], c[100];
    uint64_t one = 7, same = 7, other = 8;
    for (size_t i = 0; i < 100; i++)
        a[i] = b[i] = c[i] = i;
    order_shuffle(&one, a, 100);
    order_shuffle(&same, b, 100);
    order_shuffle(&other, c, 100);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    bool seen[100] = {0};
    for (size_t i = 0; i < 100; i++)
        seen[a[i]] = true;
    for (size_t i = 0; i < 100; i++)
        assert_true(seen[i]);
}

/* Each of n! = 24 orders of four comes up about equally often: chi squared below the 99.99 % point for 23 degrees, 56. */
static void order_is_fair(void **state)
{
    (void)state;
    enum { TRIALS = 24000 };
    int count[256] = {0};
    uint64_t random = seed_of_test("order_is_fair");
    for (int t = 0; t < TRIALS; t++) {
        size_t x[4] = {0, 1, 2, 3};
        order_shuffle(&random, x, 4);
        count[x[0] | x[1] << 2 | x[2] << 4 | x[3] << 6]++;
    }
    double chi = 0;
    int kinds = 0;
    for (int i = 0; i < 256; i++) {
        if (!count[i])
            continue;
        kinds++;
        chi += (count[i] - 1000.0) * (count[i] - 1000.0) / 1000;
    }
    assert_int_equal(kinds, 24);
    assert_true(chi < 56);
}

static json_t *four_cells(void)
{
    return read_json("[{\"id\":\"s/b/n=1/m=x\",\"params\":{\"n\":1,\"m\":\"x\"},\"tags\":[\"ci\"]},{\"id\":\"s/b/n=2/m=x\",\"params\":{\"n\":2,\"m\":\"x\"},\"tags\":[]},"
                     "{\"id\":\"s/b/n=12/m=y\",\"params\":{\"n\":12,\"m\":\"y\"},\"tags\":[]},{\"id\":\"t/c\",\"params\":{},\"tags\":[\"ci\",\"slow\"]}]");
}

static unsigned selected(const json_t *cells)
{
    unsigned mask = 0;
    for (size_t i = 0; i < json_array_size(cells); i++)
        mask |= (unsigned)json_is_true(json_object_get(json_array_get(cells, i), "selected")) << i;
    return mask;
}

static void selection_by_id_axis_and_tag(void **state)
{
    (void)state;
    static const char *const n1[] = {"n=1"}, *const n1_12[] = {"n=1,12"}, *const both[] = {"n=1,2", "m=x"};
    static const struct row {
        struct select_rule rule;
        unsigned mask;
    } rows[] = {
        {{0}, 15},
        {{.filter = "n=1"}, 1 | 4},
        {{.filter = "n=1/"}, 1},
        {{.filter = "^(t|s/b/n=2)"}, 2 | 8},
        {{.filter = "nothing"}, 0},
        {{.set = n1, .n_set = 1}, 1 | 8},  /* a bench without the axis is not touched by it */
        {{.set = n1_12, .n_set = 1}, 1 | 4 | 8},
        {{.set = both, .n_set = 2, .filter = "s/"}, 1 | 2},
        {{.tag = "ci"}, 1 | 8},
        {{.tag = "ci", .filter = "b"}, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fault fault = {0};
        json_t *cells = four_cells();
        assert_true(select_cells(cells, &rows[i].rule, &fault));
        assert_int_equal(selected(cells), rows[i].mask);
        json_decref(cells);
    }
}

static void wrong_selections_are_named(void **state)
{
    (void)state;
    static const char *const no_axis[] = {"k=1"}, *const no_value[] = {"n=1,3"}, *const no_equals[] = {"n"}, *const empty[] = {"n="};
    static const struct row {
        struct select_rule rule;
        const char *says;
    } rows[] = {
        {{.set = no_axis, .n_set = 1}, "no cell has the axis 'k'"}, {{.set = no_value, .n_set = 1}, "(1,2,12), found '3'"},
        {{.set = no_equals, .n_set = 1}, "AXIS=VALUE"},             {{.set = empty, .n_set = 1}, "AXIS=VALUE"},
        {{.filter = "a(b"}, "POSIX extended"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fault fault = {0};
        json_t *cells = four_cells();
        assert_false(select_cells(cells, &rows[i].rule, &fault));
        assert_int_equal(fault.code, EXIT_CODE_USAGE);
        assert_non_null(strstr(fault.text, rows[i].says));
        json_decref(cells);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_plain_and_unambiguous), cmocka_unit_test(product_has_the_last_axis_fastest), cmocka_unit_test(product_is_limited),
        cmocka_unit_test(order_depends_on_the_seed_alone), cmocka_unit_test(order_is_fair), cmocka_unit_test(selection_by_id_axis_and_tag),
        cmocka_unit_test(wrong_selections_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
