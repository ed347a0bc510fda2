/* SPDX-License-Identifier: Apache-2.0
 *
 * How warm the processor is, and how often it was slowed down for that. Absent with the reason where the kernel shows no sensor.
 */
#ifndef PROBE_HEAT_H
#define PROBE_HEAT_H

#include <stdbool.h>
#include <stddef.h>

#define HEAT_ROOT "/sys"

/*
 * The hottest processor sensor in degrees Celsius: thermal zones of a processor's type under root/class/thermal, else hwmon chips of
 * one. False with `why` when there is none.
 */
bool heat_celsius(const char *root, double *celsius, char *why, size_t size);

/* Thermal throttling events of all cores so far; false with `why` where they are not counted. */
bool heat_throttles(const char *root, double *events, char *why, size_t size);

#endif
