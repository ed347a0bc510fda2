/* SPDX-License-Identifier: Apache-2.0
 *
 * A decode step of BitNet b1.58 on the card, as one graph: one token at position context - 1, over a cache that holds the positions
 * before it. Weights come from sources; all layers have the same norms, and a layer's matrices are those of layer mod `variants`
 * (copied to addresses of their own, so that a step reads as much as a model's).
 *
 *   x = embedding[token];  each layer: x += Wo q(norm(attention(Wqkv q(norm(x)))));  x += Wdown q(norm(gate(Wgate_up q(norm(x)))))
 *   logits = rows . q(norm(x)), rows of int8 with a scale each; the embedding is the same matrix
 */
#ifndef CUDA_DECODE_H
#define CUDA_DECODE_H

#include "cuda/device.h"

enum cuda_decode_matrix { CUDA_DECODE_qkv, CUDA_DECODE_output, CUDA_DECODE_gate_up, CUDA_DECODE_down, CUDA_DECODE_MATRICES };
enum cuda_decode_norm { CUDA_DECODE_attention_norm, CUDA_DECODE_sub_norm, CUDA_DECODE_ffn_norm, CUDA_DECODE_ffn_sub_norm, CUDA_DECODE_last_norm, CUDA_DECODE_NORMS };

/* Row n of a matrix of a variant as k trits. */
typedef void cuda_decode_source(const void *data, size_t variant, enum cuda_decode_matrix matrix, size_t n, size_t k, int8_t *trits);

/* The launches of a step: as it is faster (both kinds are bound and timed; where the card has no room for a second, the first); norms apart from the products after them; norms within them wherever they can be; one. */
enum cuda_decode_fusing { CUDA_DECODE_FASTEST, CUDA_DECODE_NEVER, CUDA_DECODE_ALWAYS, CUDA_DECODE_WHOLE };

struct cuda_decode_spec {
    size_t layers, variants, width, heads, groups, head, ffn, vocabulary, context;
    float eps, scale; /* s_w of every matrix */
    size_t token;
    enum cuda_decode_fusing fusing;
    cuda_decode_source *source;
    const void *data;
    const float *norms[CUDA_DECODE_NORMS]; /* width, width, width, ffn, width floats */
    const float *cosine, *sine;            /* head / 2 of the token's position */
};
struct cuda_decode;

/* Shape of a matrix: outputs and inputs. */
static inline void cuda_decode_shape(const struct cuda_decode_spec *s, enum cuda_decode_matrix matrix, size_t *n, size_t *k)
{
    const size_t shapes[CUDA_DECODE_MATRICES][2] = {
        [CUDA_DECODE_qkv] = {(s->heads + 2 * s->groups) * s->head, s->width},
        [CUDA_DECODE_output] = {s->width, s->heads * s->head},
        [CUDA_DECODE_gate_up] = {2 * s->ffn, s->width},
        [CUDA_DECODE_down] = {s->width, s->ffn},
    };
    *n = shapes[matrix][0];
    *k = shapes[matrix][1];
}

/* *out is the caller's until cuda_decode_close (null is allowed). `head` is 64 or 128, `width` a multiple of 16. */
enum cuda_outcome cuda_decode_bind(struct cuda_device *device, const struct cuda_decode_spec *spec, struct cuda_decode **out, struct cuda_fault *fault);
void cuda_decode_close(struct cuda_decode *decode);

/* n steps. */
enum cuda_outcome cuda_decode_run(struct cuda_decode *decode, uint64_t n, double *ns, struct cuda_fault *fault);

/* What a check needs: the logits after `layers` layers (at most the step's), the caches of layer 0 as bind made them (halves, see
 * kernels/decode.h), rows of the embedding and their scales. Any may be null. */
struct cuda_decode_view {
    size_t layers;
    float *logits;
    uint16_t *keys, *values;
    size_t row; /* of the embedding */
    int8_t *embedding;
    float *embedding_scale;
};
enum cuda_outcome cuda_decode_look(struct cuda_decode *decode, const struct cuda_decode_view *view, struct cuda_fault *fault);

/* The launches that were chosen, one after another. */
void cuda_decode_why(const struct cuda_decode *decode, char *text, size_t size);

/* Bytes of weights and cache that a step reads. */
double cuda_decode_bytes(const struct cuda_decode *decode);

#endif
