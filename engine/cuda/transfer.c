/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/transfer.h"

#include <string.h>

enum { STREAM_ALONE = 1, EVENT_UNTIMED = 2 };
static const double patience_s = 20;

enum cuda_outcome cuda_transfer_open(struct cuda_device *device, size_t piece, struct cuda_transfer *t, struct cuda_fault *fault)
{
    *t = (struct cuda_transfer){.device = device, .piece = piece};
    return cuda_try(device, device->driver.open_stream(&t->stream, STREAM_ALONE), "a stream for copies", fault);
}

void cuda_transfer_close(struct cuda_transfer *t)
{
    for (size_t i = 0; i < CUDA_TRANSFER_SLOTS && t->device; i++) {
        if (t->free[i])
            t->device->driver.close_event(t->free[i]);
        if (t->slots[i])
            t->device->driver.free_pinned(t->slots[i]);
    }
    if (t->stream)
        t->device->driver.close_stream(t->stream);
    *t = (struct cuda_transfer){0};
}

/* The waiting request that goes first, or -1. */
static int first_of(const struct cuda_transfer *t)
{
    int first = -1;
    for (int i = 0; i < CUDA_TRANSFER_WAITING; i++) {
        if (!t->queue[i].is_waiting)
            continue;
        unsigned mine = t->queue[i].request.urgency, best = first < 0 ? 0 : t->queue[first].request.urgency;
        if (first < 0 || mine < best || (mine == best && t->queue[i].order < t->queue[first].order))
            first = i;
    }
    return first;
}

/* A slot of the ring whose last copy is done, with its memory and event. */
static enum cuda_outcome take_slot(struct cuda_transfer *t, size_t *slot, struct cuda_fault *fault)
{
    const struct cuda_driver *driver = &t->device->driver;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    *slot = t->next_slot++ % CUDA_TRANSFER_SLOTS;
    if (t->free[*slot])
        return cuda_await(t->device, t->free[*slot], patience_s, fault);
    if (!t->slots[*slot])
        o = cuda_try(t->device, driver->allocate_pinned(&t->slots[*slot], t->piece), "pinned memory", fault);
    return o ? o : cuda_try(t->device, driver->open_event(&t->free[*slot], EVENT_UNTIMED), "an event", fault);
}

static enum cuda_outcome copy(struct cuda_transfer *t, uint64_t to, const void *from, size_t bytes, bool is_pinned, struct cuda_fault *fault)
{
    const struct cuda_driver *driver = &t->device->driver;
    size_t slot;
    enum cuda_outcome o;
    t->stats.pieces++;
    *(is_pinned ? &t->stats.direct_bytes : &t->stats.staged_bytes) += bytes;
    if (is_pinned)
        return cuda_try(t->device, driver->upload_later(to, from, bytes, t->stream), "uploading a piece", fault);
    if ((o = take_slot(t, &slot, fault)))
        return o;
    memcpy(t->slots[slot], from, bytes);
    if ((o = cuda_try(t->device, driver->upload_later(to, t->slots[slot], bytes, t->stream), "uploading a piece", fault)))
        return o;
    return cuda_try(t->device, driver->record(t->free[slot], t->stream), "an event", fault);
}

/* The next piece of a request; behind its last it is done. */
static enum cuda_outcome issue_piece(struct cuda_transfer *t, int i, struct cuda_fault *fault)
{
    const struct cuda_request *r = &t->queue[i].request;
    size_t at = t->queue[i].done, bytes = r->bytes - at < t->piece ? r->bytes - at : t->piece;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    if (!at && r->after)
        o = cuda_try(t->device, t->device->driver.wait_event(t->stream, r->after, 0), "waiting for an event", fault);
    if (!o)
        o = copy(t, r->to + at, (const char *)r->from + at, bytes, r->is_pinned, fault);
    t->queue[i].done += bytes;
    if (o || t->queue[i].done < r->bytes)
        return o;
    t->queue[i].is_waiting = false;
    return r->ready ? cuda_try(t->device, t->device->driver.record(r->ready, t->stream), "an event", fault) : o;
}

static bool is_waited_for(const struct cuda_transfer *t, const void *ready)
{
    for (int i = 0; i < CUDA_TRANSFER_WAITING; i++)
        if (t->queue[i].is_waiting && (!ready || t->queue[i].request.ready == ready))
            return true;
    return false;
}

enum cuda_outcome cuda_transfer_issue(struct cuda_transfer *t, const void *ready, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    while (!o && is_waited_for(t, ready))
        o = issue_piece(t, first_of(t), fault);
    return o;
}

enum cuda_outcome cuda_transfer_ask(struct cuda_transfer *t, const struct cuda_request *request, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (;;) {
        for (int i = 0; i < CUDA_TRANSFER_WAITING; i++)
            if (!t->queue[i].is_waiting) {
                t->queue[i].request = *request;
                t->queue[i].done = 0;
                t->queue[i].order = t->asked++;
                t->queue[i].is_waiting = request->bytes != 0;
                t->stats.requests++;
                return o;
            }
        if ((o = issue_piece(t, first_of(t), fault)))
            return o;
    }
}

enum cuda_outcome cuda_transfer_finish(struct cuda_transfer *t, struct cuda_fault *fault)
{
    void *end = NULL;
    enum cuda_outcome o = cuda_transfer_issue(t, NULL, fault);
    if (o || (o = cuda_try(t->device, t->device->driver.open_event(&end, EVENT_UNTIMED), "an event", fault)))
        return o;
    if (!(o = cuda_try(t->device, t->device->driver.record(end, t->stream), "an event", fault)))
        o = cuda_await(t->device, end, patience_s, fault);
    t->device->driver.close_event(end);
    return o;
}
