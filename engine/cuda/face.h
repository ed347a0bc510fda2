/* SPDX-License-Identifier: Apache-2.0
 * What libtern_cuda.so exports: one table, found by name. libtern loads the library when a card is first asked for. */
#ifndef CUDA_FACE_H
#define CUDA_FACE_H

#include "cuda/decode.h"
#include "cuda/linear.h"
#include "cuda/rival.h"
#include "cuda/stretch.h"

enum { CUDA_FACE_ABI = 3 };
#define CUDA_FACE_SYMBOL "tern_cuda_face"

struct cuda_face {
    int abi;
    const char *(*outcome_name)(enum cuda_outcome);
    enum cuda_outcome (*open)(int ordinal, const char *driver, struct cuda_device **out, struct cuda_fault *fault);
    void (*close)(struct cuda_device *device);
    const struct cuda_info *(*info)(const struct cuda_device *device);

    enum cuda_outcome (*linear_bind)(struct cuda_device *, const struct cuda_linear_spec *, struct cuda_linear **, struct cuda_fault *);
    void (*linear_close)(struct cuda_linear *);
    enum cuda_outcome (*linear_run)(struct cuda_linear *, uint64_t n, double *ns, struct cuda_fault *);
    enum cuda_outcome (*linear_result)(struct cuda_linear *, float *y, struct cuda_fault *);
    size_t (*linear_weight_bytes)(const struct cuda_linear *);
    const char *(*linear_why)(const struct cuda_linear *);

    enum cuda_outcome (*rival_bind)(struct cuda_device *, const struct cuda_rival_spec *, struct cuda_rival **, struct cuda_fault *);
    void (*rival_close)(struct cuda_rival *);
    enum cuda_outcome (*rival_run)(struct cuda_rival *, uint64_t n, double *ns, struct cuda_fault *);
    const char *(*rival_why)(const struct cuda_rival *);

    enum cuda_outcome (*stretch_bind)(struct cuda_device *, const struct cuda_stretch_spec *, struct cuda_stretch **, struct cuda_fault *);
    void (*stretch_close)(struct cuda_stretch *);
    enum cuda_outcome (*stretch_run)(struct cuda_stretch *, uint64_t n, double *ns, struct cuda_fault *);
    enum cuda_outcome (*stretch_check)(struct cuda_stretch *, struct cuda_fault *);

    enum cuda_outcome (*decode_bind)(struct cuda_device *, const struct cuda_decode_spec *, struct cuda_decode **, struct cuda_fault *);
    void (*decode_close)(struct cuda_decode *);
    enum cuda_outcome (*decode_run)(struct cuda_decode *, uint64_t n, double *ns, struct cuda_fault *);
    enum cuda_outcome (*decode_look)(struct cuda_decode *, const struct cuda_decode_view *, struct cuda_fault *);
    void (*decode_why)(const struct cuda_decode *, char *text, size_t size);
    double (*decode_bytes)(const struct cuda_decode *);
};

#endif
