/* SPDX-License-Identifier: Apache-2.0
 * Operations through the public interface: every one binds, runs, checks and says its work, on every backend; what is wrong is refused by
 * name; results do not depend on threads. */
#include "core/error.h"
#include "core/linear.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "format/weights.h"
#include "tern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PARAMS = 12 };

struct bound {
    struct tern_op *op;
    struct tern_error error;
    enum tern_status status;
};

/* "name=value name=value" */
static struct bound bind(const char *op, const char *backend, const char *text)
{
    struct bound b = { 0 };
    struct tern_param params[PARAMS] = { { "backend", backend } };
    char room[256], *save = NULL;
    size_t n = backend ? 1 : 0;
    snprintf(room, sizeof room, "%s", text);
    for (char *word = strtok_r(room, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');
        *value++ = 0;
        params[n++] = (struct tern_param){ word, value };
    }
    b.status = tern_op_bind(op, params, n, &b.op, &b.error);
    return b;
}

static const char *const cells[][2] = {
    { "quantize", "k=100 batch=3" },
    { "quantize", "k=768 batch=40 threads=3" },
    { "matmul", "shape=100x333 batch=9 threads=2" },
    { "matmul", "shape=1x1" },
    { "matmul", "shape=64x256 batch=20 format=base3" },
    { "matmul", "shape=130x70 batch=5 format=int8 density=0.05" },
    { "matmul", "shape=130x70 batch=5 format=table3" },
    { "matmul", "shape=130x701 batch=5 format=planes density=0.05 threads=2" },
    { "matmul", "shape=70x1000 format=planes density=1 cold=1" },
    { "bitlinear", "shape=100x333 batch=64 threads=2" },
    { "bitlinear", "shape=100x333 batch=520 threads=2" },
    { "bitlinear", "shape=768x768" },
    { "bitlinear", "shape=768x768 bare=1 threads=1 batch=2" },
    { "bitlinear", "shape=100x333 batch=33 threads=3" },
    { "bitlinear", "shape=200x1000 batch=4 format=base3 threads=2" },
    { "bitlinear", "shape=0x10 batch=2" },
    { "bitlinear", "shape=16x16 batch=0" },
    { "peak", "threads=2 steps=100" },
    { "read", "bytes=1048576 threads=2 ahead=512" },
    { "read", "bytes=65536 passes=3" },
    { "read", "bytes=65536 threads=2 ahead=auto" },
    { "rms_norm", "n=100 batch=3" },
    { "gate", "n=100 batch=3" },
    { "add", "n=33" },
    { "rope", "n=128 batch=2" },
    { "softmax", "n=777" },
    { "rms_norm_quantize", "n=100 batch=3 threads=2" },
    { "rms_norm_quantize", "n=100 batch=3 fused=0" },
    { "gate_quantize", "n=2560" },
    { "gate_quantize", "n=65 batch=7 fused=0" },
    { "attention", "context=40 heads=4 groups=2 d=64 threads=2" },
    { "attention", "context=40 tokens=7 heads=4 groups=4 d=32 type=int8" },
    { "attention", "context=20 tokens=20 heads=3 groups=1 d=16 type=f32" },
    { "logits", "vocabulary=1000 d=256" },
    { "logits", "vocabulary=1000 d=100 type=int8 threads=2" },
    { "logits", "vocabulary=100 d=33 type=f32" },
    { "embedding", "vocabulary=100 d=64" },
    { "embedding", "vocabulary=100 d=64 type=int8" },
    { "embedding", "vocabulary=100 d=64 type=f32" },
};

static void every_op_on_every_backend(void **state)
{
    const char *const *names;
    size_t n;
    (void)state;
    assert_int_equal(tern_backends(&names, &n, NULL), TERN_OK);
    for (size_t f = 0; tern_weight_format_at(f); f++)
        for (int way = 0; way < 3; way++) {
            static const char *const ways[] = { "pack", "unpack", "bind" };
            char text[64];
            snprintf(text, sizeof text, "format=%s way=%s k=512", tern_weight_format_at(f)->name, ways[way]);
            struct bound b = bind("pack", NULL, text);
            if (b.status || tern_op_check(b.op, &b.error))
                fail_msg("pack %s: %s", text, b.error.text);
            tern_op_close(b.op);
        }
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
            struct bound b = bind(cells[c][0], names[i], cells[c][1]);
            struct tern_work work = { -1, -1, -1 };
            if (b.status)
                fail_msg("%s %s on %s: %s", cells[c][0], cells[c][1], names[i], b.error.text);
            if (tern_op_check(b.op, &b.error))
                fail_msg("%s %s on %s: %s", cells[c][0], cells[c][1], names[i], b.error.text);
            tern_op_run(b.op, 3);
            tern_op_work(b.op, &work);
            assert_true(work.ops >= 0 && work.bytes >= 0 && work.items >= 0);
            assert_string_equal(tern_op_backend(b.op), names[i]);
            assert_true(strlen(tern_op_why(b.op)) > 0);
            tern_op_close(b.op);
        }
    tern_quiesce();
}

/* Each reader finds the words of its tensor in every layout, also where rows end within a line and slices within a row. */
static void every_layout_serves_every_reader(void **state)
{
    static const char *const readers[] = { "sequential", "strided", "random" }, *const layouts[] = { "rows", "prefetch", "blocked", "packed", "auto" };
    static const char *const shapes[][3] = { { "1", "8", "8" }, { "33", "1000", "128" }, { "70", "64", "200" }, { "300", "2600", "24" } };
    (void)state;
    for (size_t r = 0; r < 3; r++)
        for (size_t l = 0; l < 5; l++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                const struct tern_param params[] = { { "reader", readers[r] }, { "layout", layouts[l] }, { "rows", shapes[s][0] }, { "row", shapes[s][1] },
                                                     { "slice", shapes[s][2] } };
                struct tern_error error;
                struct tern_op *op;
                char why[256];
                assert_int_equal(tern_op_bind("layout", params, 5, &op, &error), TERN_OK);
                assert_int_equal(tern_op_check(op, &error), TERN_OK);
                tern_op_run(op, 3);
                assert_int_equal(tern_op_check(op, &error), TERN_OK);
                assert_int_equal(tern_op_explain("layout", params, 5, why, sizeof why, &error), TERN_OK);
                assert_string_equal(why, tern_op_why(op));
                tern_op_close(op);
            }
    struct tern_op *op;
    assert_int_equal(tern_op_bind("layout", &(struct tern_param){ "row", "12" }, 1, &op, NULL), TERN_INVALID);
    assert_int_equal(tern_op_bind("layout", &(struct tern_param){ "layout", "other" }, 1, &op, NULL), TERN_INVALID);
}

static void a_plain_loop_is_right(void **state)
{
    static const char *const shapes[] = { "shape=100x333 batch=3", "shape=1x1", "shape=0x5 batch=2", "shape=16x16 batch=0" };
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct bound b = bind("plain", NULL, shapes[i]);
        if (b.status || tern_op_check(b.op, &b.error))
            fail_msg("plain %s: %s", shapes[i], b.error.text);
        tern_op_close(b.op);
    }
}

/* All threads come, and serial work before a region is not counted. */
static void regions_of_every_kind(void **state)
{
    static const char *const kinds[] = { "kind=team", "kind=team-barrier threads=3", "kind=openmp idle=100", "kind=openmp-barrier", "kind=condvar idle=10" };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct bound b = bind("region", NULL, kinds[i]);
        struct tern_work work;
        if (b.status || tern_op_check(b.op, &b.error))
            fail_msg("region %s: %s", kinds[i], b.error.text);
        tern_op_run(b.op, 2);
        tern_op_work(b.op, &work);
        assert_true(work.items >= 1);
        assert_int_equal(strstr(kinds[i], "idle") != NULL, tern_op_elapsed_ns(b.op) > 0);
        tern_op_close(b.op);
    }
    struct bound b = bind("region", NULL, "kind=nonsense");
    assert_int_equal(b.status, TERN_INVALID);
    tern_quiesce();
}

/* Before a bind and after it the same choice is told. */
static void choices_are_told_beforehand(void **state)
{
    static const struct tern_param params[][3] = {
        { { "shape", "768x768" }, { "batch", "1" }, { "threads", "2" } },
        { { "shape", "100x300" }, { "batch", "32" }, { "format", "base3" } },
        { { "shape", "64x128" }, { "cold", "1" }, { "backend", "avx2" } },
    };
    struct tern_error error;
    char why[256];
    (void)state;
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        struct tern_op *op;
        if (tern_op_bind("bitlinear", params[i], 3, &op, &error))
            continue; /* a backend that is not here */
        assert_int_equal(tern_op_explain("bitlinear", params[i], 3, why, sizeof why, &error), TERN_OK);
        assert_string_equal(why, tern_op_why(op));
        tern_op_close(op);
    }
    assert_int_equal(tern_op_explain("bitlinear", params[0], 3, why, 8, &error), TERN_OK);
    assert_int_equal(strlen(why), 7);
    assert_int_equal(tern_op_explain("quantize", NULL, 0, why, sizeof why, &error), TERN_UNSUPPORTED);
    assert_int_equal(tern_op_explain("nonsense", NULL, 0, why, sizeof why, &error), TERN_INVALID);
    assert_int_equal(tern_op_explain("matmul", &(struct tern_param){ "shape", "12" }, 1, why, sizeof why, &error), TERN_INVALID);
}

static void what_is_wrong_is_refused_by_name(void **state)
{
    static const struct {
        const char *op, *backend, *params, *says;
        enum tern_status status;
    } bad[] = {
        { "nonsense", NULL, "", "nonsense", TERN_INVALID },
        { "bitlinear", NULL, "batsh=1", "batsh", TERN_INVALID },
        { "bitlinear", NULL, "batch=-1", "batch", TERN_INVALID },
        { "bitlinear", NULL, "batch=1.5", "batch", TERN_INVALID },
        { "bitlinear", NULL, "shape=12", "shape", TERN_INVALID },
        { "bitlinear", NULL, "shape=12x13x14", "shape", TERN_INVALID },
        { "bitlinear", NULL, "shape=16x300000", "300000", TERN_INVALID },
        { "bitlinear", NULL, "format=4bit", "4bit", TERN_INVALID },
        { "bitlinear", NULL, "density=2", "density", TERN_INVALID },
        { "bitlinear", NULL, "cold=maybe", "cold", TERN_INVALID },
        { "bitlinear", NULL, "threads=0", "threads", TERN_INVALID },
        { "bitlinear", "mmx", "", "mmx", TERN_INVALID },
        { "peak", "scalar", "from=l2", "l2", TERN_UNSUPPORTED },
        { "read", NULL, "passes=2", "even", TERN_INVALID },
        { "pack", NULL, "format=tq2_0 k=100", "tq2_0", TERN_INVALID },
        { "pack", NULL, "format=none", "none", TERN_INVALID },
        { "attention", NULL, "heads=5 groups=2", "divide", TERN_INVALID },
        { "attention", NULL, "type=f8", "f8", TERN_INVALID },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bound b = bind(bad[i].op, bad[i].backend, bad[i].params);
        assert_int_equal(b.status, bad[i].status);
        assert_null(b.op);
        if (!strstr(b.error.text, bad[i].says))
            fail_msg("\"%s\" does not name %s", b.error.text, bad[i].says);
    }
}

/* A shape of one number ends with its text: what lies behind the text is not a second number. */
static void a_shape_ends_with_its_text(void **state)
{
    static const char value[] = "12\0" "16";
    struct tern_param params[] = { { "shape", value } };
    struct tern_op *op = NULL;
    struct tern_error error;
    (void)state;
    assert_int_equal(tern_op_bind("bitlinear", params, 1, &op, &error), TERN_INVALID);
    assert_null(op);
    assert_non_null(strstr(error.text, "shape"));
}

static void backend_is_forced_or_refused(void **state)
{
    const char *const *names;
    size_t n;
    struct tern_error error;
    (void)state;
    setenv("TERN_BACKEND", "scalar", 1);
    assert_int_equal(tern_backends(&names, &n, &error), TERN_OK);
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "scalar");
    struct bound b = bind("matmul", "auto", "shape=8x8");
    assert_int_equal(b.status, TERN_OK);
    assert_string_equal(tern_op_backend(b.op), "scalar");
    tern_op_close(b.op);
    setenv("TERN_BACKEND", "altivec", 1);
    assert_int_equal(tern_backends(&names, &n, &error), TERN_INVALID);
    assert_non_null(strstr(error.text, "altivec"));
#if defined(__x86_64__)
    setenv("TERN_BACKEND", "neon", 1);
#else
    setenv("TERN_BACKEND", "avx2", 1);
#endif
    assert_int_equal(tern_backends(&names, &n, &error), TERN_UNSUPPORTED);
    assert_non_null(strstr(error.text, "needs"));
    assert_int_equal(bind("matmul", "scalar", "shape=8x8").status, TERN_UNSUPPORTED);
    unsetenv("TERN_BACKEND");
}

/* ---- layers */

static void seeded(const void *data, size_t n, size_t k, int8_t *trits)
{
    (void)data;
    tern_random_trits(tern_random_start(5, 1, n), 0.5, trits, k);
}

struct job {
    struct tern_linear *l;
    struct tern_activations a;
    float *y, *x;
    size_t batch;
    bool floats;
};

static void part(void *data, int id, int n)
{
    struct job *j = data;
    if (j->floats)
        tern_linear_part_float(j->l, j->x, j->batch, j->y, id, n);
    else
        tern_linear_part(j->l, &j->a, j->batch, 0, j->y, id, n);
}

static void threads_change_no_bit(void **state)
{
    enum { N = 333, K = 500, B = 5 };
    const struct tern_backend *backend = NULL;
    struct tern_linear_spec spec = { .n = N, .k = K, .scale = 0.5f, .storage = TERN_STORAGES, .source = seeded };
    struct job j = { .batch = B };
    static float x[B * K], one[B * N], many[B * N];
    int8_t row[K], made[K];
    (void)state;
    assert_int_equal(tern_backend_find(NULL, &backend, NULL), TERN_OK);
    assert_int_equal(tern_linear_bind(backend, &spec, &j.l, NULL), TERN_OK);
    assert_int_equal(tern_activations_open(&j.a, B, K, NULL), TERN_OK);
    tern_random_floats(3, 2.0f, x, B * K);
    tern_activations_fill(&j.a, &backend->kernels, x, 0, B);
    j.x = x;
    for (int floats = 0; floats < 2; floats++) {
        j.floats = floats;
        j.y = one;
        tern_team_run(1, part, &j);
        for (int threads = 2; threads <= 7; threads++) {
            memset(many, 0xff, sizeof many);
            j.y = many;
            tern_team_run(threads, part, &j);
            assert_memory_equal(one, many, sizeof one);
        }
    }
    for (size_t n = 0; n < N; n += 37) {
        tern_linear_row(j.l, n, row);
        seeded(NULL, n, K, made);
        assert_memory_equal(row, made, K);
    }
    tern_activations_close(&j.a);
    tern_linear_close(j.l);
    tern_linear_close(NULL);
}

static void formats_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; tern_weight_format_at(i); i++) {
        const struct tern_weight_format *f = tern_weight_format_at(i);
        for (size_t k = f->block; k < 1500; k += f->block < 64 ? 37 * f->block : f->block) {
            int8_t trits[1600], back[1600];
            uint8_t packed[2048];
            tern_random_trits(k, 0.5, trits, k);
            assert_true(tern_weight_row_bytes(f, k) <= sizeof packed);
            f->pack(trits, k, packed);
            f->unpack(packed, k, back);
            assert_memory_equal(trits, back, k);
        }
        assert_ptr_equal(tern_weight_format_find(f->name), f);
    }
    assert_null(tern_weight_format_find("3bit"));
    /* The code that no trit has reads as 0, through every reader of two bits. */
    int8_t four[4];
    uint8_t all_threes = 0xff;
    tern_weight_format_find("2bit")->unpack(&all_threes, 4, four);
    for (int i = 0; i < 4; i++)
        assert_int_equal(four[i], 0);
}

/* ---- threads */

static _Atomic int met[8], after_barrier, wrong;

static void meet(void *data, int id, int n)
{
    (void)data;
    for (int round = 1; round <= 50; round++) {
        atomic_fetch_add(&met[id], 1);
        tern_team_barrier(n);
        for (int i = 0; i < n; i++)
            if (atomic_load(&met[i]) < round)
                atomic_store(&wrong, 1);
        tern_team_barrier(n);
    }
    atomic_fetch_add(&after_barrier, 1);
}

static _Atomic int seen[8];

static void once(void *data, int id, int n)
{
    (void)data, (void)n;
    atomic_fetch_add(&seen[id], 1);
}

static void inner(void *data, int id, int n)
{
    (void)id, (void)n;
    tern_team_run(3, once, data); /* the team is taken: all parts run here, or as one */
}

static void every_part_runs_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 8; n++)
        for (int round = 0; round < 200; round++) {
            memset(seen, 0, sizeof seen);
            tern_team_run(n, once, NULL);
            for (int i = 0; i < 8; i++)
                assert_int_equal(seen[i], i < n);
            if (round % 50 == 0)
                tern_quiesce();
        }
    tern_team_run_together(4, meet, NULL);
    assert_int_equal(after_barrier, 4);
    assert_int_equal(wrong, 0);
    tern_team_run(2, inner, NULL);
    assert_true(tern_threads() >= 1);
}

static void shares_cover(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++)
        for (int parts = 1; parts < 9; parts++) {
            size_t next = 0, from, to;
            for (int id = 0; id < parts; id++, next = to) {
                tern_share(n, id, parts, &from, &to);
                assert_int_equal(from, next);
                assert_true(to - from <= n / (size_t)parts + 1);
            }
            assert_int_equal(next, n);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_on_every_backend), cmocka_unit_test(what_is_wrong_is_refused_by_name),
        cmocka_unit_test(a_shape_ends_with_its_text), cmocka_unit_test(choices_are_told_beforehand), cmocka_unit_test(regions_of_every_kind), cmocka_unit_test(a_plain_loop_is_right), cmocka_unit_test(every_layout_serves_every_reader),
        cmocka_unit_test(backend_is_forced_or_refused), cmocka_unit_test(threads_change_no_bit), cmocka_unit_test(formats_come_back),
        cmocka_unit_test(every_part_runs_once), cmocka_unit_test(shares_cover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
