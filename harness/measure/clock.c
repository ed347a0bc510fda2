/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/clock.h"

#include <stdlib.h>
#include <time.h>

enum { PAIRS = 401, STEPS = 64, READINGS_MAX = 400000 };

uint64_t clock_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double clock_delta_ns(uint64_t begin, uint64_t end)
{
    return end > begin ? (double)(end - begin) : 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Batches of ten readings, so that a coarse clock still shows its cost over many. */
static double cost_ns(void)
{
    double cost[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        uint64_t begin = clock_now_ns();
        for (int k = 0; k < 9; k++)
            (void)clock_now_ns();
        cost[i] = clock_delta_ns(begin, clock_now_ns()) / 10;
    }
    qsort(cost, PAIRS, sizeof *cost, ascending);
    return cost[PAIRS / 2];
}

static double resolution_ns(void)
{
    double smallest = 1e9;
    uint64_t last = clock_now_ns();
    for (int steps = 0, readings = 0; steps < STEPS && readings < READINGS_MAX; readings++) {
        uint64_t now = clock_now_ns();
        double step = clock_delta_ns(last, now);
        last = now;
        if (step <= 0)
            continue;
        steps++;
        if (step < smallest)
            smallest = step;
    }
    return smallest;
}

struct clock_quality clock_measure(void)
{
    return (struct clock_quality){.cost_ns = cost_ns(), .resolution_ns = resolution_ns()};
}
