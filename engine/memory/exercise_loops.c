/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/exercise.h"

#include <sched.h>
#include <string.h>
#include <time.h>

#include "memory/lock.h"

static uint64_t now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

double tern_exercise_ticks_per_ns(void)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    const uint64_t start = now();
    double ns;
    do {
        clock_gettime(CLOCK_MONOTONIC, &to);
        ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    } while (ns < 2e6);
    return (double)(now() - start) / ns;
}

/* Sixteen steps per doubling. */
static void note_time(struct tern_exercise_part *part, uint64_t ticks)
{
    const unsigned log = 63u - (unsigned)__builtin_clzll(ticks | 16);
    part->times[log * 16 + (unsigned)(ticks >> (log - 4) & 15)]++;
}

double tern_exercise_percentile(const struct tern_exercise_part *part, unsigned n_parts, double share)
{
    double all = 0, below = 0;
    for (unsigned p = 0; p < n_parts; p++)
        for (unsigned i = 0; i < TERN_EXERCISE_TIMES; i++)
            all += part[p].times[i];
    for (unsigned i = 0; i < TERN_EXERCISE_TIMES; i++) {
        for (unsigned p = 0; p < n_parts; p++)
            below += part[p].times[i];
        if (all > 0 && below >= share * all)
            return (double)((16ull + i % 16) << (i / 16)) / 16;
    }
    return 0;
}

static void touch(const struct tern_exercise_part *part, char *block, size_t bytes)
{
    if (part->touch == TERN_TOUCH_FIRST)
        *(volatile char *)block = 1;
    else if (part->touch == TERN_TOUCH_ALL)
        memset(block, (int)bytes, bytes);
    else if (part->touch == TERN_TOUCH_PAGES)
        for (size_t i = 0; i < bytes; i += 4096)
            ((volatile char *)block)[i] = 1;
}

static inline void *take(struct tern_exercise_part *part, size_t bytes)
{
    void *block;
    if (part->is_timed) {
        const uint64_t from = now();
        block = part->allocator.take(bytes);
        note_time(part, now() - from);
    } else {
        block = part->allocator.take(bytes);
    }
    part->takes++;
    if (block)
        touch(part, block, bytes);
    else
        part->failures++;
    return block;
}

static inline void give(struct tern_exercise_part *part, void *block)
{
    if (part->is_timed) {
        const uint64_t from = now();
        part->allocator.give(block);
        note_time(part, now() - from);
    } else {
        part->allocator.give(block);
    }
}

static inline size_t next_size(struct tern_exercise_part *part)
{
    return part->size[part->step++ % TERN_EXERCISE_SIZES];
}

static inline void replace(struct tern_exercise_part *part, unsigned i)
{
    const size_t bytes = next_size(part);
    if (part->live[i])
        give(part, part->live[i]);
    part->live[i] = take(part, bytes);
    part->bytes += bytes - part->live_size[i];
    part->live_size[i] = (uint32_t)bytes;
    if (part->bytes > part->peak)
        part->peak = part->bytes;
}

static void pair(struct tern_exercise_part *part, uint64_t n)
{
    while (n--)
        give(part, take(part, next_size(part)));
}

static void lifo(struct tern_exercise_part *part, uint64_t n)
{
    while (n) {
        const unsigned deep = n < part->n_live ? (unsigned)n : part->n_live;
        for (unsigned i = 0; i < deep; i++)
            part->live[i] = take(part, next_size(part));
        for (unsigned i = deep; i-- > 0; part->live[i] = NULL)
            give(part, part->live[i]);
        n -= deep;
    }
}

static void fifo(struct tern_exercise_part *part, uint64_t n)
{
    while (n--) {
        replace(part, part->at);
        part->at = part->at + 1 == part->n_live ? 0 : part->at + 1;
    }
}

static void random_one(struct tern_exercise_part *part, uint64_t n)
{
    while (n--) {
        part->random ^= part->random << 13;
        part->random ^= part->random >> 7;
        part->random ^= part->random << 17;
        replace(part, (unsigned)((part->random >> 32) * part->n_live >> 32));
    }
}

static void wait_a_little(unsigned *spins)
{
    if (++*spins % 1024)
        tern_lock_pause();
    else
        sched_yield();
}

static void put_all(struct tern_exercise_part *part, uint64_t n)
{
    struct tern_exercise_queue *queue = part->queue;
    const uint64_t most = part->n_live < TERN_EXERCISE_QUEUE / 2 ? part->n_live * 2 : TERN_EXERCISE_QUEUE;
    for (unsigned spins = 0; n--; spins = 0) {
        void *block = take(part, next_size(part));
        const uint64_t i = queue->put.n;
        while (i - __atomic_load_n(&queue->got.n, __ATOMIC_ACQUIRE) >= most)
            wait_a_little(&spins);
        queue->block[i % TERN_EXERCISE_QUEUE] = block;
        __atomic_store_n(&queue->put.n, i + 1, __ATOMIC_RELEASE);
    }
}

static void give_all(struct tern_exercise_part *part, uint64_t n)
{
    struct tern_exercise_queue *queue = part->queue;
    for (unsigned spins = 0; n--; spins = 0) {
        const uint64_t i = queue->got.n;
        while (__atomic_load_n(&queue->put.n, __ATOMIC_ACQUIRE) <= i)
            wait_a_little(&spins);
        void *block = queue->block[i % TERN_EXERCISE_QUEUE];
        __atomic_store_n(&queue->got.n, i + 1, __ATOMIC_RELEASE);
        give(part, block);
    }
}

static void cross(struct tern_exercise_part *part, uint64_t n)
{
    if (part->id % 2 == 0)
        put_all(part, n);
    else
        give_all(part, n);
}

static void play_trace(struct tern_exercise_part *part, uint64_t n)
{
    const struct tern_trace_play *trace = part->trace;
    while (n) {
        const struct tern_trace_event *event = &trace->event[part->step];
        part->step = part->step + 1 == trace->n_events ? 0 : part->step + 1;
        if (event->is_give) {
            give(part, part->live[event->block]);
            part->live[event->block] = NULL;
            n--;
        } else {
            part->live[event->block] = take(part, event->bytes);
        }
    }
}

/* As many pieces of a pass as are live, and all at once back. They are touched when all are there, as a plan takes its scratch before
 * it runs. */
static void pass_of_arena(struct tern_exercise_part *part, unsigned n)
{
    struct tern_arena arena = part->arena;
    const uint64_t step = part->step;
    void **live = part->live;
    unsigned failures = 0;
    for (unsigned i = 0; i < n; i++) {
        live[i] = tern_arena_take(&arena, part->size[(step + i) % TERN_EXERCISE_SIZES], 64, NULL);
        failures += !live[i];
    }
    part->arena = arena;
    part->failures += failures;
    for (unsigned i = 0; i < n && part->touch != TERN_TOUCH_NONE; i++)
        if (live[i])
            touch(part, live[i], part->size[(step + i) % TERN_EXERCISE_SIZES]);
    memset(live, 0, n * sizeof *live); /* nothing is given back by itself */
    part->step = step + n;
    part->takes += n;
    tern_arena_reset(&part->arena);
}

void tern_exercise_arena(struct tern_exercise_part *part, uint64_t n)
{
    for (unsigned deep; n; n -= deep) {
        deep = n < part->n_live ? (unsigned)n : part->n_live;
        pass_of_arena(part, deep);
    }
}

/* Pieces of a stream, in order. */
void tern_exercise_ring(struct tern_exercise_part *part, uint64_t n)
{
    while (n--) {
        const size_t bytes = next_size(part);
        const unsigned i = part->at;
        tern_ring_give(part->ring, part->live[i]);
        part->takes++;
        if ((part->live[i] = tern_ring_take(part->ring, bytes, NULL)))
            touch(part, part->live[i], bytes);
        else
            part->failures++;
        part->at = i + 1 == part->n_live ? 0 : i + 1;
    }
}

void tern_exercise_drop(struct tern_exercise_part *part)
{
    for (unsigned i = 0; i < part->n_live; i++) {
        if (part->live[i] && part->ring)
            tern_ring_give(part->ring, part->live[i]);
        else if (part->live[i])
            part->allocator.give(part->live[i]);
        part->live[i] = NULL;
        part->live_size[i] = 0;
    }
    part->bytes = 0;
    part->step = 0;
    part->at = 0;
}

static void open_pools(struct tern_exercise_part *part, uint64_t n)
{
    part->takes += n;
    while (n--) {
        struct tern_pool *pool;
        if (tern_pool_open(NULL, &pool, NULL))
            part->failures++;
        else
            tern_pool_close(pool);
    }
}

const struct tern_exercise_pattern tern_exercise_patterns[] = {
    {"pair", pair, false}, {"lifo", lifo, false}, {"fifo", fifo, false}, {"random", random_one, false},
    {"cross", cross, true}, {"trace", play_trace, false}, {"open", open_pools, false}, {NULL, NULL, false},
};
