/* SPDX-License-Identifier: Apache-2.0
 *
 * The output matrix: vocabulary x width, dense, a third of what a decoded token reads. It can be packed smaller than the file
 * has it, at an error that is measured while packing and stated by the plan.
 *
 *   EXACT   decoded from the file at each use, float32 activations
 *   INT8    one int8 a weight, one scale a row (absmax / 127); int8 activations
 *   INT4    one nibble a weight, one half-precision scale a group of 32 (absmax / 7); int8 activations
 *
 * Where int8 activations of the layers put logits .34 to .37 % of their range off (rms; random models of 512 x 4), INT8 makes that 1.04 to 1.05 times as
 * much and INT4 2.6 to 2.8 times; weights themselves are off by .7 and 10 % (rms of their own).
 *
 * Layouts, equations and kernels of the packed kinds: core/head.h.
 * Threads: a product's parts on disjoint rows.
 */
#ifndef TERN_OUTPUT_H
#define TERN_OUTPUT_H

#include "model/matrix.h"

enum tern_output_kind { TERN_OUTPUT_EXACT, TERN_OUTPUT_INT8, TERN_OUTPUT_INT4, TERN_OUTPUT_AUTO };

struct tern_output {
    enum tern_output_kind kind;
    struct tern_bound_matrix exact; /* EXACT */
    const struct tern_kernels *kernels;
    struct tern_head head;          /* INT8, INT4; its inputs are filled in by each call's copy */
    uint8_t *w;                     /* one block: in huge pages, with the scales behind them */
    void *scales;                   /* floats or halves, as core/head.h has them */
    size_t n, k, groups, bytes, scale_bytes; /* groups of 16 rows */
    double error;                   /* root of (sum of squared errors of the weights / sum of their squares); 0 when EXACT */
};

/* Packs on `threads` threads. Errors: TERN_NO_MEMORY; TERN_INVALID where the width does not fit groups of 32. */
enum tern_status tern_output_open(const struct tern_model_weight *weight, enum tern_output_kind kind, const struct tern_backend *backend, int threads,
                                  struct tern_output *out, struct tern_error *err);
void tern_output_close(struct tern_output *o);

/* One row as INT8 keeps it, plain: k weights in q, and its scale. `row`: room for k floats. */
float tern_output_row_int8(const struct tern_matrix *m, uint64_t r, float *row, int8_t *q);

/* Sums of the groups of one quantised row, which INT4 takes beside it: k / 32 numbers. */
void tern_output_sum_groups(const struct tern_output *o, const int8_t *q, int32_t *groups);

/* Part id of n of y = W x over `batch` rows; y: batch x n floats. `room`: 2 k + batch floats (EXACT); `groups`: batch rows of
 * tern_output_sum_groups (INT4). */
void tern_output_part(const struct tern_output *o, struct tern_input in, const int32_t *groups, size_t batch, float *y, float *room, int id,
                      int n);

/* Asks for what part id of n reads first, where it is packed. */
void tern_output_ask(const struct tern_output *o, int id, int n);

/* Bytes that one product reads. */
size_t tern_output_bytes(const struct tern_output *o);

#endif
