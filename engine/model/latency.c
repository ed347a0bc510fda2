/* SPDX-License-Identifier: Apache-2.0 */
#include "model/latency.h"
#include "core/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum tern_status tern_latency_open(struct tern_latency *l, uint64_t room, struct tern_error *err)
{
    *l = (struct tern_latency){.room = room < TERN_LATENCY_EXACT_MAX ? room : TERN_LATENCY_EXACT_MAX};
    l->ns = tern_array_open(1, (l->room + 1) * sizeof *l->ns);
    l->buckets = tern_array_open(TERN_LATENCY_BUCKETS, sizeof *l->buckets);
    if (l->ns && l->buckets)
        return TERN_OK;
    tern_latency_close(l);
    return tern_error_memory(err, "latencies", (size_t)room * sizeof *l->ns);
}

void tern_latency_close(struct tern_latency *l)
{
    tern_array_close(l->ns);
    tern_array_close(l->buckets);
    *l = (struct tern_latency){0};
}

void tern_latency_clear(struct tern_latency *l)
{
    l->n = 0;
    l->is_sorted = false;
    memset(l->buckets, 0, TERN_LATENCY_BUCKETS * sizeof *l->buckets);
}

/* Values below 128 have a bucket each; above, the seven bits behind the leading one choose among a power's 128. */
static unsigned bucket_of(uint64_t ns)
{
    if (ns < TERN_LATENCY_STEPS)
        return (unsigned)ns;
    unsigned power = 63 - (unsigned)__builtin_clzll(ns);
    return (power - 6) * TERN_LATENCY_STEPS + (unsigned)(ns >> (power - 7) & (TERN_LATENCY_STEPS - 1));
}

/* The largest value of a bucket. */
static uint64_t top_of(unsigned bucket)
{
    if (bucket < TERN_LATENCY_STEPS)
        return bucket;
    unsigned power = bucket / TERN_LATENCY_STEPS + 6;
    uint64_t low = (uint64_t)(TERN_LATENCY_STEPS + bucket % TERN_LATENCY_STEPS) << (power - 7);
    return low + (((uint64_t)1 << (power - 7)) - 1);
}

void tern_latency_add(struct tern_latency *l, uint64_t ns)
{
    if (l->n < l->room)
        l->ns[l->n] = ns;
    l->buckets[bucket_of(ns)]++;
    l->n++;
    l->is_sorted = false;
}

bool tern_latency_is_exact(const struct tern_latency *l)
{
    return l->n <= l->room;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t tern_latency_quantile(struct tern_latency *l, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)l->n), seen = 0;
    unsigned bucket = 0;
    if (l->n == 0)
        return 0;
    rank = rank < 1 ? 1 : rank > l->n ? l->n : rank;
    if (tern_latency_is_exact(l)) {
        if (!l->is_sorted)
            qsort(l->ns, l->n, sizeof *l->ns, compare);
        l->is_sorted = true;
        return l->ns[rank - 1];
    }
    while (bucket + 1 < TERN_LATENCY_BUCKETS && (seen += l->buckets[bucket]) < rank)
        bucket++;
    return top_of(bucket);
}
