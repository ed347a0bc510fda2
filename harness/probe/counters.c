/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOADS(cache, result) (PERF_COUNT_HW_CACHE_##cache | PERF_COUNT_HW_CACHE_OP_READ << 8 | PERF_COUNT_HW_CACHE_RESULT_##result << 16)

static const struct {
    uint32_t type;
    uint64_t config;
} events[COUNTERS] = {
    [COUNTER_cycles] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    [COUNTER_instructions] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    [COUNTER_branches] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
    [COUNTER_branch_misses] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
    [COUNTER_cache_references] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES},
    [COUNTER_cache_misses] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
    [COUNTER_l1_loads] = {PERF_TYPE_HW_CACHE, LOADS(L1D, ACCESS)},
    [COUNTER_l1_load_misses] = {PERF_TYPE_HW_CACHE, LOADS(L1D, MISS)},
    [COUNTER_llc_loads] = {PERF_TYPE_HW_CACHE, LOADS(LL, ACCESS)},
    [COUNTER_llc_load_misses] = {PERF_TYPE_HW_CACHE, LOADS(LL, MISS)},
};
const char *const counter_names[COUNTERS] = {"cycles",       "instructions", "branches",       "branch_misses", "cache_references",
                                             "cache_misses", "l1_loads",     "l1_load_misses", "llc_loads",     "llc_load_misses"};
const char *const counter_rate_names[COUNTER_RATES] = {"instructions_per_cycle", "branch_miss_rate", "l1_hit_rate", "l2_hit_rate", "l3_hit_rate"};
static int files[COUNTERS] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

bool counters_open(char *why, size_t size)
{
    bool any = false;
    snprintf(why, size, "none");
    for (int i = 0; i < COUNTERS; i++) {
        struct perf_event_attr attr = {.type = events[i].type, .size = sizeof attr, .config = events[i].config, .inherit = 1, .exclude_kernel = 1,
                                       .exclude_hv = 1, .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING};
        files[i] = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (files[i] < 0)
            snprintf(why, size, "perf_event_open: %s", strerror(errno));
        any = any || files[i] >= 0;
    }
    return any;
}

void counters_read(double values[COUNTERS])
{
    for (int i = 0; i < COUNTERS; i++) {
        uint64_t got[3];  /* count, time enabled, time running */
        bool ok = files[i] >= 0 && read(files[i], got, sizeof got) == (ssize_t)sizeof got && got[2] > 0;
        values[i] = ok ? (double)got[0] * ((double)got[1] / (double)got[2]) : -1;
    }
}

/* part / whole; negative where either is absent or there is no whole. */
static double share(double part, double whole)
{
    return part < 0 || whole <= 0 ? -1 : part / whole;
}

/* Counts that the kernel has scaled may disagree a little: more misses than loads is no rate below 0. */
static double hits(double misses, double loads)
{
    double rate = share(misses, loads);
    return rate < 0 ? -1 : rate > 1 ? 0 : 1 - rate;
}

void counters_rates(const double c[COUNTERS], bool is_amd, double rates[COUNTER_RATES])
{
    rates[RATE_instructions_per_cycle] = share(c[COUNTER_instructions], c[COUNTER_cycles]);
    rates[RATE_branch_miss_rate] = share(c[COUNTER_branch_misses], c[COUNTER_branches]);
    rates[RATE_l1_hit_rate] = hits(c[COUNTER_l1_load_misses], c[COUNTER_l1_loads]);
    rates[RATE_l2_hit_rate] = is_amd ? hits(c[COUNTER_cache_misses], c[COUNTER_cache_references]) : hits(c[COUNTER_llc_loads], c[COUNTER_l1_load_misses]);
    rates[RATE_l3_hit_rate] = is_amd ? -1 : hits(c[COUNTER_llc_load_misses], c[COUNTER_llc_loads]);
}
