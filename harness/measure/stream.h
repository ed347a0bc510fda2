/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream of requests to a subject, inside a worker: arrival times are fixed beforehand, requests are served one after the other in
 * the order of arrival, and a request's latency runs from its arrival, not from when it could begin: time spent waiting behind
 * slower ones counts (no coordinated omission; Schroeder, Wierman and Harchol-Balter, "Open versus closed: a cautionary tale",
 * NSDI 2006).
 */
#ifndef MEASURE_STREAM_H
#define MEASURE_STREAM_H

#include "measure/turn.h"

struct stream_spec {
    double rate;        /* requests a second, > 0 */
    uint32_t requests;
    bool even;          /* equal gaps; otherwise exponential ones (a Poisson process) */
    uint64_t seed;
};

/* Fills at_ns[0..requests) with arrival times, ascending, in ns from the stream's start; the same for the same spec. */
void stream_arrivals(const struct stream_spec *spec, double *at_ns);

struct stream_result {
    double *latency_ns;  /* of each request, in order of arrival; the caller frees it */
    double busy_ns;      /* in which a request was served */
    double wall_ns;      /* from the start to the last answer */
};

/* Serves the stream; `progress` is raised after each request. False when a request failed or memory is short. */
bool stream_run(struct subject *subject, const struct stream_spec *spec, _Atomic uint32_t *progress, struct stream_result *result,
                struct fault *fault);

#endif
