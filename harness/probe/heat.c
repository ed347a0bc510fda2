/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/heat.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(text, (int)size, file);
    if (file)
        fclose(file);
    text[ok ? strcspn(text, "\n") : 0] = 0;
    return ok;
}

/* Kinds of sensors that sit in a processor, of thermal zones and of hwmon chips. */
static bool is_processor(const char *kind)
{
    static const char *const kinds[] = {"x86_pkg_temp", "cpu", "soc", "coretemp", "k10temp", "zenpower"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(kind, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

/* The hottest file `value` beside files `name` (under root, a pattern) that name a processor; -INFINITY without any. */
static double hottest(const char *root, const char *folders, const char *name, const char *value)
{
    char pattern[256], path[512], text[64];
    glob_t found = {0};
    double most = -INFINITY;
    snprintf(pattern, sizeof pattern, "%s/%s", root, folders);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            snprintf(path, sizeof path, "%s/%s", found.gl_pathv[i], name);
            if (!read_text(path, text, sizeof text) || !is_processor(text))
                continue;
            snprintf(path, sizeof path, "%s/%s", found.gl_pathv[i], value);
            if (read_text(path, text, sizeof text))
                most = fmax(most, strtod(text, NULL) / 1000);
        }
    globfree(&found);
    return most;
}

bool heat_celsius(const char *root, double *celsius, char *why, size_t size)
{
    *celsius = hottest(root, "class/thermal/thermal_zone*", "type", "temp");
    if (!isfinite(*celsius))
        *celsius = hottest(root, "class/hwmon/hwmon*", "name", "temp1_input");
    if (isfinite(*celsius))
        return true;
    snprintf(why, size, "no sensor of a processor under %.80s/class/thermal or hwmon", root);
    return false;
}

bool heat_throttles(const char *root, double *events, char *why, size_t size)
{
    char pattern[256], text[64];
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count", root);
    bool any = glob(pattern, 0, NULL, &found) == 0;
    *events = 0;
    for (size_t i = 0; any && i < found.gl_pathc; i++)
        if (read_text(found.gl_pathv[i], text, sizeof text))
            *events += strtod(text, NULL);
    globfree(&found);
    if (!any)
        snprintf(why, size, "the kernel counts no throttling here");
    return any;
}
