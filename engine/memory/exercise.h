/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of tern.h's exercises: what one thread of a workload, or one draw, knows, and the loops.
 */
#ifndef TERN_MEMORY_EXERCISE_H
#define TERN_MEMORY_EXERCISE_H

#include <pthread.h>

#include "memory/arena.h"
#include "memory/ring.h"
#include "memory/trace.h"

enum { TERN_EXERCISE_SIZES = 4096, TERN_EXERCISE_THREADS = 4, TERN_EXERCISE_PARTS = 9, TERN_EXERCISE_QUEUE = 512, TERN_EXERCISE_TIMES = 64 * 16 };

enum tern_exercise_touch { TERN_TOUCH_NONE, TERN_TOUCH_FIRST, TERN_TOUCH_PAGES, TERN_TOUCH_ALL };

/* One way of taking and giving, in malloc's shape. */
struct tern_allocator {
    void *(*take)(size_t);
    void (*give)(void *);
};

/* Between a thread that takes and one that gives. */
struct tern_exercise_queue {
    void *block[TERN_EXERCISE_QUEUE];
    struct {
        uint64_t n;
    } put __attribute__((aligned(64))), got __attribute__((aligned(64)));
};

struct tern_exercise_part {
    struct tern_exercise *exercise;
    struct tern_allocator allocator;
    unsigned id, n_live, at;      /* at: next place of lifo, fifo and trace */
    enum tern_exercise_touch touch;
    bool is_timed;
    uint64_t random, step, failures, takes;
    const uint32_t *size;         /* TERN_EXERCISE_SIZES of them, used in turn */
    void **live;
    uint32_t *live_size;
    size_t bytes, peak;           /* asked for and live */
    struct tern_exercise_queue *queue;
    const struct tern_trace_play *trace;
    struct tern_arena arena;
    struct tern_ring *ring;
    uint32_t times[TERN_EXERCISE_TIMES];
    pthread_t thread;
} __attribute__((aligned(64)));

typedef void tern_exercise_loop(struct tern_exercise_part *part, uint64_t n);

struct tern_exercise_pattern {
    const char *name;
    tern_exercise_loop *loop;
    bool is_pairs; /* every second thread is the other half */
};

/* Rows end with a null name. */
extern const struct tern_exercise_pattern tern_exercise_patterns[];
tern_exercise_loop tern_exercise_arena, tern_exercise_ring;

/* Gives all live blocks. */
void tern_exercise_drop(struct tern_exercise_part *part);
/* Ticks of the clock that times single calls, and how many of them there are in a nanosecond. */
double tern_exercise_ticks_per_ns(void);
double tern_exercise_percentile(const struct tern_exercise_part *part, unsigned n_parts, double share);

#endif
