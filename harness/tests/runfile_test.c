/* SPDX-License-Identifier: Apache-2.0 */
#include "sample_run.h"

#include "seed.h"
#include "store/canonical.h"
#include "store/durable.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/runfile_test.XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/run.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* The sample with its first `find` replaced; free() it. */
static char *changed(const char *find, const char *put)
{
    const char *at = strstr(sample_text, find);
    char *text = malloc(sizeof sample_text + strlen(put));
    assert_non_null(at);
    assert_non_null(text);
    sprintf(text, "%.*s%s%s", (int)(at - sample_text), sample_text, put, at + strlen(find));
    return text;
}

static void parse_text(const char *text, const char *expected)
{
    struct fault fault = {0};
    json_t *run = runfile_parse(text, strlen(text), "f.json", &fault);
    if (run)
        fail_msg("accepted; expected a fault with '%s'", expected);
    if (fault.code != EXIT_CODE_INVALID || !strstr(fault.text, expected) || strncmp(fault.text, "f.json: ", 8) != 0)
        fail_msg("expected exit 5 and '%s', found exit %d and '%s'", expected, fault.code, fault.text);
}

static void accepts_the_sample_and_gives_it_back(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *run = sample_run();
    assert_true(runfile_save(path, run, &fault));
    json_t *again = runfile_load(path, &fault);
    if (!again)
        fail_msg("%s", fault.text);
    assert_true(json_equal(run, again));
    json_decref(run);
    json_decref(again);
}

static void refuses_each_broken_rule_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *find, *put, *expected;
    } rows[] = {
        {"\"schema\":1", "\"schema\":2", "schema: expected version 1, found 2"},
        {"\"schema\":1", "\"schema\":1.0", "schema: expected an integer"},
        {"\"schema\":1,", "", "schema: missing"},
        {"\"kind\":\"gate\"", "\"kind\":\"party\"", "kind: expected run, gate or baseline"},
        {"\"kind\":\"gate\"", "\"kind\":\"run\"", "gate: unknown key"},
        {"\"kind\":\"gate\"", "\"kind\":\"baseline\"", "gate: unknown key"},
        {"\"complete\":true", "\"complete\":1", "complete: expected true or false, found an integer"},
        {"\"exit\":1", "\"exit\":1,\"extra\":1", "extra: unknown key"},
        {"\"exit\":1", "\"exit\":1,\"exit\":1", "a key stands twice"},
        {"\"exit\":1,", "", "exit: missing"},
        {"0b9f3a54-5e0c-4f6e", "0b9f3a54-5e0c-1f6e", "run_id: expected a UUID version 4"},
        {"2026-11-23T02:38:35Z", "2026-11-23 02:38:35", "started_at: expected a time"},
        {"\"dirty\":false", "\"dirty\":null", "git.dirty: expected true or false, found null"},
        {"\"commit\":\"81a9", "\"commit\":\"xyz", "git.commit: expected a commit"},
        {"\"cores\":2", "\"cores\":[2]", "hardware.fields.cores: expected a string, number or bool, found an array"},
        {"\"fit\":true", "\"fit\":\"yes\"", "fitness.fit"},
        {"\"reasons\":[]", "\"reasons\":[1]", "fitness.reasons[0]: expected a string"},
        {"1199.25]", "NaN]", "line 1"},
        {"1199.25]", "1e999]", "out of range"},
        {"1199.25]", "0]", "cells[0].runs[0].samples_ns[0][2]: expected a number above 0"},
        {"1199.25]", "-3]", "cells[0].runs[0].samples_ns[0][2]: expected a number above 0"},
        {"1199.25]", "\"1\"]", "cells[0].runs[0].samples_ns[0][2]: expected a number, found a string"},
        {"[1000,1000]", "[1000]", "cells[0].runs[0].iterations: expected one per generation (2), found 1"},
        {"\"bench\":\"bitlinear\"", "\"bench\":\"other\"", "cells[0].id: expected to begin with suite and bench"},
        {"\"status\":\"ok\"", "\"status\":\"fine\"", "cells[0].status: expected a status"},
        {"\"mad\":3.5,", "", "cells[0].summary.mad: missing"},
        {"\"unit\":\"ns\"", "\"units\":\"ns\"", "cells[0].metrics.time_p99.units: unknown key"},
        {"\"absent\":", "\"why\":", "cells[0].metrics.energy: expected {value, unit}, {value, unit, series} or {absent}"},
        {"\"ops\":1e6", "\"ops\":-1", "cells[0].work.ops: expected a number not below 0"},
        {"\"base\":\"sha256:ba", "\"base\":\"sha256:BA", "cells[0].paired.builds.base: expected sha256:"},
        {"[\"base\",\"head\",\"base2\"]", "[\"base\",\"head\",\"tail\"]", "cells[0].paired.rounds[0].order[2]: expected base, base2 or head"},
        {"[\"base\",\"head\",\"base2\"]", "[\"base\",\"head\",\"base\"]", "cells[0].paired.rounds[0].order: a lane stands twice"},
        {"[\"base\",\"head\",\"base2\"]", "[\"base\",\"head\"]", "cells[0].paired.rounds[0].ns: expected one per lane"},
        {"\"verdict\":\"regression\"", "\"verdict\":\"bad\"", "cells[0].verdicts[0].verdict: expected a verdict"},
        {"\"low\":1.08", "\"low\":1.2", "cells[0].verdicts[0].low: expected not above high"},
        {"\"against\":\"paired\"", "\"against\":\"luck\"", "cells[0].verdicts[0].against"},
        {"\"id\":\"bitlinear/bitlinear/backend=amx/batch=8\"", "\"id\":\"bitlinear/bitlinear/backend=avx2/batch=8\"", "cells: [1].id: this id stands there twice"},
        {"\"mode\":\"paired\"", "\"mode\":\"triple\"", "gate.mode: expected a mode of the gate"},
        {"\"strict\":false,", "", "gate.strict: missing"},
        {SAMPLE_CHECKSUM, "sha256:12", "checksum: expected sha256: and 64 hex digits"},
        {"\"exit\":1", "\"exit\":0", "checksum: does not fit the content"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = changed(rows[i].find, rows[i].put);
        parse_text(text, rows[i].expected);
        free(text);
    }
}

static void refuses_each_cut_and_each_foreign_value(void **state)
{
    (void)state;
    static const char *const values[] = {"", " ", "null", "[]", "{}", "1", "\"text\"", "{\"schema\":1}", "{\"schema\":1,\"kind\":\"run\"}", "\xff", "{\"a\":\"\\u0000\"}"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        parse_text(values[i], "");
    for (size_t n = 0; n < sizeof sample_text - 1; n += 7) {
        struct fault fault = {0};
        assert_null(runfile_parse(sample_text, n, "f.json", &fault));
        assert_int_equal(fault.code, EXIT_CODE_INVALID);
    }
}

static void never_crashes_on_damage(void **state)
{
    (void)state;
    char *text = strdup(sample_text);
    uint64_t random = seed_of_test("runfile_test");
    size_t accepted = 0;
    for (int i = 0; i < 5000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t at = (size_t)(random >> 33) % (sizeof sample_text - 1);
        char old = text[at];
        text[at] = (char)(random >> 20);
        struct fault fault = {0};
        json_t *run = runfile_parse(text, sizeof sample_text - 1, "f.json", &fault);
        accepted += run != NULL;
        json_decref(run);
        text[at] = old;
    }
    free(text);
    assert_int_equal(accepted, 0); /* the checksum there is of zeros */
}

static void says_which_code_for_which_file(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum exit_code code;
    } rows[] = {{"/nowhere/run.json", EXIT_CODE_USAGE}, {"/tmp", EXIT_CODE_INVALID}, {"/dev/zero", EXIT_CODE_INVALID}, {"/dev/null", EXIT_CODE_INVALID}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fault fault = {0};
        assert_null(runfile_load(rows[i].path, &fault));
        assert_int_equal(fault.code, rows[i].code);
        assert_true(strstr(fault.text, rows[i].path) == fault.text);
    }
}

static void never_quotes_a_foreign_file(void **state)
{
    (void)state;
    static const char secret[] = "hunter2-token\n";
    char where[96];
    snprintf(where, sizeof where, "%s/secret", folder);
    FILE *out = fopen(where, "w");
    fwrite(secret, 1, sizeof secret - 1, out);
    fclose(out);
    struct fault fault = {0};
    assert_null(runfile_load(where, &fault));
    assert_null(strstr(fault.text, "hunter2"));
    parse_text("{\"schema\":1,\"kind\":\"hunter2\"}", "kind: expected run, gate or baseline");
}

static void names_in_faults_are_escaped(void **state)
{
    (void)state;
    parse_text("{\"schema\":1,\"kind\":\"run\",\"a\\u001b[31mb\\u202e\":1}", "a\\x1b[31mb\\u{202e}: unknown key");
}

/* What Python's json.dumps(…, sort_keys=True, separators=(",", ":")) prints for these. */
static void canonical_text_is_what_python_prints(void **state)
{
    (void)state;
    static const char in[] = "{\"b\":[1,-0.0,0.1,1e16,1e15,123456789.125,1e-4,1.5e-5,5e-324,1.7976931348623157e308,-2.5],\"a\":{\"z\":null,\"\xc3\xa4\":true},"
                             "\"t\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\x7f\xe2\x82\xac\xf0\x9f\x98\x80/\"}";
    static const char expected[] = "{\"a\":{\"z\":null,\"\\u00e4\":true},\"b\":[1,-0.0,0.1,1e+16,1000000000000000.0,123456789.125,0.0001,1.5e-05,5e-324,1.7976931348623157e+308,-2.5],"
                                   "\"t\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\\u007f\\u20ac\\ud83d\\ude00/\"}";
    char *text = NULL;
    size_t n = 0;
    json_t *value = json_loads(in, 0, NULL);
    FILE *out = open_memstream(&text, &n);
    assert_true(canonical_print(value, canonical_to_file, out));
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

static void canonical_reals_read_back(void **state)
{
    (void)state;
    uint64_t random = seed_of_test("canonical reals");
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        double value;
        char text[CANONICAL_REAL];
        memcpy(&value, &random, sizeof value);
        if (!(value - value == 0))
            continue;
        canonical_real(value, text);
        assert_true(strtod(text, NULL) == value);
        assert_non_null(strpbrk(text, ".e"));
    }
}

static void saves_nothing_that_breaks_a_rule(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *run = sample_run();
    assert_true(runfile_save(path, run, &fault));
    json_object_set_new(run, "exit", json_string("one"));
    assert_false(runfile_save(path, run, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    assert_non_null(strstr(fault.text, "exit: expected an integer"));
    json_decref(run);
    run = runfile_load(path, &fault);
    assert_non_null(run);
    json_decref(run);
}

static void a_failed_save_leaves_the_old_file(void **state)
{
    (void)state;
    struct fault fault = {0};
    json_t *run = sample_run();
    assert_true(runfile_save(path, run, &fault));
    json_object_set_new(run, "exit", json_integer(0));
    assert_false(runfile_save("/nowhere/at/all.json", run, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    pid_t child = fork();
    if (child == 0) { /* no file may grow beyond 1 KiB in the child */
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){1024, 1024});
        _exit(runfile_save(path, run, &fault) ? 1 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    json_decref(run);
    run = runfile_load(path, &fault);
    assert_non_null(run);
    assert_int_equal(json_integer_value(json_object_get(run, "exit")), 1);
    json_decref(run);
}

static void save_for_ever(void)
{
    json_t *run = sample_run();
    for (int i = 0;; i = !i) {
        json_object_set_new(run, "exit", json_integer(i));
        struct fault fault = {0};
        if (!runfile_save(path, run, &fault))
            _exit(1);
    }
}

static void a_kill_leaves_the_old_or_the_new_file(void **state)
{
    (void)state;
    struct fault fault = {0};
    uint64_t random = seed_of_test("kills");
    json_t *run = sample_run();
    assert_true(runfile_save(path, run, &fault));
    json_decref(run);
    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        if (child == 0)
            save_for_ever();
        random = random * 6364136223846793005u + 1442695040888963407u;
        usleep((useconds_t)(500 + (random >> 33) % 6000));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        run = runfile_load(path, &fault);
        if (!run)
            fail_msg("kill %d: %s", i, fault.text);
        json_decref(run);
    }
}

static void devices_are_written_not_replaced(void **state)
{
    (void)state;
    struct stat info;
    struct fault fault = {0};
    assert_false(durable_write("/dev/full", "x", 1, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    assert_int_equal(stat("/dev/full", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    assert_true(durable_write("/dev/null", "x", 1, &fault));
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
}

static void durable_check_touches_nothing(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_true(durable_write(path, "old", 3, &fault));
    assert_true(durable_check(path, &fault));
    assert_false(durable_check(folder, &fault));
    assert_false(durable_check("/nowhere/f", &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    char bytes[8] = "";
    FILE *in = fopen(path, "r");
    assert_int_equal(fread(bytes, 1, sizeof bytes, in), 3);
    fclose(in);
    assert_string_equal(bytes, "old");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_sample_and_gives_it_back),
        cmocka_unit_test(refuses_each_broken_rule_by_name),
        cmocka_unit_test(refuses_each_cut_and_each_foreign_value),
        cmocka_unit_test(never_crashes_on_damage),
        cmocka_unit_test(says_which_code_for_which_file),
        cmocka_unit_test(never_quotes_a_foreign_file),
        cmocka_unit_test(names_in_faults_are_escaped),
        cmocka_unit_test(canonical_text_is_what_python_prints),
        cmocka_unit_test(canonical_reals_read_back),
        cmocka_unit_test(saves_nothing_that_breaks_a_rule),
        cmocka_unit_test(a_failed_save_leaves_the_old_file),
        cmocka_unit_test(a_kill_leaves_the_old_or_the_new_file),
        cmocka_unit_test(durable_check_touches_nothing),
        cmocka_unit_test(devices_are_written_not_replaced),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
