/* SPDX-License-Identifier: Apache-2.0
 *
 * The harness's one clock: CLOCK_MONOTONIC_RAW, which no time daemon slews. Readings are ns since an arbitrary start.
 * What it costs and how fine it is are measured, never assumed. Any thread may call any function.
 */
#ifndef MEASURE_CLOCK_H
#define MEASURE_CLOCK_H

#include <stdint.h>

struct clock_quality {
    double cost_ns;        /* median time between two readings with nothing between them */
    double resolution_ns;  /* smallest step seen between two different readings; 1e9 or more when it did not move */
};

/* A reading, ns. */
uint64_t clock_now_ns(void);

/* end - begin in ns, or 0 (a void sample) when the clock stood still or stepped back between the two readings. */
double clock_delta_ns(uint64_t begin, uint64_t end);

/* Measures the clock, within about 2 ms for a clock that moves and a bounded number of readings for one that does not. */
struct clock_quality clock_measure(void);

#endif
