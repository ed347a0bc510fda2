/* SPDX-License-Identifier: Apache-2.0
 * What this CPU can do, asked once: features whose registers the operating system saves too, and the sizes of its caches.
 * All functions may be called from any thread at any time. */
#ifndef TERN_CORE_CPU_H
#define TERN_CORE_CPU_H

#include <stdbool.h>
#include <stddef.h>

/* Is the feature of that name (features.def) usable here? False for unknown names and for those of other architectures.
 * "amxtile", "amxint8" and "amxbf16" are usable only once the kernel has granted this process the tile registers; the first question asks it. */
bool tern_cpu_has(const char *feature);

/* The first of the space-separated features that is not usable, copied to missing (at least 32 bytes); false when all are there. */
bool tern_cpu_lacks(const char *features, char *missing);

/* Sizes of one core's caches in bytes: level 1 (data), 2 and 3 (shared by several); a usual size where the system does not say. */
size_t tern_cpu_cache(int level);

#endif
