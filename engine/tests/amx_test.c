/* SPDX-License-Identifier: Apache-2.0
 * The AMX kernels with their tile registers emulated, so that their logic is tested without AMX (it still takes VBMI and GFNI). */
#include "core/cpu.h"
#include "tests/simd_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

void tern_amx_emulated_overlay(struct tern_kernels *); /* amx_emulated.c */
void tern_amx_emulated_pairs_overlay(struct tern_vector_kernels *);
void tern_amx_emulated_roof_overlay(struct tern_roof_kernels *);

static void products(void **state)
{
    static const size_t sizes[][3] = {
        { 64, 128, 4 }, { 64, 128, 16 }, { 32, 128, 32 }, { 65, 130, 17 }, { 100, 300, 33 }, { 96, 1000, 31 }, { 33, 2560, 70 },
        { 128, 191, 9 }, { 200, 64, 12 }, { 15, 700, 20 }, { 768, 768, 8 }, { 1, 256, 5 }, { 130, 512, 64 }, { 70, 192, 32 }, { 200, 193, 24 }, { 64, 256, 3 },
    };
    const struct tern_backend *vnni = NULL;
    struct tern_backend emulated;
    (void)state;
    if (tern_backend_find("avx512vnni", &vnni, NULL) || !tern_cpu_has("avx512vbmi") || !tern_cpu_has("gfni"))
        skip();
    emulated = *vnni;
    emulated.name = "amx, emulated";
    tern_amx_emulated_overlay(&emulated.kernels);
    failures = 0;
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        struct matrices m;
        const size_t *size = sizes[i / 2];
        matrices_open(&m, size[0], size[1], size[2], TERN_STORAGE_2BIT);
        try_product(&emulated, &m, TERN_FEW, (int)(i & 1));
        matrices_close(&m);
    }
    assert_int_equal(failures, 0);
}

/* After one step the first sum of each roof is that of plain loops: tiles of trits, or two-bit weights unpacked on the way. */
static void roofs(void **state)
{
    struct tern_roof_kernels roof = { 0 };
    (void)state;
    if (!tern_cpu_has("avx512vbmi") || !tern_cpu_has("gfni"))
        skip();
    tern_amx_emulated_roof_overlay(&roof);
    for (int place = 0; place < TERN_PEAKS; place++) {
        const struct tern_peak_kernel *peak = &roof.peak[place];
        uint8_t *a = tern_block_open(peak->a + peak->b), *b = a + peak->a;
        int32_t lanes[256], expected = 0;
        for (size_t i = 0; i < peak->a; i++)
            a[i] = (uint8_t)below(256);
        for (size_t i = 0; i < peak->b; i++)
            b[i] = peak->packed ? (uint8_t)(below(3) | below(3) << 2 | below(3) << 4 | below(3) << 6) : (uint8_t)(below(3) - 1);
        for (int k = 0; k < 64; k++)
            expected += (int8_t)a[k] * (peak->packed ? (b[k / 16 * TERN_STEP + k % 4] >> k / 4 % 4 * 2 & 3) - 1 : (int8_t)b[k / 4 * 64 + k % 4]);
        peak->run(1, a, lanes);
        assert_int_equal(lanes[0], expected);
        tern_block_close(a, peak->a + peak->b);
    }
}

static void pairs(void **state)
{
    struct tern_backend emulated = *tern_backend_scalar();
    (void)state;
    emulated.name = "amx, emulated";
    tern_amx_emulated_pairs_overlay(&emulated.kernels.vector);
    failures = 0;
    test_multiply_pairs(&emulated);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(products), cmocka_unit_test(roofs), cmocka_unit_test(pairs) };
    start_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
