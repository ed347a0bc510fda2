/* SPDX-License-Identifier: Apache-2.0
 *
 * Synthetic models' files: what a killed writer left beside one goes when it is made again.
 */
#include "model/synth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* An empty file named as a writer of that number names what it has not finished. */
static char *leave(const char *path, pid_t writer)
{
    char *name;
    assert_true(asprintf(&name, "%s.%ld.tmp", path, (long)writer) > 0);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fclose(file);
    return name;
}

static pid_t dead_process(void)
{
    const pid_t child = fork();
    if (!child)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return child;
}

static void a_killed_writers_file_goes_and_a_live_ones_stays(void **state)
{
    (void)state;
    char folder[] = "/tmp/ternmark-synth-XXXXXX", path[64], other[64], hash[80];
    struct tern_synth tiny;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.gguf", folder);
    snprintf(other, sizeof other, "%s/n.gguf", folder);
    snprintf(hash, sizeof hash, "%s.sha256", path);
    char *dead = leave(path, dead_process()), *live = leave(path, getppid()), *of_other = leave(other, dead_process());
    assert_true(tern_synth_named("tiny", &tiny));
    assert_int_equal(tern_synth_save(&tiny, path, NULL), TERN_OK);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(access(live, F_OK), 0);
    assert_int_equal(access(of_other, F_OK), 0);
    const char *const made[] = {path, hash, live, of_other, folder};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        assert_int_equal(remove(made[i]), 0);
    free(dead);
    free(live);
    free(of_other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_killed_writers_file_goes_and_a_live_ones_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
