/* SPDX-License-Identifier: Apache-2.0
 * The kernel tests as a plain program that needs nothing but the C library: for other architectures, under an emulator. Speaks TAP. */
#include "tests/simd_cases.h"

int main(void)
{
    static const struct {
        const char *name;
        void (*test)(const struct tern_backend *);
    } tests[] = {
        { "products", test_products },     { "long products", test_long_products }, { "quantisation", test_quantizers },
        { "vectors", test_vectors },       { "tables", test_tables }, { "multiply_add", test_multiply_add },
        { "multiply_pairs", test_multiply_pairs }, { "bfloat16", test_bf16 },
    };
    const char *const *names;
    size_t n = 0;
    int bad = 0;
    start_seed();
    if (tern_backends(&names, &n, NULL))
        return 1;
    printf("# backends:");
    for (size_t i = 0; i < n; i++)
        printf(" %s", names[i]);
    printf("\n1..%zu\n", sizeof tests / sizeof *tests);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        int wrong = on_every_backend(tests[i].test);
        printf("%sok %zu - %s\n", wrong ? "not " : "", i + 1, tests[i].name);
        bad |= wrong;
    }
    return bad != 0;
}
