/* SPDX-License-Identifier: Apache-2.0
 * The CUDA library's host side without a card: every call to the driver fails in its turn with every kind of error; each gives its typed
 * outcome, nothing crashes, nothing stays open. Also packing, and the choice of launches. */
#include "cuda/choice.h"
#include "cuda/face.h"
#include "cuda/kernels/layout.h"
#include "cuda/pack.h"
#include "cuda/pass.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No kernels are needed here. */
extern const unsigned char cuda_image[];
const unsigned char cuda_image[16] = {0};

static char stub_path[4096];
static void (*stub_plan)(int, int);
static void (*stub_card)(int, int);
static int (*stub_calls)(void);
static long (*stub_open)(void);

static void get(void *library, const char *name, void *to)
{
    void *symbol = dlsym(library, name);
    assert_non_null(symbol);
    memcpy(to, &symbol, sizeof symbol);
}

static int load_stub(void **state)
{
    (void)state;
    ssize_t n = readlink("/proc/self/exe", stub_path, sizeof stub_path - 32);
    assert_true(n > 0);
    stub_path[n] = 0;
    strcpy(strrchr(stub_path, '/') + 1, "stub_cublaslt.so");
    setenv("TERN_CUBLASLT", stub_path, 1);
    strcpy(strrchr(stub_path, '/') + 1, "stub_driver.so");
    void *library = dlopen(stub_path, RTLD_NOW);
    assert_non_null(library);
    get(library, "stub_plan", &stub_plan);
    get(library, "stub_card", &stub_card);
    get(library, "stub_calls", &stub_calls);
    get(library, "stub_open", &stub_open);
    return 0;
}

static void zeros(const void *data, size_t n, size_t k, int8_t *trits)
{
    (void)data;
    memset(trits, (int)(n & 1), k);
}

static enum cuda_outcome use_linear(struct cuda_device *d, size_t batch, bool is_int8, struct cuda_fault *fault)
{
    static const float x[40 * 130];
    static const int8_t x8[40 * 130];
    static float y[40 * 70];
    struct cuda_linear_spec spec = {.n = 70, .k = 130, .batch = batch, .scale = 1, .copies = 2, .x = x, .x8 = is_int8 ? x8 : NULL,
                                    .kernel = batch == 1 ? "stream_8x1" : "gemm_64x1x1x2", .source = zeros};
    struct cuda_linear *l = NULL;
    double ns;
    enum cuda_outcome o = cuda_linear_bind(d, &spec, &l, fault);
    if (!o)
        o = cuda_linear_run(l, 75, &ns, fault);
    if (!o)
        o = cuda_linear_result(l, y, fault);
    cuda_linear_close(l);
    return o;
}

/* The way through cuBLASLt, of which a stub has as much as is used. */
static enum cuda_outcome use_unpacked(struct cuda_device *d, size_t n, struct cuda_fault *fault)
{
    static const int8_t x8[40 * 130];
    static float y[40 * 72];
    struct cuda_linear_spec spec = {.n = n, .k = 5, .batch = 4, .scale = 1, .x8 = x8, .kernel = "unpacked", .source = zeros};
    struct cuda_linear *l = NULL;
    enum cuda_outcome o = cuda_linear_bind(d, &spec, &l, fault);
    if (!o)
        o = cuda_linear_result(l, y, fault);
    cuda_linear_close(l);
    return o;
}

static enum cuda_outcome use_stretch(struct cuda_device *d, enum cuda_stretch_kind kind, bool is_pinned, struct cuda_fault *fault)
{
    struct cuda_stretch_spec spec = {kind, 4096, is_pinned};
    struct cuda_stretch *s = NULL;
    enum cuda_outcome o = cuda_stretch_bind(d, &spec, &s, fault);
    if (!o && kind != CUDA_STRETCH_read)
        o = cuda_stretch_check(s, fault);
    cuda_stretch_close(s);
    return o;
}

static void some_trits(const void *data, size_t layer, enum cuda_matrix matrix, size_t n, size_t k, int8_t *trits)
{
    (void)layer;
    (void)matrix;
    zeros(data, n, k, trits);
}

static struct weight_scale some_scale(const void *data, size_t layer, enum cuda_matrix matrix)
{
    (void)data;
    (void)layer;
    (void)matrix;
    return weight_scale_one(1);
}

static const float *some_norm(const void *data, size_t layer, enum cuda_norm norm)
{
    static const float ones[256];
    (void)data;
    (void)layer;
    (void)norm;
    return ones;
}

static void some_embedding(const void *data, size_t token, float *row)
{
    (void)data;
    memset(row, (int)token, 128 * sizeof *row);
}

static float some_output_row(const void *data, size_t r, int8_t *row)
{
    (void)data;
    memset(row, (int)r, 128);
    return 1;
}

static void some_angles(const void *data, size_t position, float *cosine, float *sine)
{
    (void)data;
    for (size_t i = 0; i < 32; i++)
        cosine[i] = sine[i] = (float)position;
}

static const struct cuda_model_source some = {some_trits, some_scale, some_norm, some_embedding, some_output_row, some_angles};
static const struct cuda_model_spec some_model = {.layers = 2, .width = 128, .heads = 2, .groups = 1, .head = 64, .ffn = 256, .vocabulary = 64, .context = 40, .variants = 1, .source = &some};

static enum cuda_outcome use_session(struct cuda_device *d, enum cuda_cache cache, struct cuda_fault *fault)
{
    static float logits[7 * 64], keys[64 * 128];
    static const uint32_t tokens[7] = {1, 2, 3, 4, 5, 6, 63};
    struct cuda_session_spec spec = {.context = 40, .rows = 4, .cache = cache};
    struct cuda_session_view view = {.rows = 2, .layers = 1, .logits = logits, .keys = keys};
    struct cuda_model_spec model_spec = some_model;
    struct cuda_model *model = NULL;
    struct cuda_session *session = NULL;
    struct cuda_mark marks[40];
    size_t n;
    uint32_t made[5];
    double ns;
    model_spec.resident = cache == CUDA_CACHE_i8; /* 0: as many as fit */
    model_spec.spare = 4096;
    enum cuda_outcome o = cuda_model_open(d, &model_spec, &model, fault);
    if (!o)
        o = cuda_session_bind(model, &spec, &session, fault);
    if (!o)
        o = cuda_session_feed(session, tokens, 7, cache == CUDA_CACHE_i8, logits, fault);
    if (!o)
        o = cuda_session_generate(session, 5, made, &ns, logits, fault);
    if (!o)
        o = cuda_session_rewind(session, 3, fault);
    if (!o)
        o = cuda_session_rehearse(session, 9, 3, fault);
    if (!o)
        o = cuda_session_repeat(session, 2, &ns, fault);
    if (!o)
        o = cuda_session_marks(session, marks, 40, &n, fault);
    if (!o)
        o = cuda_session_look(session, &view, fault);
    cuda_session_close(session);
    cuda_model_close(model);
    return o;
}

/* Everything the library does, once. */
static enum cuda_outcome scenario(struct cuda_fault *fault)
{
    struct cuda_device *d = NULL;
    enum cuda_outcome o = cuda_device_open(0, stub_path, &d, fault);
    if (!o)
        o = use_linear(d, 1, true, fault);
    if (!o)
        o = use_linear(d, 40, false, fault);
    if (!o)
        o = use_unpacked(d, 4, fault);
    if (!o)
        o = use_session(d, CUDA_CACHE_i8, fault);
    if (!o)
        o = use_session(d, CUDA_CACHE_f16, fault);
    for (int i = 0; i < 2 * CUDA_STRETCHES && !o; i++)
        o = use_stretch(d, (enum cuda_stretch_kind)(i / 2), i & 1, fault);
    if (!o)
        assert_int_equal(d->pool.stats.total.live, 0);
    cuda_device_close(d);
    return o;
}

static void works_without_failures(void **state)
{
    (void)state;
    struct cuda_fault fault = {0};
    stub_card(1, 9);
    stub_plan(0, 0);
    enum cuda_outcome o = scenario(&fault);
    if (o)
        fail_msg("%s", fault.text);
    assert_int_equal(stub_open(), 0);
    assert_true(stub_calls() > 300);
}

/* Of how many calls one fails. The thread sanitizer makes a scenario, which has one thread, fifty times as slow. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { EACH = 97, SOME = 97 };
#define IS_SPARSE
#endif
#endif
#ifndef IS_SPARSE
enum { EACH = 1, SOME = 23 };
#endif

static void every_call_fails_in_its_turn(void **state)
{
    static const struct {
        int code;
        enum cuda_outcome outcome;
    } cases[] = {{1, CUDA_OUTCOME_mismatch}, {2, CUDA_OUTCOME_out_of_memory}, {34, CUDA_OUTCOME_no_driver}, {100, CUDA_OUTCOME_no_device}, {209, CUDA_OUTCOME_too_old},
                 {700, CUDA_OUTCOME_sticky}, {702, CUDA_OUTCOME_timeout}, {719, CUDA_OUTCOME_sticky}, {999, CUDA_OUTCOME_sticky}};
    (void)state;
    stub_card(1, 9);
    stub_plan(0, 0);
    assert_int_equal(scenario(NULL), CUDA_OUTCOME_ok);
    int calls = stub_calls();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        /* Each call with the code of a broken context, up to where only repetitions follow, some with the others: which call failed decides little of what follows. */
        for (int call = 1; call <= calls; call += cases[i].code == 700 && call < 1200 ? EACH : SOME) {
            struct cuda_fault fault = {0};
            stub_plan(call, cases[i].code);
            enum cuda_outcome o = scenario(&fault);
            if (o == CUDA_OUTCOME_ok && cases[i].outcome == CUDA_OUTCOME_out_of_memory && !stub_open())
                continue; /* the pool asked once more, pinned memory was done without, fewer layers stayed */
            if (o != cases[i].outcome || fault.outcome != o || !fault.text[0] || stub_open())
                fail_msg("call %d with code %d: outcome %s (%s), expected %s; %ld things left open", call, cases[i].code, cuda_outcome_name(o), fault.text,
                         cuda_outcome_name(cases[i].outcome), stub_open());
        }
}

/* What cannot be fed or made is said before anything is run, and the sequence goes on from where it stood. */
static void a_session_refuses_what_does_not_fit(void **state)
{
    static uint32_t tokens[41], made[40];
    struct cuda_session_spec spec = {.context = 40, .rows = 4, .cache = CUDA_CACHE_f16}, longer = {.context = 41, .rows = 4};
    struct cuda_fault fault = {0};
    struct cuda_device *d = NULL;
    struct cuda_model *model = NULL;
    struct cuda_session *session = NULL;
    (void)state;
    stub_plan(0, 0);
    assert_int_equal(cuda_device_open(0, stub_path, &d, &fault), CUDA_OUTCOME_ok);
    assert_int_equal(cuda_model_open(d, &some_model, &model, &fault), CUDA_OUTCOME_ok);
    assert_int_equal(cuda_session_bind(model, &longer, &session, &fault), CUDA_OUTCOME_mismatch);
    assert_int_equal(cuda_session_bind(model, &spec, &session, &fault), CUDA_OUTCOME_ok);
    assert_int_equal(cuda_session_generate(session, 1, made, NULL, NULL, &fault), CUDA_OUTCOME_mismatch);
    assert_int_equal(cuda_session_feed(session, tokens, 41, false, NULL, &fault), CUDA_OUTCOME_mismatch);
    tokens[2] = 64;
    assert_int_equal(cuda_session_feed(session, tokens, 3, false, NULL, &fault), CUDA_OUTCOME_mismatch);
    assert_non_null(strstr(fault.text, "token 2"));
    assert_int_equal(cuda_session_length(session), 0);
    assert_int_equal(cuda_session_feed(session, tokens, 2, false, NULL, &fault), CUDA_OUTCOME_ok);
    stub_plan(5, 2);
    assert_int_equal(cuda_session_feed(session, tokens, 2, false, NULL, &fault), CUDA_OUTCOME_out_of_memory);
    assert_int_equal(cuda_session_length(session), 2);
    assert_int_equal(cuda_session_generate(session, 40, made, NULL, NULL, &fault), CUDA_OUTCOME_mismatch);
    assert_int_equal(cuda_session_generate(session, 39, made, NULL, NULL, &fault), CUDA_OUTCOME_ok);
    assert_int_equal(cuda_session_length(session), 40);
    cuda_session_close(session);
    cuda_model_close(model);
    assert_int_equal(d->pool.stats.total.live, 0);
    cuda_device_close(d);
    assert_int_equal(stub_open(), 0);
}

static void cublaslt_is_refused_where_it_cannot_be_used(void **state)
{
    struct cuda_fault fault = {0};
    struct cuda_device *d = NULL;
    (void)state;
    stub_plan(0, 0);
    assert_int_equal(cuda_device_open(0, stub_path, &d, &fault), CUDA_OUTCOME_ok);
    assert_int_equal(use_unpacked(d, 6, &fault), CUDA_OUTCOME_mismatch);
    assert_non_null(strstr(fault.text, "multiples of four"));
    const char *library = strdup(getenv("TERN_CUBLASLT"));
    setenv("TERN_CUBLASLT", "libm.so.6", 1);
    assert_int_equal(use_unpacked(d, 4, &fault), CUDA_OUTCOME_mismatch);
    setenv("TERN_CUBLASLT", library, 1);
    free((void *)(uintptr_t)library);
    cuda_device_close(d);
    assert_int_equal(stub_open(), 0);
}

static void sticky_stays(void **state)
{
    (void)state;
    struct cuda_fault fault = {0};
    struct cuda_device *d = NULL;
    struct cuda_memory m = {0, 0};
    stub_plan(0, 0);
    assert_int_equal(cuda_device_open(0, stub_path, &d, &fault), CUDA_OUTCOME_ok);
    assert_int_equal(cuda_try(d, 700, "a kernel", &fault), CUDA_OUTCOME_sticky);
    assert_int_equal(cuda_take(d, 64, "more", &m, &fault), CUDA_OUTCOME_sticky);
    assert_non_null(strstr(fault.text, "a kernel"));
    assert_int_equal(cuda_finish(d, 1, &fault), CUDA_OUTCOME_sticky);
    cuda_device_close(d);
    assert_int_equal(cuda_device_open(0, stub_path, &d, &fault), CUDA_OUTCOME_ok);
    cuda_memory_limit(d, 64); /* out of memory is not sticky: the next request may succeed */
    assert_int_equal(cuda_take(d, 64, "more", &m, &fault), CUDA_OUTCOME_out_of_memory);
    cuda_memory_limit(d, 0);
    assert_int_equal(cuda_take(d, 64, "more", &m, &fault), CUDA_OUTCOME_ok);
    cuda_give(d, &m);
    cuda_device_close(d);
    assert_int_equal(stub_open(), 0);
}

static void a_card_that_never_answers_times_out(void **state)
{
    (void)state;
    struct cuda_fault fault = {0};
    struct cuda_device *d = NULL;
    stub_plan(0, 0);
    assert_int_equal(cuda_device_open(0, stub_path, &d, &fault), CUDA_OUTCOME_ok);
    stub_plan(1, CUDA_NOT_READY_CODE);
    assert_int_equal(cuda_finish(d, 0, &fault), CUDA_OUTCOME_timeout);
    assert_int_equal(cuda_finish(d, 1, &fault), CUDA_OUTCOME_timeout);
    cuda_device_close(d);
}

static void machines_without(void **state)
{
    (void)state;
    struct cuda_fault fault = {0};
    struct cuda_device *d = NULL;
    assert_int_equal(cuda_device_open(0, "/nonexistent/libcuda.so.1", &d, &fault), CUDA_OUTCOME_no_driver);
    assert_int_equal(cuda_device_open(0, "libm.so.6", &d, &fault), CUDA_OUTCOME_too_old);
    assert_non_null(strstr(fault.text, "cuInit"));
    stub_plan(0, 0);
    stub_card(0, 9);
    assert_int_equal(cuda_device_open(0, stub_path, &d, &fault), CUDA_OUTCOME_no_device);
    stub_card(1, 7);
    assert_int_equal(cuda_device_open(0, stub_path, &d, &fault), CUDA_OUTCOME_too_old);
    assert_non_null(strstr(fault.text, "7.0"));
    stub_card(1, 9);
    assert_int_equal(cuda_device_open(1, stub_path, &d, &fault), CUDA_OUTCOME_no_device);
    assert_null(d);
    assert_int_equal(stub_open(), 0);
}

static void packing_keeps_every_weight(void **state)
{
    static const size_t sizes[][2] = {{1, 1}, {16, 128}, {17, 129}, {33, 31}, {65, 300}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i][0], k = sizes[i][1], quads = cuda_pack_quads(k), others = 0;
        uint8_t *packed = calloc(1, cuda_pack_bytes(n, k));
        int8_t *trits = malloc(n * k);
        for (size_t j = 0; j < n * k; j++)
            trits[j] = (int8_t)((int)((j * 2654435761u >> 7) % 3) - 1);
        for (size_t row = 0; row < n; row++)
            cuda_pack_row(packed, quads, row, trits + row * k, k);
        for (size_t row = 0; row < cuda_pack_tiles(n) * CUDA_TILE_ROWS; row++)
            for (size_t column = 0; column < quads * CUDA_QUAD; column++) {
                int expected = row < n && column < k ? trits[row * k + column] : 0;
                others += cuda_pack_at(packed, quads, row, column) != expected;
            }
        assert_int_equal(others, 0);
        free(packed);
        free(trits);
    }
}

static void drawing_of_the_layout_holds(void **state)
{
    /* layout.h: row 8, k 48 + 4 * 2 + 3 is lane 2, word 3, byte 3, field 1. */
    uint8_t packed[CUDA_TILE_BYTES * 4] = {0};
    int8_t trits[60] = {0};
    (void)state;
    trits[48 + 8 + 3] = -1;
    cuda_pack_row(packed, 1, 8, trits, sizeof trits);
    assert_int_equal(packed[2 * 16 + 3 * 4 + 3], 3 << 2);
}

/* 16 bytes a stage, behind what slices swap, 2 bytes a consumer's thread and row of x: sums must not be written over barriers. */
static void barriers_lie_behind_the_exchange(const struct cuda_choice *choice)
{
    const struct cuda_kernel_row *row = choice->row;
    if (row->family == CUDA_GEMM && row->c > 1)
        assert_true(choice->grid.shared_bytes >= (unsigned)(row->b * row->c * 128 * row->a * 2 + 16 * choice->stages));
}

static void choices_fit_the_card(void **state)
{
    static const struct cuda_info cards[] = {{.major = 8, .multiprocessors = 108, .shared_bytes = 166912}, {.major = 9, .multiprocessors = 132, .shared_bytes = 232448},
                                             {.major = 10, .multiprocessors = 148, .shared_bytes = 232448}};
    static const size_t batches[] = {1, 2, 8, 9, 31, 64, 129, 2048}, ks[] = {1, 128, 2560, 14336, 131072};
    struct cuda_choice choices[CUDA_CHOICES];
    (void)state;
    for (size_t c = 0; c < 3; c++)
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
            for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
                struct cuda_shape shape = {1000, cuda_pack_tiles(1000), cuda_pack_quads(ks[k]), batches[b]};
                size_t n = cuda_choices(&cards[c], &shape, NULL, choices, CUDA_CHOICES);
                assert_true(n > 0);
                for (size_t i = 0; i < n; i++) {
                    assert_true(choices[i].grid.shared_bytes <= cards[c].shared_bytes);
                    assert_true(choices[i].grid.threads <= 1024 && choices[i].grid.x > 0);
                    assert_true(choices[i].row->family == CUDA_PORTABLE || cards[c].major >= 9);
                    assert_true((choices[i].row->family != CUDA_GEMM && choices[i].row->family != CUDA_TURNS) || cards[c].major == 9);
                    barriers_lie_behind_the_exchange(&choices[i]);
                }
            }
    struct cuda_shape shape = {64, 4, 1, 1};
    assert_int_equal(cuda_choices(&cards[1], &shape, "no_such_kernel", choices, CUDA_CHOICES), 0);
}

/* All pieces of a block's part of a matrix lie in its ring at once, or the block would wait for room that it holds itself. A card of 132 multiprocessors serves
 * the 2B-4T shape so; a sixth of it (an instance) does not, and nothing is taken of its memory. */
static void a_step_whose_pieces_outgrow_its_ring_is_not_served(void **state)
{
    struct cuda_device device = {.info = {.major = 9, .multiprocessors = 22, .shared_bytes = 232448}};
    struct cuda_model model = {.device = &device, .resident = 30, .spec = {.layers = 30, .width = 2560, .heads = 20, .groups = 5, .head = 128, .ffn = 6912, .context = 512, .ranks = 1}};
    struct cuda_session session = {.device = &device, .model = &model, .spec = {.context = 512, .rows = 1, .sequences = 1, .cache = CUDA_CACHE_f16}, .share = cuda_model_share(&model.spec), .positions = 512, .pitch = 128};
    struct cuda_fault fault = {0};
    (void)state;
    assert_int_equal(cuda_step_open(&session, &fault), CUDA_OUTCOME_ok);
    assert_null(session.one.function);
    assert_int_equal(session.one.words.at, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_without_failures), cmocka_unit_test(every_call_fails_in_its_turn), cmocka_unit_test(sticky_stays), cmocka_unit_test(cublaslt_is_refused_where_it_cannot_be_used),
        cmocka_unit_test(a_session_refuses_what_does_not_fit),
        cmocka_unit_test(a_card_that_never_answers_times_out), cmocka_unit_test(machines_without), cmocka_unit_test(packing_keeps_every_weight),
        cmocka_unit_test(drawing_of_the_layout_holds), cmocka_unit_test(choices_fit_the_card),
        cmocka_unit_test(a_step_whose_pieces_outgrow_its_ring_is_not_served),
    };
    return cmocka_run_group_tests(tests, load_stub, NULL);
}
