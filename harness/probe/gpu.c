/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/gpu.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers and layouts of nvml.h, stable since driver 450. */
enum { NVML_OK = 0, NVML_TEMPERATURE_CHIP = 0, NVML_CLOCK_SM = 1, NVML_CLOCK_MEMORY = 2, NVML_FIELD_POWER_INSTANT = 186, NVML_TYPE_UINT = 1 };
enum nvml_reason {
    NVML_REASON_SETTING = 0x2, NVML_REASON_HW_SLOWDOWN = 0x8, NVML_REASON_SYNC = 0x10, NVML_REASON_SW_THERMAL = 0x20,
    NVML_REASON_HW_THERMAL = 0x40, NVML_REASON_BRAKE = 0x80,
};
struct nvml_utilisation {
    unsigned gpu, memory; /* per cent */
};
struct nvml_field {
    unsigned id, scope;
    long long timestamp, latency_us;
    int type, code;
    union {
        double d;
        unsigned u;
        unsigned long long ull;
    } value;
};

static const double low_clock = 0.75;
static const char *const usual_names[] = {"libnvidia-ml.so.1", "/usr/local/nvidia/lib64/libnvidia-ml.so.1"};

static struct nvml {
    void *library, *card;
    unsigned highest_mhz; /* of the multiprocessors; 0: not told */
    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error)(int code);
    int (*by_index)(unsigned index, void **card);
    int (*by_uuid)(const char *uuid, void **card);
    int (*name)(void *card, char *text, unsigned size);
    int (*uuid)(void *card, char *text, unsigned size);
    int (*memory)(void *card, unsigned long long *total_free_used);
    int (*utilisation)(void *card, struct nvml_utilisation *out);
    int (*temperature)(void *card, int sensor, unsigned *celsius);
    int (*power)(void *card, unsigned *mw);
    int (*fields)(void *card, int n, struct nvml_field *fields);
    int (*clock)(void *card, int which, unsigned *mhz);
    int (*highest)(void *card, int which, unsigned *mhz);
    int (*reasons)(void *card, unsigned long long *bits);
} nvml;

static bool find_symbols(char *why, size_t size)
{
    const struct {
        const char *name;
        void *to;
    } symbols[] = {
        {"nvmlInit_v2", &nvml.init}, {"nvmlShutdown", &nvml.shutdown}, {"nvmlErrorString", &nvml.error}, {"nvmlDeviceGetHandleByIndex_v2", &nvml.by_index},
        {"nvmlDeviceGetHandleByUUID", &nvml.by_uuid}, {"nvmlDeviceGetName", &nvml.name}, {"nvmlDeviceGetUUID", &nvml.uuid}, {"nvmlDeviceGetMemoryInfo", &nvml.memory}, {"nvmlDeviceGetUtilizationRates", &nvml.utilisation}, {"nvmlDeviceGetTemperature", &nvml.temperature},
        {"nvmlDeviceGetPowerUsage", &nvml.power}, {"nvmlDeviceGetFieldValues", &nvml.fields}, {"nvmlDeviceGetClockInfo", &nvml.clock},
        {"nvmlDeviceGetMaxClockInfo", &nvml.highest}, {"nvmlDeviceGetCurrentClocksThrottleReasons", &nvml.reasons},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(nvml.library, symbols[i].name);
        if (!symbol) {
            snprintf(why, size, "NVML has no %s", symbols[i].name);
            return false;
        }
        memcpy(symbols[i].to, &symbol, sizeof symbol);
    }
    return true;
}

static bool works(int code, const char *doing, char *why, size_t size)
{
    if (code != NVML_OK)
        snprintf(why, size, "NVML: %s: %.80s", doing, nvml.error(code));
    return code == NVML_OK;
}

/* The entry of CUDA_VISIBLE_DEVICES that `ordinal` stands for, "-" behind the last; the number itself where there is no such list. */
static const char *visible(int ordinal, char *buffer, size_t size)
{
    const char *list = getenv("CUDA_VISIBLE_DEVICES"), *at = list;
    for (int i = 0; at && i < ordinal; i++)
        at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL;
    if (!list)
        snprintf(buffer, size, "%d", ordinal);
    else
        snprintf(buffer, size, "%.*s", at && *at ? (int)strcspn(at, ",") : 1, at && *at ? at : "-");
    return buffer;
}

static int find_card(int ordinal)
{
    char name[96];
    visible(ordinal, name, sizeof name);
    bool is_number = name[strspn(name, "0123456789")] == 0;
    return is_number ? nvml.by_index((unsigned)strtoul(name, NULL, 10), &nvml.card) : nvml.by_uuid(name, &nvml.card);
}

static bool load(const char *library, char *why, size_t size)
{
    const char *const named[] = {library};
    const char *const *names = library && *library ? named : usual_names;
    size_t n = library && *library ? 1 : sizeof usual_names / sizeof *usual_names;
    for (size_t i = 0; i < n && !nvml.library; i++)
        nvml.library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!nvml.library)
        snprintf(why, size, "no NVML: %.90s", dlerror());
    return nvml.library && find_symbols(why, size);
}

bool gpu_open(const char *library, int ordinal, char *why, size_t size)
{
    gpu_close();
    if (!load(library, why, size) || !works(nvml.init(), "starting", why, size)) {
        nvml.shutdown = NULL; /* it did not start */
        gpu_close();
        return false;
    }
    if (!works(find_card(ordinal), "finding the card", why, size)) {
        gpu_close();
        return false;
    }
    if (nvml.highest(nvml.card, NVML_CLOCK_SM, &nvml.highest_mhz) != NVML_OK)
        nvml.highest_mhz = 0;
    return true;
}

void gpu_close(void)
{
    if (nvml.shutdown)
        nvml.shutdown();
    if (nvml.library)
        dlclose(nvml.library);
    nvml = (struct nvml){0};
}

bool gpu_describe(struct gpu_card *card)
{
    unsigned long long memory[3];
    *card = (struct gpu_card){0};
    if (!nvml.card || nvml.name(nvml.card, card->name, sizeof card->name) != NVML_OK || nvml.uuid(nvml.card, card->uuid, sizeof card->uuid) != NVML_OK ||
        nvml.memory(nvml.card, memory) != NVML_OK)
        return false;
    card->memory_bytes = (double)memory[0];
    return true;
}

/* ---- values */

static double milliwatts(void)
{
    struct nvml_field field = {.id = NVML_FIELD_POWER_INSTANT};
    unsigned mw;
    if (nvml.fields(nvml.card, 1, &field) == NVML_OK && field.code == NVML_OK && field.type == NVML_TYPE_UINT)
        return field.value.u;
    return nvml.power(nvml.card, &mw) == NVML_OK ? (double)mw : -1;
}

static double megahertz(int which)
{
    unsigned mhz;
    return nvml.clock(nvml.card, which, &mhz) == NVML_OK ? (double)mhz : -1;
}

void gpu_read(double values[GPU_VALUES])
{
    struct nvml_utilisation busy;
    unsigned celsius;
    for (int i = 0; i < GPU_VALUES; i++)
        values[i] = -1;
    if (!nvml.card)
        return;
    if (nvml.utilisation(nvml.card, &busy) == NVML_OK) {
        values[GPU_utilisation] = busy.gpu / 100.0;
        values[GPU_memory_utilisation] = busy.memory / 100.0;
    }
    double mw = milliwatts();
    values[GPU_power] = mw < 0 ? -1 : mw / 1e3;
    if (nvml.temperature(nvml.card, NVML_TEMPERATURE_CHIP, &celsius) == NVML_OK)
        values[GPU_temperature] = celsius;
    values[GPU_clock] = megahertz(NVML_CLOCK_SM);
    values[GPU_memory_clock] = megahertz(NVML_CLOCK_MEMORY);
}

int gpu_slowed(void)
{
    unsigned long long reasons = 0;
    if (!nvml.card)
        return -1;
    bool told = nvml.reasons(nvml.card, &reasons) == NVML_OK;
    double mhz = megahertz(NVML_CLOCK_SM);
    if (!told && mhz < 0)
        return -1;
    int bits = 0;
    bits |= reasons & (NVML_REASON_SW_THERMAL | NVML_REASON_HW_THERMAL) ? GPU_SLOW_heat : 0;
    bits |= reasons & (NVML_REASON_HW_SLOWDOWN | NVML_REASON_BRAKE) ? GPU_SLOW_brake : 0;
    bits |= reasons & NVML_REASON_SYNC ? GPU_SLOW_sync : 0;
    bool is_low = mhz >= 0 && nvml.highest_mhz && mhz < low_clock * nvml.highest_mhz;
    return bits | (is_low && !(reasons & NVML_REASON_SETTING) ? GPU_SLOW_low_clock : 0);
}

const char *gpu_slow_text(int bits, char *buffer, size_t size)
{
    static const struct {
        int bit;
        const char *word;
    } words[] = {{GPU_SLOW_heat, "heat"}, {GPU_SLOW_brake, "a brake of the hardware"}, {GPU_SLOW_sync, "a slower card beside it"},
                 {GPU_SLOW_low_clock, "a clock under three quarters of the highest"}};
    size_t used = 0;
    buffer[0] = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (bits > 0 && bits & words[i].bit && used < size)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "", words[i].word);
    return buffer;
}
