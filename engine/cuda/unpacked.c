/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/unpacked.h"
#include "cuda/kernels/layout.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of cublasLt.h and library_types.h, CUDA 12 and 13. */
enum { OP_T = 1, TYPE_I8 = 3, TYPE_I32 = 10, COMPUTE_I32 = 72, DESC_TRANSA = 3, PREFERENCE_WORKSPACE = 1 };
enum { OWN_WORKSPACE = 32 << 20 };

/* cublasLtMatmulHeuristicResult_t */
struct heuristic {
    uint64_t algo[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};

struct library {
    void *handle;
    int (*create)(void **handle);
    int (*destroy)(void *handle);
    int (*desc_create)(void **desc, int compute, int scale);
    int (*desc_set)(void *desc, int attribute, const void *value, size_t bytes);
    int (*desc_destroy)(void *desc);
    int (*layout_create)(void **layout, int type, uint64_t rows, uint64_t columns, int64_t ld);
    int (*layout_destroy)(void *layout);
    int (*preference_create)(void **preference);
    int (*preference_set)(void *preference, int attribute, const void *value, size_t bytes);
    int (*preference_destroy)(void *preference);
    int (*heuristic)(void *handle, void *desc, void *a, void *b, void *c, void *d, void *preference, int most, struct heuristic *out, int *found);
    int (*matmul)(void *handle, void *desc, const void *alpha, const void *a, void *a_layout, const void *b, void *b_layout, const void *beta, const void *c, void *c_layout,
                  void *d, void *d_layout, const void *algo, void *workspace, size_t bytes, void *stream);
};

struct cuda_unpacked {
    struct cuda_device *device;
    struct cuda_shape shape;
    struct library library;
    void *handle, *desc, *layouts[3], *preference; /* of W, x, y */
    struct heuristic best;
    struct cuda_memory w8, workspace;
    void *unpack, *scale; /* functions */
};

static bool find(struct library *l)
{
    const char *const names[] = {getenv("TERN_CUBLASLT"), "libcublasLt.so.13", "libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.13", "/usr/local/cuda/lib64/libcublasLt.so.12"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !l->handle; i++)
        if (names[i] && *names[i])
            l->handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    const struct {
        const char *symbol;
        void *to;
    } needs[] = {
        {"cublasLtCreate", &l->create}, {"cublasLtDestroy", &l->destroy}, {"cublasLtMatmulDescCreate", &l->desc_create}, {"cublasLtMatmulDescSetAttribute", &l->desc_set},
        {"cublasLtMatmulDescDestroy", &l->desc_destroy}, {"cublasLtMatrixLayoutCreate", &l->layout_create}, {"cublasLtMatrixLayoutDestroy", &l->layout_destroy},
        {"cublasLtMatmulPreferenceCreate", &l->preference_create}, {"cublasLtMatmulPreferenceSetAttribute", &l->preference_set},
        {"cublasLtMatmulPreferenceDestroy", &l->preference_destroy}, {"cublasLtMatmulAlgoGetHeuristic", &l->heuristic}, {"cublasLtMatmul", &l->matmul},
    };
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        void *symbol = l->handle ? dlsym(l->handle, needs[i].symbol) : NULL;
        if (!symbol)
            return false;
        memcpy(needs[i].to, &symbol, sizeof symbol);
    }
    return true;
}

bool cuda_unpacked_can(const struct cuda_shape *s)
{
    return s->rows % 4 == 0 && s->batch % 4 == 0;
}

/* Column-major: y (rows x batch) = W^T (of k x rows) x (k x batch); k is padded with zeros to whole quads. */
static enum cuda_outcome describe(struct cuda_unpacked *u, struct cuda_fault *fault)
{
    const struct library *l = &u->library;
    const struct cuda_shape *s = &u->shape;
    size_t k = s->quads * CUDA_QUAD, own = OWN_WORKSPACE;
    int transposed = OP_T, found = 0;
    if (l->create(&u->handle) || l->desc_create(&u->desc, COMPUTE_I32, TYPE_I32) || l->desc_set(u->desc, DESC_TRANSA, &transposed, sizeof transposed) ||
        l->layout_create(&u->layouts[0], TYPE_I8, k, s->rows, (int64_t)k) || l->layout_create(&u->layouts[1], TYPE_I8, k, s->batch, (int64_t)k) ||
        l->layout_create(&u->layouts[2], TYPE_I32, s->rows, s->batch, (int64_t)s->rows) || l->preference_create(&u->preference) ||
        l->preference_set(u->preference, PREFERENCE_WORKSPACE, &own, sizeof own) ||
        l->heuristic(u->handle, u->desc, u->layouts[0], u->layouts[1], u->layouts[2], u->layouts[2], u->preference, 1, &u->best, &found) || !found)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "cuBLASLt has no int8 product of %zu x %zu at batch %zu", s->rows, k, s->batch);
    return CUDA_OUTCOME_ok;
}

enum cuda_outcome cuda_unpacked_open(struct cuda_device *d, const struct cuda_shape *shape, struct cuda_unpacked **out, struct cuda_fault *fault)
{
    struct cuda_unpacked *u = calloc(1, sizeof *u);
    enum cuda_outcome o;
    if (!u)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no memory for a product's state");
    u->device = d;
    u->shape = *shape;
    if (!find(&u->library))
        o = cuda_fail(fault, CUDA_OUTCOME_mismatch, "no libcublasLt was found (TERN_CUBLASLT names one)");
    else if (!(o = describe(u, fault)) && !(o = cuda_take(d, shape->rows * shape->quads * CUDA_QUAD, "unpacked weights", &u->w8, fault)) &&
             !(o = cuda_take(d, OWN_WORKSPACE, "cuBLASLt", &u->workspace, fault)) && !(o = cuda_kernel(d, "unpack_t2_i8", 0, &u->unpack, fault)))
        o = cuda_kernel(d, "scale_i32_f32", 0, &u->scale, fault);
    if (o)
        cuda_unpacked_close(u);
    else
        *out = u;
    return o;
}

void cuda_unpacked_close(struct cuda_unpacked *u)
{
    if (!u)
        return;
    if (u->preference)
        u->library.preference_destroy(u->preference);
    for (size_t i = 0; i < 3; i++)
        if (u->layouts[i])
            u->library.layout_destroy(u->layouts[i]);
    if (u->desc)
        u->library.desc_destroy(u->desc);
    if (u->handle)
        u->library.destroy(u->handle);
    if (u->library.handle)
        dlclose(u->library.handle);
    cuda_give(u->device, &u->w8);
    cuda_give(u->device, &u->workspace);
    free(u);
}

enum cuda_outcome cuda_unpacked_start(struct cuda_unpacked *u, const struct cuda_operands *o, struct cuda_fault *fault)
{
    struct cuda_device *d = u->device;
    const struct cuda_shape *s = &u->shape;
    const int one = 1, none = 0;
    void *w8 = (void *)(uintptr_t)u->w8.at, *y = (void *)(uintptr_t)o->y;
    struct unpack_args unpack = {(const uint8_t *)(uintptr_t)o->w, w8, (int)s->rows, (int)s->quads, s->tiles * s->quads};
    struct scale_args scale = {y, (const float *)(uintptr_t)o->sx, o->scale, (int)s->rows, (int)s->batch};
    enum cuda_outcome outcome = cuda_start(d, u->unpack, (struct cuda_grid){(unsigned)((unpack.units * 32 + 255) / 256), 1, 256, 0}, (void *[]){&unpack}, fault);
    if (outcome)
        return outcome;
    int code = u->library.matmul(u->handle, u->desc, &one, w8, u->layouts[0], (const void *)(uintptr_t)o->x8, u->layouts[1], &none, y, u->layouts[2], y, u->layouts[2], u->best.algo,
                                 (void *)(uintptr_t)u->workspace.at, u->workspace.bytes, d->stream);
    if (code)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "cublasLtMatmul refuses %zu rows at batch %zu: code %d", s->rows, s->batch, code);
    return cuda_start(d, u->scale, (struct cuda_grid){4 * (unsigned)d->info.multiprocessors, 1, 512, 0}, (void *[]){&scale}, fault);
}

size_t cuda_unpacked_bytes(const struct cuda_unpacked *u)
{
    return u->w8.bytes + u->workspace.bytes;
}
