/* SPDX-License-Identifier: Apache-2.0
 *
 * What others made of the processors while we measured: busy and stolen time of the machine, less our own.
 */
#ifndef PROBE_LOAD_H
#define PROBE_LOAD_H

#include <stddef.h>

/* A reading; times in seconds since boot or process start. */
struct load {
    double busy, stolen;   /* of all processors together: everything but idle and waiting; time the hypervisor took */
    double ours;           /* this process, the ones named, and their finished children */
    double wall;
};

/* Reads /proc/stat and /proc/PID/stat of `n` processes; fields are 0 where they cannot be read. */
struct load load_now(const int *pids, size_t n);

/*
 * Processors' worth of time that others used between two readings of the same processes, stolen time included; the kernel counts
 * in ticks of 10 ms, which are taken off. 0 for readings less than 50 ms apart: too short to tell.
 */
double load_of_others(const struct load *before, const struct load *after);

#endif
