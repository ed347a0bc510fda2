/* SPDX-License-Identifier: Apache-2.0 */
#include "model/stream.h"

#include "core/memory.h"
#include "core/threads.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct request {
    uint64_t id, due_ns, number; /* number: of submission, 0 first */
};

/* A request that is served and waits for those before it. */
struct served {
    bool is_here, is_cancelled;
    uint64_t due_ns;
};

struct tern_stream {
    struct tern_stream_options options;
    struct tern_latency *latency;
    pthread_mutex_t lock;
    pthread_cond_t work, room, done; /* workers wait for work, the submitter for room and for the end */
    struct request *ring;            /* of `queue` */
    size_t first, waiting;           /* of the ring */
    size_t in_service;
    struct served *window;           /* ordered: by number modulo window_size */
    size_t window_size;
    uint64_t next_number;            /* ordered: the one to deliver next */
    bool is_draining, is_closing;
    int waiting_workers;
    struct tern_stream_counts counts;
    pthread_t threads[TERN_STREAM_WORKERS_MAX];
    struct member { struct tern_stream *stream; int number; } members[TERN_STREAM_WORKERS_MAX];
    int n_threads;
    struct tern_placed placed;
};

static const struct {
    const char *name;
    size_t buffer, queue;
    uint64_t wait_ns;
    bool is_ordered;
} presets[] = {{"high_throughput", 32, 2000, 50000000, false}, {"low_latency", 4, 100, 10000000, true}};

bool tern_stream_preset(const char *name, struct tern_stream_options *o)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(presets[i].name, name) == 0) {
            o->buffer = presets[i].buffer;
            o->queue = presets[i].queue;
            o->wait_ns = presets[i].wait_ns;
            o->is_ordered = presets[i].is_ordered;
            return true;
        }
    }
    return false;
}

bool tern_stream_mode_named(const char *name, enum tern_stream_mode *mode)
{
    static const char *const names[TERN_STREAM_MODES] = {"sequential", "parallel", "timed"};
    for (int i = 0; i < TERN_STREAM_MODES; i++) {
        if (strcmp(names[i], name) == 0) {
            *mode = (enum tern_stream_mode)i;
            return true;
        }
    }
    return false;
}

size_t tern_stream_batch(size_t byte_budget, size_t request_bytes, size_t most)
{
    size_t fit = byte_budget && request_bytes ? byte_budget / request_bytes : most;
    return fit < 1 ? 1 : fit < most ? fit : most;
}

uint64_t tern_stream_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- delivery; the lock is held */

static void deliver(struct tern_stream *s, uint64_t due_ns, uint64_t now)
{
    tern_latency_add(s->latency, now > due_ns ? now - due_ns : 0);
    s->counts.delivered++;
}

/* Notes that request `number` is served (or cancelled), and delivers all that now have nothing before them. */
static void arrive(struct tern_stream *s, const struct request *r, bool is_cancelled, uint64_t now)
{
    if (!s->options.is_ordered) {
        if (!is_cancelled)
            deliver(s, r->due_ns, now);
        return;
    }
    s->window[r->number % s->window_size] = (struct served){true, is_cancelled, r->due_ns};
    for (struct served *w; (w = &s->window[s->next_number % s->window_size])->is_here; s->next_number++) {
        if (!w->is_cancelled)
            deliver(s, w->due_ns, now);
        w->is_here = false;
    }
}

/* ---- workers */

static bool is_batch_ready(const struct tern_stream *s, uint64_t now)
{
    return s->waiting && (s->waiting >= s->options.buffer || s->is_draining || s->is_closing ||
                          now >= s->ring[s->first].due_ns + s->options.wait_ns);
}

/* Takes up to a batch of what waits. The lock is held. */
static size_t pop(struct tern_stream *s, struct request *batch)
{
    size_t n = s->waiting < s->options.buffer ? s->waiting : s->options.buffer;
    for (size_t i = 0; i < n; i++)
        batch[i] = s->ring[(s->first + i) % s->options.queue];
    s->first = (s->first + n) % s->options.queue;
    s->waiting -= n;
    s->in_service += n;
    s->counts.batches++;
    return n;
}

/* Waits for a batch and takes it; 0 when the stream is closing. The lock is held. */
static size_t take_batch(struct tern_stream *s, struct request *batch)
{
    while (!is_batch_ready(s, tern_stream_now())) {
        if (s->is_closing)
            return 0;
        s->waiting_workers++;
        if (s->waiting) {
            uint64_t until = s->ring[s->first].due_ns + s->options.wait_ns;
            struct timespec t = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
            pthread_cond_timedwait(&s->work, &s->lock, &t);
        } else {
            pthread_cond_wait(&s->work, &s->lock);
        }
        s->waiting_workers--;
    }
    size_t n = pop(s, batch);
    pthread_cond_signal(&s->room);
    return n;
}

/* Serves a batch that was taken, as worker `number`, and delivers it. The lock is held, but not while serving. */
static void serve_batch(struct tern_stream *s, const struct request *batch, size_t n, int number)
{
    uint64_t ids[TERN_STREAM_BUFFER_MAX];
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < n; i++)
        ids[i] = batch[i].id;
    s->options.serve(s->options.subject, number, ids, n);
    uint64_t now = tern_stream_now();
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < n; i++)
        arrive(s, &batch[i], false, now);
    s->in_service -= n;
}

static void *work(void *argument)
{
    const struct member *m = argument;
    struct tern_stream *s = m->stream;
    struct request batch[TERN_STREAM_BUFFER_MAX];
    pthread_mutex_lock(&s->lock);
    for (size_t n; (n = take_batch(s, batch)) > 0;) {
        serve_batch(s, batch, n, m->number);
        pthread_cond_signal(&s->room); /* an ordered stream may have been full of requests that waited for one of these */
        if (s->waiting + s->in_service == 0)
            pthread_cond_broadcast(&s->done);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- open and close */

static enum tern_status check_options(const struct tern_stream_options *o, struct tern_error *err)
{
    if (o->buffer < 1 || o->buffer > TERN_STREAM_BUFFER_MAX)
        return tern_error_set(err, TERN_INVALID, "a stream's buffer has 1 to %d requests, not %zu", TERN_STREAM_BUFFER_MAX, o->buffer);
    if (o->queue < o->buffer || o->queue > 1u << 24)
        return tern_error_set(err, TERN_INVALID, "a stream's queue has at least its buffer's %zu requests and at most 2^24, not %zu", o->buffer, o->queue);
    if (o->workers < 0 || o->workers > TERN_STREAM_WORKERS_MAX || (o->mode != TERN_STREAM_SEQUENTIAL && o->workers == 0 && !(o->mode == TERN_STREAM_PARALLEL && o->submitter_helps)))
        return tern_error_set(err, TERN_INVALID, "a stream has 1 to %d workers, not %d", TERN_STREAM_WORKERS_MAX, o->workers);
    return TERN_OK;
}

static void init_locks(struct tern_stream *s)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, &monotonic);
    pthread_cond_init(&s->room, NULL);
    pthread_cond_init(&s->done, NULL);
    pthread_condattr_destroy(&monotonic);
}

enum tern_status tern_stream_open(const struct tern_stream_options *options, struct tern_latency *latency, struct tern_stream **out,
                                  struct tern_error *err)
{
    *out = NULL;
    enum tern_status status = check_options(options, err);
    if (status != TERN_OK)
        return status;
    struct tern_stream *s = tern_array_open(1, sizeof *s);
    if (!s)
        return tern_error_memory(err, "a stream", sizeof *s);
    s->options = *options;
    s->options.buffer = tern_stream_batch(options->byte_budget, options->request_bytes, options->buffer);
    s->latency = latency;
    s->placed.caller = -1;
    s->window_size = options->queue + ((size_t)options->workers + 1) * options->buffer + 1;
    s->ring = tern_array_open(options->queue, sizeof *s->ring);
    s->window = tern_array_open(s->window_size, sizeof *s->window);
    init_locks(s);
    if (!s->ring || !s->window)
        status = tern_error_memory(err, "a stream's queue", options->queue * sizeof *s->ring);
    for (int i = 0; i < options->workers && status == TERN_OK && options->mode != TERN_STREAM_SEQUENTIAL; i++) {
        s->members[i] = (struct member){s, i};
        if (pthread_create(&s->threads[i], NULL, work, &s->members[i]) != 0)
            status = tern_error_set(err, TERN_IO, "a stream's worker cannot be started");
        else
            s->n_threads++;
    }
    if (status == TERN_OK)
        *out = s;
    else
        tern_stream_close(s);
    return status;
}

void tern_stream_close(struct tern_stream *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->is_closing = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < s->n_threads; i++)
        pthread_join(s->threads[i], NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->room);
    pthread_cond_destroy(&s->done);
    tern_array_close(s->ring);
    tern_array_close(s->window);
    tern_array_close(s);
}

/* ---- requests */

/* The submitter does the work itself, one request after another. */
static void serve_now(struct tern_stream *s, uint64_t id, uint64_t due_ns)
{
    s->options.serve(s->options.subject, 0, &id, 1);
    s->counts.submitted++;
    s->counts.batches++;
    deliver(s, due_ns, tern_stream_now());
}

/* Ordered: numbers under way must fit the window, or one would overwrite another. */
static bool has_room(const struct tern_stream *s)
{
    return s->waiting < s->options.queue && (!s->options.is_ordered || s->counts.submitted - s->next_number < s->window_size);
}

/* A submitter that would have to wait serves a batch instead, where it may; false when there is none to take. The lock is held. */
static bool help(struct tern_stream *s)
{
    struct request batch[TERN_STREAM_BUFFER_MAX];
    if (s->options.mode != TERN_STREAM_PARALLEL || !s->options.submitter_helps || !s->waiting)
        return false;
    serve_batch(s, batch, pop(s, batch), s->options.workers);
    return true;
}

bool tern_stream_submit(struct tern_stream *s, uint64_t id, uint64_t due_ns, bool can_wait)
{
    due_ns = due_ns ? due_ns : tern_stream_now();
    if (s->options.mode == TERN_STREAM_SEQUENTIAL) {
        serve_now(s, id, due_ns);
        return true;
    }
    pthread_mutex_lock(&s->lock);
    s->counts.waits += !has_room(s);
    while (can_wait && !has_room(s))
        if (!help(s))
            pthread_cond_wait(&s->room, &s->lock);
    bool taken = has_room(s);
    if (taken) {
        s->ring[(s->first + s->waiting++) % s->options.queue] = (struct request){id, due_ns, s->counts.submitted++};
        s->counts.longest = s->waiting > s->counts.longest ? s->waiting : s->counts.longest;
        /* The first starts the clock of its batch; a full batch is worth a waking. */
        if (s->waiting_workers && (s->waiting == 1 || s->waiting % s->options.buffer == 0)) {
            tern_threads_place(s->threads, s->n_threads, &s->placed);
            pthread_cond_signal(&s->work);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return taken;
}

void tern_stream_drain(struct tern_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_draining = true;
    pthread_cond_broadcast(&s->work);
    while (s->waiting + s->in_service)
        if (!help(s))
            pthread_cond_wait(&s->done, &s->lock);
    s->is_draining = false;
    pthread_mutex_unlock(&s->lock);
}

size_t tern_stream_cancel(struct tern_stream *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->waiting;
    uint64_t now = tern_stream_now();
    for (size_t i = 0; i < n; i++)
        arrive(s, &s->ring[(s->first + i) % s->options.queue], true, now);
    s->first = (s->first + n) % s->options.queue;
    s->waiting = 0;
    s->counts.cancelled += n;
    pthread_cond_signal(&s->room);
    if (s->in_service == 0)
        pthread_cond_broadcast(&s->done);
    pthread_mutex_unlock(&s->lock);
    return n;
}

struct tern_stream_counts tern_stream_counts(struct tern_stream *s)
{
    pthread_mutex_lock(&s->lock);
    struct tern_stream_counts counts = s->counts;
    pthread_mutex_unlock(&s->lock);
    return counts;
}
