/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/clock.h"
#include "probe/checks.h"
#include "probe/cpuinfo.h"
#include "probe/cpuset.h"
#include "probe/counters.h"
#include "probe/energy.h"
#include "probe/fitness.h"
#include "probe/git.h"
#include "probe/heat.h"
#include "probe/host.h"
#include "probe/load.h"
#include "probe/topology.h"

#include "near.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static void the_clock_is_measured(void **state)
{
    (void)state;
    struct clock_quality q = clock_measure();
    assert_true(q.cost_ns > 1 && q.cost_ns < 1e5);
    assert_true(q.resolution_ns >= 1 && q.resolution_ns < 1e7);
    assert_true(clock_delta_ns(10, 10) <= 0);
    assert_true(clock_delta_ns(11, 10) <= 0);  /* a step back voids */
    assert_true(clock_delta_ns(10, 12) > 1.9);
}

static void the_key_is_stable_and_readable(void **state)
{
    (void)state;
    json_t *one = host_hardware(), *two = host_hardware();
    assert_true(json_equal(one, two));
    const char *key = json_string_value(json_object_get(one, "key"));
    assert_true(strlen(key) > 12 && strlen(key) < 90);
    assert_int_equal(strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-."), strlen(key));
    const char *hex = strrchr(key, '-') + 1;
    assert_int_equal(strspn(hex, "0123456789abcdef"), 8);
    assert_int_equal(strlen(hex), 8);
    assert_true(json_is_null(json_object_get(one, "gpu_key")));
    json_decref(one);
    json_decref(two);
}

/* Fewer processors are other hardware: taskset must not compare with the whole machine. */
static void affinity_belongs_to_the_key(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    if (CPU_COUNT(&before) < 2)
        skip();
    json_t *wide = host_hardware();
    CPU_ZERO(&one);
    CPU_SET((unsigned)cpuset_quietest(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    json_t *narrow = host_hardware();
    struct cpuset now = cpuset_now();
    sched_setaffinity(0, sizeof before, &before);
    assert_int_equal(now.affinity, 1);
    assert_false(json_equal(json_object_get(wide, "key"), json_object_get(narrow, "key")));
    json_decref(wide);
    json_decref(narrow);
}

static void slugs(void **state)
{
    (void)state;
    static const struct row {
        const char *cpu;
        double cores, memory;
        const char *slug;
    } rows[] = {
        {"Intel(R) Xeon(R) Platinum 8488C", 2, 16, "intel-xeon-platinum-8488c-2c-16g"},
        {"AMD Ryzen 9 7950X 16-Core Processor", 16, 64, "amd-ryzen-9-7950x-16c-64g"},
        {"Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz", 8, 8, "intel-i7-8550u-8c-8g"},
        {"AMD EPYC", 1.5, 0.5, "amd-epyc-1.5c-0.5g"},
        {"../../etc/passwd; rm -rf $HOME", 1, 1, "etc-passwd-rm--rf-home-1c-1g"},
        {"", 4, 32, "4c-32g"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char slug[96];
        assert_string_equal(host_slug(rows[i].cpu, rows[i].cores, rows[i].memory, slug, sizeof slug), rows[i].slug);
    }
}

/* The card's key tells its name, number, memory and CUDA's major version; a driver of the same major is the same card. */
static void a_card_has_a_key_of_its_own(void **state)
{
    (void)state;
    static const struct row {
        const char *name;
        int count;
        double bytes;
        int driver;
        const char *begin;
    } rows[] = {
        {"NVIDIA H100 80GB HBM3", 1, 85045084160.0, 13000, "nvidia-h100-80gb-hbm3-1x79g-cuda13-"},
        {"NVIDIA H100 80GB HBM3", 1, 85045084160.0, 13010, "nvidia-h100-80gb-hbm3-1x79g-cuda13-"},
        {"NVIDIA H100 80GB HBM3", 2, 85045084160.0, 13000, "nvidia-h100-80gb-hbm3-2x79g-cuda13-"},
        {"NVIDIA H100 80GB HBM3", 1, 85045084160.0, 12080, "nvidia-h100-80gb-hbm3-1x79g-cuda12-"},
        {"", 1, 0, 13000, "1x0g-cuda13-"},
    };
    char keys[5][160];
    for (size_t i = 0; i < 5; i++) {
        json_t *card = json_pack("{s:s,s:i,s:f,s:i}", "name", rows[i].name, "count", rows[i].count, "memory_bytes", rows[i].bytes, "driver", rows[i].driver);
        host_gpu_key(card, keys[i], sizeof keys[i]);
        assert_memory_equal(keys[i], rows[i].begin, strlen(rows[i].begin));
        assert_int_equal(strlen(keys[i]), strlen(rows[i].begin) + 8);
        json_decref(card);
    }
    assert_string_equal(keys[0], keys[1]);
    assert_string_not_equal(keys[0], keys[2]);
    assert_string_not_equal(keys[0], keys[3]);
}

static struct fitness_snapshot calm(void)
{
    return (struct fitness_snapshot){.at_ns = 1000000000u, .cpus = {.affinity = 2, .cores = 2}};
}

static void what_happened_meanwhile_is_judged(void **state)
{
    (void)state;
    struct row {
        struct fitness_snapshot after;
        bool fit;
        size_t notes;
    } rows[] = {
        {{.at_ns = 2000000000u, .busy_s = 0.9, .own_s = 0.9, .cpus = {.affinity = 2, .cores = 2}}, true, 0},
        {{.at_ns = 2000000000u, .busy_s = 1.4, .own_s = 0.9, .cpus = {.affinity = 2, .cores = 2}}, true, 1},
        {{.at_ns = 2000000000u, .stolen_s = 0.1, .cpus = {.affinity = 2, .cores = 2}}, true, 1},
        {{.at_ns = 2000000000u, .stolen_s = 0.3, .cpus = {.affinity = 2, .cores = 2}}, false, 0},
        {{.at_ns = 2000000000u, .stolen_s = 0.01, .cpus = {.affinity = 2, .cores = 2}}, true, 0},
        {{.at_ns = 2000000000u, .core_throttles = 3, .cpus = {.affinity = 2, .cores = 2}}, false, 0},
        {{.at_ns = 2000000000u, .cpus = {.affinity = 1, .cores = 1}}, false, 0},
        {{.at_ns = 2000000000u, .cpus = {.affinity = 2, .cores = 0.5, .quota = 0.5}}, false, 0},
        {{.at_ns = 2000000000u, .cpus = {.affinity = 2, .cores = 2, .throttled_periods = 4}}, false, 0},
    };
    struct fitness_snapshot before = calm();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *reasons = json_array(), *notes = json_array();
        assert_int_equal(fitness_judge(&before, &rows[i].after, reasons, notes), rows[i].fit);
        assert_int_equal(json_array_size(reasons), !rows[i].fit);
        assert_int_equal(json_array_size(notes), rows[i].notes);
        json_decref(reasons);
        json_decref(notes);
    }
}

static void a_burn_in_shows_the_speed(void **state)
{
    (void)state;
    struct fitness_burn burn = fitness_burn_in(20e6);
    assert_true(burn.step_ns > 300 && burn.step_ns < 1e5);  /* 1000 multiply-adds of about four cycles */
    assert_true(burn.spread >= 0);
}

/* A tree of made-up kernel files under a new folder. */
static void make_file(const char *root, const char *name, const char *text)
{
    char path[300], folder[300];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = path + strlen(root); (at = strchr(at + 1, '/'));) {
        snprintf(folder, sizeof folder, "%.*s", (int)(at - path), path);
        mkdir(folder, 0777);
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Packages and memory count, cores inside a package do not; a counter that wrapped goes on. */
static void energy_sums_packages_and_follows_a_wrap(void **state)
{
    (void)state;
    char root[] = "/tmp/ternmark-energy-XXXXXX", why[128];
    assert_non_null(mkdtemp(root));
    assert_false(energy_open(root, why, sizeof why));
    assert_non_null(strstr(why, "no RAPL zone"));
    assert_true(energy_read() < 0);
    static const char *const zones[] = {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:0:1"}, *const names[] = {"package-0\n", "core\n", "dram\n"};
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/name", zones[i]);
        make_file(root, name, names[i]);
        snprintf(name, sizeof name, "%s/max_energy_range_uj", zones[i]);
        make_file(root, name, "10000000\n");
        snprintf(name, sizeof name, "%s/energy_uj", zones[i]);
        make_file(root, name, "9000000\n");
    }
    assert_true(energy_open(root, why, sizeof why));
    assert_near(energy_read(), 0, 1e-12);
    make_file(root, "intel-rapl:0/energy_uj", "9500000\n");
    make_file(root, "intel-rapl:0:0/energy_uj", "9900000\n");
    assert_near(energy_read(), 0.5, 1e-9);
    make_file(root, "intel-rapl:0/energy_uj", "500000\n");
    make_file(root, "intel-rapl:0:1/energy_uj", "9250000\n");
    assert_near(energy_read(), 0.5 + 1.0 + 0.25, 1e-9);
    assert_false(energy_open("/nowhere", why, sizeof why));
}

static void heat_is_the_hottest_processor_sensor(void **state)
{
    (void)state;
    char root[] = "/tmp/ternmark-heat-XXXXXX", why[128];
    double value;
    assert_non_null(mkdtemp(root));
    assert_false(heat_celsius(root, &value, why, sizeof why));
    assert_false(heat_throttles(root, &value, why, sizeof why));
    make_file(root, "class/hwmon/hwmon0/name", "k10temp\n");
    make_file(root, "class/hwmon/hwmon0/temp1_input", "41250\n");
    assert_true(heat_celsius(root, &value, why, sizeof why));
    assert_near(value, 41.25, 1e-9);
    static const char *const files[][2] = {{"type", "x86_pkg_temp\n"}, {"temp", "63000\n"}};
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "class/thermal/thermal_zone1/%s", files[i][0]);
        make_file(root, name, files[i][1]);
    }
    make_file(root, "class/thermal/thermal_zone2/type", "nvme\n");
    make_file(root, "class/thermal/thermal_zone2/temp", "90000\n");
    make_file(root, "devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n");
    make_file(root, "devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "4\n");
    assert_true(heat_celsius(root, &value, why, sizeof why));
    assert_near(value, 63, 1e-9);
    assert_true(heat_throttles(root, &value, why, sizeof why));
    assert_near(value, 7, 1e-9);
}

/* Hit rates by vendor; what lacks a count is negative, not zero. */
static void rates_follow_from_counts(void **state)
{
    (void)state;
    double counts[COUNTERS], rates[COUNTER_RATES];
    for (int i = 0; i < COUNTERS; i++)
        counts[i] = -1;
    counters_rates(counts, false, rates);
    for (int i = 0; i < COUNTER_RATES; i++)
        assert_true(rates[i] < 0);
    counts[COUNTER_cycles] = 100;
    counts[COUNTER_instructions] = 250;
    counts[COUNTER_branches] = 50;
    counts[COUNTER_branch_misses] = 1;
    counts[COUNTER_l1_loads] = 1000;
    counts[COUNTER_l1_load_misses] = 100;
    counts[COUNTER_llc_loads] = 20;
    counts[COUNTER_llc_load_misses] = 5;
    counts[COUNTER_cache_references] = 200;
    counts[COUNTER_cache_misses] = 10;
    static const struct {
        bool is_amd;
        double rates[COUNTER_RATES];
    } rows[] = {{false, {2.5, 0.02, 0.9, 0.8, 0.75}}, {true, {2.5, 0.02, 0.9, 0.95, -1}}};
    for (size_t i = 0; i < 2; i++) {
        counters_rates(counts, rows[i].is_amd, rates);
        for (int r = 0; r < COUNTER_RATES; r++)
            assert_near(rates[r], rows[i].rates[r], 1e-12);
    }
}

/* Each check that finds something says what to do. */
static void every_complaint_has_advice(void **state)
{
    (void)state;
    struct checks_state s = {.before = calm(), .after = {.at_ns = 2000000000u, .stolen_s = 0.9, .busy_s = 3, .core_throttles = 5,
                                                         .cpus = {.affinity = 1, .quota = 0.5, .cores = 0.5, .throttled_periods = 9}},
                             .burn = {.step_ns = 1000, .spread = 0.5, .lost = 0.4}, .clock_cost_ns = 900, .clock_resolution_ns = 4e6};
    json_t *answers = checks_run(&s), *answer;
    size_t i, bad = 0;
    json_array_foreach(answers, i, answer) {
        const char *state_word = json_string_value(json_object_get(answer, "state"));
        bool complains = strcmp(state_word, "bad") == 0 || strcmp(state_word, "note") == 0;
        assert_int_equal(complains, json_is_string(json_object_get(answer, "advice")));
        bad += strcmp(state_word, "bad") == 0;
    }
    assert_true(bad >= 7);  /* stolen, neighbours, share, speed, throttling, quota, clock */
    json_decref(answers);
}

static void the_machine_is_described(void **state)
{
    (void)state;
    struct topology t = topology_now();
    assert_true(t.cores >= 1 && t.threads >= t.cores);
    struct cpuset c = cpuset_now();
    assert_true(c.affinity >= 1 && c.cores > 0 && c.cores <= c.affinity);
    char text[128];
    assert_true(strlen(cpuset_text(text, sizeof text)) > 0);
    assert_false(cpuinfo_has("no-such-flag"));
    assert_string_equal(cpuinfo_value("no such key", text, sizeof text), "");
    json_t *environment = host_environment();
    assert_true(json_is_string(json_object_get(environment, "kernel")));
    json_decref(environment);
}

/* What runs on a processor that this process may not use is nobody's burden. */
static void load_elsewhere_does_not_count(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    if (CPU_COUNT(&all) < 2)
        skip();
    size_t mine = 0;
    while (!CPU_ISSET(mine, &all))
        mine++;
    CPU_ZERO(&one);
    CPU_SET(mine, &one);
    struct load everywhere = load_now(NULL, 0);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct load here = load_now(NULL, 0);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_true(here.busy > 0 && here.busy < 0.9 * everywhere.busy);
}

static void git_answers_or_is_absent(void **state)
{
    (void)state;
    static const char *const version[] = {"--version", NULL}, *const nonsense[] = {"no-such-command", NULL};
    char text[64];
    assert_true(git_ask(version, text, sizeof text));
    assert_memory_equal(text, "git version", 11);
    assert_false(git_ask(nonsense, text, sizeof text));
    json_t *git = git_state();
    assert_true(json_is_boolean(json_object_get(git, "dirty")));
    json_decref(git);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_is_measured), cmocka_unit_test(the_key_is_stable_and_readable), cmocka_unit_test(affinity_belongs_to_the_key),
        cmocka_unit_test(slugs), cmocka_unit_test(what_happened_meanwhile_is_judged), cmocka_unit_test(a_burn_in_shows_the_speed),
        cmocka_unit_test(energy_sums_packages_and_follows_a_wrap), cmocka_unit_test(heat_is_the_hottest_processor_sensor),
        cmocka_unit_test(rates_follow_from_counts), cmocka_unit_test(every_complaint_has_advice), cmocka_unit_test(the_machine_is_described), cmocka_unit_test(git_answers_or_is_absent), cmocka_unit_test(load_elsewhere_does_not_count),
        cmocka_unit_test(a_card_has_a_key_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
