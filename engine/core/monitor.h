/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the monitor (tern.h, "Monitor"): what ops and models call. Where no monitor runs it costs one load.
 */
#ifndef TERN_CORE_MONITOR_H
#define TERN_CORE_MONITOR_H

#include "tern.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern atomic_bool tern_monitor_runs;

static inline bool tern_monitor_is_on(void)
{
    return atomic_load_explicit(&tern_monitor_runs, memory_order_relaxed);
}

/* Starts what TERN_MONITOR asks for, at the first call of a process. */
void tern_monitor_environment(void);

/* Nanoseconds of the monotonic clock. */
double tern_monitor_clock(void);

/* One sample of a name that stays where it is, remembered in *known (null at first). */
struct tern_monitored;
void tern_monitor_add(struct tern_monitored **known, const char *name, double ns);

#endif
