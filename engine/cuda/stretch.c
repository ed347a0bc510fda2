/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/stretch.h"
#include "cuda/kernels/arguments.h"
#include "cuda/transfer.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 4 << 20, CHECK_PIECE = 32 << 20 };

struct cuda_stretch {
    struct cuda_device *device;
    struct cuda_stretch_spec spec;
    struct cuda_memory from, to, flag; /* device */
    void *source, *target;             /* host */
    void *read, *nothing;              /* functions */
    void *side, *forked, *joined;      /* a second stream and its events */
    struct cuda_transfer ring;
    struct cuda_loop loop;
};

static bool uses_host(const struct cuda_stretch *s)
{
    return s->spec.kind == CUDA_STRETCH_up || s->spec.kind == CUDA_STRETCH_down || s->spec.kind == CUDA_STRETCH_both || s->spec.kind == CUDA_STRETCH_overlap ||
           s->spec.kind == CUDA_STRETCH_staged;
}

static bool is_staged(const struct cuda_stretch *s)
{
    return s->spec.kind == CUDA_STRETCH_staged || (s->spec.kind == CUDA_STRETCH_overlap && !s->spec.is_pinned);
}

static enum cuda_outcome start_read(struct cuda_stretch *s, struct cuda_fault *fault)
{
    uint64_t p = s->from.at, flag = s->flag.at;
    size_t n = s->spec.bytes / 16;
    void *arguments[] = {&p, &n, &flag};
    return cuda_start(s->device, s->read, (struct cuda_grid){4 * (unsigned)s->device->info.multiprocessors, 1, 512, 0}, arguments, fault);
}

/* ---- one call of each kind, on the device's stream */

static enum cuda_outcome call_read(struct cuda_stretch *s, struct cuda_fault *fault)
{
    return start_read(s, fault);
}

static enum cuda_outcome call_copy(struct cuda_stretch *s, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    return cuda_try(d, d->driver.copy_later(s->to.at, s->from.at, s->spec.bytes, d->stream), "copying", fault);
}

static enum cuda_outcome call_up(struct cuda_stretch *s, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    return cuda_try(d, d->driver.upload_later(s->to.at, s->source, s->spec.bytes, d->stream), "uploading", fault);
}

static enum cuda_outcome call_down(struct cuda_stretch *s, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    return cuda_try(d, d->driver.download_later(s->target, s->from.at, s->spec.bytes, d->stream), "fetching", fault);
}

/* The copy up on the side stream, or through the ring: after the event `forked`, before `joined`. */
static enum cuda_outcome upload_aside(struct cuda_stretch *s, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    const struct cuda_request request = {.to = s->to.at, .from = s->source, .bytes = s->spec.bytes, .after = s->forked, .ready = s->joined};
    enum cuda_outcome o;
    if (is_staged(s)) {
        o = cuda_transfer_ask(&s->ring, &request, fault);
        return o ? o : cuda_transfer_issue(&s->ring, NULL, fault);
    }
    if ((o = cuda_try(d, d->driver.wait_event(s->side, s->forked, 0), "forking", fault)) ||
        (o = cuda_try(d, d->driver.upload_later(s->to.at, s->source, s->spec.bytes, s->side), "uploading", fault)))
        return o;
    return cuda_try(d, d->driver.record(s->joined, s->side), "joining", fault);
}

/* Runs `here` (null: nothing) on the device's stream and the copy up beside it, both within the call. */
static enum cuda_outcome beside(struct cuda_stretch *s, enum cuda_outcome (*here)(struct cuda_stretch *, struct cuda_fault *), struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    enum cuda_outcome o;
    if ((o = cuda_try(d, d->driver.record(s->forked, d->stream), "forking", fault)) || (here && (o = here(s, fault))) || (o = upload_aside(s, fault)))
        return o;
    return cuda_try(d, d->driver.wait_event(d->stream, s->joined, 0), "joining", fault);
}

static enum cuda_outcome call_staged(struct cuda_stretch *s, struct cuda_fault *fault)
{
    return beside(s, NULL, fault);
}

static enum cuda_outcome call_both(struct cuda_stretch *s, struct cuda_fault *fault)
{
    return beside(s, call_down, fault);
}

/* The reading kernel goes over its memory as often as the link needs for its own: about 80 times. */
static enum cuda_outcome read_long(struct cuda_stretch *s, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (int i = 0; i < 80 && !o; i++)
        o = start_read(s, fault);
    return o;
}

static enum cuda_outcome call_overlap(struct cuda_stretch *s, struct cuda_fault *fault)
{
    return beside(s, read_long, fault);
}

static enum cuda_outcome call_launch(struct cuda_stretch *s, struct cuda_fault *fault)
{
    return cuda_start(s->device, s->nothing, (struct cuda_grid){1, 1, 32, 0}, NULL, fault);
}

static enum cuda_outcome record(void *state, unsigned i, struct cuda_fault *fault)
{
    static enum cuda_outcome (*const calls[])(struct cuda_stretch *, struct cuda_fault *) = {
#define ROW(name, about) call_##name,
        CUDA_STRETCH_KINDS(ROW)
#undef ROW
    };
    struct cuda_stretch *s = state;
    (void)i;
    return calls[s->spec.kind](s, fault);
}

/* ---- bind */

static enum cuda_outcome take_host(struct cuda_stretch *s, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    if (!uses_host(s))
        return o;
    if (s->spec.is_pinned) {
        o = cuda_try(d, d->driver.allocate_pinned(&s->source, s->spec.bytes), "pinned memory", fault);
        return o ? o : cuda_try(d, d->driver.allocate_pinned(&s->target, s->spec.bytes), "pinned memory", fault);
    }
    s->source = malloc(s->spec.bytes);
    s->target = malloc(s->spec.bytes);
    return s->source && s->target ? o : cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for 2 x %zu bytes", s->spec.bytes);
}

static enum cuda_outcome fill(struct cuda_stretch *s, struct cuda_fault *fault)
{
    void *function;
    uint64_t at = s->from.at;
    size_t words = s->spec.bytes / 4;
    unsigned seed = 7;
    struct fill_args a = {(unsigned *)(uintptr_t)at, words, seed};
    void *arguments[] = {&a};
    for (size_t i = 0; s->source && i < s->spec.bytes; i++)
        ((unsigned char *)s->source)[i] = (unsigned char)(i * 131 >> 3);
    enum cuda_outcome o = cuda_kernel(s->device, "fill_random", 0, &function, fault);
    return o ? o : cuda_start(s->device, function, (struct cuda_grid){1024, 1, 256, 0}, arguments, fault);
}

static enum cuda_outcome open_side(struct cuda_stretch *s, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    enum cuda_outcome o = cuda_try(d, d->driver.open_stream(&s->side, 1), "a stream", fault);
    if (o || (o = cuda_try(d, d->driver.open_event(&s->forked, 2), "an event", fault)))
        return o;
    return cuda_try(d, d->driver.open_event(&s->joined, 2), "an event", fault);
}

static enum cuda_outcome open_all(struct cuda_stretch *s, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    enum cuda_outcome o;
    if ((o = cuda_take(d, s->spec.bytes, "a stretch", &s->from, fault)) || (o = cuda_take(d, s->spec.bytes, "a stretch", &s->to, fault)) ||
        (o = cuda_take(d, 4, "a flag", &s->flag, fault)) || (o = cuda_fill(d, &s->flag, 0, "clearing the flag", fault)) || (o = take_host(s, fault)) ||
        (o = cuda_kernel(d, "read_all", 0, &s->read, fault)) || (o = cuda_kernel(d, "nothing", 0, &s->nothing, fault)) || (o = open_side(s, fault)) ||
        (is_staged(s) && (o = cuda_transfer_open(d, PIECE, &s->ring, fault))) || (o = fill(s, fault)) || (o = cuda_finish(d, 20, fault)))
        return o;
    return is_staged(s) ? cuda_loop_open_plain(d, record, s, &s->loop, fault) : cuda_loop_open(d, 1, record, s, &s->loop, fault);
}

enum cuda_outcome cuda_stretch_bind(struct cuda_device *device, const struct cuda_stretch_spec *spec, struct cuda_stretch **out, struct cuda_fault *fault)
{
    struct cuda_stretch *s = calloc(1, sizeof *s);
    if (!s)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no memory for a stretch's state");
    s->device = device;
    s->spec = *spec;
    enum cuda_outcome o = open_all(s, fault);
    if (o)
        cuda_stretch_close(s);
    else
        *out = s;
    return o;
}

static void free_host(struct cuda_stretch *s, void *memory)
{
    if (!s->spec.is_pinned)
        free(memory);
    else if (memory)
        s->device->driver.free_pinned(memory);
}

void cuda_stretch_close(struct cuda_stretch *s)
{
    if (!s)
        return;
    const struct cuda_driver *driver = &s->device->driver;
    struct cuda_memory *const all[] = {&s->from, &s->to, &s->flag};
    cuda_loop_close(&s->loop);
    cuda_transfer_close(&s->ring);
    if (s->forked)
        driver->close_event(s->forked);
    if (s->joined)
        driver->close_event(s->joined);
    if (s->side)
        driver->close_stream(s->side);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda_give(s->device, all[i]);
    free_host(s, s->source);
    free_host(s, s->target);
    free(s);
}

enum cuda_outcome cuda_stretch_run(struct cuda_stretch *s, uint64_t n, double *ns, struct cuda_fault *fault)
{
    return cuda_loop_run(&s->loop, n, ns, fault);
}

/* ---- check */

/* What arrived against what was sent, one piece; `a` and `b` have room for it. */
static enum cuda_outcome check_piece(struct cuda_stretch *s, size_t from, size_t bytes, unsigned char *a, unsigned char *b, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    bool is_up = uses_host(s) && s->spec.kind != CUDA_STRETCH_down, is_down = s->spec.kind == CUDA_STRETCH_down || s->spec.kind == CUDA_STRETCH_both;
    enum cuda_outcome o = cuda_try(d, d->driver.download(a, s->from.at + from, bytes), "fetching", fault);
    if (!o)
        o = cuda_try(d, d->driver.download(b, s->to.at + from, bytes), "fetching", fault);
    if (!o && s->spec.kind == CUDA_STRETCH_copy && memcmp(a, b, bytes))
        o = cuda_fail(fault, CUDA_OUTCOME_mismatch, "a device copy differs from its source within %zu bytes from byte %zu", bytes, from);
    if (!o && is_up && memcmp(b, (const char *)s->source + from, bytes))
        o = cuda_fail(fault, CUDA_OUTCOME_mismatch, "what is on the card differs from the host's within %zu bytes from byte %zu", bytes, from);
    if (!o && is_down && memcmp(a, (const char *)s->target + from, bytes))
        o = cuda_fail(fault, CUDA_OUTCOME_mismatch, "what was fetched differs from the card's within %zu bytes from byte %zu", bytes, from);
    return o;
}

enum cuda_outcome cuda_stretch_check(struct cuda_stretch *s, struct cuda_fault *fault)
{
    struct cuda_device *d = s->device;
    size_t all = s->spec.bytes, piece = all < CHECK_PIECE ? all : CHECK_PIECE;
    double ns;
    enum cuda_outcome o = cuda_fill(d, &s->to, 0x5a5a5a5a, "clearing", fault);
    if (o || (o = cuda_stretch_run(s, 1, &ns, fault)))
        return o;
    unsigned char *a = malloc(piece + 1), *b = malloc(piece + 1);
    if (!a || !b)
        o = cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for the check");
    for (size_t from = 0; from < all && !o; from += piece)
        o = check_piece(s, from, all - from < piece ? all - from : piece, a, b, fault);
    free(a);
    free(b);
    return o;
}
