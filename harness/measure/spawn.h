/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole processes as subjects: posix_spawn, no shell, standard streams on /dev/null, in the worker's process group.
 */
#ifndef MEASURE_SPAWN_H
#define MEASURE_SPAWN_H

#include "fault.h"

#include <stdbool.h>

/* What the kernel says of one ended process. */
struct spawn_usage {
    double cpu_ns;      /* user and system */
    double faults, switches;
    double peak_bytes;  /* largest resident set */
};

/* Runs argv (argv[0] is looked up in PATH) to its end and adds to `usage` (peak: the larger). False unless it exits with 0. */
bool spawn_run(char *const *argv, struct spawn_usage *usage, struct fault *fault);

#endif
