/* SPDX-License-Identifier: Apache-2.0
 *
 * One turn inside a worker: runs the open cell's body and takes its times. The window holds the body's call and two clock readings,
 * nothing else; parking threads, counting and bookkeeping lie outside it.
 */
#ifndef MEASURE_TURN_H
#define MEASURE_TURN_H

#include "measure/worker.h"
#include "script/script.h"

struct subject {
    struct script *script;
    struct body body;
    struct card card;
};

/*
 * Does what the page asks (verb, warm, iterations, samples); fills ns, usage and progress there.
 * False when the body failed: `fault` says why, the page's `failed` is set.
 */
bool turn_run(struct subject *subject, struct worker_page *page, struct fault *fault);

/* One untimed call of the open cell's body. */
bool turn_call(struct subject *subject, uint64_t n, struct fault *fault);

/* What the kernel has counted for this process so far, and the difference of two such counts. */
struct worker_usage turn_usage(void);
struct worker_usage turn_usage_between(const struct worker_usage *before, const struct worker_usage *after);

#endif
