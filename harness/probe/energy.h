/* SPDX-License-Identifier: Apache-2.0
 *
 * Energy that the processor's packages and their memory have used, by RAPL through the kernel's powercap files (energy_uj of the zones
 * package-N and dram). It is that of the whole package: whatever else runs meanwhile is in it. Counters step about once a millisecond
 * and wrap at max_energy_range_uj; a wrap is followed as long as it is read at least once in a range (an hour at 70 W).
 * Where nothing can be read it is absent with the reason, never zero. One set a process.
 */
#ifndef PROBE_ENERGY_H
#define PROBE_ENERGY_H

#include <stdbool.h>
#include <stddef.h>

#define ENERGY_ROOT "/sys/class/powercap"

/* Opens every zone under `root`. False with `why` when there is none or the kernel refuses to show it (usual without root). */
bool energy_open(const char *root, char *why, size_t size);

/* Joules since energy_open, all zones; negative where absent. */
double energy_read(void);

#endif
