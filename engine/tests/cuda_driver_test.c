/* SPDX-License-Identifier: Apache-2.0
 * The CUDA library's host side without a card: every call to the driver fails in its turn with every kind of error; each gives its typed
 * outcome, nothing crashes, nothing stays open. Also packing, and the choice of launches. */
#include "cuda/choice.h"
#include "cuda/face.h"
#include "cuda/kernels/layout.h"
#include "cuda/pack.h"

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
static void (*stub_multiprocessors)(int);
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
    strcpy(strrchr(stub_path, '/') + 1, "stub_driver.so");
    void *library = dlopen(stub_path, RTLD_NOW);
    assert_non_null(library);
    get(library, "stub_plan", &stub_plan);
    get(library, "stub_card", &stub_card);
    get(library, "stub_multiprocessors", &stub_multiprocessors);
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

static void some_row(const void *data, size_t variant, enum cuda_decode_matrix matrix, size_t n, size_t k, int8_t *trits)
{
    (void)variant;
    (void)matrix;
    zeros(data, n, k, trits);
}

static const float ones[256];
static const struct cuda_decode_spec decode_spec = {.layers = 2, .variants = 1, .width = 128, .heads = 2, .groups = 1, .head = 64, .ffn = 256, .vocabulary = 64,
                                                    .context = 9, .source = some_row, .norms = {ones, ones, ones, ones, ones}, .cosine = ones, .sine = ones};

static enum cuda_outcome use_decode(struct cuda_device *d, enum cuda_decode_fusing fusing, struct cuda_fault *fault)
{
    static float logits[64];
    static uint16_t keys[64 * 9 * 2];
    struct cuda_decode_spec spec = decode_spec;
    struct cuda_decode_view view = {.layers = 1, .logits = logits, .keys = keys};
    struct cuda_decode *decode = NULL;
    double ns;
    spec.fusing = fusing;
    enum cuda_outcome o = cuda_decode_bind(d, &spec, &decode, fault);
    if (!o)
        o = cuda_decode_run(decode, 2, &ns, fault);
    if (!o)
        o = cuda_decode_look(decode, &view, fault);
    cuda_decode_close(decode);
    return o;
}

/* Everything the library does, once, but for the choice between two kinds of decode step, which survives refusals (below). */
static enum cuda_outcome scenario(struct cuda_fault *fault)
{
    struct cuda_device *d = NULL;
    enum cuda_outcome o = cuda_device_open(0, stub_path, &d, fault);
    if (!o)
        o = use_linear(d, 1, true, fault);
    if (!o)
        o = use_linear(d, 40, false, fault);
    if (!o)
        o = use_decode(d, CUDA_DECODE_ALWAYS, fault);
    if (!o)
        o = use_decode(d, CUDA_DECODE_WHOLE, fault);
    for (int kind = 0; kind < CUDA_STRETCHES && !o; kind++)
        o = use_stretch(d, (enum cuda_stretch_kind)kind, kind & 1, fault);
    if (!o)
        assert_int_equal(d->live_bytes, 0);
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
        /* Every call with the code of a broken context, up to where only repetitions follow, every 23rd with the others: which call failed decides little of what follows. */
        for (int call = 1; call <= calls; call += cases[i].code == 700 && call < 1200 ? 1 : 23) {
            struct cuda_fault fault = {0};
            stub_plan(call, cases[i].code);
            enum cuda_outcome o = scenario(&fault);
            if (o != cases[i].outcome || fault.outcome != o || !fault.text[0] || stub_open())
                fail_msg("call %d with code %d: outcome %s (%s), expected %s; %ld things left open", call, cases[i].code, cuda_outcome_name(o), fault.text,
                         cuda_outcome_name(cases[i].outcome), stub_open());
        }
}

/* Binds a decode step on a new card whose call-th call from there gives `code`; calls and bytes that it took, and whether it is one launch. */
struct bound {
    enum cuda_outcome outcome;
    int calls;
    size_t bytes;
    bool is_whole;
};
static struct bound bind_decode(int multiprocessors, int call, int code)
{
    struct cuda_fault fault = {0};
    struct cuda_device *d = NULL;
    struct cuda_decode *decode = NULL;
    struct bound b = {0};
    char why[512];
    double ns;
    stub_plan(0, 0);
    stub_multiprocessors(multiprocessors);
    assert_int_equal(cuda_device_open(0, stub_path, &d, &fault), CUDA_OUTCOME_ok);
    stub_plan(call, code);
    b.outcome = cuda_decode_bind(d, &decode_spec, &decode, &fault);
    b.calls = stub_calls();
    b.bytes = d->live_bytes;
    stub_plan(0, 0);
    if (!b.outcome) {
        assert_int_equal(fault.outcome, CUDA_OUTCOME_ok);
        cuda_decode_why(decode, why, sizeof why);
        b.is_whole = strstr(why, "one launch") != NULL;
        assert_int_equal(cuda_decode_run(decode, 2, &ns, &fault), CUDA_OUTCOME_ok);
    }
    cuda_decode_close(decode);
    assert_int_equal(d->live_bytes, 0);
    cuda_device_close(d);
    stub_multiprocessors(4);
    assert_int_equal(stub_open(), 0);
    return b;
}

/* Too few multiprocessors for the one launch: only the many are bound. With enough, whatever the second bind or the comparison is refused leaves the first. */
static void a_second_step_that_is_refused_leaves_the_first(void **state)
{
    static const struct {
        int code;
        enum cuda_outcome kept; /* of a refusal after the first is bound */
    } cases[] = {{2, CUDA_OUTCOME_ok}, {701, CUDA_OUTCOME_ok}, {720, CUDA_OUTCOME_ok}, {801, CUDA_OUTCOME_ok}, {900, CUDA_OUTCOME_ok}, {700, CUDA_OUTCOME_sticky}, {100, CUDA_OUTCOME_no_device}};
    (void)state;
    stub_card(1, 9);
    struct bound first = bind_decode(3, 0, 0), both = bind_decode(4, 0, 0);
    assert_int_equal(first.outcome, CUDA_OUTCOME_ok);
    assert_int_equal(both.outcome, CUDA_OUTCOME_ok);
    assert_true(both.calls > first.calls + 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int call = first.calls - 20; call <= both.calls; call++) {
            struct bound b = bind_decode(4, call, cases[i].code);
            enum cuda_outcome expected = call > first.calls ? cases[i].kept : cuda_outcome_of(cases[i].code);
            if (b.outcome != expected || b.is_whole || (!expected && b.bytes != first.bytes))
                fail_msg("call %d of %d with code %d: outcome %s, expected %s; one launch: %d; %zu bytes, the first has %zu", call, both.calls, cases[i].code,
                         cuda_outcome_name(b.outcome), cuda_outcome_name(expected), b.is_whole, b.bytes, first.bytes);
        }
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
    stub_plan(1, 2); /* out of memory is not sticky: the next request may succeed */
    assert_int_equal(cuda_take(d, 64, "more", &m, &fault), CUDA_OUTCOME_out_of_memory);
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
                    assert_true(choices[i].row->family != CUDA_GEMM || cards[c].major == 9);
                }
            }
    struct cuda_shape shape = {64, 4, 1, 1};
    assert_int_equal(cuda_choices(&cards[1], &shape, "no_such_kernel", choices, CUDA_CHOICES), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_without_failures), cmocka_unit_test(every_call_fails_in_its_turn), cmocka_unit_test(sticky_stays),
        cmocka_unit_test(a_second_step_that_is_refused_leaves_the_first),
        cmocka_unit_test(a_card_that_never_answers_times_out), cmocka_unit_test(machines_without), cmocka_unit_test(packing_keeps_every_weight),
        cmocka_unit_test(drawing_of_the_layout_holds), cmocka_unit_test(choices_fit_the_card),
    };
    return cmocka_run_group_tests(tests, load_stub, NULL);
}
