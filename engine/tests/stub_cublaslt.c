/* SPDX-License-Identifier: Apache-2.0
 * As much of cuBLASLt as cuda/unpacked.c uses, on the host's memory: int8 products, the first matrix transposed. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

struct layout {
    int type;
    uint64_t rows, columns;
    int64_t ld;
};

static int open_thing(void **thing)
{
    return (*thing = malloc(1)) ? 0 : 3;
}

static int close_thing(void *thing)
{
    free(thing);
    return 0;
}

EXPORT int cublasLtCreate(void **handle) { return open_thing(handle); }
EXPORT int cublasLtDestroy(void *handle) { return close_thing(handle); }
EXPORT int cublasLtMatmulDescCreate(void **desc, int compute, int scale) { return compute == 72 && scale == 10 ? open_thing(desc) : 7; }
EXPORT int cublasLtMatmulDescSetAttribute(void *desc, int attribute, const void *value, size_t bytes) { return attribute == 3 && bytes == 4 && *(const int *)value == 1 ? 0 : 7; }
EXPORT int cublasLtMatmulDescDestroy(void *desc) { return close_thing(desc); }
EXPORT int cublasLtMatrixLayoutDestroy(void *layout) { return close_thing(layout); }
EXPORT int cublasLtMatmulPreferenceCreate(void **preference) { return open_thing(preference); }
EXPORT int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t bytes) { return attribute == 1 && bytes == 8 ? 0 : 7; }
EXPORT int cublasLtMatmulPreferenceDestroy(void *preference) { return close_thing(preference); }

EXPORT int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t columns, int64_t ld)
{
    struct layout *l = malloc(sizeof *l);
    *l = (struct layout){type, rows, columns, ld};
    *layout = l;
    return 0;
}

EXPORT int cublasLtMatmulAlgoGetHeuristic(void *handle, void *desc, void *a, void *b, void *c, void *d, void *preference, int most, void *out, int *found)
{
    memset(out, 0, 64 + sizeof(size_t) + 24);
    *found = 1;
    return 0;
}

EXPORT int cublasLtMatmul(void *handle, void *desc, const void *alpha, const void *a, void *a_layout, const void *b, void *b_layout, const void *beta, const void *c, void *c_layout,
                          void *d, void *d_layout, const void *algo, void *workspace, size_t bytes, void *stream)
{
    const struct layout *la = a_layout, *lb = b_layout, *ld = d_layout;
    if (la->type != 3 || lb->type != 3 || ld->type != 10 || la->rows != lb->rows || ld->rows != la->columns || ld->columns != lb->columns)
        return 7;
    for (uint64_t m = 0; m < lb->columns; m++)
        for (uint64_t n = 0; n < la->columns; n++) {
            int32_t sum = 0;
            for (uint64_t k = 0; k < la->rows; k++)
                sum += ((const int8_t *)a)[n * (uint64_t)la->ld + k] * ((const int8_t *)b)[m * (uint64_t)lb->ld + k];
            ((int32_t *)d)[m * (uint64_t)ld->ld + n] = sum;
        }
    return 0;
}
