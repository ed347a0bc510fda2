/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/device.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The kernels for all cards, as nvcc packs them (kernels/image.c). */
extern const unsigned char cuda_image[];

enum { ATTRIBUTE_MULTIPROCESSORS = 16, ATTRIBUTE_L2 = 38, ATTRIBUTE_MAJOR = 75, ATTRIBUTE_MINOR = 76, ATTRIBUTE_SHARED = 97 };
enum { FUNCTION_SHARED = 8, LAUNCH_TOGETHER = 2, LAUNCH_OVERLAPS = 6, CAPTURE_RELAXED = 2, STREAM_ALONE = 1 };
enum { LEAST_MAJOR = 8, CHECKED_PATIENCE = 30 };

enum cuda_outcome cuda_try(struct cuda_device *device, int code, const char *what, struct cuda_fault *fault)
{
    enum cuda_outcome outcome = cuda_outcome_of(code);
    if (outcome == CUDA_OUTCOME_ok)
        return outcome;
    struct cuda_fault here = {outcome, ""};
    cuda_fail(&here, outcome, "%s: %s (driver's code %d)", what, cuda_outcome_sentence(outcome), code);
    if (outcome == CUDA_OUTCOME_sticky && !device->broken.outcome)
        device->broken = here;
    if (fault)
        *fault = here;
    return outcome;
}

/* A device that broke stays so. */
static enum cuda_outcome still_whole(const struct cuda_device *device, struct cuda_fault *fault)
{
    if (device->broken.outcome && fault)
        *fault = device->broken;
    return device->broken.outcome;
}

static int read_info(struct cuda_device *d)
{
    int handle = d->handle, l2 = 0, shared = 0, code;
    if ((code = d->driver.name(d->info.name, sizeof d->info.name, handle)) ||
        (code = d->driver.attribute(&d->info.multiprocessors, ATTRIBUTE_MULTIPROCESSORS, handle)) ||
        (code = d->driver.attribute(&d->info.major, ATTRIBUTE_MAJOR, handle)) || (code = d->driver.attribute(&d->info.minor, ATTRIBUTE_MINOR, handle)) ||
        (code = d->driver.attribute(&l2, ATTRIBUTE_L2, handle)) || (code = d->driver.attribute(&shared, ATTRIBUTE_SHARED, handle)) ||
        (code = d->driver.memory(&d->info.memory_bytes, handle)))
        return code;
    d->info.l2_bytes = (size_t)l2;
    d->info.shared_bytes = (size_t)shared;
    return 0;
}

static enum cuda_outcome find_card(struct cuda_device *d, struct cuda_fault *fault)
{
    enum cuda_outcome o;
    if ((o = cuda_try(d, d->driver.init(0), "starting the driver", fault)) ||
        (o = cuda_try(d, d->driver.version(&d->info.driver_version), "the driver's version", fault)) ||
        (o = cuda_try(d, d->driver.count(&d->info.count), "counting cards", fault)))
        return o;
    if (d->ordinal < 0 || d->ordinal >= d->info.count)
        return cuda_fail(fault, CUDA_OUTCOME_no_device, "card %d was asked for, the driver sees %d", d->ordinal, d->info.count);
    if ((o = cuda_try(d, d->driver.device(&d->handle, d->ordinal), "the card", fault)) || (o = cuda_try(d, read_info(d), "the card's properties", fault)))
        return o;
    if (d->info.major < LEAST_MAJOR)
        return cuda_fail(fault, CUDA_OUTCOME_too_old, "%s has compute capability %d.%d; the kernels need %d.0", d->info.name, d->info.major, d->info.minor, LEAST_MAJOR);
    return CUDA_OUTCOME_ok;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && !strcmp(value, "1");
}

enum cuda_outcome cuda_device_open(int ordinal, const char *driver, struct cuda_device **out, struct cuda_fault *fault)
{
    struct cuda_device *d = calloc(1, sizeof *d);
    enum cuda_outcome o;
    if (!d)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no memory for a card's state");
    d->ordinal = ordinal;
    d->pool.driver = &d->driver;
    d->is_checked = d->pool.is_apart = is_set("TERN_CUDA_CHECKED");
    if ((o = cuda_driver_open(&d->driver, driver, fault)) || (o = find_card(d, fault)) ||
        (o = cuda_try(d, d->driver.retain(&d->context, d->handle), "the card's context", fault)) ||
        (o = cuda_try(d, d->driver.make_current(d->context), "taking the context", fault)) ||
        (o = cuda_try(d, d->driver.load(&d->module, cuda_image), "loading the kernels", fault)) ||
        (o = cuda_try(d, d->driver.open_stream(&d->stream, STREAM_ALONE), "a stream", fault))) {
        cuda_device_close(d);
        return o;
    }
    *out = d;
    return CUDA_OUTCOME_ok;
}

void cuda_device_close(struct cuda_device *d)
{
    if (!d)
        return;
    if (d->stream)
        d->driver.close_stream(d->stream);
    if (d->module)
        d->driver.unload(d->module);
    cuda_pool_close(&d->pool);
    if (d->context)
        d->driver.release(d->handle);
    cuda_driver_close(&d->driver);
    free(d);
}

enum cuda_outcome cuda_device_use(struct cuda_device *d, struct cuda_fault *fault)
{
    return cuda_try(d, d->driver.make_current(d->context), "taking the context", fault);
}

enum cuda_outcome cuda_device_describe(int ordinal, const char *driver, struct cuda_info *out, struct cuda_fault *fault)
{
    struct cuda_device d = {.ordinal = ordinal};
    enum cuda_outcome o = cuda_driver_open(&d.driver, driver, fault);
    if (!o)
        o = find_card(&d, fault);
    *out = d.info;
    cuda_driver_close(&d.driver);
    return o;
}

const struct cuda_info *cuda_device_info(const struct cuda_device *d)
{
    return &d->info;
}

/* Tags by what memory is said to be for; the first whose word is in it. */
static enum tern_tag tag_of(const char *what)
{
    static const struct {
        const char *word;
        enum tern_tag tag;
    } words[] = {{"weights", TERN_TAG_WEIGHTS}, {"embedding", TERN_TAG_WEIGHTS}, {"output", TERN_TAG_WEIGHTS}, {"keys", TERN_TAG_KV}, {"values", TERN_TAG_KV},
                 {"activations", TERN_TAG_ACTIVATIONS}, {"hidden", TERN_TAG_ACTIVATIONS}, {"cache", TERN_TAG_CACHE}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(what, words[i].word))
            return words[i].tag;
    return TERN_TAG_SCRATCH;
}

enum cuda_outcome cuda_take(struct cuda_device *d, size_t bytes, const char *what, struct cuda_memory *out, struct cuda_fault *fault)
{
    char sentence[96];
    uint64_t at = 0;
    enum cuda_outcome o = still_whole(d, fault);
    if (o)
        return o;
    snprintf(sentence, sizeof sentence, "%zu bytes for %s", bytes, what);
    if ((o = cuda_try(d, cuda_pool_take(&d->pool, bytes ? bytes : 1, tag_of(what), &at), sentence, fault)))
        return o;
    *out = (struct cuda_memory){at, bytes};
    return CUDA_OUTCOME_ok;
}

void cuda_give(struct cuda_device *d, struct cuda_memory *memory)
{
    if (memory->at)
        cuda_pool_give(&d->pool, memory->at);
    *memory = (struct cuda_memory){0, 0};
}

void cuda_memory_stats(const struct cuda_device *d, struct tern_pool_stats *stats)
{
    *stats = d->pool.stats;
    stats->external = stats->held ? 1 - (double)stats->total.live / (double)stats->held : 0;
}

void cuda_memory_limit(struct cuda_device *d, size_t limit)
{
    d->pool.ceiling = limit;
}

enum cuda_outcome cuda_upload(struct cuda_device *d, uint64_t to, const void *from, size_t bytes, const char *what, struct cuda_fault *fault)
{
    enum cuda_outcome o = still_whole(d, fault);
    return o ? o : cuda_try(d, d->driver.upload_later(to, from, bytes, d->stream), what, fault);
}

enum cuda_outcome cuda_fill(struct cuda_device *d, const struct cuda_memory *memory, unsigned value, const char *what, struct cuda_fault *fault)
{
    enum cuda_outcome o = still_whole(d, fault);
    return o || memory->bytes < 4 ? o : cuda_try(d, d->driver.fill_later(memory->at, value, memory->bytes / 4, d->stream), what, fault);
}

enum cuda_outcome cuda_fetch(struct cuda_device *d, void *to, uint64_t from, size_t bytes, const char *what, struct cuda_fault *fault)
{
    enum cuda_outcome o = cuda_finish(d, 60, fault);
    return o ? o : cuda_try(d, d->driver.download(to, from, bytes), what, fault);
}

enum cuda_outcome cuda_kernel(struct cuda_device *d, const char *name, size_t shared_bytes, void **function, struct cuda_fault *fault)
{
    enum cuda_outcome o = still_whole(d, fault);
    if (o || (o = cuda_try(d, d->driver.function(function, d->module, name), name, fault)) || !shared_bytes)
        return o;
    return cuda_try(d, d->driver.set_function(*function, FUNCTION_SHARED, (int)shared_bytes), name, fault);
}

static enum cuda_outcome start(struct cuda_device *d, void *function, struct cuda_grid grid, void **arguments, unsigned attribute, struct cuda_fault *fault)
{
    struct cuda_attribute asked = {.id = attribute, .value.flag = 1};
    struct cuda_launch launch = {
        .grid = {grid.x, grid.y, 1}, .block = {grid.threads, 1, 1}, .shared_bytes = grid.shared_bytes, .stream = d->stream,
        .attributes = &asked, .n_attributes = attribute != LAUNCH_OVERLAPS || d->info.major >= 9,
    };
    return cuda_try(d, d->driver.launch(&launch, function, arguments, NULL), "launching a kernel", fault);
}

enum cuda_outcome cuda_start(struct cuda_device *d, void *function, struct cuda_grid grid, void **arguments, struct cuda_fault *fault)
{
    return start(d, function, grid, arguments, LAUNCH_OVERLAPS, fault);
}

enum cuda_outcome cuda_start_together(struct cuda_device *d, void *function, struct cuda_grid grid, void **arguments, struct cuda_fault *fault)
{
    return start(d, function, grid, arguments, LAUNCH_TOGETHER, fault);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Asks until the driver says that the event, or the stream, is done. */
static enum cuda_outcome wait_for(struct cuda_device *d, int (*query)(void *), void *thing, double seconds, struct cuda_fault *fault)
{
    enum cuda_outcome o = still_whole(d, fault);
    double end = now() + (d->is_checked ? CHECKED_PATIENCE : 1) * seconds;
    while (!o) {
        int code = query(thing);
        if (code != CUDA_NOT_READY_CODE)
            return cuda_try(d, code, "waiting for the card", fault);
        if (now() > end) {
            /* What still runs cannot be stopped from here: the context is as lost as after a fault. */
            o = cuda_fail(&d->broken, CUDA_OUTCOME_timeout, "the card did not finish within %g s", seconds);
            if (fault)
                *fault = d->broken;
        }
        sched_yield();
    }
    return o;
}

enum cuda_outcome cuda_finish(struct cuda_device *d, double seconds, struct cuda_fault *fault)
{
    return wait_for(d, d->driver.query, d->stream, seconds, fault);
}

enum cuda_outcome cuda_await(struct cuda_device *d, void *event, double seconds, struct cuda_fault *fault)
{
    return wait_for(d, d->driver.query_event, event, seconds, fault);
}

/* ---- loops */

static enum cuda_outcome capture(struct cuda_loop *l, unsigned i, cuda_record_fn *record, void *state, struct cuda_fault *fault)
{
    const struct cuda_driver *driver = &l->device->driver;
    void *graph = NULL;
    enum cuda_outcome o = cuda_try(l->device, driver->begin_capture(l->device->stream, CAPTURE_RELAXED), "beginning a graph", fault);
    if (o)
        return o;
    for (unsigned call = 0; call < l->sizes[i] && !o; call++)
        o = record(state, call, fault);
    enum cuda_outcome ended = cuda_try(l->device, driver->end_capture(l->device->stream, &graph), "ending a graph", o ? NULL : fault);
    if (!o)
        o = ended;
    if (!o)
        o = cuda_try(l->device, driver->instantiate(&l->graphs[i], graph, 0), "making a graph", fault);
    if (graph)
        driver->close_graph(graph);
    return o;
}

static enum cuda_outcome open_events(struct cuda_loop *l, struct cuda_fault *fault)
{
    struct cuda_device *d = l->device;
    enum cuda_outcome o = still_whole(d, fault);
    if (o || (o = cuda_try(d, d->driver.open_event(&l->begin, 0), "an event", fault)))
        return o;
    return cuda_try(d, d->driver.open_event(&l->end, 0), "an event", fault);
}

enum cuda_outcome cuda_loop_open_plain(struct cuda_device *d, cuda_record_fn *record, void *state, struct cuda_loop *l, struct cuda_fault *fault)
{
    *l = (struct cuda_loop){.device = d, .record = record, .state = state};
    return open_events(l, fault);
}

enum cuda_outcome cuda_loop_open(struct cuda_device *d, unsigned longest, cuda_record_fn *record, void *state, struct cuda_loop *l, struct cuda_fault *fault)
{
    *l = (struct cuda_loop){.device = d, .sizes = {longest > 64 ? longest : 64, 64, 8, 1}};
    enum cuda_outcome o = open_events(l, fault);
    for (unsigned i = 0; i < CUDA_LOOP_GRAPHS && !o; i++)
        if (i + 1 == CUDA_LOOP_GRAPHS || (longest && (i != 1 || longest > 64)))
            o = capture(l, i, record, state, fault);
    return o;
}

void cuda_loop_close(struct cuda_loop *l)
{
    if (!l->device)
        return;
    for (unsigned i = 0; i < CUDA_LOOP_GRAPHS; i++)
        if (l->graphs[i])
            l->device->driver.close_executable(l->graphs[i]);
    if (l->begin)
        l->device->driver.close_event(l->begin);
    if (l->end)
        l->device->driver.close_event(l->end);
    *l = (struct cuda_loop){0};
}

static enum cuda_outcome launch_all(struct cuda_loop *l, uint64_t n, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    for (; l->record && n && !o; n--)
        o = l->record(l->state, 0, fault);
    for (unsigned i = 0; i < CUDA_LOOP_GRAPHS && !o; i++)
        for (; l->graphs[i] && n >= l->sizes[i] && !o; n -= l->sizes[i])
            o = cuda_try(l->device, l->device->driver.launch_graph(l->graphs[i], l->device->stream), "launching a graph", fault);
    return o;
}

enum cuda_outcome cuda_loop_run(struct cuda_loop *l, uint64_t n, double *ns, struct cuda_fault *fault)
{
    const struct cuda_driver *driver = &l->device->driver;
    float ms = 0;
    enum cuda_outcome o = still_whole(l->device, fault);
    if (o || (o = cuda_try(l->device, driver->record(l->begin, l->device->stream), "an event", fault)) || (o = launch_all(l, n, fault)) ||
        (o = cuda_try(l->device, driver->record(l->end, l->device->stream), "an event", fault)) || (o = cuda_finish(l->device, 20, fault)) ||
        (o = cuda_try(l->device, driver->elapsed(&ms, l->begin, l->end), "reading the card's clock", fault)))
        return o;
    *ns = (double)ms * 1e6;
    return CUDA_OUTCOME_ok;
}
