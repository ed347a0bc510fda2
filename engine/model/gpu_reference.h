/* SPDX-License-Identifier: Apache-2.0
 * What the card's first layer must give, bit by bit, by the CPU's scalar kernels over a cache as the card holds it. */
#ifndef TERN_GPU_REFERENCE_H
#define TERN_GPU_REFERENCE_H

#include "core/kernels.h"
#include "cuda/session.h"
#include "tern.h"

struct tern_gpu_reference {
    const struct cuda_model_spec *spec;
    const struct tern_kernels *kernels;
    enum cuda_cache cache;
    size_t positions, rows, first, stride, pitch; /* first: of the rehearsal's tokens the one that row 0 is */
    void *keys, *values;               /* layer 0's cache as the card draws it (cuda/kernels/session.h): filled in by the caller */
    float *key_scales, *value_scales;  /* of int8 */
    float *k, *v;                      /* the same as floats, in the CPU's order (model/attend.h) */
    float *x, *wide, *tall, *added, *mixed, *cosine, *sine, *room, scale;
    int8_t *q, *trits;
};

/* For passes of `rows` rows. Error: TERN_NO_MEMORY; the reference is to be closed then too. */
enum tern_status tern_gpu_reference_open(const struct cuda_model_spec *spec, enum cuda_cache cache, size_t positions, size_t rows, struct tern_gpu_reference *out,
                                         struct tern_error *error);
void tern_gpu_reference_close(struct tern_gpu_reference *r);

/* One layer over r->rows rows at positions `before` and on; tokens are those that a rehearsal takes (cuda/session.c). The source has no embedding
 * of its own. Then logit n of the last row. */
void tern_gpu_reference_first_layer(struct tern_gpu_reference *r, size_t before);
float tern_gpu_reference_logit(struct tern_gpu_reference *r, size_t n);

#endif
