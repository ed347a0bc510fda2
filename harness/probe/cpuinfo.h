/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of /proc/cpuinfo: what the kernel knows of the processor and has enabled (its flags leave out sets whose registers it does
 * not save).
 */
#ifndef PROBE_CPUINFO_H
#define PROBE_CPUINFO_H

#include <stdbool.h>
#include <stddef.h>

/* The first processor's value of `key` ("model name"), or "" ; returns `buffer`. */
const char *cpuinfo_value(const char *key, char *buffer, size_t size);

/* Whether `flag` is among the flags (x86) or Features (arm). */
bool cpuinfo_has(const char *flag);

#endif
