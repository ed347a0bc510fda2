/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies to a card beside what it computes: a stream of their own, a queue with priorities, a ring of pinned memory for what lies in pages that the
 * system may move.
 *
 *   request   bytes of the host to an address of the card, cut in pieces; it waits for one event and tells another
 *   queue     the request with the least number first, of equal ones the oldest; a more urgent one goes ahead between two pieces
 *   ring      slots of a piece each; a slot is filled anew once its last copy is done
 *
 * One thread at a time, as its device.
 */
#ifndef CUDA_TRANSFER_H
#define CUDA_TRANSFER_H

#include "cuda/device.h"

enum { CUDA_TRANSFER_SLOTS = 4, CUDA_TRANSFER_WAITING = 16 };

struct cuda_request {
    uint64_t to;
    const void *from;
    size_t bytes;
    bool is_pinned;     /* else pieces go through the ring; `from` may change once all are issued */
    unsigned urgency;   /* 0 is the most */
    void *after, *ready; /* events: before the first piece (null: at once); recorded behind the last (null: nobody waits) */
};

struct cuda_transfer_stats {
    uint64_t requests, pieces, staged_bytes, direct_bytes;
};

struct cuda_transfer {
    struct cuda_device *device;
    void *stream;
    size_t piece; /* bytes */
    struct {
        struct cuda_request request;
        size_t done;
        uint64_t order;
        bool is_waiting;
    } queue[CUDA_TRANSFER_WAITING];
    uint64_t asked;
    void *slots[CUDA_TRANSFER_SLOTS], *free[CUDA_TRANSFER_SLOTS]; /* pinned memory; events of their last copies */
    size_t next_slot;
    struct cuda_transfer_stats stats;
};

enum cuda_outcome cuda_transfer_open(struct cuda_device *device, size_t piece, struct cuda_transfer *out, struct cuda_fault *fault);
/* What was asked for must be done: cuda_transfer_finish. */
void cuda_transfer_close(struct cuda_transfer *transfer);

/* Queues a request; where CUDA_TRANSFER_WAITING wait already, the most urgent is issued first. */
enum cuda_outcome cuda_transfer_ask(struct cuda_transfer *transfer, const struct cuda_request *request, struct cuda_fault *fault);

/* Issues pieces in the queue's order until the request that tells `ready` is wholly issued (null: until none waits). Nothing here waits for a copy
 * but for a slot of the ring. */
enum cuda_outcome cuda_transfer_issue(struct cuda_transfer *transfer, const void *ready, struct cuda_fault *fault);

/* Issues everything and waits for it. */
enum cuda_outcome cuda_transfer_finish(struct cuda_transfer *transfer, struct cuda_fault *fault);

#endif
