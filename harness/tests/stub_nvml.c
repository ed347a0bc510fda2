/* SPDX-License-Identifier: Apache-2.0
 *
 * NVML without a card, for tests: a card of two, whose n-th call gives the error that was planned, by stub_nvml_plan or for a whole
 * program by STUB_NVML_FAIL="name of the call:n:code". STUB_NVML_CLOCK sets the multiprocessors' clock in MHz (of at most 2000),
 * STUB_NVML_REASONS the bits of what holds it down; "N@M" holds from the first reading for M readings, after that nothing does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static int calls, planned_call, planned_code, started;

EXPORT void stub_nvml_plan(int call, int code);
EXPORT int stub_nvml_calls(void);
EXPORT int stub_nvml_started(void);

void stub_nvml_plan(int call, int code)
{
    calls = 0;
    planned_call = call;
    planned_code = code;
}

int stub_nvml_calls(void)
{
    return calls;
}

/* How often it was started and not shut down. */
int stub_nvml_started(void)
{
    return started;
}

static int named_failure(const char *symbol)
{
    static int n;
    const char *plan = getenv("STUB_NVML_FAIL");
    char name[64];
    int at, code;
    if (!plan || sscanf(plan, "%63[^:]:%d:%d", name, &at, &code) != 3 || strcmp(name, symbol) || (at && ++n != at))
        return 0;
    return code;
}

/* "N" always, "N@M" for the first M readings; otherwise `usual`. */
static unsigned long setting(const char *name, int *readings, unsigned long usual)
{
    const char *text = getenv(name), *until = text ? strchr(text, '@') : NULL;
    if (!text || (until && (*readings)++ >= atoi(until + 1)))
        return usual;
    return strtoul(text, NULL, 0);
}

#pragma GCC diagnostic ignored "-Wunused-parameter"
#define STUB(symbol, arguments, body)                                                          \
    EXPORT int symbol arguments;                                                               \
    int symbol arguments                                                                       \
    {                                                                                          \
        int code = ++calls == planned_call ? planned_code : named_failure(#symbol);            \
        if (code)                                                                              \
            return code;                                                                       \
        body;                                                                                  \
        return 0;                                                                              \
    }

struct field {
    unsigned id, scope;
    long long timestamp, latency_us;
    int type, code;
    union {
        double d;
        unsigned u;
    } value;
};

static int clock_readings, reason_readings;
static char cards[2];

EXPORT const char *nvmlErrorString(int code);
const char *nvmlErrorString(int code)
{
    return code == 9 ? "Driver Not Loaded" : code == 15 ? "GPU is lost" : "stub error";
}

STUB(nvmlInit_v2, (void), started++)
EXPORT int nvmlShutdown(void);
int nvmlShutdown(void)
{
    started--;
    return 0;
}
STUB(nvmlDeviceGetHandleByIndex_v2, (unsigned index, void **card), if (index > 1) return 6; *card = &cards[index])
STUB(nvmlDeviceGetHandleByUUID, (const char *uuid, void **card), if (strcmp(uuid, "GPU-stub")) return 6; *card = &cards[1])
STUB(nvmlDeviceGetName, (void *card, char *text, unsigned size), snprintf(text, size, "stub card"))
STUB(nvmlDeviceGetUUID, (void *card, char *text, unsigned size), snprintf(text, size, card == &cards[1] ? "GPU-stub" : "GPU-first"))
STUB(nvmlDeviceGetMemoryInfo, (void *card, unsigned long long out[3]), out[0] = 80ull << 30; out[1] = out[2] = 40ull << 30)
STUB(nvmlDeviceGetUtilizationRates, (void *card, unsigned out[2]), out[0] = card == &cards[1] ? 12 : 90; out[1] = 40)
STUB(nvmlDeviceGetTemperature, (void *card, int sensor, unsigned *celsius), *celsius = 51)
STUB(nvmlDeviceGetPowerUsage, (void *card, unsigned *mw), *mw = 300000)
STUB(nvmlDeviceGetFieldValues, (void *card, int n, struct field *fields), fields[0].type = 1; fields[0].code = 0; fields[0].value.u = 412500)
STUB(nvmlDeviceGetClockInfo, (void *card, int which, unsigned *mhz), *mhz = which == 1 ? (unsigned)setting("STUB_NVML_CLOCK", &clock_readings, 1980) : 2619)
STUB(nvmlDeviceGetMaxClockInfo, (void *card, int which, unsigned *mhz), *mhz = 2000)
STUB(nvmlDeviceGetCurrentClocksThrottleReasons, (void *card, unsigned long long *bits), *bits = setting("STUB_NVML_REASONS", &reason_readings, 0))
