/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker does to itself: death with its parent, memory limit, CPU pinning, and the kernel's account of its memory.
 */
#ifndef MEASURE_LIMITS_H
#define MEASURE_LIMITS_H

#include "fault.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * When the parent dies this process kills its whole group, itself included; no core files; no new privileges. False when the
 * parent is gone already.
 */
bool limits_tie_to_parent(int parent);

/*
 * Environment of a worker, before anything is loaded: NVLink multicast stays off in NCCL (NCCL_NVLS_ENABLE=0: a program that dies with it
 * can take the cards of a host with it), and CUDA counts cards in the order of the bus, as NVML does, unless the user says otherwise.
 * Everything else (NCCL_*, CUDA_*, NVIDIA_*, LD_LIBRARY_PATH) stays as it is.
 */
void limits_set_environment(void);

/*
 * Limits the address space to what is mapped now and `bytes` more (with a graphics card: private memory that can be written); 0: no limit.
 * Nothing where a sanitizer has reserved terabytes.
 */
bool limits_set_memory(double bytes, struct fault *fault);

/*
 * When this process crashes (SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL), its address space beyond what was mapped at this call, in
 * bytes, is written to `*added` before the signal takes its course: a subject whose memory was refused most often dies like that.
 */
void limits_watch_crashes(_Atomic uint64_t *added);

/* Forgets the largest resident set so far / reads it, in bytes (0 when the kernel does not say). */
void limits_reset_peak(void);
double limits_peak_bytes(void);

/* The resident set now, in bytes (0 when the kernel does not say). */
double limits_resident_bytes(void);

/* Threads of this process. */
int limits_thread_count(void);

/* Pins this process to one CPU of its allowed set; back to that set. False (and no change) when it is not allowed. */
bool limits_pin(int cpu);
void limits_unpin(void);

#endif
