/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/cpuinfo.h"

#include <stdio.h>
#include <string.h>

const char *cpuinfo_value(const char *key, char *buffer, size_t size)
{
    char line[8192];
    size_t n = strlen(key);
    FILE *file = fopen("/proc/cpuinfo", "re");
    buffer[0] = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, n) != 0 || (line[n] != '\t' && line[n] != ' ' && line[n] != ':'))
            continue;
        const char *value = strchr(line, ':');
        value = value ? value + 1 + strspn(value + 1, " \t") : "";
        snprintf(buffer, size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (file)
        fclose(file);
    return buffer;
}

bool cpuinfo_has(const char *flag)
{
    char flags[8192];
    size_t n = strlen(flag);
    if (!*cpuinfo_value("flags", flags, sizeof flags))
        cpuinfo_value("Features", flags, sizeof flags);
    for (const char *at = flags; (at = strstr(at, flag)); at += n)
        if ((at == flags || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0))
            return true;
    return false;
}
