/* SPDX-License-Identifier: Apache-2.0
 * NCCL between cards that are the host's memory: a group's gathers are done when it ends. STUB_NCCL_FAIL=n makes the n-th call fail. */
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
enum { MOST = 64 };

static struct {
    const char *from;
    char *to;
    size_t bytes;
} gathers[MOST];
static size_t n;

EXPORT int ncclCommInitAll(void **comms, int cards, const int *devices);
EXPORT int ncclCommDestroy(void *comm);
EXPORT int ncclGroupStart(void);
EXPORT int ncclGroupEnd(void);
EXPORT int ncclAllGather(const void *from, void *to, size_t count, int type, void *comm, void *stream);
EXPORT const char *ncclGetErrorString(int code);

static int next(void)
{
    static int calls;
    const char *planned = getenv("STUB_NCCL_FAIL");
    return planned && ++calls == atoi(planned) ? 3 : 0;
}

int ncclCommInitAll(void **comms, int cards, const int *devices)
{
    (void)devices;
    for (int i = 0; i < cards; i++)
        comms[i] = malloc(1);
    return next();
}

int ncclCommDestroy(void *comm)
{
    free(comm);
    return 0;
}

int ncclGroupStart(void)
{
    n = 0;
    return next();
}

int ncclAllGather(const void *from, void *to, size_t count, int type, void *comm, void *stream)
{
    (void)comm, (void)stream;
    if (type != 7 || n == MOST)
        return 4;
    gathers[n].from = from;
    gathers[n].to = to;
    gathers[n++].bytes = count * sizeof(float);
    return next();
}

int ncclGroupEnd(void)
{
    for (size_t to = 0; to < n; to++)
        for (size_t from = 0; from < n; from++)
            memcpy(gathers[to].to + from * gathers[from].bytes, gathers[from].from, gathers[from].bytes);
    return next();
}

const char *ncclGetErrorString(int code)
{
    return code == 3 ? "internal error" : "invalid argument";
}
