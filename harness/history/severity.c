/* SPDX-License-Identifier: Apache-2.0 */
#include "history/severity.h"

#include <stddef.h>
#include <string.h>

bool severity_larger_is_better(const char *metric, const char *unit)
{
    size_t n = strlen(unit);
    return (n >= 2 && strcmp(unit + n - 2, "/s") == 0) || strstr(metric, "roof") != NULL || strstr(metric, "throughput") != NULL;
}

double severity_worsening(double change, bool larger_is_better)
{
    return larger_is_better ? 1 / (1 + change) - 1 : change;
}

const char *severity_of(double worsening)
{
    static const struct {
        double below;
        const char *name;
    } rows[] = {{0, "improvement"}, {0.05, "slight"}, {0.15, "minor"}, {0.30, "moderate"}, {0.50, "major"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (worsening < rows[i].below)
            return rows[i].name;
    return "critical";
}
