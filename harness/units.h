/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantities with units: one table per family serves parsing and printing.
 */
#ifndef UNITS_H
#define UNITS_H

#include <stdbool.h>
#include <stddef.h>

enum unit_family { UNIT_TIME_NS, UNIT_BYTES, UNIT_RATE, UNIT_RATIO };

/*
 * Parses a positive finite number with a unit of the family ("500ms", "4GiB", "5%"), whole string.
 * UNIT_TIME_NS needs its unit and gives ns; UNIT_BYTES allows none (bytes); UNIT_RATIO takes "5%" or "0.05".
 * Returns false when it is not such a quantity.
 */
bool units_parse(enum unit_family family, const char *text, double *value);

/* Prints `value` (ns, bytes, per second, ratio) with four significant digits and the unit that fits; returns `buffer`. */
const char *units_print(enum unit_family family, double value, char *buffer, size_t size);

#endif
