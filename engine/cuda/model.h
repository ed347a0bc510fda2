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
#include "cuda/transfer.h"

enum cuda_matrix { CUDA_MATRIX_qkv, CUDA_MATRIX_output, CUDA_MATRIX_gate_up, CUDA_MATRIX_down, CUDA_MATRICES };
enum cuda_norm { CUDA_NORM_attention, CUDA_NORM_sub, CUDA_NORM_ffn, CUDA_NORM_ffn_sub, CUDA_NORM_last, CUDA_NORMS };

/*
 * Where the card has no room for all layers, the first ones stay and the others come when they are needed: layer i + 1 is copied from the host, into
 * the second of two places, while layer i is computed (transfer.h).
 */

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
    size_t rank, ranks; /* of several cards that share the model: this one has its share (split.h); ranks 0: it is alone */
    size_t variants; /* 0: every layer is asked for; else weights are those of layer mod variants, copied on the card to places of their own */
    size_t resident; /* layers that stay on the card, at least 1; 0: as many as there is room for beside `spare` bytes */
    size_t spare;    /* that sessions will take */
    float eps;
    const struct cuda_model_source *source;
    const void *data;
};

/* Layers on their way. */
enum { CUDA_PLACES = 2 };
struct cuda_stream_in {
    struct cuda_transfer transfer;
    uint8_t *host;    /* the layers behind the resident ones */
    bool is_pinned;
    struct cuda_memory places;
    void *ready[CUDA_PLACES], *done[CUDA_PLACES]; /* events: the place's layer is there; it was computed */
    size_t asked;     /* layers asked for in this pass, of those that come */
};

struct cuda_model {
    struct cuda_device *device;
    size_t resident;
    struct cuda_stream_in in; /* of layers from `resident` on */
    struct cuda_model_spec spec;
    size_t matrix_at[CUDA_MATRICES], layer_bytes; /* a layer's matrices lie side by side */
    struct weight_scale (*scales)[CUDA_MATRICES];
    struct cuda_memory weights, norms, table, rows, row_scales, cosine, sine;
};

/* What of the model a card has: heads by whole groups, the last cards maybe fewer; equal shares of outputs and of the feed-forward part. `mixed`: floats
 * of a row of mixed values that each card hands on, of which the last ones may be unused. */
struct cuda_share {
    size_t first_group, groups, heads, width, ffn, mixed;
};
static inline struct cuda_share cuda_model_share(const struct cuda_model_spec *s)
{
    size_t ranks = s->ranks ? s->ranks : 1, each = s->heads / s->groups, most = (s->groups + ranks - 1) / ranks, first = s->rank * most;
    size_t groups = first >= s->groups ? 0 : s->groups - first < most ? s->groups - first : most;
    return (struct cuda_share){first, groups, groups * each, s->width / ranks, s->ffn / ranks, most * each * s->head};
}

/* Shape of a matrix on this card: outputs and inputs. */
static inline void cuda_model_shape(const struct cuda_model_spec *s, enum cuda_matrix matrix, size_t *n, size_t *k)
{
    const struct cuda_share own = cuda_model_share(s);
    const size_t shapes[CUDA_MATRICES][2] = {
        [CUDA_MATRIX_qkv] = {(own.heads + 2 * own.groups) * s->head, s->width},
        [CUDA_MATRIX_output] = {own.width, s->heads * s->head},
        [CUDA_MATRIX_gate_up] = {2 * own.ffn, s->width},
        [CUDA_MATRIX_down] = {own.width, s->ffn},
    };
    *n = shapes[matrix][0];
    *k = shapes[matrix][1];
}

/* Reads everything from the source. *out is the caller's until cuda_model_close (null is allowed); sessions on it are closed before. */
enum cuda_outcome cuda_model_open(struct cuda_device *device, const struct cuda_model_spec *spec, struct cuda_model **out, struct cuda_fault *fault);
void cuda_model_close(struct cuda_model *model);

/* A pass goes over the layers in order, and computes each between these two; they do nothing for layers that stay. Not within a graph's capture where
 * some do not: cuda_model_is_whole. */
enum cuda_outcome cuda_model_begin_layer(struct cuda_model *model, size_t layer, struct cuda_fault *fault);
enum cuda_outcome cuda_model_end_layer(struct cuda_model *model, size_t layer, struct cuda_fault *fault);
bool cuda_model_is_whole(const struct cuda_model *model);

/* Addresses of a layer's matrix and of a norm. */
uint64_t cuda_model_matrix(const struct cuda_model *model, size_t layer, enum cuda_matrix matrix);
uint64_t cuda_model_norm(const struct cuda_model *model, size_t layer, enum cuda_norm norm);

/* Bytes of weights that a pass reads. */
size_t cuda_model_bytes(const struct cuda_model *model);

#endif
