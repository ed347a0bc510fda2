/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/derived.h"
#include "measure/record.h"
#include "measure/top.h"
#include "store/runfile.h"

#include "near.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct record_run common = {.run_id = "0f8fad5b-d9cb-469f-a165-70867728950e", .tolerance = 0.05, .generations = 2};

static json_t *read_json(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
    if (!value)
        fail_msg("%s: %s", text, error.text);
    return value;
}

static json_t *planned(const char *params, const char *more)
{
    json_t *cell = read_json("{\"id\":\"s/b\",\"suite\":\"s\",\"bench\":\"b\",\"params\":{},\"tags\":[\"ci\"],\"tolerance\":null,\"compare\":null,\"target\":null,"
                             "\"skip\":null,\"workload_hash\":null,\"selected\":true,\"broken\":null}");
    json_t *extra = read_json(more);
    json_object_set_new(cell, "params", read_json(params));
    json_object_set_new(cell, "id", json_sprintf("s/b/%s", params));
    json_object_update(cell, extra);
    json_decref(extra);
    return cell;
}

static const char two_generations[] =
    "[{\"number\":0,\"iterations\":10,\"samples_ns\":[4,2,3],\"overhead\":0.001,\"cpu_ns\":3,\"faults\":0,\"switches\":1,\"peak_bytes\":100,\"voided\":0,"
    "\"work\":{\"ops\":8},\"backend\":\"avx2\",\"workload_hash\":\"sha256:0000000000000000000000000000000000000000000000000000000000000001\"},"
    "{\"number\":1,\"iterations\":20,\"samples_ns\":[5,6],\"overhead\":0.002,\"cpu_ns\":5,\"faults\":0.5,\"switches\":2,\"peak_bytes\":300,\"voided\":1,\"work\":{\"ops\":8}}]";

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static double metric(const json_t *cell, const char *name)
{
    const json_t *value = json_object_get(json_object_get(json_object_get(cell, "metrics"), name), "value");
    return json_is_number(value) ? json_number_value(value) : -1;
}

/* Metrics that follow from others, by hand: two generations with counters, energy and what the bench observed. */
static void metrics_that_follow_from_others(void **state)
{
    (void)state;
    static const char base[] = "\"iterations\":10,\"samples_ns\":[4,4,4],\"cpu_ns\":8,\"peak_bytes\":100,\"work\":{\"ops\":8},\"energy_j\":2e-6,\"power_w\":9,\"throttles\":1,";
    char made[1024];
    snprintf(made, sizeof made,
             "[{%s\"temperature_c\":60,\"counters\":{\"cycles\":2,\"instructions\":6,\"l1_loads\":10,\"l1_load_misses\":1},\"series\":{\"held_bytes\":[1,2,3]}},"
             "{%s\"temperature_c\":70,\"counters\":{\"cycles\":4,\"instructions\":6,\"l1_loads\":10,\"l1_load_misses\":3},\"series\":{\"held_bytes\":[5]}}]", base, base);
    json_t *plan = planned("{}", "{}"), *generations = read_json(made), *cell = record_cell(plan, generations, &common);
    static const struct {
        const char *name;
        double value;
    } rows[] = {{"instructions_per_cycle", 2}, {"l1_hit_rate", 0.8}, {"energy", 2e-6}, {"power", 9}, {"temperature", 70}, {"throttles", 2},
                {"work_per_core", 1e9}, {"work_per_watt", 4e6}, {"work_per_memory", 2e9 / 100}, {"variation", 0}, {"held_bytes", 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_near(metric(cell, rows[i].name), rows[i].value, 1e-9 * fmax(1, rows[i].value));
    const json_t *metrics = json_object_get(cell, "metrics"), *held = json_object_get(metrics, "held_bytes");
    assert_int_equal(json_array_size(json_object_get(held, "series")), 4);
    assert_string_equal(text(held, "unit"), "bytes");
    assert_non_null(text(json_object_get(metrics, "l3_hit_rate"), "absent"));
    json_decref(plan);
    json_decref(generations);
    json_decref(cell);
}

/* On the card energy is its own: 200 W over 4 ns are 800 nJ, in which 8 operations were done; without its power the reason stands instead. */
static void energy_on_a_card(void **state)
{
    (void)state;
    static const char common_part[] = "\"iterations\":10,\"samples_ns\":[4,4,4],\"work\":{\"ops\":8},\"energy_absent\":\"no RAPL\",\"backend\":\"cuda\"";
    char read[512], unread[512];
    snprintf(read, sizeof read, "[{%s,\"gpu_power\":200}]", common_part);
    snprintf(unread, sizeof unread, "[{%s,\"gpu_power_absent\":\"too short\"}]", common_part);
    json_t *plan = planned("{}", "{}"), *with = read_json(read), *without = read_json(unread);
    json_t *cell = record_cell(plan, with, &common), *other = record_cell(plan, without, &common);
    assert_near(metric(cell, "gpu_energy"), 8e-7, 1e-15);
    assert_near(metric(cell, "work_per_watt"), 1e7, 1e-3);
    assert_string_equal(text(json_object_get(json_object_get(other, "metrics"), "gpu_energy"), "absent"), "too short");
    assert_string_equal(text(json_object_get(json_object_get(other, "metrics"), "work_per_watt"), "absent"), "too short");
    json_decref(plan);
    json_decref(with);
    json_decref(without);
    json_decref(cell);
    json_decref(other);
}

/* Shares are of ceilings in the same run: 40 of 80 op/ns, 1 of 16 B/ns; another backend has no ceiling here and says so. */
static void shares_of_ceilings_of_the_same_run(void **state)
{
    (void)state;
    json_t *cells = read_json(
        "[{\"suite\":\"roofline\",\"backend\":\"avx2\",\"params\":{\"backend\":\"avx2\"},\"summary\":{\"median\":1},\"work\":{\"ops\":80},\"metrics\":{}},"
        "{\"suite\":\"roofline\",\"backend\":\"avx2\",\"params\":{\"level\":\"dram\"},\"summary\":{\"median\":2},\"work\":{\"bytes\":32},\"metrics\":{}},"
        "{\"suite\":\"s\",\"backend\":\"avx2\",\"params\":{},\"summary\":{\"median\":10},\"work\":{\"ops\":400,\"bytes\":10},\"metrics\":{}},"
        "{\"suite\":\"s\",\"backend\":\"scalar\",\"params\":{},\"summary\":{\"median\":10},\"work\":{\"ops\":400},\"metrics\":{}}]");
    derived_shares(cells);
    assert_near(metric(json_array_get(cells, 2), "peak_share"), 0.5, 1e-12);
    assert_near(metric(json_array_get(cells, 2), "bandwidth_share"), 1.0 / 16, 1e-12);
    assert_non_null(text(json_object_get(json_object_get(json_array_get(cells, 3), "metrics"), "peak_share"), "absent"));
    assert_int_equal(json_object_size(json_object_get(json_array_get(cells, 0), "metrics")), 0);
    json_decref(cells);
}

/* On a card the ceilings are its own; cells that only move bytes over the link to it have no share of them. */
static void shares_on_a_card(void **state)
{
    (void)state;
    json_t *cells = read_json(
        "[{\"suite\":\"gpu_roofline\",\"backend\":\"cuda\",\"params\":{\"what\":\"int8\"},\"summary\":{\"median\":1},\"work\":{\"ops\":1000,\"bytes\":7},\"metrics\":{}},"
        "{\"suite\":\"gpu_roofline\",\"backend\":\"cuda\",\"params\":{\"what\":\"read\"},\"summary\":{\"median\":1},\"work\":{\"bytes\":50},\"metrics\":{}},"
        "{\"suite\":\"roofline\",\"backend\":\"avx2\",\"params\":{\"level\":\"dram\"},\"summary\":{\"median\":1},\"work\":{\"bytes\":3},\"metrics\":{}},"
        "{\"suite\":\"s\",\"backend\":\"cuda\",\"params\":{},\"summary\":{\"median\":10},\"work\":{\"ops\":2500,\"bytes\":100},\"metrics\":{}},"
        "{\"suite\":\"s\",\"backend\":\"cuda\",\"params\":{},\"summary\":{\"median\":10},\"work\":{\"bytes\":100},\"metrics\":{}}]");
    derived_shares(cells);
    assert_near(metric(json_array_get(cells, 3), "peak_share"), 0.25, 1e-12);
    assert_near(metric(json_array_get(cells, 3), "bandwidth_share"), 0.2, 1e-12);
    assert_int_equal(json_object_size(json_object_get(json_array_get(cells, 4), "metrics")), 0);
    assert_int_equal(json_object_size(json_object_get(json_array_get(cells, 0), "metrics")), 0);
    json_decref(cells);
}

static void a_measured_cell_holds_everything(void **state)
{
    (void)state;
    json_t *plan = planned("{}", "{}"), *generations = read_json(two_generations), *cell = record_cell(plan, generations, &common);
    assert_string_equal(text(cell, "status"), "ok");
    assert_string_equal(text(cell, "backend"), "avx2");
    assert_near(json_number_value(json_object_get(json_object_get(cell, "summary"), "median")), 4, 1e-12);
    const json_t *run = json_array_get(json_object_get(cell, "runs"), 0);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(run, "iterations"), 1)), 20);
    assert_int_equal(json_array_size(json_array_get(json_object_get(run, "samples_ns"), 0)), 3);
    static const struct row {
        const char *metric;
        double value;
    } rows[] = {{"cpu", 4}, {"memory", 300}, {"context_switches", 3}, {"overhead", 0.002}, {"page_faults", 0.25}, {"voided_samples", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_near(json_number_value(json_object_get(json_object_get(json_object_get(cell, "metrics"), rows[i].metric), "value")), rows[i].value, 1e-12);
    assert_true(json_is_null(json_object_get(json_object_get(cell, "work"), "bytes")));
    json_decref(plan);
    json_decref(generations);
    json_decref(cell);
}

static void what_was_not_measured_says_why(void **state)
{
    (void)state;
    static const struct row {
        const char *plan, *generations, *status, *reason;
    } rows[] = {
        {"{\"skip\":\"too large\"}", "[]", "skipped", "too large"},
        {"{\"selected\":false}", "[]", "not selected", NULL},
        {"{\"broken\":\"killed by SIGSEGV\"}", "[]", "failed", "killed by SIGSEGV"},
        {"{}", "[{\"number\":0,\"failed\":\"hung\"}]", "failed", "hung"},
        {"{}", "[{\"number\":0,\"unfit\":\"the clock stood\"}]", "unfit", "the clock stood"},
        {"{}", "[{\"number\":0,\"iterations\":1,\"samples_ns\":[1]},{\"number\":1,\"failed\":\"killed by SIGABRT\"}]", "failed", "killed by SIGABRT"},
        {"{}", "[]", "not selected", "the run ended before this cell was measured"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *plan = planned("{}", rows[i].plan), *generations = read_json(rows[i].generations), *cell = record_cell(plan, generations, &common);
        assert_string_equal(text(cell, "status"), rows[i].status);
        if (rows[i].reason)
            assert_string_equal(text(cell, "reason"), rows[i].reason);
        assert_int_equal(json_array_size(json_object_get(cell, "runs")), 0);  /* a failed cell stores no time */
        assert_true(json_is_null(json_object_get(cell, "summary")));
        json_decref(plan);
        json_decref(generations);
        json_decref(cell);
    }
}

static void a_cell_of_fewer_processes_than_wanted_is_kept_and_says_so(void **state)
{
    (void)state;
    json_t *plan = planned("{}", "{}"), *one = read_json("[{\"number\":0,\"iterations\":1,\"samples_ns\":[7]}]"), *cell = record_cell(plan, one, &common);
    assert_string_equal(text(cell, "status"), "ok");
    assert_string_equal(text(cell, "reason"), "the run ended before all of this cell's processes were measured");
    assert_near(json_number_value(json_object_get(json_object_get(cell, "summary"), "median")), 7, 0);
    json_decref(plan);
    json_decref(one);
    json_decref(cell);
}

static void done_means_nothing_left_to_measure(void **state)
{
    (void)state;
    json_t *plan = planned("{}", "{}"), *skipped = planned("{}", "{\"skip\":\"x\"}"), *none = json_array(), *two = read_json(two_generations);
    json_t *failed = read_json("[{\"number\":0,\"failed\":\"hung\"}]");
    assert_false(record_is_done(plan, NULL, 2));
    assert_false(record_is_done(plan, none, 2));
    assert_false(record_is_done(plan, two, 3));
    assert_true(record_is_done(plan, two, 2));
    assert_true(record_is_done(plan, failed, 2));
    assert_true(record_is_done(skipped, NULL, 2));
    json_decref(plan);
    json_decref(skipped);
    json_decref(none);
    json_decref(two);
    json_decref(failed);
}

/* A cell of a bench with `compare`, its parameters, its time, and what it is to be compared with: how fast, and with what. */
struct compared {
    const char *params;
    double ns, speedup;
    const char *unit;
};

static void check_speedups(const char *compare, const struct compared *rows, size_t n)
{
    json_t *plan = json_array(), *cells = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *one = planned(rows[i].params, compare);
        json_t *generations = json_pack("[{s:i,s:i,s:[f]},{s:i,s:i,s:[f]}]", "number", 0, "iterations", 1, "samples_ns", rows[i].ns, "number", 1, "iterations", 1, "samples_ns", rows[i].ns);
        json_array_append_new(cells, record_cell(one, generations, &common));
        json_array_append_new(plan, one);
        json_decref(generations);
    }
    record_compare(plan, cells);
    for (size_t i = 0; i < n; i++) {
        const json_t *speedup = json_object_get(json_object_get(json_array_get(cells, i), "metrics"), "speedup");
        assert_near(json_number_value(json_object_get(speedup, "value")), rows[i].speedup, 1e-12);
        if (rows[i].unit)
            assert_string_equal(text(speedup, "unit"), rows[i].unit);
        else
            assert_null(speedup);
    }
    json_decref(plan);
    json_decref(cells);
}

static void speedups_are_against_the_base_of_the_same_parameters(void **state)
{
    (void)state;
    static const char slow[] = "x against be=slow", left[] = "x against be=left", right[] = "x against be=2";
    static const struct compared one[] = {{"{\"be\":\"slow\",\"n\":1}", 8, 1, slow}, {"{\"be\":\"fast\",\"n\":1}", 2, 4, slow},
                                          {"{\"be\":\"slow\",\"n\":2}", 9, 1, slow}, {"{\"be\":\"fast\",\"n\":2}", 3, 3, slow},
                                          {"{\"be\":\"fast\",\"n\":3}", 3, 0, NULL}};
    static const struct compared several[] = {{"{\"be\":\"left\",\"n\":1}", 8, .5, right}, {"{\"be\":2,\"n\":1}", 4, 1, right},
                                              {"{\"be\":\"mine\",\"n\":1}", 2, 2, right}, {"{\"be\":\"left\",\"n\":2}", 3, 1, left},
                                              {"{\"be\":\"mine\",\"n\":2}", 6, .5, left}, {"{\"be\":\"mine\",\"n\":3}", 6, 0, NULL}};
    check_speedups("{\"compare\":{\"axis\":\"be\",\"base\":\"slow\"}}", one, sizeof one / sizeof *one);
    check_speedups("{\"compare\":{\"axis\":\"be\",\"base\":[\"left\",2,\"absent\"]}}", several, sizeof several / sizeof *several);
}

static void targets_are_judged(void **state)
{
    (void)state;
    json_t *plan = planned("{}", "{\"target\":{\"time\":\"5ns\",\"p95\":\"1ns\",\"p99\":\"5ns\",\"memory\":\"1KiB\",\"joy\":1,\"throughput\":1}}");
    json_t *generations = read_json(two_generations), *cell = record_cell(plan, generations, &common);
    record_targets(plan, cell);
    /* joy and throughput: not measured; five samples leave p99 open at 5, and put p95 above 1 */
    static const char *const expected[] = {"joy inconclusive", "memory pass", "p95 regression", "p99 inconclusive", "throughput inconclusive", "time pass"};
    const json_t *verdicts = json_object_get(cell, "verdicts");
    assert_int_equal(json_array_size(verdicts), 6);
    for (size_t i = 0; i < 6; i++) {
        char found[64];
        snprintf(found, sizeof found, "%s %s", text(json_array_get(verdicts, i), "metric"), text(json_array_get(verdicts, i), "verdict"));
        assert_string_equal(found, expected[i]);
    }
    assert_near(json_number_value(json_object_get(json_array_get(verdicts, 5), "ratio")), 0.8, 1e-12);
    json_decref(plan);
    json_decref(generations);
    json_decref(cell);
}

/* Enough samples bound the quantile: met, missed, or between; so a throughput, which is 3 items by the median of 5.5 ns. */
static void targets_have_bounds(void **state)
{
    (void)state;
    static const struct row {
        const char *limit, *word;
        bool has_high;
    } rows[] = {{"{\"target\":{\"p95\":\"20ns\"}}", "pass", true},         {"{\"target\":{\"p95\":\"5ns\"}}", "regression", true},
                {"{\"target\":{\"p95\":\"9.5ns\"}}", "inconclusive", true}, {"{\"target\":{\"p99.9\":\"9.999ns\"}}", "inconclusive", false},
                {"{\"target\":{\"throughput\":4e8}}", "pass", true},       {"{\"target\":{\"throughput\":7e8}}", "regression", true},
                {"{\"target\":{\"throughput\":5.45e8}}", "inconclusive", true}};
    json_t *samples = json_array();
    for (int i = 0; i < 600; i++)
        json_array_append_new(samples, json_real(1 + 9 * ((i * 389) % 600) / 600.0));  /* 1 to 10 ns, in no order */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *plan = planned("{}", rows[i].limit), *generations = json_pack("[{s:i,s:i,s:O,s:{s:i}},{s:i,s:i,s:[f]}]", "number", 0, "iterations", 1, "samples_ns", samples, "work", "items", 3, "number", 1, "iterations", 1, "samples_ns", 5.0);
        json_t *cell = record_cell(plan, generations, &common);
        record_targets(plan, cell);
        const json_t *verdict = json_array_get(json_object_get(cell, "verdicts"), 0);
        assert_string_equal(text(verdict, "verdict"), rows[i].word);
        assert_int_equal(json_is_number(json_object_get(verdict, "high")), rows[i].has_high);
        json_decref(plan);
        json_decref(generations);
        json_decref(cell);
    }
    json_decref(samples);
}

/* What record and top make is what the store takes and gives back. */
static void the_store_accepts_the_whole(void **state)
{
    (void)state;
    char path[] = "/tmp/record_test_XXXXXX";
    assert_true(close(mkstemp(path)) == 0);
    struct fault fault = {0};
    json_t *arguments = read_json("{\"suites\":[\"s.lua\"]}"), *top = top_new("run", arguments);
    json_t *plan = planned("{}", "{\"target\":{\"p99\":\"5ns\"}}"), *generations = read_json(two_generations), *cell = record_cell(plan, generations, &common);
    json_t *failed_plan = planned("{\"n\":1}", "{\"broken\":\"x\"}");
    record_targets(plan, cell);
    json_array_append_new(json_object_get(top, "cells"), cell);
    json_array_append_new(json_object_get(top, "cells"), record_cell(failed_plan, NULL, &common));
    if (!runfile_save(path, top, &fault))
        fail_msg("%s", fault.text);
    json_t *back = runfile_load(path, &fault);
    if (!back)
        fail_msg("%s", fault.text);
    assert_true(json_equal(json_object_get(back, "cells"), json_object_get(top, "cells")));
    unlink(path);
    json_decref(arguments);
    json_decref(top);
    json_decref(plan);
    json_decref(failed_plan);
    json_decref(generations);
    json_decref(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_that_follow_from_others), cmocka_unit_test(energy_on_a_card), cmocka_unit_test(shares_of_ceilings_of_the_same_run), cmocka_unit_test(shares_on_a_card),
        cmocka_unit_test(a_measured_cell_holds_everything), cmocka_unit_test(what_was_not_measured_says_why),
        cmocka_unit_test(a_cell_of_fewer_processes_than_wanted_is_kept_and_says_so),
        cmocka_unit_test(done_means_nothing_left_to_measure), cmocka_unit_test(speedups_are_against_the_base_of_the_same_parameters),
        cmocka_unit_test(targets_are_judged), cmocka_unit_test(targets_have_bounds), cmocka_unit_test(the_store_accepts_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
