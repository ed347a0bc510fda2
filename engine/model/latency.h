/* SPDX-License-Identifier: Apache-2.0
 *
 * Latencies of requests and their quantiles: exact from every value up to a limit, from a log-linear histogram above it.
 *
 *   quantile q   the smallest value with at least q n values at or below it (nearest rank)
 *   histogram    128 steps for each power of two of nanoseconds: a value is off by less than 1/128 of itself
 *
 * Threads: one at a time.
 */
#ifndef TERN_LATENCY_H
#define TERN_LATENCY_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { TERN_LATENCY_EXACT_MAX = 10000000, TERN_LATENCY_STEPS = 128, TERN_LATENCY_BUCKETS = 58 * TERN_LATENCY_STEPS };

struct tern_latency {
    uint64_t *ns; /* the first `room` values */
    uint64_t n, room;
    uint64_t *buckets;
    bool is_sorted;
};

/* Room for `room` exact values (at most TERN_LATENCY_EXACT_MAX are kept). Error: TERN_NO_MEMORY. */
enum tern_status tern_latency_open(struct tern_latency *l, uint64_t room, struct tern_error *err);
void tern_latency_close(struct tern_latency *l);
void tern_latency_clear(struct tern_latency *l);
void tern_latency_add(struct tern_latency *l, uint64_t ns);
/* The quantile, 0 < q <= 1, in ns; 0 without values. Sorts on first use. */
uint64_t tern_latency_quantile(struct tern_latency *l, double q);
/* Whether quantiles come from every value. */
bool tern_latency_is_exact(const struct tern_latency *l);

#endif
