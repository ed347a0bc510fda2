/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole forward passes against the double-precision reference, and against themselves: other threads, backends, batches, levels
 * and mixtures of sequences give the same bits.
 */
#include "model/layers.h"
#include "model/session.h"
#include "model/synth.h"
#include "reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct tern_model *make(const struct tern_synth *synth)
{
    char path[] = "/tmp/ternmark-forward-XXXXXX";
    struct tern_error err = {0};
    struct tern_model *model = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "wb");
    if (tern_synth_write(synth, file, NULL, &err) != TERN_OK)
        fail_msg("%s", err.text);
    fclose(file);
    if (tern_model_open(path, NULL, &model, &err) != TERN_OK)
        fail_msg("%s", err.text);
    unlink(path);
    return model;
}

static struct tern_synth tiny(void)
{
    struct tern_synth s;
    assert_true(tern_synth_named("tiny", &s));
    return s;
}

static struct tern_session *open_session(const struct tern_model *model, struct tern_plan_options options, struct tern_session_options sizes)
{
    struct tern_plan *plan;
    struct tern_session *session = NULL;
    struct tern_error err;
    if (tern_plan_open(model, &options, &plan, &err) != TERN_OK || tern_session_open(plan, &sizes, &session, &err) != TERN_OK)
        fail_msg("%s", err.text);
    return session;
}

static void close_session(struct tern_session *s)
{
    struct tern_plan *plan = (struct tern_plan *)(uintptr_t)s->plan;
    tern_session_close(s);
    tern_plan_close(plan);
}

/* Logits of every position of one prompt. */
static float *logits_in(const struct tern_model *model, struct tern_plan_options options, struct tern_session_options sizes, const uint32_t *tokens, size_t n)
{
    struct tern_session *s = open_session(model, options, sizes);
    float *logits = malloc(n * model->config.vocabulary * sizeof *logits);
    uint8_t *wants = malloc(n);
    struct tern_error err;
    memset(wants, 1, n);
    if (tern_session_forward(s, &(struct tern_pass){.n = n, .tokens = tokens, .wants = wants, .logits = logits}, &err) != TERN_OK)
        fail_msg("%s", err.text);
    free(wants);
    close_session(s);
    return logits;
}

/* The prompt goes in pieces of `rows`; 0: at once. */
static float *logits_of(const struct tern_model *model, struct tern_plan_options options, const uint32_t *tokens, size_t n, size_t rows)
{
    return logits_in(model, options, (struct tern_session_options){.context = n, .rows = rows}, tokens, n);
}

/* Root mean square of the difference over the range of the right values. */
static double distance(const float *got, const double *right, size_t n)
{
    double low = right[0], high = right[0], squares = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)got[i] - right[i];
        low = fmin(low, right[i]);
        high = fmax(high, right[i]);
        squares += d * d;
    }
    return sqrt(squares / (double)n) / (high - low);
}

static const uint32_t prompt[] = {1, 77, 300, 5, 5, 639, 0, 123, 456, 42, 17, 300};
enum { N = sizeof prompt / sizeof *prompt };

static struct tern_plan_options f32(void)
{
    struct tern_plan_options o = tern_plan_defaults();
    o.precision = TERN_PRECISION_F32;
    return o;
}

/* Exact logits of a model, and how far those of int8 activations are from them, by the reference alone. */
struct right {
    size_t n;
    double *exact, int8_distance;
};

static struct right right_of(const struct tern_model *model)
{
    struct right r = {.n = N * model->config.vocabulary};
    r.exact = reference_room(r.n);
    double *quantised = reference_room(r.n);
    float *rounded = malloc(r.n * sizeof *rounded);
    reference_forward(model, false, prompt, N, r.exact);
    reference_forward(model, true, prompt, N, quantised);
    for (size_t k = 0; k < r.n; k++)
        rounded[k] = (float)quantised[k];
    r.int8_distance = distance(rounded, r.exact, r.n);
    free(rounded);
    free(quantised);
    return r;
}

static double distance_of(const struct tern_model *model, struct tern_plan_options options, const struct tern_attend_way *way, const struct right *r)
{
    float *got = logits_in(model, options, (struct tern_session_options){.context = N, .attention = way}, prompt, N);
    const double d = distance(got, r->exact, r->n);
    free(got);
    return d;
}

/* f32: nothing is off but the logits' own floats. int8: as far from the exact logits as the int8 reference is, and no more than 15 % further; without
 * rounding the output matrix and the keys, the reference's distance to 5 %. */
static void expect_right(const struct tern_model *model, const char *name)
{
    struct right r = right_of(model);
    struct tern_plan_options plain = tern_plan_defaults();
    plain.output = TERN_OUTPUT_EXACT;
    const double exact = distance_of(model, f32(), NULL, &r), basic = distance_of(model, tern_plan_defaults(), NULL, &r) / r.int8_distance,
                 int8 = distance_of(model, plain, &tern_attend_f32, &r) / r.int8_distance;
    print_message("%s: f32 off by %.1e; int8 reference %.5f, with the output matrix and keys as they are %.3f x, rounded %.3f x\n", name, exact, r.int8_distance, int8, basic);
    if (!(exact <= 1e-8 && int8 >= 0.95 && int8 <= 1.05 && basic <= 1.15))
        fail_msg("%s: off by more than that may be", name);
    free(r.exact);
}

/* Every type of the layers and of the embedding that public tools write, in each architecture, the output matrix tied in every other. */
static void test_against_reference(void **state)
{
    (void)state;
    static const char *const architectures[] = {"bitnet", "bitnet-b1.58", "bitnet-25"};
    static const enum tern_type weights[] = {TERN_TYPE_I2_S, TERN_TYPE_TQ1_0, TERN_TYPE_TQ2_0};
    static const enum tern_type embeddings[] = {TERN_TYPE_F16, TERN_TYPE_Q6_K, TERN_TYPE_Q4_K, TERN_TYPE_F32, TERN_TYPE_BF16, TERN_TYPE_Q8_0};
    char name[96];
    for (size_t e = 0; e < 6; e++) {
        for (size_t w = 0; w < 3; w++) {
            for (size_t a = 0; a < (e < 3 ? 2 : 1); a++) {
                struct tern_synth s = tiny();
                s.architecture = architectures[e < 3 ? a : w];
                s.weights = weights[w];
                s.embedding = embeddings[e];
                s.is_untied = (e + w + a) % 2;
                s.seed = 1 + (e * 3 + w) * 2 + a;
                struct tern_model *model = make(&s);
                snprintf(name, sizeof name, "%s %s %s %s", s.architecture, tern_type_find(s.weights)->name, tern_type_find(s.embedding)->name, s.is_untied ? "own" : "tied");
                expect_right(model, name);
                tern_model_close(model);
            }
        }
    }
}

/* Greedy ids of the float path are those of the reference, unless its two best are closer than 1e-5. */
static void test_greedy(void **state)
{
    (void)state;
    enum { MADE = 12 };
    struct tern_synth s = tiny();
    struct tern_model *model = make(&s);
    uint32_t tokens[4 + MADE] = {9, 200, 31, 600}, made[MADE];
    struct tern_session *session = open_session(model, f32(), (struct tern_session_options){.context = 64});
    size_t vocabulary = model->config.vocabulary;
    float *logits = malloc(vocabulary * sizeof *logits);
    double *right = reference_room((4 + MADE) * vocabulary);
    assert_int_equal(tern_session_forward(session, &(struct tern_pass){.n = 4, .tokens = tokens, .logits = logits}, NULL), TERN_OK);
    assert_int_equal(tern_session_greedy(session, logits, MADE, made, NULL), TERN_OK);
    size_t repeats = 0;
    for (size_t i = 0; i < MADE; i++) {
        const double *row = right + (3 + i) * vocabulary;
        size_t best = 0, second = 1;
        reference_forward(model, false, tokens, 4 + i, right);
        for (size_t k = 1; k < vocabulary; k++) {
            if (row[k] > row[best]) {
                second = best;
                best = k;
            } else if (row[k] > row[second] || second == best) {
                second = k;
            }
        }
        if (made[i] != best && row[best] - row[second] > 1e-5)
            fail_msg("token %zu is %u, not %zu", i, made[i], best);
        repeats += made[i] == tokens[3 + i];
        tokens[4 + i] = made[i];
    }
    assert_true(repeats < MADE / 2); /* the layers have gain: the model does not just say its input again */
    free(logits);
    free(right);
    close_session(session);
    tern_model_close(model);
}

/* Every way to run the same prompt gives the bits of the first. */
/* Weights of a model that comes from memory may be packed twice, for one row and for several: the same products from both. */
static void test_two_weights(void **state)
{
    (void)state;
    enum { ROWS = 5 };
    struct tern_synth synth = tiny();
    struct tern_model *model = make(&synth);
    const struct tern_model_weight *weight = &model->layers[1][TERN_ROLE_ffn_up];
    size_t n = weight->matrix.n_rows, k = weight->matrix.n_columns;
    const char *const *backends;
    size_t n_backends;
    struct tern_error err;
    struct tern_activations a;
    float *right = malloc(ROWS * n * sizeof *right), *got = malloc(ROWS * n * sizeof *got);
    int8_t *x = malloc(ROWS * k);
    for (size_t i = 0; i < ROWS * k; i++)
        x[i] = (int8_t)(i * 37 % 255);
    assert_int_equal(tern_activations_open(&a, ROWS, k, &err), TERN_OK);
    tern_activations_copy(&a, x, 0, ROWS);
    assert_int_equal(tern_backends(&backends, &n_backends, NULL), TERN_OK);
    for (size_t b = 0; b < n_backends; b++) {
        struct tern_matrix_binding how = {.storage = TERN_STORAGE_2BIT, .batch = 1, .threads = 1, .use_int8 = true, .name = "up"};
        struct tern_bound_matrix plain, twice;
        assert_int_equal(tern_backend_find(backends[b], &how.backend, &err), TERN_OK);
        assert_int_equal(tern_bound_matrix_open(weight, &how, &plain, &err), TERN_OK);
        how.storage = TERN_STORAGES;
        how.is_cold = how.has_many = true;
        size_t room = tern_bound_matrix_room(weight, &how);
        how.room = aligned_alloc(64, room);
        assert_int_equal(tern_bound_matrix_open(weight, &how, &twice, &err), TERN_OK);
        assert_int_equal(twice.linear->bytes + (twice.many ? twice.many->bytes : 0), room);
        assert_ptr_equal(twice.linear->w, how.room);
        assert_true((twice.many != NULL) == (twice.linear->storage != TERN_STORAGE_2BIT));
        for (size_t batch = 1; batch <= ROWS; batch += ROWS - 1) {
            tern_bound_matrix_part(&plain, (struct tern_input){NULL, &a}, batch, right, NULL, 0, 1);
            tern_bound_matrix_part(&twice, (struct tern_input){NULL, &a}, batch, got, NULL, 0, 1);
            assert_memory_equal(got, right, batch * n * sizeof *got);
        }
        tern_bound_matrix_close(&plain);
        tern_bound_matrix_close(&twice);
        free(how.room);
    }
    tern_activations_close(&a);
    free(right);
    free(got);
    free(x);
    tern_model_close(model);
}

static void test_same_bits(void **state)
{
    (void)state;
    struct tern_synth s = tiny();
    struct tern_model *model = make(&s);
    size_t bytes = N * model->config.vocabulary * sizeof(float);
    const char *const *backends;
    size_t n_backends;
    assert_int_equal(tern_backends(&backends, &n_backends, NULL), TERN_OK);
    static const struct { enum tern_precision precision; enum tern_output_kind output; } ways[] = {
        {TERN_PRECISION_INT8, TERN_OUTPUT_INT8}, {TERN_PRECISION_INT8, TERN_OUTPUT_INT4}, {TERN_PRECISION_INT8, TERN_OUTPUT_EXACT},
        {TERN_PRECISION_F32, TERN_OUTPUT_EXACT},
    };
    for (size_t way = 0; way < 4; way++) {
        struct tern_plan_options options = tern_plan_defaults();
        options.precision = ways[way].precision;
        options.output = ways[way].output;
        options.backend = "scalar";
        options.threads = 1;
        float *right = logits_of(model, options, prompt, N, 0);
        for (size_t b = 0; b < n_backends; b++) {
            for (int threads = 1; threads < 4; threads++) {
                for (int level = 0; level < (threads == 2 ? TERN_LEVELS : 1); level++) {
                    options.backend = backends[b];
                    options.threads = threads;
                    options.level = (enum tern_level)level;
                    for (size_t rows = 0; rows < 2; rows++) {
                        float *got = logits_of(model, options, prompt, N, rows);
                        if (memcmp(got, right, bytes))
                            fail_msg("backend %s, %d threads, level %d, %s: other bits", backends[b], threads, level, rows ? "one by one" : "at once");
                        free(got);
                    }
                }
            }
        }
        free(right);
    }
    tern_model_close(model);
}

/* One token at a time, in pieces, and mixed with other sequences: each sequence has the logits it has alone. */
static void test_batches(void **state)
{
    (void)state;
    struct tern_synth s = tiny();
    struct tern_model *model = make(&s);
    size_t vocabulary = model->config.vocabulary;
    struct tern_plan_options options = tern_plan_defaults();
    float *alone[3], *logits = malloc(3 * N * vocabulary * sizeof *logits);
    uint32_t prompts[3][N];
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < N; i++)
            prompts[k][i] = (prompt[i] + (uint32_t)k * 101) % 640;
        alone[k] = logits_of(model, options, prompts[k], N, 0);
    }
    struct tern_session *session = open_session(model, options, (struct tern_session_options){.sequences = 3, .context = N, .rows = 7});
    for (size_t i = 0; i < N; i++) { /* decode: one token of each */
        uint32_t tokens[3] = {prompts[0][i], prompts[1][i], prompts[2][i]}, sequences[3] = {0, 1, 2};
        assert_int_equal(tern_session_forward(session, &(struct tern_pass){3, tokens, sequences, (uint8_t[]){1, 1, 1}, logits, false}, NULL), TERN_OK);
        for (size_t k = 0; k < 3; k++)
            assert_memory_equal(logits + k * vocabulary, alone[k] + i * vocabulary, vocabulary * sizeof(float));
    }
    for (size_t k = 0; k < 3; k++)
        tern_session_rewind(session, k, 0);
    uint32_t tokens[3 * N], sequences[3 * N];
    uint8_t wants[3 * N];
    memset(wants, 1, sizeof wants);
    for (size_t i = 0; i < 3 * N; i++) { /* prefill: all mixed, in pieces of seven */
        sequences[i] = (uint32_t)(i % 3);
        tokens[i] = prompts[i % 3][i / 3];
    }
    assert_int_equal(tern_session_forward(session, &(struct tern_pass){3 * N, tokens, sequences, wants, logits, false}, NULL), TERN_OK);
    for (size_t i = 0; i < 3 * N; i++)
        assert_memory_equal(logits + i * vocabulary, alone[i % 3] + i / 3 * vocabulary, vocabulary * sizeof(float));
    for (size_t k = 0; k < 3; k++)
        free(alone[k]);
    free(logits);
    close_session(session);
    tern_model_close(model);
}

static void test_refused(void **state)
{
    (void)state;
    struct tern_synth s = tiny();
    struct tern_model *model = make(&s);
    struct tern_error err;
    struct tern_plan *plan;
    struct tern_session *session;
    assert_int_equal(tern_plan_open(model, NULL, &plan, &err), TERN_OK);
    assert_int_equal(tern_session_open(plan, &(struct tern_session_options){.context = 100000}, &session, &err), TERN_INVALID);
    assert_int_equal(tern_session_open(plan, &(struct tern_session_options){.context = 4, .sequences = SIZE_MAX / 8}, &session, &err),
                     TERN_NO_MEMORY);
    assert_int_equal(tern_session_open(plan, &(struct tern_session_options){.context = 4}, &session, &err), TERN_OK);
    uint32_t tokens[] = {1, 2, 3, 640, 5};
    assert_int_equal(tern_session_forward(session, &(struct tern_pass){.n = 4, .tokens = tokens}, &err), TERN_INVALID);
    tokens[3] = 4;
    assert_int_equal(tern_session_forward(session, &(struct tern_pass){.n = 5, .tokens = tokens}, &err), TERN_INVALID);
    assert_int_equal(tern_session_forward(session, &(struct tern_pass){.n = 1, .tokens = tokens, .sequences = (uint32_t[]){1}}, &err), TERN_INVALID);
    assert_int_equal(session->lengths[0], 0);
    assert_int_equal(tern_session_forward(session, &(struct tern_pass){.n = 4, .tokens = tokens}, &err), TERN_OK);
    assert_int_equal(session->lengths[0], 4);
    tern_session_close(session);
    tern_plan_close(plan);
    struct tern_plan_options options = tern_plan_defaults();
    options.backend = "nonsense";
    assert_int_equal(tern_plan_open(model, &options, &plan, &err), TERN_INVALID);
    tern_model_close(model);
}

static void test_explained(void **state)
{
    (void)state;
    char text[4096];
    struct tern_synth s = tiny();
    struct tern_model *model = make(&s);
    struct tern_plan *plan;
    struct tern_plan_options options = tern_plan_defaults();
    assert_true(tern_preset_named("optimized_for_speed", &options) && options.batch == 64 && options.level == TERN_LEVEL_AGGRESSIVE);
    assert_int_equal(tern_plan_open(model, &options, &plan, NULL), TERN_OK);
    assert_true(tern_plan_explain(plan, text, sizeof text) < sizeof text);
    assert_non_null(strstr(text, "int4"));
    assert_non_null(strstr(text, "layout of the layers, read in sequence: packed as "));
    assert_non_null(strstr(text, "layout of keys and values, read in strides: blocked"));
    assert_non_null(strstr(text, "layout of the embedding, read at random: the file's rows"));
    assert_true(plan->output.error > 0.01 && plan->output.error < 0.15);
    assert_true(tern_levels_explain(text, sizeof text) < sizeof text);
    assert_non_null(strstr(text, "optimized_for_memory: level none, batch 8"));
    tern_plan_close(plan);
    tern_model_close(model);
}

static void test_parts(void **state)
{
    (void)state;
    float cosine[4], sine[4], gate[2] = {0, 2};
    tern_layer_angles(3, 10000, 8, cosine, sine);
    for (int i = 0; i < 4; i++)
        assert_true(fabs((double)cosine[i] - cos(3 * pow(0.1, i))) < 1e-7 && fabs((double)sine[i] - sin(3 * pow(0.1, i))) < 1e-7);
    tern_layer_silu(gate, (float[]){5, 3}, 2);
    assert_true(gate[0] == 0 && fabs((double)gate[1] - 6 / (1 + exp(-2))) < 1e-6);
    assert_int_equal(tern_layer_largest((float[]){1, 3, 3, 2}, 4), 1);
    assert_int_equal(tern_layer_largest((float[]){NAN, -5, NAN}, 3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_against_reference), cmocka_unit_test(test_greedy), cmocka_unit_test(test_two_weights), cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_batches), cmocka_unit_test(test_refused),           cmocka_unit_test(test_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
