/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/counters.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint64_t events[COUNTERS] = {PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_BRANCH_MISSES,
                                          PERF_COUNT_HW_CACHE_REFERENCES, PERF_COUNT_HW_CACHE_MISSES};
const char *const counter_names[COUNTERS] = {"cycles", "instructions", "branch_misses", "cache_references", "cache_misses"};
static int files[COUNTERS] = {-1, -1, -1, -1, -1};

bool counters_open(char *why, size_t size)
{
    bool any = false;
    snprintf(why, size, "none");
    for (int i = 0; i < COUNTERS; i++) {
        struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE, .size = sizeof attr, .config = events[i], .inherit = 1, .exclude_kernel = 1,
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
