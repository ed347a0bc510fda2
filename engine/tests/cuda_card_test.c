/* SPDX-License-Identifier: Apache-2.0
 * The kernels on a real card, where there is one (otherwise skipped with the reason): every row of linear.def at edge shapes against
 * the seeded weights on the CPU, ops around them, and running out of memory. */
#include "tern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tern_error error;

static int find_library(void **state)
{
    static char path[4096];
    (void)state;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 40);
    path[n > 0 ? n : 0] = 0;
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, "../../libtern_cuda.so");
    return setenv("TERN_CUDA_LIBRARY", path, 0);
}

static void need_card(void)
{
    struct tern_gpu card;
    if (tern_gpu(&card, &error)) {
        print_message("# skipped: %s\n", error.text);
        skip();
    }
}

static enum tern_status check(const char *op, const struct tern_param *params, size_t n)
{
    struct tern_op *bound = NULL;
    enum tern_status status = tern_op_bind(op, params, n, &bound, &error);
    if (!status)
        status = tern_op_check(bound, &error);
    if (!status) {
        tern_op_run(bound, 3);
        assert_true(tern_op_elapsed_ns(bound) > 0);
    }
    tern_op_close(bound);
    return status;
}

struct kernel {
    const char *name;
    size_t batch; /* most rows of x; 0: any */
};
static const struct kernel kernels[] = {
#define STREAM(warps, columns) {"stream_" #warps "x" #columns, columns},
#define HELD(warps, quads, tiles) {"held_" #warps "x" #quads "x" #tiles, 1},
#define RING(warps, quads) {"ring_" #warps "x" #quads, 1},
#define GEMM(batch, groups, slices, quads) {"gemm_" #batch "x" #groups "x" #slices "x" #quads, 0},
#define TURNS(batch, groups, quads) {"turns_" #batch "x" #groups "x" #quads, 0},
#define PORTABLE(warps, tiles, columns) {"portable_" #warps "x" #tiles "x" #columns, 0},
#include "cuda/kernels/linear.def"
#undef STREAM
#undef HELD
#undef RING
#undef GEMM
#undef TURNS
#undef PORTABLE
};
enum { N_KERNELS = sizeof kernels / sizeof *kernels };

/* False when there is no such launch. */
static bool try_shape(const char *kernel, size_t n, size_t k, size_t batch)
{
    char shape[64], rows[32];
    snprintf(shape, sizeof shape, "%zux%zu", n, k);
    snprintf(rows, sizeof rows, "%zu", batch);
    const struct tern_param params[] = {{"backend", "cuda"}, {"shape", shape}, {"batch", rows}, {"kernel", kernel}};
    enum tern_status status = check("matmul", params, 4);
    if (status && strstr(error.text, "no kernel"))
        return false;
    if (status)
        fail_msg("%s at %s, batch %zu: %s", kernel, shape, batch, error.text);
    return true;
}

/* Every launch of a kernel; returns how many there are. */
static size_t try_launches(const struct kernel *kernel, size_t n, size_t k, size_t batch)
{
    char name[64];
    size_t launch = 0;
    do
        snprintf(name, sizeof name, "%s/%zu", kernel->name, launch);
    while (try_shape(name, n, k, batch) && ++launch < 32);
    return launch;
}

/* *state: the kernel. */
static void kernel_at_edge_shapes(void **state)
{
    static const size_t ns[] = {1, 31, 32, 33, 63, 65, 127, 129}, ks[] = {1, 31, 32, 33, 127, 129, 255, 257}, batches[] = {1, 2, 7, 8, 9, 15, 17, 31, 33, 63, 65, 127, 129, 255, 257};
    const struct kernel *kernel = *state;
    size_t n = sizeof batches / sizeof *batches, launches = 0, at = (size_t)(kernel - kernels) * n;
    need_card();
    for (size_t b = 0; b < n; b++, at++)
        if (!kernel->batch || batches[b] <= kernel->batch)
            launches += try_launches(kernel, ns[at % 8], ks[at * 3 % 8], batches[b]);
    if (kernel->batch == 1) /* several tiles a block, and stages that come round */
        launches += try_launches(kernel, 20001, 129, 1);
    if (!launches) /* a card of another generation */
        print_message("# %s: no launch on this card\n", kernel->name);
}

/* Rings that go round several times within a tile, and blocks that take many tiles, which no edge shape has. */
static void rings_go_round(void **state)
{
    static const struct {
        size_t n, k, batch;
    } shapes[] = {{129, 4097, 1}, {129, 4097, 9}, {129, 4097, 31}, {129, 4097, 65}, {129, 4097, 257}, {6912, 640, 2048}};
    (void)state;
    need_card();
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t i = 0; i < N_KERNELS; i++)
            if (!kernels[i].batch || shapes[s].batch <= kernels[i].batch)
                try_launches(&kernels[i], shapes[s].n, shapes[s].k, shapes[s].batch);
}

/* Every launch bound anew and run again and again: what a race, or memory that nobody wrote, would spoil now and then. */
static void sums_are_the_same_again(void **state)
{
    (void)state;
    need_card();
    for (size_t again = 0; again < 20; again++)
        for (size_t i = 0; i < N_KERNELS; i++)
            if (!kernels[i].batch || kernels[i].batch >= 31)
                try_launches(&kernels[i], 129, 129, 31);
}

static void real_shapes(void **state)
{
    static const size_t shapes[][2] = {{768, 768}, {2560, 6912}, {6912, 2560}}, batches[] = {1, 8, 32, 128, 512};
    (void)state;
    need_card();
    for (size_t i = 0; i < 3; i++)
        for (size_t b = 0; b < 5; b++)
            try_shape("auto", shapes[i][0], shapes[i][1], batches[b]);
}

static void bitlinear_has_the_bits_of_scalar(void **state)
{
    static const char *const shapes[] = {"1x1", "33x31", "129x257", "768x768", "2560x2560"}, *const batches[] = {"1", "5", "16", "70"};
    (void)state;
    need_card();
    for (size_t i = 0; i < 5; i++)
        for (size_t b = 0; b < 4; b++) {
            const struct tern_param params[] = {{"backend", "cuda"}, {"shape", shapes[i]}, {"batch", batches[b]}};
            if (check("bitlinear", params, 3))
                fail_msg("%s, batch %s: %s", shapes[i], batches[b], error.text);
        }
}

/* cuBLASLt's way gives the same sums, where the library is found. */
static void try_unpacked(size_t n, size_t k, size_t rows)
{
    char shape[64], batch[32];
    snprintf(shape, sizeof shape, "%zux%zu", n, k);
    snprintf(batch, sizeof batch, "%zu", rows);
    const struct tern_param params[] = {{"backend", "cuda"}, {"shape", shape}, {"batch", batch}, {"kernel", "unpacked"}};
    enum tern_status status = check("matmul", params, 4);
    if (status && (strstr(error.text, "libcublasLt") || strstr(error.text, "has no int8")))
        print_message("# %s, batch %s: %s\n", shape, batch, error.text);
    else if (status)
        fail_msg("%s, batch %s: %s", shape, batch, error.text);
}

static void unpacked_products_are_exact(void **state)
{
    static const size_t ns[] = {4, 32, 132}, ks[] = {1, 129, 257}, batches[] = {4, 32, 128};
    (void)state;
    need_card();
    for (size_t i = 0; i < 9; i++)
        try_unpacked(ns[i / 3], ks[i % 3], batches[(i + i / 3) % 3]);
}

static void unpacked_products_of_real_shapes(void **state)
{
    (void)state;
    need_card();
    try_unpacked(2560, 6912, 512);
    try_unpacked(6912, 2560, 512);
}

static void stretches(void **state)
{
    static const char *const kinds[] = {"read", "copy", "up", "down", "both", "staged", "overlap", "launch"};
    (void)state;
    need_card();
    for (size_t i = 0; i < 8; i++)
        for (int pinned = 0; pinned < 2; pinned++) {
            const struct tern_param params[] = {{"kind", kinds[i]}, {"bytes", "1000064"}, {"pinned", pinned ? "1" : "0"}};
            if (check("gpu_stretch", params, 3))
                fail_msg("%s, pinned %d: %s", kinds[i], pinned, error.text);
        }
}

/* *state: the cache's elements. */
static void decode_has_the_bits_of_the_cpu(void **state)
{
    static const char *const contexts[] = {"1", "2", "31", "32", "33", "127", "128", "129"};
    need_card();
    for (size_t i = 0; i < 8; i++) {
        const struct tern_param params[] = {{"model", "tiny"}, {"context", contexts[i]}, {"cache", *state}};
        if (check("gpu_decode", params, 3))
            fail_msg("context %s, cache %s: %s", params[1].value, params[2].value, error.text);
    }
}

static void long_contexts_have_the_bits_of_the_cpu(void **state)
{
    static const char *const caches[] = {"f32", "f16", "i8"};
    (void)state;
    need_card();
    for (size_t i = 0; i < 6; i++) {
        const struct tern_param decode[] = {{"model", "tiny"}, {"context", i % 2 ? "1000" : "300"}, {"cache", caches[i / 2]}};
        const struct tern_param prompt[] = {{"model", "tiny"}, {"tokens", i % 2 ? "300" : "65"}, {"cache", caches[i / 2]}, {"before", "200"}};
        if (check("gpu_decode", decode, 3) || check("gpu_prefill", prompt, 4))
            fail_msg("cache %s: %s", caches[i / 2], error.text);
    }
}

static void several_sequences_have_the_bits_of_the_cpu(void **state)
{
    static const char *const contexts[] = {"1", "33", "129"}, *const sequences[] = {"2", "7", "8", "9", "33"};
    need_card();
    for (size_t i = 0; i < 5; i++) {
        const struct tern_param params[] = {{"model", "tiny"}, {"sequences", sequences[i]}, {"cache", *state}, {"context", contexts[i % 3]}};
        if (check("gpu_decode", params, 4))
            fail_msg("%s sequences, cache %s, context %s: %s", params[1].value, params[2].value, params[3].value, error.text);
    }
}

static void prompts_have_the_bits_of_the_cpu(void **state)
{
    static const char *const befores[] = {"0", "1", "31"}, *const tokens[] = {"2", "7", "8", "9", "31", "32", "33"};
    need_card();
    for (size_t i = 0; i < 7; i++) {
        const struct tern_param params[] = {{"model", "tiny"}, {"tokens", tokens[i]}, {"cache", *state}, {"before", befores[i % 3]}};
        if (check("gpu_prefill", params, 4))
            fail_msg("%s tokens, cache %s, before %s: %s", params[1].value, params[2].value, params[3].value, error.text);
    }
}

static void out_of_memory_is_survived(void **state)
{
    (void)state;
    need_card();
    struct tern_op *held[64] = {0};
    const struct tern_param huge[] = {{"kind", "read"}, {"bytes", "34359738368"}};
    enum tern_status status = TERN_OK;
    size_t n = 0;
    while (n < 64 && !(status = tern_op_bind("gpu_stretch", huge, 2, &held[n], &error)))
        n++;
    assert_int_equal(status, TERN_NO_MEMORY);
    assert_non_null(strstr(error.text, "out_of_memory"));
    while (n--)
        tern_op_close(held[n]);
    try_shape("auto", 129, 257, 3);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    struct tern_op *op = NULL;
    const struct tern_param strange[] = {{"backend", "cuda"}, {"shape", "64x64"}, {"kernel", "no_such"}};
    const struct tern_param tilted[] = {{"backend", "cuda"}, {"slope", "3"}};
    assert_int_equal(tern_op_bind("matmul", tilted, 2, &op, &error), TERN_INVALID);
    assert_non_null(strstr(error.text, "slope"));
    assert_int_equal(tern_op_bind("matmul", strange, 3, &op, &error), TERN_UNSUPPORTED);
    assert_null(op);
}

/* An argument selects tests by name (* and ?), --list names them; each kernel's own is called as the kernel. */
int main(int argc, char **argv)
{
    static char caches[][4] = {"f32", "f16", "i8"};
#define EACH_CACHE(test) {#test "_f32", test, NULL, NULL, caches[0]}, {#test "_f16", test, NULL, NULL, caches[1]}, {#test "_i8", test, NULL, NULL, caches[2]}
    enum { OTHERS = 19 };
    struct CMUnitTest tests[OTHERS + N_KERNELS] = {
        cmocka_unit_test(mistakes_are_named), cmocka_unit_test(real_shapes), cmocka_unit_test(rings_go_round), cmocka_unit_test(sums_are_the_same_again), cmocka_unit_test(bitlinear_has_the_bits_of_scalar),
        cmocka_unit_test(unpacked_products_are_exact), cmocka_unit_test(unpacked_products_of_real_shapes), cmocka_unit_test(stretches), cmocka_unit_test(out_of_memory_is_survived), cmocka_unit_test(long_contexts_have_the_bits_of_the_cpu),
        EACH_CACHE(decode_has_the_bits_of_the_cpu), EACH_CACHE(several_sequences_have_the_bits_of_the_cpu), EACH_CACHE(prompts_have_the_bits_of_the_cpu),
    };
    for (size_t i = 0; i < N_KERNELS; i++)
        tests[OTHERS + i] = (struct CMUnitTest){kernels[i].name, kernel_at_edge_shapes, NULL, NULL, (void *)(uintptr_t)&kernels[i]};
    if (argc > 1 && !strcmp(argv[1], "--list")) {
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
            puts(tests[i].name);
        return 0;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, find_library, NULL);
}
