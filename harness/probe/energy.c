/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/energy.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ZONES = 32 };

static struct zone {
    int file;
    double last_uj, range_uj;
} zones[ZONES];
static size_t n_zones;
static double joules;

static bool read_line(const char *folder, const char *name, char *line, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    bool ok = file && fgets(line, (int)size, file);
    if (file)
        fclose(file);
    line[ok ? strcspn(line, "\n") : 0] = 0;
    return ok;
}

static bool read_counter(int file, double *uj)
{
    char text[32];
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    if (n <= 0)
        return false;
    text[n] = 0;
    char *end;
    *uj = strtod(text, &end);
    return end != text;
}

/* Packages and the memory beside them: cores and graphics are parts of a package, the platform holds everything once more. */
static bool is_wanted(const char *name)
{
    return strncmp(name, "package", 7) == 0 || strcmp(name, "dram") == 0;
}

static void open_zone(const char *folder, char *why, size_t size)
{
    char name[64], range[64], path[512];
    struct zone zone = {0};
    if (!read_line(folder, "name", name, sizeof name) || !is_wanted(name) || n_zones == ZONES)
        return;
    snprintf(path, sizeof path, "%s/energy_uj", folder);
    zone.file = open(path, O_RDONLY | O_CLOEXEC);
    if (zone.file < 0 || !read_counter(zone.file, &zone.last_uj)) {
        snprintf(why, size, "%.100s: %s", path, strerror(errno));
        if (zone.file >= 0)
            close(zone.file);
        return;
    }
    zone.range_uj = read_line(folder, "max_energy_range_uj", range, sizeof range) ? strtod(range, NULL) : 0;
    zones[n_zones++] = zone;
}

bool energy_open(const char *root, char *why, size_t size)
{
    char pattern[256];
    glob_t found = {0};
    while (n_zones)
        close(zones[--n_zones].file);
    joules = 0;
    snprintf(why, size, "no RAPL zone under %.100s", root);
    snprintf(pattern, sizeof pattern, "%s/*rapl*:*", root);
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            open_zone(found.gl_pathv[i], why, size);
    globfree(&found);
    return n_zones > 0;
}

double energy_read(void)
{
    for (size_t i = 0; i < n_zones; i++) {
        struct zone *zone = &zones[i];
        double now = 0;
        if (!read_counter(zone->file, &now))
            return -1;
        joules += 1e-6 * (now - zone->last_uj + (now < zone->last_uj ? zone->range_uj : 0));
        zone->last_uj = now;
    }
    return n_zones ? joules : -1;
}
