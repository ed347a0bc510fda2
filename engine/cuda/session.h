/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequences over a model on the card: their caches, the buffers of a pass, and how each product is launched. Where a sequence stands is
 * known on the card itself, so a decode step is one graph for every position, and generated tokens follow each other without the host.
 *
 *   pass    rows of tokens at consecutive positions of one sequence; a prompt is cut into passes of at most `rows`
 *   step    a pass of one row, its token the most likely one after the pass before: all layers in one launch where that serves (step.h); or of one row of
 *           each sequence, weights read once for all
 *
 * Products that are launched by themselves are chosen by their times on the session's own weights, before the first pass of that size (powers of two).
 * Bits: those of the CPU's session over a cache that holds what this one does (kernels/session.h).
 */
#ifndef CUDA_SESSION_H
#define CUDA_SESSION_H

#include "cuda/model.h"
#include "cuda/product.h"

enum cuda_cache { CUDA_CACHE_f32, CUDA_CACHE_f16, CUDA_CACHE_i8, CUDA_CACHES };

struct cuda_session_spec {
    size_t context, rows; /* positions of a sequence; rows of a pass, rounded up to a power of two */
    size_t sequences;     /* 0: one */
    enum cuda_cache cache;
};

/* "f32", "f16", "i8", and their bytes an element. */
const char *cuda_cache_name(enum cuda_cache cache);
size_t cuda_cache_bytes(enum cuda_cache cache);

struct cuda_session;

/* *out is the caller's until cuda_session_close (null is allowed). */
enum cuda_outcome cuda_session_bind(struct cuda_model *model, const struct cuda_session_spec *spec, struct cuda_session **out, struct cuda_fault *fault);
void cuda_session_close(struct cuda_session *session);

/* Calls from here on mean sequence i (after bind the first) where they say nothing of all. mismatch: there is none. */
enum cuda_outcome cuda_session_choose(struct cuda_session *session, size_t i, struct cuda_fault *fault);

/* Feeds n tokens after those before. `logits`: vocabulary floats of the last one, or of each when `every`; null: none. mismatch, before anything
 * is run: a token outside the vocabulary, more positions than the context. */
enum cuda_outcome cuda_session_feed(struct cuda_session *session, const uint32_t *tokens, size_t n, bool every, float *logits, struct cuda_fault *fault);

/* The n most likely tokens one after another, after those fed (at least one): n - 1 steps, launched without waiting in between. *ns (null: not
 * wanted) is the time they took by the card's clock. `logits` (null) gets those of the last step. */
enum cuda_outcome cuda_session_generate(struct cuda_session *session, size_t n, uint32_t *out, double *ns, float *logits, struct cuda_fault *fault);

/* The same of all sequences at once, each fed before: n tokens of each to `out`, side by side. Where there are several, this is the only way. */
enum cuda_outcome cuda_session_generate_all(struct cuda_session *session, size_t n, uint32_t *out, double *ns, struct cuda_fault *fault);

/* Forgets all positions from `length` on. */
enum cuda_outcome cuda_session_rewind(struct cuda_session *session, size_t length, struct cuda_fault *fault);
size_t cuda_session_length(const struct cuda_session *session);

/* ---- for measuring: the same pass again and again */

/* Sets the sequences to `before` positions of random keys and values, of the numbers between -1 and 1, and readies passes of n rows of some tokens:
 * of one sequence, or where there are several of one row of each (n is not read then). */
enum cuda_outcome cuda_session_rehearse(struct cuda_session *session, size_t before, size_t n, struct cuda_fault *fault);
/* n such passes, each from the same position. */
enum cuda_outcome cuda_session_repeat(struct cuda_session *session, uint64_t n, double *ns, struct cuda_fault *fault);
/* One such pass of the first `rows` rows through the first `layers` layers, by the launches of the whole. Any may be null: logits of its last row, or of
 * one of several sequences; keys and values of layer 0 before it, as kernels/session.h draws them, and the scales of int8 ones. */
struct cuda_session_view {
    size_t rows, layers, sequence;
    float *logits;
    void *keys, *values;
    float *key_scales, *value_scales;
};
enum cuda_outcome cuda_session_look(struct cuda_session *session, const struct cuda_session_view *view, struct cuda_fault *fault);
size_t cuda_session_positions(const struct cuda_session *session);

/*
 * When each launch of one such pass began, when what it follows was done, when its norm was done (0: it has none) and when its first block ended, in ns
 * from the first by the card's clock; of a step in one launch the same of each stage. Launches of products for many rows are not marked. `out` has room for
 * `most`; *n are written.
 */
struct cuda_mark {
    const char *name;
    int layer;
    double begin_ns, ready_ns, norm_ns, end_ns;
};
enum cuda_outcome cuda_session_marks(struct cuda_session *session, struct cuda_mark *out, size_t most, size_t *n, struct cuda_fault *fault);

/* The launches that were chosen for passes of n rows, one after another. */
void cuda_session_why(const struct cuda_session *session, size_t n, char *text, size_t size);

/* Bytes of the cache that a pass of one row at position `before` reads. */
double cuda_session_cache_bytes(const struct cuda_session *session, size_t before);

#endif
