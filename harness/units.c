/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

/* Ascending; the first row of a family is what a number without a unit means, where that is allowed. */
static const struct unit time_units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {0}};
static const struct unit byte_units[] = {{"B", 1}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0}, {0}};
static const struct unit rate_units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {0}};
static const struct unit ratio_units[] = {{"", 1}, {"%", 0.01}, {0}};

static const struct family {
    const struct unit *units;
    bool bare;  /* a number without a unit is allowed */
} families[] = {
    [UNIT_TIME_NS] = {time_units, false},
    [UNIT_BYTES] = {byte_units, true},
    [UNIT_RATE] = {rate_units, true},
    [UNIT_RATIO] = {ratio_units, true},
};

bool units_parse(enum unit_family family, const char *text, double *value)
{
    char *end;
    if (!isdigit((unsigned char)text[0]) && text[0] != '.')
        return false;
    double number = strtod(text, &end);
    if (!isfinite(number) || number < 0)
        return false;
    if (*end == 0 && families[family].bare) {
        *value = number;
        return true;
    }
    for (const struct unit *unit = families[family].units; unit->name; unit++) {
        if (strcmp(end, unit->name) == 0) {
            *value = number * unit->factor;
            return true;
        }
    }
    return false;
}

const char *units_print(enum unit_family family, double value, char *buffer, size_t size)
{
    if (family == UNIT_RATIO) {
        snprintf(buffer, size, "%.4g%%", value * 100);
        return buffer;
    }
    const struct unit *best = families[family].units;
    for (const struct unit *unit = best; unit->name; unit++)
        if (fabs(value) >= unit->factor && strcmp(unit->name, "m") != 0 && strcmp(unit->name, "h") != 0)
            best = unit;
    snprintf(buffer, size, "%.4g%s%s", value / best->factor, *best->name ? " " : "", best->name);
    return buffer;
}
