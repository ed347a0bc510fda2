/* SPDX-License-Identifier: Apache-2.0
 *
 * Bind takes memory, run takes none: neither from the C library nor from the pool. Every operation of the CPU that small parameters can
 * bind, and a model's passes: prompts, decoding, several sequences, all logits.
 */
#include "heap.h"
#include "core/op.h"
#include "core/threads.h"
#include "model/session.h"
#include "model/synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PARAMS = 4 };

/* Each with what keeps it small. */
static const struct {
    const char *op;
    struct tern_param params[PARAMS];
} cases[] = {
    {"quantize", {{NULL, NULL}}},
    {"matmul", {{"shape", "100x300"}, {"batch", "3"}}},
    {"bitlinear", {{"shape", "100x300"}, {"batch", "1"}}},
    {"bitlinear", {{"shape", "100x300"}, {"batch", "40"}, {"threads", "2"}}},
    {"peak", {{NULL, NULL}}},
    {"read", {{"bytes", "65536"}}},
    {"layout", {{"rows", "100"}, {"reader", "random"}}},
    {"pack", {{"k", "256"}}},
    {"decode", {{"model", "tiny"}, {"batch", "2"}, {"threads", "2"}}},
    {"prefill", {{"model", "tiny"}, {"tokens", "20"}}},
    {"rms_norm", {{NULL, NULL}}},
    {"gate", {{NULL, NULL}}},
    {"add", {{NULL, NULL}}},
    {"rope", {{NULL, NULL}}},
    {"softmax", {{NULL, NULL}}},
    {"rms_norm_quantize", {{NULL, NULL}}},
    {"gate_quantize", {{NULL, NULL}}},
    {"attention", {{NULL, NULL}}},
    {"logits", {{NULL, NULL}}},
    {"embedding", {{NULL, NULL}}},
    {"stream", {{"shape", "64x64"}}},
};

static size_t count_params(const struct tern_param *params)
{
    size_t n = 0;
    while (n < PARAMS && params[n].name)
        n++;
    return n;
}

static void no_operation_takes_memory_when_it_runs(void **state)
{
    (void)state;
    if (!HEAP_IS_COUNTED)
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tern_op *op = NULL;
        struct tern_error error = {0};
        if (tern_op_bind(cases[i].op, cases[i].params, count_params(cases[i].params), &op, &error) != TERN_OK)
            fail_msg("%s: %s", cases[i].op, error.text);
        tern_op_run(op, 1); /* the team's threads begin with the first run of the process */
        const long asked = heap.asked;
        tern_op_run(op, 3);
        if (heap.asked != asked)
            fail_msg("%s: %ld blocks were asked for in a run", cases[i].op, heap.asked - asked);
        tern_op_close(op);
    }
}

static char path[] = "/tmp/ternmark-run-XXXXXX";

static void make_file(void)
{
    struct tern_synth synth;
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && tern_synth_named("tiny", &synth));
    FILE *file = fdopen(fd, "wb");
    assert_int_equal(tern_synth_write(&synth, file, NULL, NULL), TERN_OK);
    fclose(file);
}

/* More tokens than a pass has rows, all logits wanted; then the last one's; then one at a time. */
static void feed(struct tern_session *session, float *logits)
{
    static const uint32_t tokens[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    assert_int_equal(tern_session_forward(session, &(struct tern_pass){.n = 20, .tokens = tokens, .logits = logits, .every = true}, NULL), TERN_OK);
    assert_int_equal(tern_session_forward(session, &(struct tern_pass){.n = 20, .tokens = tokens, .logits = logits}, NULL), TERN_OK);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(tern_session_forward(session, &(struct tern_pass){.n = 1, .tokens = tokens + i, .logits = logits}, NULL), TERN_OK);
    tern_session_rewind(session, 0, 0);
}

static void no_pass_takes_memory(void **state)
{
    (void)state;
    if (!HEAP_IS_COUNTED)
        skip();
    make_file();
    for (int precision = 0; precision < 2; precision++) {
        struct tern_model *model;
        struct tern_plan *plan;
        struct tern_session *session;
        struct tern_plan_options options = tern_plan_defaults();
        options.precision = precision ? TERN_PRECISION_F32 : TERN_PRECISION_INT8;
        assert_int_equal(tern_model_open(path, NULL, &model, NULL), TERN_OK);
        assert_int_equal(tern_plan_open(model, &options, &plan, NULL), TERN_OK);
        assert_int_equal(tern_session_open(plan, &(struct tern_session_options){.context = 64, .rows = 8}, &session, NULL), TERN_OK);
        float *logits = calloc(20 * (size_t)model->config.vocabulary, sizeof *logits);
        feed(session, logits);
        const long asked = heap.asked;
        feed(session, logits);
        assert_int_equal(heap.asked, asked);
        free(logits);
        tern_session_close(session);
        tern_plan_close(plan);
        tern_model_close(model);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_operation_takes_memory_when_it_runs), cmocka_unit_test(no_pass_takes_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
