/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/fitness.h"

#include "measure/clock.h"
#include "probe/heat.h"
#include "stats/summary.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* The line "cpu" of /proc/stat: ticks in user, nice, system, idle, iowait, irq, softirq, steal. */
static void read_stat(struct fitness_snapshot *s)
{
    double t[8] = {0};
    FILE *file = fopen("/proc/stat", "re");
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    if (file && fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) == 8) {
        s->stolen_s = t[7] * tick;
        s->busy_s = (t[0] + t[1] + t[2] + t[5] + t[6]) * tick;
    }
    if (file)
        fclose(file);
}

static double cpu_s(int who)
{
    struct rusage r;
    if (getrusage(who, &r) != 0)
        return 0;
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

struct fitness_snapshot fitness_take(void)
{
    struct fitness_snapshot s = {.at_ns = clock_now_ns(), .cpus = cpuset_now()};
    read_stat(&s);
    s.own_s = cpu_s(RUSAGE_SELF) + cpu_s(RUSAGE_CHILDREN);
    char why[128];
    heat_throttles(HEAT_ROOT, &s.core_throttles, why, sizeof why);
    return s;
}

__attribute__((format(printf, 2, 3))) static void say(json_t *list, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (list)
        json_array_append_new(list, json_string(text));
}

bool fitness_judge(const struct fitness_snapshot *before, const struct fitness_snapshot *after, json_t *reasons, json_t *notes)
{
    size_t had = json_array_size(reasons);
    double wall = clock_delta_ns(before->at_ns, after->at_ns) * 1e-9;
    double stolen = after->stolen_s - before->stolen_s, own = after->own_s - before->own_s;
    double others = after->busy_s - before->busy_s - own;
    if (before->cpus.affinity != after->cpus.affinity || before->cpus.quota < after->cpus.quota || before->cpus.quota > after->cpus.quota)
        say(reasons, "the processors allowed changed during the run, to %g", after->cpus.cores);
    if (after->cpus.throttled_periods > before->cpus.throttled_periods)
        say(reasons, "the control group was held back by its CPU quota in %g periods", after->cpus.throttled_periods - before->cpus.throttled_periods);
    if (after->core_throttles > before->core_throttles)
        say(reasons, "cores were throttled %g times for heat or power", after->core_throttles - before->core_throttles);
    if (wall > 0.2 && stolen > 0.02 * wall)
        say(stolen > 0.25 * wall ? reasons : notes, "the hypervisor took %.1f%% of a processor", 100 * stolen / wall);
    if (wall > 0.2 && others > 0.10 * wall)
        say(notes, "other processes used %.0f%% of a processor", 100 * others / wall);
    return json_array_size(reasons) == had;
}

/* 1000 dependent multiply-adds: the compiler may not shorten the chain. */
static uint64_t chain(uint64_t x)
{
    for (int i = 0; i < 1000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(x));
    }
    return x;
}

static double cpu_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct fitness_burn fitness_burn_in(double ns)
{
    enum { CHUNKS = 8192, PER_CHUNK = 80 };
    struct fitness_burn burn = {0};
    double *chunk = calloc(CHUNKS, sizeof *chunk), cpu = cpu_now_ns();
    uint64_t begun = clock_now_ns(), x = begun;
    size_t n = 0;
    while (chunk && n < CHUNKS && clock_delta_ns(begun, clock_now_ns()) < ns) {
        uint64_t at = clock_now_ns();
        for (int i = 0; i < PER_CHUNK; i++)
            x = chain(x);
        chunk[n++] = clock_delta_ns(at, clock_now_ns()) / PER_CHUNK;
    }
    double wall = clock_delta_ns(begun, clock_now_ns());
    struct summary s;
    if (n && summary_of(chunk, n, &s) && s.median > 0)
        burn = (struct fitness_burn){.step_ns = s.median, .spread = s.p95 / s.median - 1, .lost = wall > 0 ? 1 - (cpu_now_ns() - cpu) / wall : 0};
    free(chunk);
    return burn;
}
