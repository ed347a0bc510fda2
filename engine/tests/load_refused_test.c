/* SPDX-License-Identifier: Apache-2.0
 *
 * A model's load where memory is refused: at the n-th request to the C library for every n, once and for ever, and by a ceiling of
 * the pool at every page it would go above. Each time the load says so, nothing is left behind, and the next one succeeds.
 */
#include "heap.h"
#include "memory/pool.h"
#include "model/layers.h"
#include "model/session.h"
#include "model/synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/ternmark-refused-XXXXXX";

static void make_file(void)
{
    struct tern_synth synth;
    struct tern_error err;
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && tern_synth_named("tiny", &synth));
    FILE *file = fdopen(fd, "wb");
    assert_int_equal(tern_synth_write(&synth, file, NULL, &err), TERN_OK);
    fclose(file);
}

/* Opens all that a runner opens, and closes what was opened. */
static enum tern_status load(void)
{
    struct tern_model *model = NULL;
    struct tern_plan *plan = NULL;
    struct tern_session *session = NULL;
    struct tern_error err;
    enum tern_status status = tern_model_open(path, NULL, &model, &err);
    if (status == TERN_OK)
        status = tern_plan_open(model, &(struct tern_plan_options){.threads = 1}, &plan, &err);
    if (status == TERN_OK)
        status = tern_session_open(plan, NULL, &session, &err);
    if (session)
        tern_session_close(session);
    if (plan)
        tern_plan_close(plan);
    if (model)
        tern_model_close(model);
    return status;
}

static size_t pool_live(void)
{
    struct tern_pool_stats stats;
    tern_pool_stats(NULL, &stats);
    return stats.total.live;
}

static void the_c_library_refuses_the_nth_request(void **state)
{
    (void)state;
    if (!HEAP_IS_COUNTED)
        skip();
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        long n = 0, failed = 1;
        for (; failed; n++) {
            const size_t live = heap.live, blocks = pool_live();
            heap.failed = 0;
            heap.for_ever = for_ever;
            heap.until_failure = n;
            const enum tern_status status = load();
            heap.until_failure = -1;
            failed = heap.failed;
            assert_int_equal(status, failed ? TERN_NO_MEMORY : TERN_OK);
            assert_int_equal(heap.live, live);
            assert_int_equal(pool_live(), blocks);
        }
        print_message("%ld requests refused, %s\n", n - 1, for_ever ? "and all after them" : "one at a time");
        assert_true(n > 5);
        assert_int_equal(load(), TERN_OK);
    }
}

static void the_pool_has_reached_its_ceiling(void **state)
{
    (void)state;
    size_t more = 1;
    for (enum tern_status status = TERN_NO_MEMORY; status != TERN_OK; more++) {
        const size_t live = heap.live, blocks = pool_live();
        tern_pool_trim(NULL);
        tern_pool_limit(NULL, more * 4096);
        status = load();
        tern_pool_limit(NULL, 0);
        assert_true(status == TERN_OK || status == TERN_NO_MEMORY);
        if (HEAP_IS_COUNTED)
            assert_int_equal(heap.live, live);
        assert_int_equal(pool_live(), blocks);
    }
    print_message("refused at each of %zu pages\n", more - 1);
    assert_true(more > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_c_library_refuses_the_nth_request),
        cmocka_unit_test(the_pool_has_reached_its_ceiling),
    };
    make_file();
    const enum tern_status first = load(); /* what is made once for the process */
    const int failed = first == TERN_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    unlink(path);
    return failed;
}
