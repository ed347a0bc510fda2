/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/simd_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define EVERY_BACKEND(name) \
    static void every_##name(void **state) \
    { \
        (void)state; \
        assert_int_equal(on_every_backend(name), 0); \
    }
EVERY_BACKEND(test_products)
EVERY_BACKEND(test_long_products)
EVERY_BACKEND(test_quantizers)
EVERY_BACKEND(test_vectors)
EVERY_BACKEND(test_tables)
EVERY_BACKEND(test_multiply_add)
EVERY_BACKEND(test_multiply_pairs)
EVERY_BACKEND(test_bf16)

static void softmax_is_right(void **state)
{
    (void)state;
    failures = 0;
    test_softmax_is_right();
    assert_int_equal(failures, 0);
}

static void bf16_is_right(void **state)
{
    (void)state;
    failures = 0;
    test_bf16_is_right();
    assert_int_equal(failures, 0);
}

static void digits(void **state)
{
    (void)state;
    failures = 0;
    test_digits(TERN_STORAGE_BASE3);
    test_digits(TERN_STORAGE_TABLE3);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_test_products), cmocka_unit_test(every_test_long_products), cmocka_unit_test(every_test_quantizers),
        cmocka_unit_test(every_test_vectors),  cmocka_unit_test(every_test_tables), cmocka_unit_test(every_test_multiply_add),        cmocka_unit_test(softmax_is_right),
        cmocka_unit_test(every_test_multiply_pairs), cmocka_unit_test(every_test_bf16), cmocka_unit_test(bf16_is_right), cmocka_unit_test(digits),
    };
    start_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
