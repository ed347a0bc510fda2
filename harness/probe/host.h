/* SPDX-License-Identifier: Apache-2.0
 *
 * Which machine this is. What makes two machines incomparable is in the hardware key; everything else that may matter is environment.
 * Nothing here touches a GPU: its key is asked of a worker.
 */
#ifndef PROBE_HOST_H
#define PROBE_HOST_H

#include <jansson.h>
#include <stddef.h>

/*
 * {key, gpu_key null, fields {…}}: a new object. key = slug "-" first 8 hex of SHA-256 over the canonical text of fields:
 * vendor, family, model, stepping, cpu, isa (sets that the system has enabled, sorted), cores (affinity ∩ cgroup), smt, l2_per_core,
 * l3_per_core (bytes), memory_gib (rounded to a power of two), virtual.
 */
json_t *host_hardware(void);

/*
 * The second key, of cells that ran on a card: name, number and memory of the cards (GiB, rounded) and the major version of CUDA that
 * the driver has, then 8 hex of their SHA-256, such as nvidia-h100-80gb-hbm3-1x80g-cuda13-0a1b2c3d. `card`: {name, count, memory_bytes,
 * driver (1000 x major + 10 x minor)}, as a worker tells it.
 */
const char *host_gpu_key(const json_t *card, char *buffer, size_t size);

/* {name: string|number|bool}: kernel, microcode, governor, turbo, huge pages, ASLR, C library, compiler, LuaJIT, cpus allowed: a new object. */
json_t *host_environment(void);

/* The readable part of a key for this CPU name, cores and memory; returns `buffer`. */
const char *host_slug(const char *cpu, double cores, double memory_gib, char *buffer, size_t size);

#endif
