/* SPDX-License-Identifier: Apache-2.0
 * The card beside a cell, without one: a stub NVML whose every call fails in its turn; values are absent with a reason, never zero, and
 * samples at a held-down clock are told from others. */
#include "measure/card.h"
#include "probe/gpu.h"

#include "near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char stub[4096], why[128];
static void (*plan)(int, int);
static int (*calls)(void), (*started)(void);

static void get(void *library, const char *name, void *to)
{
    void *symbol = dlsym(library, name);
    assert_non_null(symbol);
    memcpy(to, &symbol, sizeof symbol);
}

static int load_stub(void **state)
{
    (void)state;
    ssize_t n = readlink("/proc/self/exe", stub, sizeof stub - 32);
    assert_true(n > 0);
    stub[n] = 0;
    strcpy(strrchr(stub, '/') + 1, "stub_nvml.so");
    void *library = dlopen(stub, RTLD_NOW);
    assert_non_null(library);
    get(library, "stub_nvml_plan", &plan);
    get(library, "stub_nvml_calls", &calls);
    get(library, "stub_nvml_started", &started);
    return setenv("TERNMARK_NVML", stub, 1);
}

static int forget(void **state)
{
    static const char *const names[] = {"STUB_NVML_CLOCK", "STUB_NVML_REASONS", "CUDA_VISIBLE_DEVICES", "TERN_CUDA_DEVICE"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    plan(0, 0);
    gpu_close();
    return 0;
}

static void every_value_is_read(void **state)
{
    static const double expected[GPU_VALUES] = {0.9, 0.4, 412.5, 51, 1980, 2619};
    double values[GPU_VALUES];
    (void)state;
    assert_true(gpu_open(stub, 0, why, sizeof why));
    gpu_read(values);
    for (int i = 0; i < GPU_VALUES; i++)
        assert_near(values[i], expected[i], 1e-9);
    assert_int_equal(gpu_slowed(), 0);
    gpu_close();
    assert_int_equal(started(), 0);
    gpu_read(values);
    for (int i = 0; i < GPU_VALUES; i++)
        assert_true(values[i] < 0);
    assert_int_equal(gpu_slowed(), -1);
}

static void machines_without_say_why(void **state)
{
    (void)state;
    assert_false(gpu_open("/nonexistent/libnvidia-ml.so.1", 0, why, sizeof why));
    assert_non_null(strstr(why, "no NVML"));
    assert_false(gpu_open("libm.so.6", 0, why, sizeof why));
    assert_non_null(strstr(why, "nvmlInit_v2"));
    assert_false(gpu_open(stub, 7, why, sizeof why));
    assert_non_null(strstr(why, "finding the card"));
    plan(1, 9);
    assert_false(gpu_open(stub, 0, why, sizeof why));
    assert_non_null(strstr(why, "Driver Not Loaded"));
    assert_int_equal(started(), 0);
}

/* One call fails: either the card is not opened, with a reason, or what that call told is absent and the rest is there. */
static void every_call_fails_in_its_turn(void **state)
{
    double values[GPU_VALUES];
    static const int codes[] = {3, 4, 15, 999};
    (void)state;
    plan(0, 0);
    assert_true(gpu_open(stub, 0, why, sizeof why));
    gpu_read(values);
    gpu_slowed();
    int n = calls();
    assert_true(n >= 10);
    for (size_t c = 0; c < 4; c++)
        for (int call = 1; call <= n; call++) {
            int absent = 0;
            plan(call, codes[c]);
            why[0] = 0;
            if (!gpu_open(stub, 0, why, sizeof why)) {
                assert_true(call <= 2 && why[0]);
                assert_int_equal(started(), 0);
                continue;
            }
            gpu_read(values);
            for (int i = 0; i < GPU_VALUES; i++)
                absent += values[i] < 0;
            assert_int_equal(gpu_slowed(), 0); /* the clock tells where the reasons do not, and the other way round */
            assert_true(absent <= 2);
            gpu_close();
        }
}

static void a_moment_of_power_falls_back_to_its_second(void **state)
{
    double values[GPU_VALUES];
    (void)state;
    assert_true(gpu_open(stub, 0, why, sizeof why));
    for (int call = 1; call < 6; call++) {
        plan(call, 3);
        gpu_read(values);
        assert_true(values[GPU_power] > 299);
    }
}

static void what_holds_the_clock_is_named(void **state)
{
    static const struct {
        const char *clock, *reasons;
        int bits;
        const char *word;
    } rows[] = {
        {"1980", "0", 0, ""},
        {"1980", "0x1", 0, ""},  /* idle */
        {"1600", "0x4", 0, ""},  /* the power limit, at a clock near enough */
        {"1400", "0x4", GPU_SLOW_low_clock, "three quarters"},
        {"1200", "0x2", 0, ""},  /* an administrator's setting */
        {"1900", "0x20", GPU_SLOW_heat, "heat"},
        {"1900", "0x40", GPU_SLOW_heat, "heat"},
        {"1900", "0x80", GPU_SLOW_brake, "brake"},
        {"345", "0x8", GPU_SLOW_brake | GPU_SLOW_low_clock, "brake of the hardware, a clock"},
        {"1900", "0x10", GPU_SLOW_sync, "slower card"},
    };
    char text[128];
    (void)state;
    assert_true(gpu_open(stub, 0, why, sizeof why));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setenv("STUB_NVML_CLOCK", rows[i].clock, 1);
        setenv("STUB_NVML_REASONS", rows[i].reasons, 1);
        assert_int_equal(gpu_slowed(), rows[i].bits);
        assert_non_null(strstr(gpu_slow_text(rows[i].bits, text, sizeof text), rows[i].word));
    }
    char tiny[8];
    assert_int_equal(strlen(gpu_slow_text(15, tiny, sizeof tiny)), 7);
}

/* Cards are counted as CUDA counts them: the second of the two has a load of its own. */
static void the_card_is_the_one_that_cuda_uses(void **state)
{
    static const struct {
        const char *visible;
        int ordinal;
        double load;
    } rows[] = {{NULL, 0, 0.9}, {NULL, 1, 0.12}, {"1", 0, 0.12}, {"1,0", 1, 0.9}, {"0,GPU-stub", 1, 0.12}, {"GPU-stub", 0, 0.12}};
    double values[GPU_VALUES];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsetenv("CUDA_VISIBLE_DEVICES");
        if (rows[i].visible)
            setenv("CUDA_VISIBLE_DEVICES", rows[i].visible, 1);
        assert_true(gpu_open(stub, rows[i].ordinal, why, sizeof why));
        gpu_read(values);
        assert_near(values[GPU_utilisation], rows[i].load, 1e-9);
    }
    setenv("CUDA_VISIBLE_DEVICES", "nonsense", 1);
    assert_false(gpu_open(stub, 0, why, sizeof why));
}

static json_t *info_of(const char *backend)
{
    return json_pack("{s:s}", "backend", backend);
}

static void samples_at_a_held_clock_are_marked(void **state)
{
    (void)state;
    struct card card = {0};
    json_t *info = info_of("cuda");
    card_open(&card, info);
    assert_null(json_object_get(info, "gpu_absent"));
    card_begin(&card);
    setenv("STUB_NVML_REASONS", "0x40", 1);
    card_sample(&card, 0);
    setenv("STUB_NVML_REASONS", "0", 1);
    card_sample(&card, 1);
    setenv("STUB_NVML_CLOCK", "300", 1);
    card_sample(&card, 63);
    card_end(&card);
    assert_true(card.usage.slowed == (1 | (uint64_t)1 << 63));
    assert_int_equal(card.usage.slow_reasons, GPU_SLOW_heat | GPU_SLOW_low_clock);
    assert_int_equal(card.usage.readings[GPU_temperature], 1);
    assert_int_equal(card.usage.readings[GPU_power], 0); /* too early */
    struct card_usage sum = {0};
    json_t *generation = json_object();
    card_add(&sum, &card.usage);
    card_describe(generation, &sum, 2);
    assert_near(json_number_value(json_object_get(generation, "gpu_temperature")), 51, 1e-9);
    assert_null(json_object_get(generation, "gpu_power"));
    assert_non_null(strstr(json_string_value(json_object_get(generation, "gpu_power_absent")), "220 ms"));
    assert_int_equal(json_integer_value(json_object_get(generation, "gpu_throttled")), 2);
    json_decref(generation);
    json_decref(info);
}

/* Load and power are those of the cell once the sensors have had time; readings in between are the latest ones. */
static void slow_sensors_are_waited_for(void **state)
{
    (void)state;
    struct card card = {0};
    struct card_usage sum = {0};
    json_t *info = info_of("cuda"), *generation = json_object();
    card_open(&card, info);
    for (int turn = 0; turn < 30; turn++) {
        card_begin(&card);
        card_sample(&card, 0);
        card_end(&card);
        card_add(&sum, &card.usage);
        usleep(10000);
    }
    assert_int_equal(sum.readings[GPU_clock], 30);
    assert_true(sum.readings[GPU_power] > 0 && sum.readings[GPU_power] < 15);
    card_describe(generation, &sum, 0);
    assert_near(json_number_value(json_object_get(generation, "gpu_power")), 412.5, 1e-9);
    assert_near(json_number_value(json_object_get(generation, "gpu_utilisation")), 0.9, 1e-9);
    json_decref(generation);
    json_decref(info);
}

static void cells_elsewhere_are_left_alone(void **state)
{
    (void)state;
    struct card card = {0};
    json_t *info = info_of("avx512vnni");
    plan(0, 0);
    card_open(&card, info);
    card_begin(&card);
    card_sample(&card, 0);
    card_end(&card);
    assert_int_equal(calls(), 0);
    assert_int_equal(json_object_size(info), 1);
    json_decref(info);
    setenv("TERNMARK_NVML", "/nonexistent.so", 1);
    info = info_of("cuda");
    card_open(&card, info);
    assert_non_null(strstr(json_string_value(json_object_get(info, "gpu_absent")), "no NVML"));
    card_sample(&card, 0);
    card_end(&card);
    assert_int_equal(card.usage.readings[GPU_power], 0);
    setenv("TERNMARK_NVML", stub, 1);
    json_decref(info);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_value_is_read, forget), cmocka_unit_test_teardown(machines_without_say_why, forget),
        cmocka_unit_test_teardown(every_call_fails_in_its_turn, forget), cmocka_unit_test_teardown(a_moment_of_power_falls_back_to_its_second, forget),
        cmocka_unit_test_teardown(what_holds_the_clock_is_named, forget), cmocka_unit_test_teardown(the_card_is_the_one_that_cuda_uses, forget),
        cmocka_unit_test_teardown(slow_sensors_are_waited_for, forget),
        cmocka_unit_test_teardown(samples_at_a_held_clock_are_marked, forget), cmocka_unit_test_teardown(cells_elsewhere_are_left_alone, forget),
    };
    return cmocka_run_group_tests(tests, load_stub, NULL);
}
