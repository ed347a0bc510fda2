/* SPDX-License-Identifier: Apache-2.0
 * Whole models through the CUDA library, its launches run by the emulated card: decode and prompts of a seeded model against the CPU's scalar
 * kernels, for each kind of cache; a model file through a runner, on the card and on the CPU. */
#include "core/accelerator.h"
#include "model/gpu_seeded.h"
#include "tern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>
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
    name_beside("TERN_NCCL", "stub_nccl.so");
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

static void several_sequences_have_the_bits_of_the_cpu(void **state)
{
    static const char *const caches[] = {"f32", "f16", "i8"}, *const cases[][2] = {{"1", "3"}, {"130", "2"}, {"5", "9"}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct tern_param params[] = {{"model", "tiny"}, {"cache", caches[i]}, {"context", cases[i][0]}, {"sequences", cases[i][1]}};
        check("gpu_decode", params, 4);
    }
}

/* Prompts of their own lengths, then steps of all: each sequence makes the tokens that it makes alone. */
static void sequences_decoded_together_do_not_mix(void **state)
{
    enum { SEQUENCES = 3, STEPS = 4 };
    static const uint32_t tokens[] = {3, 141, 59, 26, 535, 89, 79};
    const struct cuda_session_spec together = {.context = 12, .rows = 4, .sequences = SEQUENCES, .cache = CUDA_CACHE_f16}, alone = {.context = 12, .rows = 4, .cache = CUDA_CACHE_f16};
    struct tern_accelerator on;
    struct tern_gpu_seeded seeded;
    struct cuda_model *model = NULL;
    struct cuda_session *all = NULL, *one = NULL;
    uint32_t made[SEQUENCES * STEPS], expected[STEPS];
    (void)state;
    assert_int_equal(tern_accelerator_open(&on, &error), TERN_OK);
    assert_int_equal(tern_gpu_seeded_open(1, 5, &seeded, &error), TERN_OK);
    seeded.spec.context = 12;
    assert_int_equal(on.face->model_open(on.device, &seeded.spec, &model, NULL), CUDA_OUTCOME_ok);
    assert_int_equal(on.face->session_bind(model, &together, &all, NULL), CUDA_OUTCOME_ok);
    assert_int_equal(on.face->session_generate_all(all, STEPS, made, NULL, NULL), CUDA_OUTCOME_mismatch); /* nothing was fed */
    for (size_t i = SEQUENCES; i--;) {
        assert_int_equal(on.face->session_choose(all, i, NULL), CUDA_OUTCOME_ok);
        assert_int_equal(on.face->session_feed(all, tokens + i, 7 - 2 * i, false, NULL, NULL), CUDA_OUTCOME_ok);
    }
    assert_int_equal(on.face->session_choose(all, SEQUENCES, NULL), CUDA_OUTCOME_mismatch);
    assert_int_equal(on.face->session_generate(all, STEPS, made, NULL, NULL, NULL), CUDA_OUTCOME_mismatch);
    assert_int_equal(on.face->session_generate_all(all, STEPS, made, NULL, NULL), CUDA_OUTCOME_ok);
    for (size_t i = 0; i < SEQUENCES; i++) {
        assert_int_equal(on.face->session_bind(model, &alone, &one, NULL), CUDA_OUTCOME_ok);
        assert_int_equal(on.face->session_feed(one, tokens + i, 7 - 2 * i, false, NULL, NULL), CUDA_OUTCOME_ok);
        assert_int_equal(on.face->session_generate(one, STEPS, expected, NULL, NULL, NULL), CUDA_OUTCOME_ok);
        assert_memory_equal(made + i * STEPS, expected, sizeof expected);
        on.face->session_close(one);
    }
    assert_true(memcmp(made, made + STEPS, sizeof expected)); /* they are not all the same */
    on.face->session_close(all);
    on.face->model_close(model);
    tern_gpu_seeded_close(&seeded);
}

/* A decode step's stages in their order, each with its moments in theirs; where there is no room for all of them, none. */
static void a_step_says_when_its_launches_ran(void **state)
{
    const struct tern_param params[] = {{"model", "tiny"}, {"cache", "f16"}, {"context", "5"}};
    struct tern_op *op = NULL;
    struct tern_gpu_mark marks[40];
    size_t n = 0;
    (void)state;
    assert_int_equal(tern_op_bind("gpu_decode", params, 3, &op, &error), TERN_OK);
    assert_int_equal(tern_gpu_marks(op, marks, 40, &n, &error), TERN_OK);
    assert_int_equal(n, 2 * 5 + 2);
    assert_string_equal(marks[0].name, "q, k, v");
    assert_string_equal(marks[6].name, "attention");
    assert_int_equal(marks[6].layer, 1);
    assert_string_equal(marks[n - 1].name, "output");
    for (size_t i = 0; i < n; i++)
        assert_true((i == 0 || marks[i].begin_ns > 0) && marks[i].ready_ns > marks[i].begin_ns && marks[i].end_ns > marks[i].ready_ns);
    assert_true(marks[0].norm_ns > marks[0].ready_ns && marks[1].norm_ns <= 0);
    assert_int_equal(tern_gpu_marks(op, marks, 3, &n, &error), TERN_OK);
    assert_int_equal(n, 2);
    assert_string_equal(marks[0].name, "output norm");
    tern_op_close(op);
}

/* Layers that come from the host while others are computed. */
static void a_model_larger_than_the_card_has_the_same_bits(void **state)
{
    (void)state;
    const struct tern_param decode[] = {{"model", "tiny"}, {"cache", "f16"}, {"context", "40"}, {"resident", "1"}};
    const struct tern_param prompt[] = {{"model", "tiny"}, {"cache", "f32"}, {"tokens", "5"}, {"resident", "1"}};
    check("gpu_decode", decode, 4);
    check("gpu_prefill", prompt, 4);
}

/* ---- several cards: two, or three parts of a model of two groups are too many */

static void one_model_over_two_cards_has_the_tokens_of_one(void **state)
{
    const struct tern_param split[] = {{"model", "tiny"}, {"way", "split"}, {"tokens", "7"}, {"steps", "3"}, {"cards", "2"}};
    (void)state;
    check("gpu_multi", split, 5);
}

static void cards_that_are_not_there_are_said(void **state)
{
    const struct tern_param three[] = {{"model", "tiny"}, {"way", "split"}, {"cards", "3"}};
    struct tern_op *op = NULL;
    (void)state;
    assert_int_equal(tern_op_bind("gpu_multi", three, 3, &op, &error), TERN_UNSUPPORTED);
    assert_non_null(strstr(error.text, "the driver sees 2"));
}

static void a_gather_that_fails_is_said(void **state)
{
    const struct tern_param split[] = {{"model", "tiny"}, {"way", "split"}, {"tokens", "2"}, {"steps", "1"}, {"cards", "2"}};
    struct tern_op *op = NULL;
    (void)state;
    assert_int_equal(tern_op_bind("gpu_multi", split, 5, &op, &error), TERN_OK);
    setenv("STUB_NCCL_FAIL", "6", 1);
    assert_int_equal(tern_op_check(op, &error), TERN_UNSUPPORTED);
    assert_non_null(strstr(error.text, "NCCL"));
    unsetenv("STUB_NCCL_FAIL");
    assert_int_equal(tern_op_check(op, &error), TERN_OK);
    tern_op_close(op);
}

static void replicas_make_the_tokens_of_one(void **state)
{
    const struct tern_param replicas[] = {{"model", "tiny"}, {"way", "replicas"}, {"tokens", "4"}, {"steps", "2"}, {"cards", "1"}}; /* the emulated card has one thread */
    (void)state;
    check("gpu_multi", replicas, 5);
}

/* ---- files */

static const char *make_model(const char *weights)
{
    static char path[64];
    strcpy(path, "/tmp/tern-session-XXXXXX");
    const struct tern_param params[] = {{"like", "tiny"}, {"weights", weights}};
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    if (tern_model_make(path, params, 2, &error))
        fail_msg("%s", error.text);
    return path;
}

static void remove_model(const char *path)
{
    char hash[64];
    snprintf(hash, sizeof hash, "%s.sha256", path);
    unlink(path);
    unlink(hash);
}

enum { PROMPT = 11, MADE = 6, VOCABULARY = 640 };

/* Logits of each token of a prompt in two pieces, then tokens made after it. */
static void use_runner(const char *path, const struct tern_param *params, size_t n, float *logits, uint32_t *made)
{
    static const uint32_t prompt[PROMPT] = {7, 639, 0, 7, 100, 200, 300, 301, 302, 17, 5};
    struct tern_runner *runner = NULL;
    char text[2048];
    enum tern_status status = tern_runner_open(path, params, n, &runner, &error);
    if (!status)
        status = tern_runner_feed(runner, prompt, 9, 1, logits, &error);
    if (!status)
        status = tern_runner_feed(runner, prompt + 9, PROMPT - 9, 1, logits + 9 * VOCABULARY, &error);
    if (!status)
        status = tern_runner_greedy(runner, MADE, made, &error);
    if (status)
        fail_msg("%s", error.text);
    assert_int_equal(tern_runner_vocabulary(runner), VOCABULARY);
    assert_true(tern_runner_explain(runner, text, sizeof text) > 20);
    assert_int_equal(tern_runner_feed(runner, (const uint32_t[]){VOCABULARY}, 1, 0, NULL, &error), TERN_INVALID);
    tern_runner_close(runner);
}

/* The same file on the CPU and on the card: with a cache of floats the same bits, with a smaller one the same within what it rounds. */
static void a_file_gives_the_bits_of_the_cpu(void **state)
{
    static float cpu[PROMPT * VOCABULARY], card[PROMPT * VOCABULARY];
    static const struct tern_param on_cpu[] = {{"output", "int8"}, {"context", "64"}, {"cache", "f32"}};
    static const char *const weights[] = {"I2_S", "TQ2_0"}, *const caches[] = {"f32", "f16"};
    uint32_t cpu_made[MADE], card_made[MADE];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct tern_param on_card[] = {{"backend", "cuda"}, {"context", "64"}, {"cache", caches[i]}, {"rows", "4"}};
        const char *path = make_model(weights[i]);
        double error_sum = 0, sum = 0;
        use_runner(path, on_cpu, 3, cpu, cpu_made);
        use_runner(path, on_card, 4, card, card_made);
        for (size_t n = 0; n < PROMPT * VOCABULARY; n++) {
            if (i == 0 && memcmp(&cpu[n], &card[n], sizeof *cpu))
                fail_msg("logit %zu of token %zu is %.9g, on the CPU %.9g", n % VOCABULARY, n / VOCABULARY, (double)card[n], (double)cpu[n]);
            error_sum += (double)(cpu[n] - card[n]) * (double)(cpu[n] - card[n]);
            sum += (double)cpu[n] * (double)cpu[n];
        }
        if (error_sum > 0.1 * 0.1 * sum) /* a rounded half moves some int8 activations by one step, 1/127, and this model has gain */
            fail_msg("cache %s: logits are off by %g", caches[i], sqrt(error_sum / sum));
        if (i == 0)
            assert_memory_equal(cpu_made, card_made, sizeof cpu_made);
        remove_model(path);
    }
}

/* Half of the models on the card: whole budget and hits are those of one list, whatever lies where. */
static void tensors_of_card_and_cpu_share_a_budget(void **state)
{
    static const char *const models[] = {"0", "4", "8"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct tern_param params[] = {{"bytes", "4096"}, {"budget", "50"}, {"card", models[i]}};
        struct tern_op *op = NULL;
        struct tern_observed seen[16];
        assert_int_equal(tern_op_bind("cache", params, 3, &op, &error), TERN_OK);
        if (tern_op_check(op, &error))
            fail_msg("%s models on the card: %s", models[i], error.text);
        const size_t n = tern_op_observe(op, seen, 16);
        double resident = 0, card = 0;
        for (size_t k = 0; k < n; k++) {
            resident = strcmp(seen[k].name, "resident_bytes") ? resident : seen[k].value;
            card = strcmp(seen[k].name, "card_bytes") ? card : seen[k].value;
        }
        assert_true(resident == 120 * 4096);
        assert_true(i == 0 ? card == 0 : i == 1 ? card > 0 && card < resident : card == resident);
        tern_op_close(op);
    }
}

static void what_the_card_does_not_serve_is_said(void **state)
{
    static const struct tern_param cases[][2] = {{{"backend", "cuda"}, {"activations", "f32"}}, {{"backend", "cuda"}, {"output", "int4"}}, {{"backend", "cuda"}, {"sequences", "2"}},
                                                 {{"backend", "scalar"}, {"cache", "f16"}}};
    const char *path = make_model("I2_S");
    struct tern_runner *runner = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(tern_runner_open(path, cases[i], 2, &runner, &error), TERN_UNSUPPORTED);
        assert_null(runner);
    }
    remove_model(path);
}

/* An argument selects tests by name (* and ?). */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_has_the_bits_of_the_cpu), cmocka_unit_test(prompts_have_the_bits_of_the_cpu), cmocka_unit_test(several_sequences_have_the_bits_of_the_cpu),
        cmocka_unit_test(sequences_decoded_together_do_not_mix),
        cmocka_unit_test(a_step_says_when_its_launches_ran), cmocka_unit_test(a_model_larger_than_the_card_has_the_same_bits), cmocka_unit_test(one_model_over_two_cards_has_the_tokens_of_one),
        cmocka_unit_test(cards_that_are_not_there_are_said), cmocka_unit_test(a_gather_that_fails_is_said), cmocka_unit_test(replicas_make_the_tokens_of_one),
        cmocka_unit_test(a_file_gives_the_bits_of_the_cpu), cmocka_unit_test(tensors_of_card_and_cpu_share_a_budget),
        cmocka_unit_test(what_the_card_does_not_serve_is_said),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, use_emulated_card, NULL);
}
