/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream of requests in front of something that serves batches.
 *
 *   queue      bounded: who submits to a full one waits (back-pressure), or is told so
 *   batch      up to `buffer` requests that wait together; taken when so many are there, when the oldest has waited `wait_ns`, or
 *              when the stream is drained. A byte budget can make it smaller
 *   delivery   a request is done when its batch is; ordered streams deliver in the order of submission
 *   due        the time a request should have come, fixed beforehand: latency counts from there, so waiting counts, whoever waits
 *
 *   mode       sequential   the submitter serves each request itself
 *              parallel     workers serve batches; requests are due when they are submitted
 *              timed        workers serve batches; requests are due at times that the caller fixed
 *   preset     high_throughput  buffer 32, 50 ms, unordered, queue 2000;   low_latency  buffer 4, 10 ms, ordered, queue 100
 *
 * Threads: one submits; `workers` threads serve, each with its number. Errors stand at open; afterwards nothing fails.
 */
#ifndef TERN_STREAM_H
#define TERN_STREAM_H

#include "model/latency.h"

#include <stddef.h>

enum { TERN_STREAM_BUFFER_MAX = 128, TERN_STREAM_WORKERS_MAX = 64 };
enum tern_stream_mode { TERN_STREAM_SEQUENTIAL, TERN_STREAM_PARALLEL, TERN_STREAM_TIMED, TERN_STREAM_MODES };

/* Serves requests ids[0 … n): called by one worker at a time for each worker number. */
typedef void tern_serve_fn(void *subject, int worker, const uint64_t *ids, size_t n);

struct tern_stream_options {
    enum tern_stream_mode mode;
    size_t buffer, queue;
    uint64_t wait_ns;
    bool is_ordered;
    int workers;
    bool submitter_helps; /* parallel: who submits to a full queue, or drains, serves batches as worker number `workers` meanwhile */
    size_t byte_budget, request_bytes; /* batches hold at most byte_budget / request_bytes requests, at least one; 0: no budget */
    tern_serve_fn *serve;
    void *subject;
};

struct tern_stream_counts {
    uint64_t submitted, delivered, cancelled, batches;
    uint64_t waits;   /* submissions that found the queue full */
    size_t longest;   /* most requests that waited at once */
};

struct tern_stream;

/* Sets buffer, wait, order and queue of a preset; false when there is none of that name. */
bool tern_stream_preset(const char *name, struct tern_stream_options *options);
bool tern_stream_mode_named(const char *name, enum tern_stream_mode *mode);
/* Requests of a batch that fit the budget: between 1 and `most`. */
size_t tern_stream_batch(size_t byte_budget, size_t request_bytes, size_t most);

/* `latency` gets each delivered request's time from due to delivery; it is the stream's while requests are under way. */
enum tern_status tern_stream_open(const struct tern_stream_options *options, struct tern_latency *latency, struct tern_stream **out,
                                  struct tern_error *err);
/* Drains, then ends the workers. NULL is allowed. */
void tern_stream_close(struct tern_stream *s);

/* Submits one request; `due_ns` 0: now. With `can_wait` false a full queue gives false and the request is not taken. */
bool tern_stream_submit(struct tern_stream *s, uint64_t id, uint64_t due_ns, bool can_wait);
/* Returns when every request submitted so far is delivered or cancelled. */
void tern_stream_drain(struct tern_stream *s);
/* Takes back all requests that no worker has taken; returns how many. They are not delivered. */
size_t tern_stream_cancel(struct tern_stream *s);
struct tern_stream_counts tern_stream_counts(struct tern_stream *s);

/* The monotonic clock that due times are on, in ns. */
uint64_t tern_stream_now(void);

#endif
