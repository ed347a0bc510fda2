/* SPDX-License-Identifier: Apache-2.0
 * The operation region: what it costs to have several threads do nothing. A parallel region of OpenMP and one of the team, a barrier inside each,
 * a sleeping thread woken by a condition variable and back; after `idle` microseconds of serial work, which are not counted. */
#include "core/error.h"
#include "core/op.h"
#include "core/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BARRIERS = 64, IDLE_MAX_US = 1000000 };

struct region;
typedef void region_fn(struct region *r);

struct kind {
    const char *name;
    region_fn *once;
    int times; /* what is measured happens so often in one */
};

struct region {
    const struct kind *kind;
    int threads;
    size_t idle_us;
    _Atomic uint64_t parts; /* threads that came, over all regions; check counts them */
    /* condvar: a partner that sleeps until it is its turn */
    pthread_t partner;
    pthread_mutex_t lock;
    pthread_cond_t turn_changed;
    int turn; /* 0: the caller's, 1: the partner's, -1: the partner ends */
    bool has_partner;
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void count(struct region *r)
{
    atomic_fetch_add_explicit(&r->parts, 1, memory_order_relaxed);
}

/* ---- kinds */

static void part_count(void *data, int id, int n)
{
    (void)id;
    (void)n;
    count(data);
}

static void part_barriers(void *data, int id, int n)
{
    (void)id;
    count(data);
    for (int i = 0; i < BARRIERS; i++)
        tern_team_barrier(n);
}

static void team(struct region *r)
{
    tern_team_run_together(r->threads, part_count, r);
}

static void team_barriers(struct region *r)
{
    tern_team_run_together(r->threads, part_barriers, r);
}

static void openmp(struct region *r)
{
    tern_threads_used_openmp();
#pragma omp parallel num_threads(r->threads)
    count(r);
}

static void openmp_barriers(struct region *r)
{
    tern_threads_used_openmp();
#pragma omp parallel num_threads(r->threads)
    {
        count(r);
        for (int i = 0; i < BARRIERS; i++) {
#pragma omp barrier
        }
    }
}

static void *partner(void *argument)
{
    struct region *r = argument;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->turn)
            pthread_cond_wait(&r->turn_changed, &r->lock);
        if (r->turn < 0)
            break;
        count(r);
        r->turn = 0;
        pthread_cond_broadcast(&r->turn_changed);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void condvar(struct region *r)
{
    count(r);
    pthread_mutex_lock(&r->lock);
    r->turn = 1;
    pthread_cond_broadcast(&r->turn_changed);
    while (r->turn)
        pthread_cond_wait(&r->turn_changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static const struct kind kinds[] = {
    { "team", team, 1 },       { "team-barrier", team_barriers, BARRIERS }, { "openmp", openmp, 1 }, { "openmp-barrier", openmp_barriers, BARRIERS },
    { "condvar", condvar, 1 },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- the operation */

static const struct tern_op_param params[] = {
    { "kind", "team", "team, team-barrier, openmp, openmp-barrier or condvar" },
    { "threads", "2", "that come together; condvar takes two" },
    { "idle", "0", "microseconds of serial work before each" },
    { NULL, NULL, NULL },
};

static bool start_partner(struct region *r)
{
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->turn_changed, NULL);
    r->has_partner = !pthread_create(&r->partner, NULL, partner, r);
    return r->has_partner;
}

/* Only the region counts: the serial work before it is left out. */
static void run_many(struct tern_op *op, uint64_t n)
{
    struct region *r = op->state;
    double total = 0;
    for (; n; n--) {
        double begun = now_ns();
        while (now_ns() - begun < 1e3 * (double)r->idle_us)
            ;
        begun = now_ns();
        r->kind->once(r);
        total += now_ns() - begun;
    }
    op->elapsed_ns = total;
}

static void run(struct tern_op *op)
{
    struct region *r = op->state;
    r->kind->once(r);
}

static enum tern_status bind(struct tern_op *op, struct tern_error *error)
{
    const char *names[KINDS + 1] = { NULL };
    struct region *r = op->state = calloc(1, sizeof *r);
    size_t kind = 0;
    enum tern_status status;
    if (!r)
        return tern_error_memory(error, "region", sizeof *r);
    for (size_t i = 0; i < KINDS; i++)
        names[i] = kinds[i].name;
    if ((status = tern_op_choice(op, "kind", names, &kind, error)) ||
        (status = tern_op_threads(op, "threads", tern_threads_allowed(), &r->threads, error)) ||
        (status = tern_op_size(op, "idle", 0, IDLE_MAX_US, &r->idle_us, error)))
        return status;
    r->kind = &kinds[kind];
    if (r->kind->once == condvar) {
        r->threads = 2;
        if (!start_partner(r))
            return tern_error_set(error, TERN_NO_MEMORY, "region: a thread could not be had");
    }
    if (r->idle_us)
        op->run_many = run_many;
    snprintf(op->why, sizeof op->why, "%s, %d threads, after %zu us of serial work", r->kind->name, r->threads, r->idle_us);
    return TERN_OK;
}

static enum tern_status check(struct tern_op *op, struct tern_error *error)
{
    struct region *r = op->state;
    uint64_t before = r->parts;
    r->kind->once(r);
    uint64_t came = r->parts - before;
    if (came == (uint64_t)r->threads)
        return TERN_OK;
    return tern_error_set(error, TERN_WRONG, "region: %llu of %d threads came", (unsigned long long)came, r->threads);
}

static void work(const struct tern_op *op, struct tern_work *work)
{
    const struct region *r = op->state;
    work->items = r->kind->times;
}

static void close(struct tern_op *op)
{
    struct region *r = op->state;
    if (r->has_partner) {
        pthread_mutex_lock(&r->lock);
        r->turn = -1;
        pthread_cond_broadcast(&r->turn_changed);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->partner, NULL);
        pthread_cond_destroy(&r->turn_changed);
        pthread_mutex_destroy(&r->lock);
    }
    free(r);
}

const struct tern_op_row tern_op_row_region = {
    "region", "threads that come together and do nothing", params, bind, run, check, work, close,
};
