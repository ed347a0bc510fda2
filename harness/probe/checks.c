/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/checks.h"

#include "measure/clock.h"
#include "probe/cpuinfo.h"
#include "probe/topology.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum check_state { CHECK_GOOD, CHECK_NOTE, CHECK_BAD, CHECK_UNKNOWN };

struct finding {
    enum check_state state;
    char found[200];
};

__attribute__((format(printf, 2, 3))) static struct finding found(enum check_state state, const char *format, ...)
{
    struct finding f = {.state = state};
    va_list args;
    va_start(args, format);
    vsnprintf(f.found, sizeof f.found, format, args);
    va_end(args);
    return f;
}

/* The first line of a file, or "" . */
static const char *line_of(const char *path, char *buffer, size_t size)
{
    FILE *file = fopen(path, "re");
    buffer[0] = 0;
    if (file && !fgets(buffer, (int)size, file))
        buffer[0] = 0;
    if (file)
        fclose(file);
    buffer[strcspn(buffer, "\n")] = 0;
    return buffer;
}

static struct finding check_stolen(const struct checks_state *s)
{
    double wall = clock_delta_ns(s->before.at_ns, s->after.at_ns) * 1e-9, share = (s->after.stolen_s - s->before.stolen_s) / wall;
    return found(share > 0.05 ? CHECK_BAD : CHECK_GOOD, "%.1f%% of a processor stolen", 100 * share);
}

static struct finding check_neighbours(const struct checks_state *s)
{
    double wall = clock_delta_ns(s->before.at_ns, s->after.at_ns) * 1e-9;
    double others = (s->after.busy_s - s->before.busy_s - (s->after.own_s - s->before.own_s)) / wall;
    double free_cores = s->after.cpus.cores - 1 - others;
    enum check_state state = others < 0.1 ? CHECK_GOOD : free_cores > 0 ? CHECK_NOTE : CHECK_BAD;
    return found(state, "other processes use %.0f%% of a processor", 100 * (others > 0 ? others : 0));
}

static struct finding check_share(const struct checks_state *s)
{
    return found(s->burn.lost > 0.05 ? CHECK_BAD : s->burn.lost > 0.01 ? CHECK_NOTE : CHECK_GOOD, "a busy loop did not run %.1f%% of the time",
                 100 * (s->burn.lost > 0 ? s->burn.lost : 0));
}

static struct finding check_steady(const struct checks_state *s)
{
    return found(s->burn.spread > 0.2 ? CHECK_BAD : s->burn.spread > 0.02 ? CHECK_NOTE : CHECK_GOOD,
                 "the slowest twentieth of a busy loop took %.1f%% longer (%.3g ns a step)", 100 * s->burn.spread, s->burn.step_ns / 1000);
}

static struct finding check_throttling(const struct checks_state *s)
{
    double events = s->after.core_throttles - s->before.core_throttles;
    return found(events > 0 ? CHECK_BAD : CHECK_GOOD, "%g throttling events", events);
}

static struct finding check_quota(const struct checks_state *s)
{
    const struct cpuset *c = &s->after.cpus;
    if (c->quota <= 0)
        return found(CHECK_GOOD, "no CPU quota");
    double held = c->throttled_periods - s->before.cpus.throttled_periods;
    return found(held > 0 ? CHECK_BAD : CHECK_NOTE, "a quota of %.3g processors, held back %g times", c->quota, held);
}

static struct finding check_processors(const struct checks_state *s)
{
    struct topology t = topology_now();
    char set[128];
    return found(s->after.cpus.cores < 2 ? CHECK_NOTE : CHECK_GOOD, "%g of %d processors allowed (%s)", s->after.cpus.cores, t.threads,
                 cpuset_text(set, sizeof set));
}

static struct finding check_governor(const struct checks_state *s)
{
    char text[64];
    (void)s;
    if (!*line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text, sizeof text))
        return found(CHECK_UNKNOWN, "no frequency control is visible here");
    return found(strcmp(text, "performance") == 0 ? CHECK_GOOD : CHECK_NOTE, "frequency governor %s", text);
}

static struct finding check_turbo(const struct checks_state *s)
{
    char no_turbo[16], boost[16];
    (void)s;
    line_of("/sys/devices/system/cpu/intel_pstate/no_turbo", no_turbo, sizeof no_turbo);
    line_of("/sys/devices/system/cpu/cpufreq/boost", boost, sizeof boost);
    if (!*no_turbo && !*boost)
        return found(CHECK_UNKNOWN, "no turbo control is visible here");
    bool on = *no_turbo ? no_turbo[0] == '0' : boost[0] == '1';
    return found(on ? CHECK_NOTE : CHECK_GOOD, "turbo is %s", on ? "on" : "off");
}

static struct finding check_smt(const struct checks_state *s)
{
    (void)s;
    bool smt = topology_now().smt;
    return found(smt ? CHECK_NOTE : CHECK_GOOD, smt ? "two hardware threads share a core" : "one hardware thread a core");
}

static struct finding check_clock(const struct checks_state *s)
{
    char source[64];
    line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource", source, sizeof source);
    bool slow = s->clock_cost_ns > 200 || s->clock_resolution_ns > 1000;
    return found(s->clock_resolution_ns > 1e6 ? CHECK_BAD : slow ? CHECK_NOTE : CHECK_GOOD, "a reading costs %.0f ns, steps are %.0f ns (%s)", s->clock_cost_ns,
                 s->clock_resolution_ns, *source ? source : "unknown source");
}

static struct finding check_memory(const struct checks_state *s)
{
    char line[128];
    double kib = 0;
    (void)s;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lf kB", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return found(kib < 262144 ? CHECK_BAD : kib < 2097152 ? CHECK_NOTE : CHECK_GOOD, "%.1f GiB of memory available", kib / 1048576);
}

static struct finding check_counters(const struct checks_state *s)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE, .size = sizeof attr, .config = PERF_COUNT_HW_INSTRUCTIONS, .exclude_kernel = 1};
    (void)s;
    long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    if (fd < 0)
        return found(CHECK_NOTE, "hardware counters are not available: %s", strerror(errno));
    close((int)fd);
    return found(CHECK_GOOD, "hardware counters are available");
}

static const struct check_row {
    const char *name;
    struct finding (*look)(const struct checks_state *);
    const char *advice;
} rows[] = {
    {"stolen time", check_stolen, "the host is overcommitted: measure on a dedicated machine, or compare in pairs only"},
    {"neighbours", check_neighbours, "stop other processes, or give this one processors of its own (taskset, cpuset)"},
    {"processor share", check_share, "something takes the processor away: see stolen time, neighbours and quota"},
    {"steady speed", check_steady, "fix the frequency: cpupower frequency-set -g performance, turbo off; stop neighbours"},
    {"throttling", check_throttling, "cool the machine or lower its frequency until nothing throttles"},
    {"quota", check_quota, "raise the container's CPU limit to whole processors, or remove it (docker run --cpuset-cpus instead of --cpus)"},
    {"processors", check_processors, "a paired measurement wants two processors: widen the affinity mask"},
    {"governor", check_governor, "cpupower frequency-set -g performance"},
    {"turbo", check_turbo, "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > /sys/devices/system/cpu/cpufreq/boost"},
    {"hardware threads", check_smt, "echo off > /sys/devices/system/cpu/smt/control"},
    {"clock", check_clock, "boot with clocksource=tsc where the hardware allows it"},
    {"memory", check_memory, "free memory: swapping ruins every time"},
    {"counters", check_counters, "sysctl kernel.perf_event_paranoid=1; in a virtual machine ask for a virtual PMU"},
};

struct checks_state checks_take(double ns)
{
    struct checks_state s = {.before = fitness_take()};
    struct clock_quality clock = clock_measure();
    s.burn = fitness_burn_in(ns);
    s.after = fitness_take();
    s.clock_cost_ns = clock.cost_ns;
    s.clock_resolution_ns = clock.resolution_ns;
    return s;
}

json_t *checks_run(const struct checks_state *state)
{
    static const char *const words[] = {[CHECK_GOOD] = "good", [CHECK_NOTE] = "note", [CHECK_BAD] = "bad", [CHECK_UNKNOWN] = "unknown"};
    json_t *answers = json_array();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct finding f = rows[i].look(state);
        bool wants = f.state == CHECK_NOTE || f.state == CHECK_BAD;
        json_array_append_new(answers, json_pack("{s:s,s:s,s:s,s:s?}", "check", rows[i].name, "state", words[f.state], "found", f.found, "advice",
                                                 wants ? rows[i].advice : NULL));
    }
    return answers;
}
