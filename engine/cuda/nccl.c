/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/nccl.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { NCCL_FLOAT = 7 }; /* ncclFloat32 of nccl.h */

static enum cuda_outcome find(struct cuda_nccl *c, struct cuda_fault *fault)
{
    const char *const names[] = {getenv("TERN_NCCL"), "libnccl.so.2", "/usr/local/cuda/lib64/libnccl.so.2"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !c->library; i++)
        if (names[i] && *names[i])
            c->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!c->library)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "no libnccl was found (TERN_NCCL names one)");
    const struct {
        const char *symbol;
        void *to;
    } needs[] = {{"ncclCommInitAll", &c->init_all}, {"ncclCommDestroy", &c->destroy}, {"ncclGroupStart", &c->begin}, {"ncclGroupEnd", &c->end},
                 {"ncclAllGather", &c->all_gather}, {"ncclGetErrorString", &c->text}};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        void *symbol = dlsym(c->library, needs[i].symbol);
        if (!symbol)
            return cuda_fail(fault, CUDA_OUTCOME_mismatch, "libnccl lacks %s", needs[i].symbol);
        memcpy(needs[i].to, &symbol, sizeof symbol);
    }
    return CUDA_OUTCOME_ok;
}

static enum cuda_outcome try(const struct cuda_nccl *c, int code, const char *what, struct cuda_fault *fault)
{
    return code ? cuda_fail(fault, CUDA_OUTCOME_mismatch, "NCCL, %s: %s", what, c->text(code)) : CUDA_OUTCOME_ok;
}

enum cuda_outcome cuda_nccl_open(struct cuda_device *const *devices, size_t n, struct cuda_nccl *c, struct cuda_fault *fault)
{
    int ordinals[CUDA_CARDS_MOST];
    *c = (struct cuda_nccl){.n = n, .devices = devices};
    setenv("NCCL_NVLS_ENABLE", "0", 0);
    for (size_t i = 0; i < n; i++)
        ordinals[i] = devices[i]->ordinal;
    enum cuda_outcome o = find(c, fault);
    return o ? o : try(c, c->init_all(c->comms, (int)n, ordinals), "joining the cards", fault);
}

void cuda_nccl_close(struct cuda_nccl *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->comms[i])
            c->destroy(c->comms[i]);
    if (c->library)
        dlclose(c->library);
    *c = (struct cuda_nccl){0};
}

enum cuda_outcome cuda_nccl_gather(struct cuda_nccl *c, const uint64_t *from, const uint64_t *to, size_t count, struct cuda_fault *fault)
{
    enum cuda_outcome o = try(c, c->begin(), "a group", fault);
    if (o)
        return o;
    for (size_t i = 0; i < c->n && !o; i++)
        o = try(c, c->all_gather((const void *)(uintptr_t)from[i], (void *)(uintptr_t)to[i], count, NCCL_FLOAT, c->comms[i], c->devices[i]->stream), "a gather", fault);
    enum cuda_outcome ended = try(c, c->end(), "a group", o ? NULL : fault);
    return o ? o : ended;
}
