/* SPDX-License-Identifier: Apache-2.0
 *
 * Ends of workers, and of whatever they leave behind: this process is made the parent of orphans, so that a grandchild that left its
 * group is found and ended when its worker is.
 */
#ifndef MEASURE_REAPER_H
#define MEASURE_REAPER_H

#include <stdbool.h>
#include <sys/types.h>

struct reaper_end {
    int signal;         /* that killed it, or 0 */
    int status;         /* exit status otherwise */
    double peak_bytes;  /* largest resident set */
};

/* Makes this process adopt orphans of its workers. Cheap; may be called again. */
void reaper_install(void);

/* A worker was started: it is not an orphan until reaper_end_group takes it. */
void reaper_watch(pid_t pid);

/* Whether the process has ended; it stays to be waited for. */
bool reaper_is_gone(pid_t pid);

/* Waits up to `limit_ms` for its end and takes it; false when it still runs. */
bool reaper_wait(pid_t pid, int limit_ms, struct reaper_end *end);

/* Kills the process group that `pid` leads, takes its end if it was not taken, and ends the orphans adopted so far. */
void reaper_end_group(pid_t pid);

#endif
