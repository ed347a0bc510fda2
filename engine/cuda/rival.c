/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/rival.h"
#include "cuda/kernels/arguments.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of cublas_api.h and library_types.h, CUDA 12 and 13. */
enum { OP_N = 0, OP_T = 1, TYPE_F32 = 0, TYPE_I8 = 3, TYPE_I32 = 10, TYPE_BF16 = 14, COMPUTE_F32 = 68, COMPUTE_I32 = 72, ALGORITHM_USUAL = -1 };
enum { WORKSPACE_BYTES = 64 << 20 };

struct library {
    void *handle;
    int (*create)(void **handle);
    int (*destroy)(void *handle);
    int (*set_stream)(void *handle, void *stream);
    int (*set_workspace)(void *handle, void *workspace, size_t bytes);
    int (*gemm)(void *handle, int op_a, int op_b, int m, int n, int k, const void *alpha, const void *a, int type_a, int lda, const void *b, int type_b,
                int ldb, const void *beta, void *c, int type_c, int ldc, int compute, int algorithm);
    void (*w2a8)(void *x, void *w, void *y, void *s, void *ws, int m, int n, int k, void *stream);
};

struct cuda_rival {
    struct cuda_device *device;
    struct cuda_rival_spec spec;
    struct library library;
    void *handle;
    struct cuda_memory w, x, y, workspace;
    size_t weight_bytes;
    struct cuda_loop loop;
};

static bool find_w2a8(struct library *l)
{
    const char *name = getenv("TERN_W2A8");
    l->handle = name && *name ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbol = l->handle ? dlsym(l->handle, "bitlinear_int8xint2") : NULL;
    memcpy(&l->w2a8, &symbol, sizeof symbol);
    return symbol;
}

static bool find_cublas(struct library *l)
{
    const char *const names[] = {getenv("TERN_CUBLAS"), "libcublas.so.13", "libcublas.so.12", "/usr/local/cuda/lib64/libcublas.so.13", "/usr/local/cuda/lib64/libcublas.so.12"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !l->handle; i++)
        if (names[i])
            l->handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!l->handle)
        return false;
    const struct {
        const char *symbol;
        void *to;
    } needs[] = {{"cublasCreate_v2", &l->create}, {"cublasDestroy_v2", &l->destroy}, {"cublasSetStream_v2", &l->set_stream},
                 {"cublasSetWorkspace_v2", &l->set_workspace}, {"cublasGemmEx", &l->gemm}};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        void *symbol = dlsym(l->handle, needs[i].symbol);
        if (!symbol)
            return false;
        memcpy(needs[i].to, &symbol, sizeof symbol);
    }
    return true;
}

static enum cuda_outcome fill(struct cuda_rival *r, const struct cuda_memory *m, unsigned seed, struct cuda_fault *fault)
{
    void *function;
    uint64_t at = m->at;
    size_t words = m->bytes / 4;
    struct fill_args a = {(unsigned *)(uintptr_t)at, words, seed};
    void *arguments[] = {&a};
    enum cuda_outcome o = cuda_kernel(r->device, "fill_random", 0, &function, fault);
    return o ? o : cuda_start(r->device, function, (struct cuda_grid){1024, 1, 256, 0}, arguments, fault);
}

/* Column-major, transposed: C (n x batch) = W^T-of-rows (n x k) times x (k x batch); the usual way to have row-major operands. */
static enum cuda_outcome record(void *state, unsigned i, struct cuda_fault *fault)
{
    struct cuda_rival *r = state;
    const struct cuda_rival_spec *s = &r->spec;
    bool is_bf16 = s->type == CUDA_RIVAL_bf16;
    const int one = 1, none = 0, n = (int)s->n, k = (int)s->k, m = (int)s->batch;
    const float one_f = 1, none_f = 0;
    void *w = (void *)(uintptr_t)(r->w.at + i % s->copies * r->weight_bytes), *x = (void *)(uintptr_t)r->x.at, *y = (void *)(uintptr_t)r->y.at;
    if (s->type == CUDA_RIVAL_w2a8) {
        r->library.w2a8(x, w, y, x, x, m, n, k, r->device->stream);
        return CUDA_OUTCOME_ok;
    }
    int code = is_bf16 ? r->library.gemm(r->handle, OP_T, OP_N, n, m, k, &one_f, w, TYPE_BF16, k, x, TYPE_BF16, k, &none_f, y, TYPE_BF16, n, COMPUTE_F32, ALGORITHM_USUAL)
                          : r->library.gemm(r->handle, OP_T, OP_N, n, m, k, &one, w, TYPE_I8, k, x, TYPE_I8, k, &none, y, TYPE_I32, n, COMPUTE_I32, ALGORITHM_USUAL);
    return code ? cuda_fail(fault, CUDA_OUTCOME_mismatch, "cublasGemmEx refuses %dx%d at batch %d: code %d", n, k, m, code) : CUDA_OUTCOME_ok;
}

static enum cuda_outcome start_cublas(struct cuda_rival *r, struct cuda_fault *fault)
{
    if (r->library.create(&r->handle) || r->library.set_stream(r->handle, r->device->stream) ||
        r->library.set_workspace(r->handle, (void *)(uintptr_t)r->workspace.at, WORKSPACE_BYTES))
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "cuBLAS does not start");
    return CUDA_OUTCOME_ok;
}

static enum cuda_outcome open_all(struct cuda_rival *r, struct cuda_fault *fault)
{
    struct cuda_device *d = r->device;
    const struct cuda_rival_spec *s = &r->spec;
    size_t element = s->type == CUDA_RIVAL_bf16 ? 2 : 1;
    enum cuda_outcome o;
    r->weight_bytes = s->n * s->k * element / (s->type == CUDA_RIVAL_w2a8 ? 4 : 1);
    if (s->type == CUDA_RIVAL_w2a8 ? !find_w2a8(&r->library) : !find_cublas(&r->library))
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, s->type == CUDA_RIVAL_w2a8 ? "TERN_W2A8 names no library with bitlinear_int8xint2"
                                                                                  : "no libcublas with cublasGemmEx was found (TERN_CUBLAS names one)");
    if ((o = cuda_take(d, r->weight_bytes * s->copies, "weights", &r->w, fault)) || (o = cuda_take(d, s->batch * s->k * element, "activations", &r->x, fault)) ||
        (o = cuda_take(d, s->batch * s->n * 4, "outputs", &r->y, fault)) || (o = cuda_take(d, WORKSPACE_BYTES, "cuBLAS", &r->workspace, fault)) ||
        (o = fill(r, &r->w, 1, fault)) || (o = fill(r, &r->x, 2, fault)) || (o = cuda_finish(d, 20, fault)))
        return o;
    if (s->type != CUDA_RIVAL_w2a8 && (o = start_cublas(r, fault)))
        return o;
    /* The first call outside a graph lets the library load its kernels. */
    if ((o = record(r, 0, fault)) || (o = cuda_finish(d, 20, fault)))
        return o;
    return cuda_loop_open(d, s->batch > 256 ? 8 : (unsigned)s->copies, record, r, &r->loop, fault);
}

enum cuda_outcome cuda_rival_bind(struct cuda_device *device, const struct cuda_rival_spec *spec, struct cuda_rival **out, struct cuda_fault *fault)
{
    struct cuda_rival *r = calloc(1, sizeof *r);
    if (!r)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no memory for a rival's state");
    r->device = device;
    r->spec = *spec;
    r->spec.copies = spec->copies ? spec->copies : 1;
    enum cuda_outcome o = open_all(r, fault);
    if (o)
        cuda_rival_close(r);
    else
        *out = r;
    return o;
}

void cuda_rival_close(struct cuda_rival *r)
{
    if (!r)
        return;
    struct cuda_memory *const all[] = {&r->w, &r->x, &r->y, &r->workspace};
    cuda_loop_close(&r->loop);
    if (r->handle)
        r->library.destroy(r->handle);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda_give(r->device, all[i]);
    if (r->library.handle)
        dlclose(r->library.handle);
    free(r);
}

enum cuda_outcome cuda_rival_run(struct cuda_rival *r, uint64_t n, double *ns, struct cuda_fault *fault)
{
    return cuda_loop_run(&r->loop, n, ns, fault);
}

const char *cuda_rival_why(const struct cuda_rival *r)
{
    static const char *const whys[] = {[CUDA_RIVAL_int8] = "cublasGemmEx, int8 to int32", [CUDA_RIVAL_bf16] = "cublasGemmEx, bf16 in and out",
                                       [CUDA_RIVAL_w2a8] = "bitlinear_int8xint2, 2 bits to bf16"};
    return whys[r->spec.type];
}
