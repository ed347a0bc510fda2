/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of BitNet b1.58 on the card: weights packed (kernels/layout.h) as a source gives them, norms, embedding, output rows as int8 with
 * a scale each, angles of all positions. It knows no file: engine/model/accelerated.c is the source that reads one.
 *
 *   x = embedding[token];  each layer: x += Wo q(norm(attention(Wqkv q(norm(x)))));  x += Wdown q(norm(gate(Wgate_up q(norm(x)))))
 *   logits = rows . q(norm(x))
 */
#ifndef CUDA_MODEL_H
#define CUDA_MODEL_H

#include "cuda/device.h"
#include "cuda/kernels/arguments.h"

enum cuda_matrix { CUDA_MATRIX_qkv, CUDA_MATRIX_output, CUDA_MATRIX_gate_up, CUDA_MATRIX_down, CUDA_MATRICES };
enum cuda_norm { CUDA_NORM_attention, CUDA_NORM_sub, CUDA_NORM_ffn, CUDA_NORM_ffn_sub, CUDA_NORM_last, CUDA_NORMS };

/* Rows of weights, asked for by one thread. A source cannot fail. */
struct cuda_model_source {
    /* Row n of a matrix as k trits; queries lie over keys over values, gate over up. */
    void (*trits)(const void *data, size_t layer, enum cuda_matrix matrix, size_t n, size_t k, int8_t *trits);
    struct weight_scale (*scale)(const void *data, size_t layer, enum cuda_matrix matrix);
    const float *(*norm)(const void *data, size_t layer, enum cuda_norm norm); /* of any layer for the last */
    void (*embedding)(const void *data, size_t token, float *row);           /* null: the rows of the output are the embedding */
    float (*row)(const void *data, size_t r, int8_t *row);                     /* of the output; returns its scale */
    void (*angles)(const void *data, size_t position, float *cosine, float *sine); /* head / 2 each */
};

struct cuda_model_spec {
    size_t layers, width, heads, groups, head, ffn, vocabulary, context;
    size_t variants; /* 0: every layer is asked for; else weights are those of layer mod variants, copied on the card to places of their own */
    float eps;
    const struct cuda_model_source *source;
    const void *data;
};

struct cuda_model {
    struct cuda_device *device;
    struct cuda_model_spec spec;
    size_t matrix_at[CUDA_MATRICES], layer_bytes; /* a layer's matrices lie side by side */
    struct weight_scale (*scales)[CUDA_MATRICES];
    struct cuda_memory weights, norms, table, rows, row_scales, cosine, sine;
};

/* Shape of a matrix: outputs and inputs. */
static inline void cuda_model_shape(const struct cuda_model_spec *s, enum cuda_matrix matrix, size_t *n, size_t *k)
{
    const size_t shapes[CUDA_MATRICES][2] = {
        [CUDA_MATRIX_qkv] = {(s->heads + 2 * s->groups) * s->head, s->width},
        [CUDA_MATRIX_output] = {s->width, s->heads * s->head},
        [CUDA_MATRIX_gate_up] = {2 * s->ffn, s->width},
        [CUDA_MATRIX_down] = {s->width, s->ffn},
    };
    *n = shapes[matrix][0];
    *k = shapes[matrix][1];
}

/* Reads everything from the source. *out is the caller's until cuda_model_close (null is allowed); sessions on it are closed before. */
enum cuda_outcome cuda_model_open(struct cuda_device *device, const struct cuda_model_spec *spec, struct cuda_model **out, struct cuda_fault *fault);
void cuda_model_close(struct cuda_model *model);

/* Addresses of a layer's matrix and of a norm. */
uint64_t cuda_model_matrix(const struct cuda_model *model, size_t layer, enum cuda_matrix matrix);
uint64_t cuda_model_norm(const struct cuda_model *model, size_t layer, enum cuda_norm norm);

/* Bytes of weights that a pass reads. */
size_t cuda_model_bytes(const struct cuda_model *model);

#endif
