/* SPDX-License-Identifier: Apache-2.0 */
#include "core/accelerator.h"
#include "core/error.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tern_accelerator opened;
static enum cuda_outcome loading, opening = CUDA_OUTCOME_mismatch;
static struct cuda_fault load_fault, open_fault;
static pthread_once_t load_at = PTHREAD_ONCE_INIT, open_at = PTHREAD_ONCE_INIT;

/* The library's path: named by the environment, else in the folder of the file that this function is in. */
static void library_path(char *path, size_t size)
{
    Dl_info here;
    const char *named = getenv("TERN_CUDA_LIBRARY");
    if (named && *named) {
        snprintf(path, size, "%s", named);
        return;
    }
    const char *slash = dladdr((const void *)tern_face, &here) && here.dli_fname ? strrchr(here.dli_fname, '/') : NULL;
    int folder = slash ? (int)(slash + 1 - here.dli_fname) : 0;
    snprintf(path, size, "%.*slibtern_cuda.so", folder, slash ? here.dli_fname : "");
}

static void fail(const char *what, const char *detail)
{
    load_fault.outcome = loading = CUDA_OUTCOME_mismatch;
    snprintf(load_fault.text, sizeof load_fault.text, "%.60s: %.170s", what, detail);
}

static void load_once(void)
{
    char path[4096];
    library_path(path, sizeof path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fail("this build has no CUDA library", dlerror());
        return;
    }
    const struct cuda_face *face = dlsym(library, CUDA_FACE_SYMBOL);
    if (!face || face->abi != CUDA_FACE_ABI)
        fail("the CUDA library is of another build", path);
    else
        opened.face = face;
}

static enum tern_status load_library(struct tern_error *error)
{
    pthread_once(&load_at, load_once);
    return tern_accelerator_fault(loading, &load_fault, error);
}

/* The card that ops run on. */
static int ordinal(void)
{
    const char *text = getenv("TERN_CUDA_DEVICE");
    return text && *text >= '0' && *text <= '9' ? atoi(text) : 0;
}

static void open_once(void)
{
    opening = opened.face->open(ordinal(), NULL, &opened.device, &open_fault);
}

enum tern_status tern_accelerator_open(struct tern_accelerator *out, struct tern_error *error)
{
    enum tern_status status = load_library(error);
    if (!status) {
        pthread_once(&open_at, open_once);
        status = tern_accelerator_fault(opening, &open_fault, error);
    }
    *out = opened;
    return status;
}

enum tern_status tern_accelerator_fault(enum cuda_outcome o, const struct cuda_fault *f, struct tern_error *error)
{
    static const enum tern_status statuses[CUDA_OUTCOMES] = {
        [CUDA_OUTCOME_ok] = TERN_OK, [CUDA_OUTCOME_no_driver] = TERN_UNSUPPORTED, [CUDA_OUTCOME_no_device] = TERN_UNSUPPORTED,
        [CUDA_OUTCOME_too_old] = TERN_UNSUPPORTED, [CUDA_OUTCOME_out_of_memory] = TERN_NO_MEMORY, [CUDA_OUTCOME_sticky] = TERN_IO,
        [CUDA_OUTCOME_timeout] = TERN_IO, [CUDA_OUTCOME_mismatch] = TERN_UNSUPPORTED,
    };
    static const char *const names[] = {
#define OUTCOME(name, sentence) #name,
#include "cuda/outcomes.def"
#undef OUTCOME
    };
    return o ? tern_error_set(error, statuses[o], "cuda: %s: %s", names[o], f->text) : TERN_OK;
}

const struct tern_op_row *tern_accelerator_row(const char *name)
{
    static const struct tern_op_row *const rows[] = { &tern_op_row_cuda_matmul, &tern_op_row_cuda_bitlinear };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i]->name, name))
            return rows[i];
    return NULL;
}

const struct tern_backend *tern_accelerator_backend(void)
{
    static const struct tern_backend cuda = { .name = "cuda" };
    return &cuda;
}

bool tern_accelerator_wanted(const struct tern_param *params, size_t n)
{
    const char *asked = "auto", *forced = getenv("TERN_BACKEND");
    for (size_t i = 0; i < n; i++)
        if (!strcmp(params[i].name, "backend"))
            asked = params[i].value;
    return !strcmp(asked, "cuda") || (!strcmp(asked, "auto") && forced && !strcmp(forced, "cuda"));
}

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

enum tern_status tern_gpu(struct tern_gpu *out, struct tern_error *error)
{
    struct cuda_info info;
    struct cuda_fault fault;
    memset(out, 0, sizeof *out);
    enum tern_status status = load_library(error);
    if (!status)
        status = tern_accelerator_fault(opened.face->describe(ordinal(), NULL, &info, &fault), &fault, error);
    if (status)
        return status;
    copy_text(out->name, sizeof out->name, info.name);
    out->count = info.count;
    out->multiprocessors = info.multiprocessors;
    out->major = info.major;
    out->minor = info.minor;
    out->driver = info.driver_version;
    out->memory_bytes = (double)info.memory_bytes;
    out->l2_bytes = (double)info.l2_bytes;
    return TERN_OK;
}
