/* SPDX-License-Identifier: Apache-2.0
 *
 * A matrix of a model, bound: how its product is computed.
 *
 *   TERNARY   int8 activations, weights -1, 0, +1 with one scale: packed for the backend, exact in the integer part (core/linear.h)
 *   DECODED   rows are decoded from the file at each use; activations float32, or int8 and their scale. Serves every type
 */
#ifndef TERN_MATRIX_H
#define TERN_MATRIX_H

#include "core/linear.h"
#include "model/model.h"

enum tern_matrix_kind { TERN_MATRIX_TERNARY, TERN_MATRIX_DECODED };

struct tern_bound_matrix {
    enum tern_matrix_kind kind;
    struct tern_matrix matrix; /* the file's bytes */
    float scale;               /* of the ".scale" tensor */
    struct tern_linear *linear, *many; /* many: for several rows, where `linear` is for one; NULL: it serves all */
    const struct tern_kernels *kernels;
};

/* Input of a product: B rows of K floats, or the same quantised. `a` is NULL in float mode. */
struct tern_input {
    const float *x;
    const struct tern_activations *a;
};

struct tern_matrix_binding {
    const struct tern_backend *backend;
    enum tern_storage storage; /* TERN_STORAGES: the backend chooses */
    size_t batch;              /* rows of a usual call */
    int threads;
    bool use_int8;             /* else DECODED */
    bool has_many;             /* where the backend chooses weights that are good for one row only: a second copy for more rows */
    bool is_cold;              /* the whole model does not fit in the last cache, so that each matrix comes from memory */
    const char *name;          /* of the tensor, for errors */
    uint8_t *room;             /* tern_bound_matrix_room bytes for what is packed; NULL: blocks of its own */
};

/* The one scale of all blocks that are not zero; *is_one says whether there is one. Error: TERN_INVALID, a scale that is no number in tensor `name`. */
enum tern_status tern_matrix_common_scale(const struct tern_model_weight *weight, const char *name, float *scale, bool *is_one, struct tern_error *err);

/* The most bytes that packing takes, whole cache lines; 0 where nothing is packed. */
size_t tern_bound_matrix_room(const struct tern_model_weight *weight, const struct tern_matrix_binding *how);

/* Errors: TERN_INVALID for a code that is no trit or a scale that is no number, TERN_NO_MEMORY. */
enum tern_status tern_bound_matrix_open(const struct tern_model_weight *weight, const struct tern_matrix_binding *how,
                                        struct tern_bound_matrix *out, struct tern_error *err);
void tern_bound_matrix_close(struct tern_bound_matrix *m);

/* Part id of n of y = W x; y: batch x N floats. `room` is this thread's: 2 K + batch floats (DECODED only). */
void tern_bound_matrix_part(const struct tern_bound_matrix *m, struct tern_input in, size_t batch, float *y, float *room, int id, int n);

/* Asks for what part id of n of a single row reads first (tern_linear_ask). */
void tern_bound_matrix_ask(const struct tern_bound_matrix *m, int id, int n);

/* The outputs [*from, *to) that part id of n computes: the same of every matrix with as many. */
void tern_bound_matrix_share(const struct tern_bound_matrix *m, int id, int n, size_t *from, size_t *to);

/* Bytes of weights that one product reads. */
size_t tern_bound_matrix_bytes(const struct tern_bound_matrix *m);

#endif
