/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/stream.h"

#include "measure/clock.h"
#include "plan/order.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

void stream_arrivals(const struct stream_spec *spec, double *at_ns)
{
    uint64_t random = spec->seed;
    double gap = 1e9 / spec->rate, at = 0;
    for (uint32_t i = 0; i < spec->requests; i++) {
        double uniform = ((double)(order_next(&random) >> 11) + 0.5) * 0x1p-53;  /* in (0, 1) */
        at += spec->even ? gap : -log(uniform) * gap;
        at_ns[i] = at;
    }
}

/* Sleeps while the arrival is far, then watches the clock: waking up takes longer than a short request. */
static void wait_until(uint64_t arrival_ns)
{
    enum { WAKE_NS = 200000 };
    for (;;) {
        uint64_t now = clock_now_ns();
        if (now >= arrival_ns)
            return;
        if (arrival_ns - now > 2 * WAKE_NS) {
            uint64_t rest = arrival_ns - now - WAKE_NS;
            struct timespec t = {.tv_sec = (time_t)(rest / 1000000000u), .tv_nsec = (long)(rest % 1000000000u)};
            nanosleep(&t, NULL);
        }
    }
}

static bool serve(struct subject *subject, const struct stream_spec *spec, const double *at_ns, _Atomic uint32_t *progress,
                  struct stream_result *result, struct fault *fault)
{
    uint64_t start = clock_now_ns();
    for (uint32_t i = 0; i < spec->requests; i++) {
        uint64_t arrival = start + (uint64_t)at_ns[i];
        wait_until(arrival);
        uint64_t begun = clock_now_ns();
        if (!turn_call(subject, 1, fault))
            return false;
        uint64_t done = clock_now_ns();
        result->latency_ns[i] = clock_delta_ns(arrival, done);
        result->busy_ns += clock_delta_ns(begun, done);
        atomic_fetch_add(progress, 1);
    }
    result->wall_ns = clock_delta_ns(start, clock_now_ns());
    return true;
}

bool stream_run(struct subject *subject, const struct stream_spec *spec, _Atomic uint32_t *progress, struct stream_result *result,
                struct fault *fault)
{
    double *at_ns = calloc(spec->requests, sizeof *at_ns);
    *result = (struct stream_result){.latency_ns = calloc(spec->requests, sizeof(double))};
    bool ok = at_ns && result->latency_ns;
    if (ok) {
        stream_arrivals(spec, at_ns);
        ok = serve(subject, spec, at_ns, progress, result, fault);
    } else
        fault_set(fault, EXIT_CODE_FAILED, "out of memory for %u requests", spec->requests);
    free(at_ns);
    if (subject->body.park)
        subject->body.park();
    return ok;
}
