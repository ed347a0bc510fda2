/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers, from the outside: this program starts itself as one (main asks worker_is_child first), with suites written here.
 */
#include "measure/clock.h"
#include "measure/sampling.h"
#include "measure/session.h"
#include "measure/stream.h"
#include "measure/worker.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/worker_test_XXXXXX";

/* Writes a suite and starts a worker on it. */
static struct worker *start_limited(const char *name, const char *text, double timeout_ns, double memory, struct fault *fault)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s.lua", folder, name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    *fault = (struct fault){0};
    struct worker_start start = {.suite = path, .cpu = -1, .seed = 3, .timeout_ns = timeout_ns, .memory_bytes = memory};
    return worker_start(&start, fault);
}

static struct worker *start(const char *text, struct fault *fault)
{
    return start_limited("suite", text, 5e9, 0, fault);
}

static const char preamble[] =
    "local ffi = require 'ffi'\n"
    "ffi.cdef [[ void exit(int); int close(int); int raise(int); int fork(void); int setsid(void); unsigned sleep(unsigned);"
    " long write(int, const void *, unsigned long); int pause(void); void *malloc(unsigned long); void *memset(void *, int, unsigned long);"
    " int getpid(void); int usleep(unsigned); ]]\n"
    "local C = ffi.C\n";

static struct worker *start_bench(const char *bench, double timeout_ns, double memory, struct fault *fault)
{
    char text[4096];
    snprintf(text, sizeof text, "%s return { b = %s }", preamble, bench);
    return start_limited("suite", text, timeout_ns, memory, fault);
}

static bool open_b(struct worker *w, json_t **info, struct fault *fault)
{
    json_t *params = json_object();
    bool ok = worker_open(w, "b", params, info, fault);
    json_decref(params);
    return ok;
}

static void a_lua_body_takes_turns(void **state)
{
    (void)state;
    struct fault fault;
    struct worker *w = start_bench("{ run = function(_, n) local x = 0; for i = 1, n do x = x + C.getpid() end; return x end }", 5e9, 0, &fault);
    assert_non_null(w);
    json_t *info;
    assert_true(open_b(w, &info, &fault));
    assert_string_equal(json_string_value(json_object_get(info, "kind")), "lua");
    json_decref(info);
    struct worker_turn turn = {.verb = WORKER_VERB_TURN, .warm = 100, .iterations = 20000, .samples = 5};
    struct worker_usage usage;
    double ns[WORKER_SAMPLES];
    uint64_t begun = clock_now_ns();
    assert_true(worker_turn(w, &turn, ns, &usage, &fault));
    double wall = clock_delta_ns(begun, clock_now_ns()), sum = 0;
    for (int i = 0; i < 5; i++) {
        assert_true(ns[i] > 0);
        sum += ns[i];
    }
    assert_true(sum < wall * 1.01);  /* the parent's own clock bounds what a worker may claim */
    assert_true(usage.cpu_ns >= 0 && usage.cpu_ns < 10 * wall);
    turn.iterations = 200000;
    double more[WORKER_SAMPLES];
    assert_true(worker_turn(w, &turn, more, NULL, &fault));
    assert_true(more[2] > 3 * ns[2]);  /* ten times the iterations take longer */
    assert_true(worker_close(w, &info, &fault));
    assert_true(json_is_true(json_object_get(info, "compiled")));
    assert_true(json_number_value(json_object_get(info, "peak_bytes")) > 1e6);
    json_decref(info);
    assert_true(open_b(w, NULL, &fault));  /* the same worker takes another cell */
    assert_true(worker_close(w, NULL, &fault));
    worker_stop(w);
}

static void an_interpreted_loop_is_told(void **state)
{
    (void)state;
    struct fault fault;
    /* string.gsub with a function is not compiled, and makes the loop around it give up. */
    struct worker *w = start_bench("{ run = function(_, n) for i = 1, n do ('abc'):gsub('b', function() return 'x' end) end end }", 5e9, 0, &fault);
    assert_non_null(w);
    assert_true(open_b(w, NULL, &fault));
    double ns[WORKER_SAMPLES];
    assert_true(worker_turn(w, &(struct worker_turn){.verb = WORKER_VERB_TURN, .iterations = 5000, .samples = 3}, ns, NULL, &fault));
    json_t *info;
    assert_true(worker_close(w, &info, &fault));
    assert_true(json_is_false(json_object_get(info, "compiled")));
    assert_true(json_is_string(json_object_get(info, "interpreted")));
    json_decref(info);
    worker_stop(w);
}

static void a_native_body_is_called_from_c(void **state)
{
    (void)state;
    struct fault fault;
    struct worker *w = start("local bench, ffi = require 'bench', require 'ffi'\n"
                             "ffi.cdef [[ void bzero(void *s, uint64_t n); ]]\n"
                             "return { b = { setup = function() return ffi.new('uint8_t[?]', 2000000) end, run = bench.native(ffi.C.bzero) } }", &fault);
    assert_non_null(w);
    json_t *info;
    assert_true(open_b(w, &info, &fault));
    assert_string_equal(json_string_value(json_object_get(info, "kind")), "native");
    json_decref(info);
    double ns[WORKER_SAMPLES], empty[WORKER_SAMPLES];
    assert_true(worker_turn(w, &(struct worker_turn){.verb = WORKER_VERB_TURN, .iterations = 2000000, .samples = 4}, ns, NULL, &fault));
    assert_true(worker_turn(w, &(struct worker_turn){.verb = WORKER_VERB_EMPTY, .iterations = 2000000, .samples = 4}, empty, NULL, &fault));
    assert_true(ns[3] > 4 * empty[3]);  /* the empty native body does not loop: the loop is the subject's */
    worker_stop(w);
}

static void a_command_is_run_and_accounted(void **state)
{
    (void)state;
    struct fault fault;
    struct worker *w = start_bench("{ command = { 'sh', '-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done' } }", 20e9, 0, &fault);
    assert_non_null(w);
    assert_true(open_b(w, NULL, &fault));
    double ns[WORKER_SAMPLES];
    struct worker_usage usage;
    assert_true(worker_turn(w, &(struct worker_turn){.verb = WORKER_VERB_TURN, .iterations = 2, .samples = 1}, ns, &usage, &fault));
    assert_true(ns[0] > 2e6);
    assert_true(usage.cpu_ns > 1e6 && usage.cpu_ns < 1.2 * ns[0] + 2e7);
    assert_true(usage.peak_bytes > 200e3 && usage.peak_bytes < 100e6);
    worker_stop(w);
}

static void setup_check_and_state_reach_the_body(void **state)
{
    (void)state;
    struct fault fault;
    struct worker *w = start("return { b = { setup = function(p) return { p.k } end, check = function(s, p) return s[1] == p.k, 'lost' end,\n"
                             "  run = function(s, n, p) assert(s[1] == p.k and n == 7) end, work = function(s) return { items = s[1] } end } }", &fault);
    assert_non_null(w);
    json_t *params = json_pack("{s:i}", "k", 42), *info;
    assert_true(worker_open(w, "b", params, &info, &fault));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(info, "work"), "items")), 42);
    assert_int_equal(strlen(json_string_value(json_object_get(info, "workload_hash"))), 71);
    double ns[WORKER_SAMPLES];
    assert_true(worker_turn(w, &(struct worker_turn){.verb = WORKER_VERB_TURN, .iterations = 7, .samples = 2}, ns, NULL, &fault));
    json_decref(info);
    json_decref(params);
    worker_stop(w);
}

/* A sanitizer reserves terabytes, so no limit of the address space can be set under one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool has_limits = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
static const bool has_limits = false;
#else
static const bool has_limits = true;
#endif
#else
static const bool has_limits = true;
#endif

/* What a subject does, and what the harness says of it. */
static const struct hostile {
    const char *bench, *says;
    bool survives;      /* the worker can take the next cell */
    bool needs_limits;
} hostile[] = {
    {"{ run = function() ffi.cast('int *', 0)[0] = 1 end }", "killed by SIGSEGV", false, false},
    {"{ run = function() C.raise(6) end }", "killed by SIGABRT", false, false},
    {"{ run = function() while true do end end }", "hung: no answer within 0.5 s", false, false},
    {"{ run = function() C.pause() end }", "hung", false, false},
    {"{ run = function() C.raise(19) end }", "hung", false, false},
    {"{ run = function() C.exit(0) end }", "ended its process with exit status 0", false, false},
    {"{ run = function() os.exit(0) end }", "attempt to call field 'exit'", true, false},
    {"{ run = function() error(('x'):rep(2^24)) end }", "xxxx", true, false},
    {"{ run = function() error({}) end }", "threw a table", true, false},
    {"{ run = function() local function f() return 1 + f() end f() end }", "stack overflow", true, false},
    {"{ run = function() local t = {} for i = 1, 1e6 do t[i] = ('x'):rep(2^20) .. i end end }", "not enough memory", true, true},
    {"{ run = function() for i = 1, 100 do local p = C.malloc(2^26); ffi.cast('char *', p)[2^26 - 1] = 1 end end }", "of --memory-limit 244.1 MiB)", false, true},
    {"{ setup = function() error 'no such thing' end, run = function() end }", "no such thing", true, false},
    {"{ check = function() return nil, 'off by one' end, run = function() end }", "wrong result: off by one", true, false},
    {"{ work = function() return { ops = 0 / 0 } end, run = function() end }", "work.ops", true, false},
    {"{ run = function() for fd = 3, 300 do C.close(fd) end; error 'x' end }", "ended its process", false, false},
    {"{ run = function() local s = ('forged'):rep(9); for fd = 3, 300 do C.write(fd, s, #s) end; error 'x' end }", "not a result", false, false},
    {"{ command = { 'false' } }", "false exited with 1", true, false},
    {"{ command = { '/no/such/program' } }", "cannot be started", true, false},
    {"{ command = { 'sh', '-c', 'kill -9 $$' } }", "sh was killed by SIGKILL", true, false},
    {"{ command = { 'sleep', '1000' } }", "hung", false, false},
};

static void whatever_a_subject_does_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct fault fault;
        if (hostile[i].needs_limits && !has_limits)
            continue;
        /* Reaching a limit of memory takes tens of thousands of page faults: more than half a second where others work. */
        struct worker *w = start_bench(hostile[i].bench, hostile[i].needs_limits ? 4e9 : 0.5e9, 256e6, &fault);
        assert_non_null(w);
        double ns[WORKER_SAMPLES];
        uint64_t begun = clock_now_ns();
        bool ok = open_b(w, NULL, &fault) &&
                  worker_turn(w, &(struct worker_turn){.verb = WORKER_VERB_TURN, .iterations = 1, .samples = 1}, ns, NULL, &fault);
        assert_false(ok);
        assert_int_equal(fault.code, EXIT_CODE_FAILED);
        if (!strstr(fault.text, hostile[i].says))
            fail_msg("%s: expected '%s', found '%s'", hostile[i].bench, hostile[i].says, fault.text);
        assert_int_equal(worker_alive(w), hostile[i].survives);
        assert_true(clock_delta_ns(begun, clock_now_ns()) < 5e9);
        worker_stop(w);
    }
}

static int count_children(void)
{
    char path[64], word[32];
    int n = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    while (file && fscanf(file, "%31s", word) == 1)
        n++;
    if (file)
        fclose(file);
    return n;
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    static const char *const benches[] = {
        "{ run = function() if C.fork() == 0 then C.sleep(1000) end end }",
        "{ run = function() if C.fork() == 0 then C.setsid(); C.sleep(1000) end end }",
        "{ run = function() if C.fork() == 0 then C.setsid(); if C.fork() == 0 then C.sleep(1000) end; C.exit(0) end; C.exit(3) end }",
    };
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++) {
        struct fault fault;
        double ns[WORKER_SAMPLES];
        struct worker *w = start_bench(benches[i], 2e9, 0, &fault);
        assert_non_null(w);
        assert_true(open_b(w, NULL, &fault));
        worker_turn(w, &(struct worker_turn){.verb = WORKER_VERB_TURN, .iterations = 1, .samples = 1}, ns, NULL, &fault);
        worker_stop(w);
        struct fault again;
        w = start("return { b = { run = function() end } }", &again);  /* an orphan of an orphan arrives a moment later */
        worker_stop(w);
        assert_int_equal(count_children(), 0);
    }
}

static void mistakes_are_found_with_their_lines(void **state)
{
    (void)state;
    static const struct row {
        const char *text, *says;
    } rows[] = {
        {"return {\n  axes = 3,\n  run = function() end }", "suite.lua:2: field 'axes': expected a list"},
        {"return {\n\n  run = 'fast' }", "suite.lua:3: field 'run': expected a function"},
        {"return { run = function() end,\n colour = 'red' }", "suite.lua:2: field 'colour'"},
        {"return { about = 'x' }", "field 'run': expected exactly one of run, command and stream, found none"},
        {"return { run = function() end, command = { 'true' } }", "found run and command"},
        {"return { run = function() end, axes = { { 'a', {} } } }", "field 'axes[1][2]'"},
        {"return { run = function() end, axes = { { 'a', { 1, 1 } } } }", "field 'axes[1][2][2]'"},
        {"return { run = function() end, axes = { { 'a', { 1 } }, { 'a', { 2 } } } }", "field 'axes[2][1]'"},
        {"return { run = function() end, axes = { { 'a', { 0 / 0 } } } }", "field 'axes[1][2][1]'"},
        {"return { run = function() end,\n compare = { axis = 'b', base = 1 } }", "suite.lua:2: field 'compare.axis'"},
        {"return { run = function() end,\n compare = { axis = 'b', base = { 1, {} } } }", "suite.lua:2: field 'compare'"},
        {"return { run = function() end, tolerance = -1 }", "field 'tolerance'"},
        {"return { run = function() end, tags = 'ci' }", "field 'tags'"},
        {"return { run = function() end, name = 'a b' }", "field 'name'"},
        {"x = 1", "suite.lua:1: field 'x': expected a local variable, found a write to a global"},
        {"return io", "there is no global 'io'"},
        {"return 7", "field 'return': expected a bench"},
        {"return {", "suite.lua:1: "},
        {"\033Lua", "expected Lua text, found bytecode"},
        {"require '../secrets'", "suite.lua:1: require: expected the name of a module"},
        {"require 'nowhere'", "suite.lua:1: require 'nowhere'"},
        {"error('my own words')", "suite.lua:1: my own words"},
        {"error({})", "threw a table"},
        {"return { { run = function() end } }", "field 'name': expected a name for bench 1"},
        {"return { { name = 'a', run = function() end }, { name = 'a', run = function() end } }", "'a' twice"},
        {"local b = require 'bench'; b.artifact 'zip'", "there is no artifact 'zip'"},
        {"local b = require 'bench'; b.dims '12y'", "bench.dims: expected sizes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fault fault;
        assert_null(start(rows[i].text, &fault));
        assert_int_equal(fault.code, EXIT_CODE_USAGE);
        if (!strstr(fault.text, rows[i].says))
            fail_msg("%s: expected '%s', found '%s'", rows[i].text, rows[i].says, fault.text);
    }
}

static void benches_are_described(void **state)
{
    (void)state;
    struct fault fault;
    struct worker *w = start("return { z = { run = function() end, axes = { { 'n', { 1, 2 } } }, skip = function(p) if p.n == 2 then return 'even' end end,\n"
                             " tags = function(p) return { 'n' .. p.n } end, tolerance = '10%' }, a = { command = { 'true' }, target = { p99 = '5ms' } } }", &fault);
    assert_non_null(w);
    json_t *benches = worker_benches(w, &fault);
    assert_int_equal(json_array_size(benches), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(benches, 0), "name")), "a");
    assert_string_equal(json_string_value(json_object_get(json_array_get(benches, 0), "kind")), "command");
    json_t *cells = json_pack("[{s:i},{s:i}]", "n", 1, "n", 2), *said = worker_describe(w, "z", cells, false, &fault);
    assert_int_equal(json_array_size(said), 2);
    const json_t *one = json_array_get(said, 0), *two = json_array_get(said, 1);
    assert_null(json_object_get(one, "skip"));
    assert_string_equal(json_string_value(json_object_get(two, "skip")), "even");
    assert_string_equal(json_string_value(json_array_get(json_object_get(one, "tags"), 0)), "n1");
    assert_true(json_number_value(json_object_get(one, "tolerance")) > 0.0999);
    json_decref(benches);
    json_decref(cells);
    json_decref(said);
    worker_stop(w);
}

/* The workload hash of bench b with k = 1 in a suite of this text. */
static void hash_of(const char *text, char hash[80])
{
    struct fault fault;
    struct worker *w = start(text, &fault);
    if (!w)
        fail_msg("%s", fault.text);
    json_t *params = json_pack("{s:i}", "k", 1), *info;
    assert_true(worker_open(w, "b", params, &info, &fault));
    snprintf(hash, 80, "%s", json_string_value(json_object_get(info, "workload_hash")));
    json_decref(params);
    json_decref(info);
    worker_stop(w);
}

static void a_comment_voids_no_baseline_and_a_change_does(void **state)
{
    (void)state;
    static const char base[] = "return { b = { run = function(_, n) end, work = { items = 2 } } }";
    static const struct row {
        const char *text;
        bool same;
    } rows[] = {
        {base, true},
        {"-- a comment\nreturn  {\n b = { run = function(_, n) --[[ long\ncomment ]] end, work = { items = 2 } } }", true},
        {"return{b={run=function(_,n)end,work={items=2}}}", true},
        {"return { b = { run = function(_, n) end, work = { items = 3 } } }", false},
        {"return { b = { run = function(_, n) n = n end, work = { items = 2 } } }", false},
        {"return { b = { about = '-- not a comment', run = function(_, n) end, work = { items = 2 } } }", false},
    };
    char first[80], hash[80];
    hash_of(base, first);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hash_of(rows[i].text, hash);
        assert_int_equal(strcmp(hash, first) == 0, rows[i].same);
    }
}

static void a_module_and_an_input_belong_to_the_workload(void **state)
{
    (void)state;
    static const char suite[] = "local m = require 'part'; return { b = { run = m, inputs = { 'data.txt' } } }";
    char part[128], data[128], first[80], hash[80];
    snprintf(part, sizeof part, "%s/part.lua", folder);
    snprintf(data, sizeof data, "%s/data.txt", folder);
    static const struct row {
        const char *module, *input;
        bool same;
    } rows[] = {{"return function() end", "one", true},
                {"return function() end -- same", "one", true},
                {"return function() return 1 end", "one", false},
                {"return function() end", "two", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        FILE *file = fopen(part, "w");
        fputs(rows[i].module, file);
        fclose(file);
        file = fopen(data, "w");
        fputs(rows[i].input, file);
        fclose(file);
        hash_of(suite, i ? hash : first);
        if (i)
            assert_int_equal(strcmp(hash, first) == 0, rows[i].same);
    }
}

static void samples_are_calibrated_and_cheap_to_time(void **state)
{
    (void)state;
    struct fault fault;
    struct worker *w = start_bench("{ run = function(_, n) local x = 0; for i = 1, n do x = x + C.getpid() end; return x end }", 5e9, 0, &fault);
    assert_non_null(w);
    struct sampling sampling = sampling_default();
    json_t *cell = json_pack("{s:s,s:{}}", "bench", "b", "params"), *g = session_measure(w, cell, &sampling, &fault);
    assert_non_null(g);
    assert_null(json_object_get(g, "failed"));
    assert_int_equal(json_array_size(json_object_get(g, "samples_ns")), sampling.samples);
    double best = 1e18, n = json_number_value(json_object_get(g, "iterations"));
    for (size_t i = 0; i < sampling.samples; i++)
        best = fmin(best, n * json_number_value(json_array_get(json_object_get(g, "samples_ns"), i)));
    assert_true(best > 0.2e6 && best < 5e6);  /* near 1 ms, whatever else runs here */
    assert_true(json_number_value(json_object_get(g, "overhead")) < 0.05);
    json_decref(g);
    json_decref(cell);
    worker_stop(w);
}

static void a_body_that_ignores_n_is_refused(void **state)
{
    (void)state;
    struct fault fault;
    struct worker *w = start_bench("{ run = function() end }", 5e9, 0, &fault);
    struct sampling sampling = sampling_default();
    json_t *cell = json_pack("{s:s,s:{}}", "bench", "b", "params"), *g = session_measure(w, cell, &sampling, &fault);
    assert_non_null(strstr(json_string_value(json_object_get(g, "failed")), "does not do its work n times"));
    assert_true(worker_alive(w));
    json_decref(g);
    json_decref(cell);
    worker_stop(w);
}

static void next_iterations_grow_and_never_overflow(void **state)
{
    (void)state;
    static const struct row {
        uint64_t n;
        double ns, aim;
        uint64_t next;
    } rows[] = {
        {1, 100, 1e6, 100}, {1, 1e5, 1e6, 10}, {10, 9e5, 1e6, 12}, {10, 2e6, 1e6, 11}, {7, 0, 1e6, 700}, {9007199254740992u, 1, 1e6, 9007199254740992u},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(sampling_next_iterations(rows[i].n, rows[i].ns, rows[i].aim), rows[i].next);
}

static void budgets_shrink_the_sampling(void **state)
{
    (void)state;
    struct clock_quality clock = {.cost_ns = 25, .resolution_ns = 10};
    struct sampling full = sampling_default();
    for (double budget = 1e6; budget < 1e12; budget *= 3) {
        for (size_t cells = 1; cells < 2000; cells = cells * 7 + 1) {
            struct sampling s = sampling_for_budget(budget, cells, &clock);
            assert_true(s.samples >= SAMPLING_LEAST && s.samples <= full.samples);
            assert_true(s.sample_ns >= sampling_floor_ns(&clock) && s.sample_ns <= full.sample_ns);
            assert_true(s.generations >= 2 && s.generations <= full.generations);
            assert_true(s.warm_ns <= full.warm_ns && s.generation_ns <= full.generation_ns);
        }
    }
}

static void arrivals_are_fixed_beforehand(void **state)
{
    (void)state;
    enum { N = 20000 };
    static double at[N], again[N];
    struct stream_spec spec = {.rate = 1000, .requests = N, .seed = 9};
    stream_arrivals(&spec, at);
    stream_arrivals(&spec, again);
    assert_memory_equal(at, again, sizeof at);
    double sum = 0, squares = 0;
    for (int i = 1; i < N; i++) {
        double gap = (at[i] - at[i - 1]) / 1e6;  /* in units of the mean gap */
        assert_true(gap > 0);
        sum += gap;
        squares += gap * gap;
    }
    assert_true(fabs(sum / N - 1) < 0.04 && fabs(squares / N - 2) < 0.25);  /* an exponential gap has mean 1 and second moment 2 */
    spec.even = true;
    stream_arrivals(&spec, at);
    assert_true(fabs(at[N - 1] - N * 1e6) < 1);
}

/* Twice as many requests a second as can be served: each waits for all before it, and that counts. */
static void waiting_counts(void **state)
{
    (void)state;
    struct fault fault;
    struct worker *w = start_bench("{ stream = { rate = 500, requests = 20, arrivals = 'even', request = function() C.usleep(4000) end } }", 5e9, 0, &fault);
    if (!w)
        fail_msg("%s", fault.text);
    json_t *info;
    assert_true(open_b(w, &info, &fault));
    assert_string_equal(json_string_value(json_object_get(info, "kind")), "stream");
    json_decref(info);
    struct worker_usage usage;
    json_t *answer = worker_stream(w, &usage, &fault);
    const json_t *latencies = json_object_get(answer, "latencies_ns");
    assert_int_equal(json_array_size(latencies), 20);
    for (size_t i = 0; i < 20; i++)  /* the i-th begins at 4 ms x i at the earliest and arrived at 2 ms x (i + 1) */
        assert_true(json_number_value(json_array_get(latencies, i)) >= 4e6 * (double)(i + 1) - 2e6 * (double)(i + 1) - 1e5);
    assert_true(json_number_value(json_object_get(answer, "busy_ns")) >= 80e6);
    assert_true(json_number_value(json_object_get(answer, "wall_ns")) >= json_number_value(json_object_get(answer, "busy_ns")));
    json_decref(answer);
    struct sampling sampling = sampling_default();
    json_t *g = sampling_stream(w, &sampling, &fault);  /* the cell can be served again */
    assert_int_equal(json_array_size(json_object_get(g, "samples_ns")), 20);
    assert_true(json_number_value(json_object_get(g, "throughput")) < 300 && json_number_value(json_object_get(g, "utilisation")) > 0.8);
    json_decref(g);
    assert_true(worker_close(w, NULL, &fault));
    worker_stop(w);
}

static void wrong_streams_are_named(void **state)
{
    (void)state;
    static const struct row {
        const char *stream, *says;
    } rows[] = {
        {"{ rate = 0, request = function() end }", "field 'stream.rate'"},
        {"{ rate = 10, requests = 3, request = function() end }", "field 'stream.requests'"},
        {"{ rate = 10, arrivals = 'bursts', request = function() end }", "field 'stream.arrivals'"},
        {"{ rate = 10 }", "field 'stream.request'"},
        {"function() return 7 end", "field 'stream'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char bench[256];
        struct fault fault;
        snprintf(bench, sizeof bench, "{ stream = %s }", rows[i].stream);
        struct worker *w = start_bench(bench, 5e9, 0, &fault);
        assert_non_null(w);
        assert_false(open_b(w, NULL, &fault));
        assert_non_null(strstr(fault.text, rows[i].says));
        worker_stop(w);
    }
    struct fault fault;
    struct worker *w = start_bench("{ stream = { rate = 1000, requests = 20, request = function() error 'refused' end } }", 5e9, 0, &fault);
    struct worker_usage usage;
    assert_true(open_b(w, NULL, &fault));
    assert_null(worker_stream(w, &usage, &fault));
    assert_non_null(strstr(fault.text, "refused"));
    assert_true(worker_alive(w));
    worker_stop(w);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"suite.lua", "part.lua", "data.txt"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    if (worker_is_child(argc, argv))
        return worker_main();
    setenv("ASAN_OPTIONS", "handle_segv=0:handle_sigbus=0:handle_abort=0:detect_leaks=0", 1);  /* workers die as they would without */
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lua_body_takes_turns), cmocka_unit_test(an_interpreted_loop_is_told), cmocka_unit_test(a_native_body_is_called_from_c),
        cmocka_unit_test(a_command_is_run_and_accounted), cmocka_unit_test(setup_check_and_state_reach_the_body),
        cmocka_unit_test(whatever_a_subject_does_is_named), cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(mistakes_are_found_with_their_lines), cmocka_unit_test(benches_are_described),
        cmocka_unit_test(a_comment_voids_no_baseline_and_a_change_does), cmocka_unit_test(a_module_and_an_input_belong_to_the_workload),
        cmocka_unit_test(samples_are_calibrated_and_cheap_to_time), cmocka_unit_test(a_body_that_ignores_n_is_refused),
        cmocka_unit_test(next_iterations_grow_and_never_overflow),
        cmocka_unit_test(arrivals_are_fixed_beforehand), cmocka_unit_test(waiting_counts), cmocka_unit_test(wrong_streams_are_named), cmocka_unit_test(budgets_shrink_the_sampling),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
