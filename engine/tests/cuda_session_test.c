/* SPDX-License-Identifier: Apache-2.0
 * Whole models through the CUDA library, its launches run by the emulated card: decode and prompts of a seeded model against the CPU's scalar
 * kernels, for each kind of cache. */
#include "tern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tern_error error;

static void name_beside(const char *variable, const char *file)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    assert_true(n > 0);
    path[n] = 0;
    strcpy(strrchr(path, '/') + 1, file);
    setenv(variable, path, 1);
}

static int use_emulated_card(void **state)
{
    (void)state;
    name_beside("TERN_CUDA_DRIVER", "emulated_driver.so");
    name_beside("TERN_CUDA_LIBRARY", "emulated_cuda.so");
    return 0;
}

static void check(const char *op, const struct tern_param *params, size_t n)
{
    struct tern_op *bound = NULL;
    enum tern_status status = tern_op_bind(op, params, n, &bound, &error);
    if (!status)
        status = tern_op_check(bound, &error);
    if (status)
        fail_msg("%s, cache %s, %s %s: %s", op, params[1].value, params[2].name, params[2].value, error.text);
    tern_op_close(bound);
}

static void decode_has_the_bits_of_the_cpu(void **state)
{
    static const char *const caches[] = {"f32", "f16", "i8"}, *const contexts[] = {"1", "2", "64", "129", "300", "700"};
    (void)state;
    for (size_t c = 0; c < 3; c++)
        for (size_t i = c; i < 6; i += 2) {
            const struct tern_param params[] = {{"model", "tiny"}, {"cache", caches[c]}, {"context", contexts[i]}};
            check("gpu_decode", params, 3);
        }
}

static void prompts_have_the_bits_of_the_cpu(void **state)
{
    static const char *const caches[] = {"f32", "f16", "i8"}, *const cases[][2] = {{"2", "0"}, {"9", "3"}, {"33", "0"}, {"20", "70"}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct tern_param params[] = {{"model", "tiny"}, {"cache", caches[i % 3]}, {"tokens", cases[i][0]}, {"before", cases[i][1]}};
        check("gpu_prefill", params, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_has_the_bits_of_the_cpu), cmocka_unit_test(prompts_have_the_bits_of_the_cpu),
    };
    return cmocka_run_group_tests(tests, use_emulated_card, NULL);
}
