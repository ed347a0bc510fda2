/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/cpuset.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

/* The process's path in the cgroup hierarchy: v2's line "0::/a/b", or the v1 line of the cpu controller. */
static bool cgroup_path(bool v2, char *path, size_t size)
{
    char line[1024];
    FILE *file = fopen("/proc/self/cgroup", "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        const char *controllers = strchr(line, ':');
        const char *where = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!where)
            continue;
        found = v2 ? strncmp(line, "0::", 3) == 0 : strstr(controllers, "cpu,") || strstr(controllers, "cpu:");
        if (found)
            snprintf(path, size, "%s", strcmp(where + 1, "/") == 0 ? "" : where + 1);
    }
    if (file)
        fclose(file);
    return found;
}

/* Opens a file of the group: below its own path, else at the root, where a container's own group is mounted. */
static FILE *open_group_file(bool v2, const char *group, const char *name)
{
    const char *root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    char path[1400];
    snprintf(path, sizeof path, "%s%s/%s", root, group, name);
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(path, sizeof path, "%s/%s", root, name);
        file = fopen(path, "re");
    }
    return file;
}

static double read_number(const char *group, const char *name)
{
    double value = -1;
    FILE *file = open_group_file(false, group, name);
    if (file && fscanf(file, "%lf", &value) != 1)
        value = -1;
    if (file)
        fclose(file);
    return value;
}

/* The tightest cpu.max of the group and of those above it. */
static double quota_v2(char *group)
{
    double tightest = 0;
    for (;;) {
        double quota, period;
        FILE *file = open_group_file(true, group, "cpu.max");
        if (file && fscanf(file, "%lf %lf", &quota, &period) == 2 && period > 0 && (tightest <= 0 || quota / period < tightest))
            tightest = quota / period;
        if (file)
            fclose(file);
        char *slash = strrchr(group, '/');
        if (!slash)
            return tightest;
        *slash = 0;
    }
}

static double quota_now(void)
{
    char group[1024];
    if (cgroup_path(true, group, sizeof group)) {
        double quota = quota_v2(group);
        if (quota > 0)
            return quota;
    }
    if (!cgroup_path(false, group, sizeof group))
        return 0;
    double quota = read_number(group, "cpu.cfs_quota_us"), period = read_number(group, "cpu.cfs_period_us");
    return quota > 0 && period > 0 ? quota / period : 0;
}

static double throttled_now(void)
{
    char group[1024], line[128];
    double value = 0;
    if (!cgroup_path(true, group, sizeof group))
        return 0;
    FILE *file = open_group_file(true, group, "cpu.stat");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "nr_throttled %lf", &value) == 1)
            break;
    if (file)
        fclose(file);
    return value;
}

struct cpuset cpuset_now(void)
{
    cpu_set_t set;
    struct cpuset now = {.affinity = 1, .quota = quota_now(), .throttled_periods = throttled_now()};
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        now.affinity = CPU_COUNT(&set);
    now.cores = now.quota > 0 && now.quota < now.affinity ? now.quota : now.affinity;
    return now;
}

int cpuset_quietest(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return -1;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
        if (CPU_ISSET((unsigned)cpu, &set))
            return cpu;
    return -1;
}

const char *cpuset_text(char *buffer, unsigned size)
{
    cpu_set_t set;
    unsigned used = 0;
    buffer[0] = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return buffer;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && used < size; cpu++) {
        unsigned first = cpu;
        if (!CPU_ISSET(cpu, &set))
            continue;
        while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, &set))
            cpu++;
        int n = first == cpu ? snprintf(buffer + used, size - used, "%s%u", used ? "," : "", cpu)
                             : snprintf(buffer + used, size - used, "%s%u-%u", used ? "," : "", first, cpu);
        used += n > 0 ? (unsigned)n : 0;
    }
    return buffer;
}
