/* SPDX-License-Identifier: Apache-2.0
 *
 * What one iteration of a cell's body counts under callgrind (valgrind's call-graph counter): instructions, and on request the hits
 * and misses of its model of the caches. Exact, and the same each time where the body does the same each time; it says nothing of time.
 *
 * The cell is opened in a worker of its own, run by valgrind on one processor, so that a subject starts no second thread: counts
 * of threads that wait for each other depend on the scheduler. Counting begins and ends at the call of the body (turn_body). With n
 * chosen by the count of one iteration, the body runs n and then 2n iterations in rounds, until one counts the least of those before it
 * (five at most), and the difference of the least over n is the result: calling the body costs nothing in it, nor does what one call did.
 * Caches are modelled here and not by cachegrind itself because that counts whole processes; the two share their simulator.
 * valgrind 3.19 knows no AVX-512: the backend that ran is part of the answer and must be compared with the cell's.
 * Source: Nethercote and Seward, "Valgrind: a framework for heavyweight dynamic binary instrumentation", PLDI 2007; Weidendorfer,
 * Kowarschik and Trinitis, "A tool suite for simulation based analysis of memory access behavior", ICCS 2004 (callgrind).
 */
#ifndef MEASURE_CALLGRIND_H
#define MEASURE_CALLGRIND_H

#include "measure/worker.h"

struct callgrind {
    const struct worker_start *start;  /* artifacts and seed of the lane; the suite is the cell's; its memory limit is left out */
    const json_t *cell;                /* of a plan: file, bench, params */
    const char *backend;               /* that ran when the cell was timed; NULL: it names none */
    bool caches;                       /* its model of caches and branches too, which is cachegrind's */
};

/*
 * A new object: {iterations, counts {Ir, and with caches Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw Bc Bcm Bi Bim: per iteration}}, or {absent: why}.
 * NULL with EXIT_CODE_INTERRUPTED, or EXIT_CODE_USAGE when memory is short.
 */
json_t *callgrind_count(const struct callgrind *callgrind, struct fault *fault);

/* The counts of one part that callgrind has written, by event name, as a new object of integers. NULL: no such file, or not callgrind's. */
json_t *callgrind_read(const char *path);

#endif
