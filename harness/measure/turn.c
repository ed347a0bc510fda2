/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/turn.h"

#include "measure/clock.h"
#include "measure/spawn.h"
#include "probe/counters.h"
#include "probe/energy.h"

#include <sys/resource.h>

/* The empty bodies must be called the way the real ones are. */
__attribute__((noinline)) static void empty_native(void *state, uint64_t n)
{
    __asm__ volatile("" : : "r"(state), "r"(n) : "memory");
}

struct call {
    struct subject *subject;
    struct spawn_usage spawned;
    uint64_t n;
    double stretch;
    bool empty;
};

typedef bool body_call(struct call *call, struct fault *fault);

static bool call_native(struct call *call, struct fault *fault)
{
    (void)fault;
    void (*native)(void *, uint64_t) = call->empty ? empty_native : call->subject->body.native;
    native(call->subject->body.state, call->n);
    return true;
}

static bool call_lua(struct call *call, struct fault *fault)
{
    return script_run(call->subject->script, call->n, call->empty, fault);
}

static bool call_command(struct call *call, struct fault *fault)
{
    for (uint64_t i = 0; i < call->n && !call->empty; i++)
        if (!spawn_run(call->subject->body.argv, &call->spawned, fault))
            return false;
    return true;
}

static body_call *const calls[] = {[BODY_NATIVE] = call_native, [BODY_LUA] = call_lua, [BODY_COMMAND] = call_command};

/* Work that a device did is timed by the device. */
static bool take_device_time(const struct call *call, double *ns, struct fault *fault)
{
    const struct body *body = &call->subject->body;
    double device_ns = body->elapsed(body->state);
    if (device_ns < 0)
        return fault_set(fault, EXIT_CODE_FAILED, "the device failed while it was timed");
    if (device_ns > 0 && call->stretch > 0)
        return fault_set(fault, EXIT_CODE_FAILED, "its time is taken by a device, and cannot be stretched");
    if (device_ns > 0 && *ns > 0)
        *ns = device_ns;
    return true;
}

/* Its name is known to callgrind.c, which counts between its entry and its return: visible, and never inlined. */
__attribute__((noinline, visibility("default"))) bool turn_body(struct call *call, struct fault *fault);
bool turn_body(struct call *call, struct fault *fault)
{
    return calls[call->subject->body.kind](call, fault);
}

/* Spins until what began at `begin` and took until now has taken (1 + share) times as long; returns the time then. */
static uint64_t spin_on(uint64_t begin, double share)
{
    uint64_t now = clock_now_ns();
    const double until = (1 + share) * clock_delta_ns(begin, now);
    while (clock_delta_ns(begin, now) < until)
        now = clock_now_ns();
    return now;
}

/* One timed call of n iterations; *ns is 0 where the clock voided it. */
static bool time_call(struct call *call, double *ns, struct fault *fault)
{
    uint64_t begin = clock_now_ns();
    bool ok = turn_body(call, fault);
    uint64_t end = call->stretch > 0 ? spin_on(begin, call->stretch) : clock_now_ns();
    *ns = clock_delta_ns(begin, end);
    if (ok && !call->empty && call->subject->body.kind == BODY_NATIVE && call->subject->body.elapsed)
        return take_device_time(call, ns, fault);
    return ok;
}

bool turn_call(struct subject *subject, uint64_t n, struct fault *fault)
{
    struct call call = {.subject = subject, .n = n};
    return calls[subject->body.kind](&call, fault);
}

static bool run_samples(struct call *call, struct worker_page *page, struct fault *fault)
{
    double ignored;
    call->n = page->warm;
    if (page->warm && !time_call(call, &ignored, fault))
        return false;
    call->n = page->iterations;
    call->stretch = page->stretch;
    uint32_t n = page->samples < WORKER_SAMPLES ? page->samples : WORKER_SAMPLES;
    for (uint32_t i = 0; i < n; i++) {
        if (!time_call(call, &page->ns[i], fault))
            return false;
        if (!call->empty)
            card_sample(&call->subject->card, i);
        atomic_fetch_add(&page->progress, 1);
    }
    return true;
}

struct worker_usage turn_usage(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    struct worker_usage now = {
        .cpu_ns = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e9 + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e3,
        .faults = (double)(r.ru_minflt + r.ru_majflt),
        .switches = (double)(r.ru_nvcsw + r.ru_nivcsw),
        .energy_j = energy_read(),
    };
    counters_read(now.counters);
    return now;
}

struct worker_usage turn_usage_between(const struct worker_usage *before, const struct worker_usage *after)
{
    struct worker_usage d = {.cpu_ns = after->cpu_ns - before->cpu_ns, .faults = after->faults - before->faults, .switches = after->switches - before->switches};
    d.energy_j = after->energy_j < 0 || before->energy_j < 0 ? -1 : after->energy_j - before->energy_j;
    for (int i = 0; i < COUNTERS; i++)
        d.counters[i] = after->counters[i] < 0 || before->counters[i] < 0 ? -1 : after->counters[i] - before->counters[i];
    return d;
}

/* For commands, what the processes started have used instead. */
static void set_usage(struct worker_page *page, const struct call *call, const struct worker_usage *before)
{
    struct worker_usage now = turn_usage();
    const struct spawn_usage *child = &call->spawned;
    page->usage = turn_usage_between(before, &now);
    page->usage.card = call->subject->card.usage;
    if (call->subject->body.kind != BODY_COMMAND)
        return;
    page->usage.cpu_ns = child->cpu_ns;
    page->usage.faults = child->faults;
    page->usage.switches = child->switches;
    page->usage.peak_bytes = child->peak_bytes;
}

bool turn_run(struct subject *subject, struct worker_page *page, struct fault *fault)
{
    struct call call = {.subject = subject, .empty = page->verb == WORKER_VERB_EMPTY};
    card_begin(&subject->card);
    struct worker_usage before = turn_usage();
    bool ok = run_samples(&call, page, fault);
    if (!call.empty)
        card_end(&subject->card);
    if (subject->body.park)
        subject->body.park();
    set_usage(page, &call, &before);
    ok = ok && (call.empty || script_observe(subject->script, fault));
    page->failed = !ok;
    return ok;
}
