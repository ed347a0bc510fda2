/* SPDX-License-Identifier: Apache-2.0
 *
 * A CUDA driver without a card, for tests: device memory is the host's, launches do nothing (or run on the emulated card, where this is linked
 * with it: emulated_driver.so), and the n-th call gives the error that was planned: by stub_plan, or for a whole program by
 * STUB_FAIL="kind of call:n:code", such as cuGraphLaunch:40:700. STUB_CARD names it. It counts what is
 * open, so that a test sees leaks after every kind of failure. A graph takes 2 us.
 */
#include "cuda/driver.h"
#include "tests/cuda_emulated_launch.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

static int calls, planned_call, planned_code, compute_major = 9, cards = 1;
static long open_things;

/* Null without the emulated card. That one has no warpgroups: it is a card of another generation. */
#pragma weak emulated_find
#pragma weak emulated_launch
enum { EMULATED_MAJOR = 10 };

EXPORT void stub_plan(int call, int code);
EXPORT void stub_card(int n_cards, int major);
EXPORT int stub_calls(void);
EXPORT long stub_open(void);

/* The call-th call from now (1 is the next) gives `code`; 0: none does. */
void stub_plan(int call, int code)
{
    calls = 0;
    planned_call = call;
    planned_code = code;
}

void stub_card(int n_cards, int major)
{
    cards = n_cards;
    compute_major = major;
}

int stub_calls(void)
{
    return calls;
}

long stub_open(void)
{
    return open_things;
}

/* STUB_FAIL, when this is the call it names; sticky errors stay. */
static int named_failure(const char *symbol)
{
    static int n, broken;
    const char *plan = getenv("STUB_FAIL");
    char name[64];
    int at, code;
    if (broken || !plan || sscanf(plan, "%63[^:]:%d:%d", name, &at, &code) != 3 || strcmp(name, symbol) || ++n != at)
        return broken;
    broken = code >= 700 ? code : 0;
    return code;
}

static int next(const char *symbol)
{
    return ++calls == planned_call ? planned_code : named_failure(symbol);
}

/* Declares one function of the driver: fails when it is its turn, else does `body`. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define STUB(symbol, arguments, body) \
    EXPORT int symbol arguments;      \
    int symbol arguments              \
    {                                 \
        int code = next(#symbol);     \
        if (code)                     \
            return code;              \
        body;                         \
        return 0;                     \
    }

static void *new_thing(size_t bytes)
{
    open_things++;
    return calloc(1, bytes ? bytes : 1);
}

static void drop(void *thing)
{
    open_things--;
    free(thing);
}

/* A real clock where a whole program runs on the stub; else one that repeats, so that the same launches are chosen each time. */
static double now_ms(void)
{
    static double turns;
    struct timespec t;
    if (!getenv("STUB_FAIL"))
        return turns += 1;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void *at(uint64_t pointer)
{
    return (void *)(uintptr_t)pointer;
}

static int attribute_of(int which)
{
    return which == 16 ? 4 : which == 75 ? (emulated_find ? EMULATED_MAJOR : compute_major) : which == 97 ? 232448 : which == 38 ? 1 << 20 : 0;
}

/* ---- launches and graphs on the emulated card */

struct launched {
    const struct emulated_kernel *kernel;
    unsigned grid[2], threads;
    unsigned char arguments[1024];
};

/* A graph, or its executable. */
struct graph {
    size_t n;
    bool is_trial; /* it goes nowhere: launches are being timed, and what they would do is left out, for time */
    struct launched *launches;
};

static struct graph *recorded; /* what is captured goes there */

static void run_launch(const struct launched *l)
{
    emulated_launch(l->kernel, l->grid, l->threads, l->arguments);
}

static void launch(const struct cuda_launch *how, const struct emulated_kernel *kernel, void *const *arguments)
{
    if (!emulated_find || !kernel)
        return;
    struct launched l = {.kernel = kernel, .grid = {how->grid[0], how->grid[1]}, .threads = how->block[0]};
    memcpy(l.arguments, arguments[0], kernel->bytes);
    if (!recorded) {
        run_launch(&l);
        return;
    }
    recorded->launches = realloc(recorded->launches, (recorded->n + 1) * sizeof l);
    recorded->launches[recorded->n++] = l;
    recorded->is_trial &= strcmp(kernel->name, "next_position") != 0;
}

static struct graph *begin_graph(void)
{
    struct graph *g = recorded ? recorded : calloc(1, sizeof *g); /* left over where an end was to fail */
    g->n = 0;
    g->is_trial = true;
    return g;
}

static struct graph *end_graph(void)
{
    struct graph *g = recorded;
    recorded = NULL;
    open_things++;
    return g;
}

static struct graph *copy_graph(const struct graph *from)
{
    struct graph *g = new_thing(sizeof *g);
    *g = *from;
    g->launches = malloc(g->n * sizeof *g->launches + 1);
    if (g->n)
        memcpy(g->launches, from->launches, g->n * sizeof *g->launches);
    return g;
}

static void run_graph(const struct graph *g)
{
    for (double end = now_ms() + 0.002; now_ms() < end;)
        ;
    for (size_t i = 0; i < g->n && !g->is_trial; i++)
        run_launch(&g->launches[i]);
}

static void drop_graph(struct graph *g)
{
    free(g->launches);
    drop(g);
}

/* Without kernels what copies brought stays: they are done when captured. */
static void fill(unsigned *to, unsigned value, size_t words)
{
    for (size_t i = 0; i < words && emulated_find; i++)
        to[i] = value;
}

/* ---- the driver */

STUB(cuInit, (unsigned flags), )
STUB(cuDriverGetVersion, (int *version), *version = 13000)
STUB(cuDeviceGetCount, (int *count), *count = emulated_find ? 2 : cards)
STUB(cuDeviceGet, (int *device, int ordinal), *device = ordinal)
STUB(cuDeviceGetName, (char *name, int size, int device), strncpy(name, getenv("STUB_CARD") ? getenv("STUB_CARD") : "stub card", (size_t)size))
STUB(cuDeviceGetAttribute, (int *value, int attribute, int device), *value = attribute_of(attribute))
STUB(cuDeviceTotalMem_v2, (size_t *bytes, int device), *bytes = (size_t)1 << 30)
static char primary_context; /* a real driver keeps it for the process */
STUB(cuDevicePrimaryCtxRetain, (void **context, int device), open_things++; *context = &primary_context)
EXPORT int cuDevicePrimaryCtxRelease_v2(int device);
int cuDevicePrimaryCtxRelease_v2(int device)
{
    open_things--;
    return 0;
}
STUB(cuCtxSetCurrent, (void *context), )
STUB(cuModuleLoadData, (void **module, const void *image), *module = new_thing(1))
STUB(cuModuleGetFunction, (void **function, void *module, const char *name), *function = emulated_find ? (void *)(uintptr_t)emulated_find(name) : module)
STUB(cuFuncSetAttribute, (void *function, int attribute, int value), )
STUB(cuMemAlloc_v2, (uint64_t *pointer, size_t bytes), *pointer = (uint64_t)(uintptr_t)new_thing(bytes))
STUB(cuMemAllocHost_v2, (void **pointer, size_t bytes), *pointer = new_thing(bytes))
STUB(cuMemcpyDtoH_v2, (void *to, uint64_t from, size_t bytes), memcpy(to, at(from), bytes))
STUB(cuMemcpyHtoDAsync_v2, (uint64_t to, const void *from, size_t bytes, void *stream), memcpy(at(to), from, bytes))
STUB(cuMemcpyDtoHAsync_v2, (void *to, uint64_t from, size_t bytes, void *stream), memcpy(to, at(from), bytes))
STUB(cuMemcpyDtoDAsync_v2, (uint64_t to, uint64_t from, size_t bytes, void *stream), memcpy(at(to), at(from), bytes))
STUB(cuMemsetD32Async, (uint64_t to, unsigned value, size_t words, void *stream), fill(at(to), value, words))
STUB(cuStreamCreate, (void **stream, unsigned flags), *stream = new_thing(1))
STUB(cuStreamQuery, (void *stream), )
STUB(cuStreamWaitEvent, (void *stream, void *event, unsigned flags), )
STUB(cuEventCreate, (void **event, unsigned flags), *event = new_thing(sizeof(double)))
STUB(cuEventRecord, (void *event, void *stream), *(double *)event = now_ms())
STUB(cuEventQuery, (void *event), )
STUB(cuEventElapsedTime, (float *ms, void *from, void *to), *ms = (float)(*(double *)to - *(double *)from))
STUB(cuStreamBeginCapture_v2, (void *stream, int mode), recorded = begin_graph())
STUB(cuStreamEndCapture, (void *stream, void **graph), *graph = end_graph())
STUB(cuGraphInstantiateWithFlags, (void **executable, void *graph, unsigned long long flags), *executable = copy_graph(graph))
STUB(cuGraphLaunch, (void *executable, void *stream), run_graph(executable))
STUB(cuLaunchKernelEx, (const struct cuda_launch *how, void *function, void **arguments, void **extra), launch(how, function, arguments))
STUB(cuTensorMapEncodeTiled, (struct cuda_tensor_map *map, int type, uint32_t rank, uint64_t address, const uint64_t *sizes, const uint64_t *strides,
                              const uint32_t *box, const uint32_t *steps, int interleave, int swizzle, int promotion, int fill), )

/* What closes never fails: a caller could do nothing about it. */
#define CLOSES(symbol, type, how)       \
    EXPORT int symbol(type thing);      \
    int symbol(type thing)              \
    {                                   \
        how((void *)(uintptr_t)thing);  \
        return 0;                       \
    }
CLOSES(cuModuleUnload, void *, drop)
CLOSES(cuMemFree_v2, uint64_t, drop)
CLOSES(cuMemFreeHost, void *, drop)
CLOSES(cuStreamDestroy_v2, void *, drop)
CLOSES(cuEventDestroy_v2, void *, drop)
CLOSES(cuGraphExecDestroy, void *, drop_graph)
CLOSES(cuGraphDestroy, void *, drop_graph)
