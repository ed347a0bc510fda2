/* SPDX-License-Identifier: Apache-2.0
 *
 * One card: its context, its kernels, memory that is counted, launches, and the loop that times them. A device is used by one
 * thread at a time. After a sticky outcome every later call gives the same one; nothing crashes, nothing waits for ever.
 */
#ifndef CUDA_DEVICE_H
#define CUDA_DEVICE_H

#include "cuda/pool.h"

#include <stdbool.h>

struct cuda_info {
    char name[96];
    int major, minor, multiprocessors, driver_version, count;
    size_t memory_bytes, l2_bytes, shared_bytes; /* shared memory one block may have */
};

struct cuda_device {
    struct cuda_driver driver;
    struct cuda_info info;
    int ordinal, handle;
    void *context, *module, *stream;
    struct cuda_pool pool;
    struct cuda_fault broken;      /* the sticky outcome, once there was one */
    bool is_checked;               /* TERN_CUDA_CHECKED=1, for compute-sanitizer: blocks lie apart, launches are taken in turn and not timed */
    size_t turn;                   /* of the next choice then */
};

/* Opens card `ordinal`; `driver` as in cuda_driver_open. *out is the caller's until cuda_device_close (null is allowed). */
enum cuda_outcome cuda_device_open(int ordinal, const char *driver, struct cuda_device **out, struct cuda_fault *fault);
void cuda_device_close(struct cuda_device *device);
/* Makes its context that of the calling thread, which it is since opening: for threads that were not there, and where there are several cards. */
enum cuda_outcome cuda_device_use(struct cuda_device *device, struct cuda_fault *fault);
/* What card `ordinal` is, without opening it. */
enum cuda_outcome cuda_device_describe(int ordinal, const char *driver, struct cuda_info *out, struct cuda_fault *fault);
const struct cuda_info *cuda_device_info(const struct cuda_device *device);

/* Turns a code of the driver into an outcome with the sentence "<what>: …"; remembers sticky ones. */
enum cuda_outcome cuda_try(struct cuda_device *device, int code, const char *what, struct cuda_fault *fault);

/* Device memory from the card's pool. `what` names it in the error and decides its tag. Freeing 0 is allowed. */
struct cuda_memory {
    uint64_t at;
    size_t bytes;
};
enum cuda_outcome cuda_take(struct cuda_device *device, size_t bytes, const char *what, struct cuda_memory *out, struct cuda_fault *fault);
void cuda_give(struct cuda_device *device, struct cuda_memory *memory);
/* What was taken and is held, by the counts of the engine's own pool. `limit`: most bytes that may be held from now on, 0: as the card has. */
void cuda_memory_stats(const struct cuda_device *device, struct tern_pool_stats *stats);
void cuda_memory_limit(struct cuda_device *device, size_t limit);

/* Copies to the card in the order of the stream; `from` may change once this returns, unless it is pinned. */
enum cuda_outcome cuda_upload(struct cuda_device *device, uint64_t to, const void *from, size_t bytes, const char *what, struct cuda_fault *fault);

/* Fills memory with words of one value, in the order of the stream. */
enum cuda_outcome cuda_fill(struct cuda_device *device, const struct cuda_memory *memory, unsigned value, const char *what, struct cuda_fault *fault);

/* Waits for the stream, then copies to the host. */
enum cuda_outcome cuda_fetch(struct cuda_device *device, void *to, uint64_t from, size_t bytes, const char *what, struct cuda_fault *fault);

/* Finds a kernel of the image and lets it use `shared_bytes` of shared memory asked for at launch. */
enum cuda_outcome cuda_kernel(struct cuda_device *device, const char *name, size_t shared_bytes, void **function, struct cuda_fault *fault);

/* A launch that may start before the one ahead of it in the stream has ended (the kernels wait by themselves; cards before 9.0 run them one by one). */
struct cuda_grid {
    unsigned x, y, threads, shared_bytes;
};
enum cuda_outcome cuda_start(struct cuda_device *device, void *function, struct cuda_grid grid, void **arguments, struct cuda_fault *fault);

/* A launch whose blocks all run at once, and may wait for each other. */
enum cuda_outcome cuda_start_together(struct cuda_device *device, void *function, struct cuda_grid grid, void **arguments, struct cuda_fault *fault);

/* Waits for the stream, at most `seconds`: timeout. */
enum cuda_outcome cuda_finish(struct cuda_device *device, double seconds, struct cuda_fault *fault);

/* Waits for an event in the same way. */
enum cuda_outcome cuda_await(struct cuda_device *device, void *event, double seconds, struct cuda_fault *fault);

/*
 * Calls that are repeated: graphs of 1, 8, 64 and `longest` calls, captured from `record(state, i)`, i = 0, 1, … in each graph (longest 0:
 * only the graph of one call, for calls that are long themselves). n calls are then a few graph launches between two events.
 */
typedef enum cuda_outcome cuda_record_fn(void *state, unsigned i, struct cuda_fault *fault);
enum { CUDA_LOOP_GRAPHS = 4 };
struct cuda_loop {
    struct cuda_device *device;
    void *graphs[CUDA_LOOP_GRAPHS];
    unsigned sizes[CUDA_LOOP_GRAPHS];
    void *begin, *end; /* events */
    cuda_record_fn *record; /* of calls that are launched one by one; null: graphs */
    void *state;
};
enum cuda_outcome cuda_loop_open(struct cuda_device *device, unsigned longest, cuda_record_fn *record, void *state, struct cuda_loop *loop, struct cuda_fault *fault);
/* The same without graphs, for calls that do more than launch: each is made anew by record(state, 0). */
enum cuda_outcome cuda_loop_open_plain(struct cuda_device *device, cuda_record_fn *record, void *state, struct cuda_loop *loop, struct cuda_fault *fault);
void cuda_loop_close(struct cuda_loop *loop);

/* Does n calls and waits; *ns is the time between the events, by the card's clock. */
enum cuda_outcome cuda_loop_run(struct cuda_loop *loop, uint64_t n, double *ns, struct cuda_fault *fault);

#endif
