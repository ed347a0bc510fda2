/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/load.h"

#include "measure/clock.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const double tick = 0.01;
static const double least_wall = 0.05;

/* Adds the times of one processor's line of /proc/stat, if that processor is allowed. */
static void add_processor(struct load *load, const char *line, const cpu_set_t *allowed)
{
    double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0, hertz = (double)sysconf(_SC_CLK_TCK);
    unsigned cpu;
    if (line[3] == ' ' || sscanf(line, "cpu%u %lf %lf %lf %lf %lf %lf %lf %lf", &cpu, &user, &nice, &system, &idle, &wait, &irq, &soft, &steal) != 9)
        return;
    if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, allowed))
        return;
    load->busy += (user + nice + system + irq + soft) / hertz;
    load->stolen += steal / hertz;
}

/* Only processors that this process may use: what runs elsewhere takes no turn of a lane. */
static void read_machine(struct load *load)
{
    cpu_set_t allowed;
    char line[512];
    FILE *file = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? fopen("/proc/stat", "re") : NULL;
    if (!file)
        return;
    while (fgets(line, sizeof line, file) && strncmp(line, "cpu", 3) == 0)
        add_processor(load, line, &allowed);
    fclose(file);
}

/* utime, stime, cutime, cstime are the 14th to 17th field; the second, in brackets, may hold anything. */
static double time_of(int pid)
{
    char path[40], text[1024];
    double times[4] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    const char *at = strrchr(text, ')');
    if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lf %lf %lf %lf", &times[0], &times[1], &times[2], &times[3]) != 4)
        return 0;
    return (times[0] + times[1] + times[2] + times[3]) / (double)sysconf(_SC_CLK_TCK);
}

struct load load_now(const int *pids, size_t n)
{
    struct load load = {0};
    struct rusage self;
    load.wall = 1e-9 * (double)clock_now_ns();
    getrusage(RUSAGE_SELF, &self);
    load.ours = (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec) + 1e-6 * (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec);
    for (size_t i = 0; i < n; i++)
        load.ours += time_of(pids[i]);
    read_machine(&load);
    return load;
}

double load_of_others(const struct load *before, const struct load *after)
{
    double wall = after->wall - before->wall;
    double used = after->busy - before->busy + after->stolen - before->stolen - (after->ours - before->ours);
    return wall < least_wall ? 0 : fmax(0, used - 2 * tick) / wall;
}
