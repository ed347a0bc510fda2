/* SPDX-License-Identifier: Apache-2.0
 *
 * y = (W q(x)) s_w s_x: one ternary layer, bound to a backend. This is what the operations matmul and bitlinear and the layers of a
 * model stand on. Weights come row by row from any source and are packed once, at bind, into the order that kernels read.
 *
 * Words: N outputs (rows of W), K inputs, B rows of x. A "part" is what one thread of a region does; every output is computed whole by
 * one thread, so the number of threads changes no bit.
 */
#ifndef TERN_CORE_LINEAR_H
#define TERN_CORE_LINEAR_H

#include "core/backend.h"
#include "core/threads.h"

/* int8 activations of up to `rows` rows: the input of one or more layers with the same K. */
struct tern_activations {
    size_t rows, k, stride; /* stride: bytes between rows of q, zero beyond k */
    int8_t *q;
    float *scale;           /* s_x of each row */
    int32_t *sum;           /* sum of each row of q */
    size_t bytes;
};

/* Allocates; error TERN_NO_MEMORY. */
enum tern_status tern_activations_open(struct tern_activations *a, size_t rows, size_t k, struct tern_error *error);
void tern_activations_close(struct tern_activations *a);

/* Quantises rows [from, to) of x, B x K floats, row-major. Threads: any, on disjoint rows. */
void tern_activations_fill(struct tern_activations *a, const struct tern_kernels *kernels, const float *x, size_t from, size_t to);

/* Copies rows [from, to) of int8 values and sums them up; scales become 1. */
void tern_activations_copy(struct tern_activations *a, const int8_t *x, size_t from, size_t to);

/* Gives row n of W as K trits. Called at bind only, by several threads at once on different rows. */
typedef void tern_row_source(const void *data, size_t n, size_t k, int8_t *trits);

/* Rows of packed weights in one of the formats of format/weights.h, as a tern_row_source. */
struct tern_packed_rows {
    const struct tern_weight_format *format;
    const uint8_t *data;
    size_t row_bytes;
};
void tern_packed_row(const void *packed_rows, size_t n, size_t k, int8_t *trits);

struct tern_linear_spec {
    size_t n, k;
    float scale;                /* s_w */
    enum tern_storage storage;  /* TERN_STORAGES: choose by shape */
    size_t batch;               /* rows of a usual call, for that choice; 0 counts as 1 */
    bool is_cold;               /* other weights are read between two calls, so that these come from memory even where they would fit a cache */
    size_t copies;              /* of the packed weights, at different addresses, for cold measurements; 0 counts as 1 */
    int threads;                /* that pack and touch first; 0: all allowed */
    uint8_t *room;              /* where packed weights go, tern_linear_plan's panels times panel_bytes for each copy, 64-byte aligned; NULL: to a block of their own */
    tern_row_source *source;
    const void *data;
};

struct tern_linear {
    size_t n, k, panels;
    float scale;
    enum tern_storage storage;
    const char *why;        /* the reason for the storage; static */
    const struct tern_backend *backend;
    uint8_t *w;
    bool is_lent;           /* w is in the room of the spec */
    size_t panel_bytes, steps, copy_bytes, copies, bytes;
};

/*
 * Fills *l with what bind would choose and how large it would come out (storage, why, backend and sizes; planes at their largest), and packs nothing:
 * l->w stays null and there is nothing to close. Errors: TERN_INVALID (sizes).
 */
enum tern_status tern_linear_plan(const struct tern_backend *backend, const struct tern_linear_spec *spec, struct tern_linear *l,
                                  struct tern_error *error);

/* *out is the caller's until tern_linear_close. Errors: TERN_INVALID (sizes), TERN_NO_MEMORY. */
enum tern_status tern_linear_bind(const struct tern_backend *backend, const struct tern_linear_spec *spec, struct tern_linear **out,
                                  struct tern_error *error);
void tern_linear_close(struct tern_linear *l);

/* Part id of n of y = (W q) s_w s_x over the first `batch` rows of a; copy < copies chooses the weights' address. y: B x N floats. */
void tern_linear_part(const struct tern_linear *l, const struct tern_activations *a, size_t batch, size_t copy, float *y, int id, int n);

/* Asks for the first TERN_AHEAD bytes of part id of n, which the kernel's own prefetch comes too late for: a thread does so when it is done with other
 * weights, before it waits. */
void tern_linear_ask(const struct tern_linear *l, int id, int n);

/* The outputs [*from, *to), of `rows`, that part id of n of a product computes: whole panels. */
void tern_share_panels(size_t rows, int id, int n, size_t *from, size_t *to);

/* Rows [from, to) of the same, all outputs of each: y is that of row 0. */
void tern_linear_rows(const struct tern_linear *l, const struct tern_activations *a, size_t from, size_t to, size_t copy, float *y);

/* The same as tern_linear_part, y: B x N int32 with no scale. */
void tern_linear_part_exact(const struct tern_linear *l, const struct tern_activations *a, size_t batch, size_t copy, int32_t *y, int id, int n);

/*
 * y[b][n] = s_w sum_k t[n][k] x[b][k] with float activations: part id of n. The sum is that of 16 interleaved partial sums, each in order
 * of k, then a tree: ((p0+p8)+(p4+p12)) … halving; the same on every backend. Slow: for checking what quantisation costs.
 */
void tern_linear_part_float(const struct tern_linear *l, const float *x, size_t batch, float *y, int id, int n);

/* Row n as K trits, from the packed weights. */
void tern_linear_row(const struct tern_linear *l, size_t n, int8_t *trits);

/* The kernel that serves `batch` rows. */
const struct tern_product_kernel *tern_linear_kernel(const struct tern_linear *l, size_t batch);

#endif
