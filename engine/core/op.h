/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations as rows. An operation is one struct tern_op_row, named in ops.def; bind, run, check and work of every layer above (C, Lua,
 * suites, tests) go through it, so a new one is its row and its functions and nothing else.
 */
#ifndef TERN_CORE_OP_H
#define TERN_CORE_OP_H

#include "core/backend.h"
#include "tern.h"

#include <stdbool.h>

/* A parameter that an op has, its value when not given, and what it means in a few words. */
struct tern_op_param {
    const char *name, *value, *about;
};

struct tern_op_row {
    const char *name, *about;
    const struct tern_op_param *params; /* ends with a null name */
    /* Fills op->state (and why) from checked parameters. On failure close is called, on whatever state bind left. */
    enum tern_status (*bind)(struct tern_op *op, struct tern_error *error);
    void (*run)(struct tern_op *op); /* once; null where bind sets op->run_many */
    enum tern_status (*check)(struct tern_op *op, struct tern_error *error);
    void (*work)(const struct tern_op *op, struct tern_work *work);
    void (*close)(struct tern_op *op);
};

enum { TERN_OP_PARAMS_MAX = 24, TERN_WHY_TEXT = 256 };

struct tern_op {
    const struct tern_op_row *row;
    const struct tern_backend *backend; /* from the parameter "backend" where the op has one, else scalar */
    void *state;                        /* the op's own */
    void (*run_many)(struct tern_op *op, uint64_t n); /* set by bind: n times on a device, whose own clock gives elapsed_ns */
    double elapsed_ns;                  /* of the last run_many; negative when it failed */
    double extra_owed;                  /* iterations, of a build with extra work */
    const char *values[TERN_OP_PARAMS_MAX]; /* by index of row->params; valid during bind only */
    char why[TERN_WHY_TEXT];
    char name[TERN_MONITOR_NAME];       /* to the monitor: the op and the parameters given */
    struct tern_monitored *monitored;
    /* Set by the bind of ops that serve requests: the latency quantile of the last run in ns. */
    double (*latency)(struct tern_op *op, double quantile);
    /* Set by the bind of ops that tell more than time (tern_op_observe). */
    size_t (*observe)(const struct tern_op *op, struct tern_observed *out, size_t room);
};

/* Values of parameters during bind. Errors name the op, the parameter, what is expected and what was found (TERN_INVALID).
 * The parameter must be in the row: a missing one is a bug of the op and is reported as such. */
const char *tern_op_text(const struct tern_op *op, const char *name);
enum tern_status tern_op_size(const struct tern_op *op, const char *name, size_t least, size_t most, size_t *out, struct tern_error *error);
enum tern_status tern_op_seed(const struct tern_op *op, const char *name, uint64_t *out, struct tern_error *error);
enum tern_status tern_op_number(const struct tern_op *op, const char *name, double least, double most, double *out, struct tern_error *error);
enum tern_status tern_op_flag(const struct tern_op *op, const char *name, bool *out, struct tern_error *error);
/* "NxK", or in general up to `n` sizes joined by x; exactly n must be there. */
enum tern_status tern_op_shape(const struct tern_op *op, const char *name, size_t n, size_t *out, struct tern_error *error);
/* Index of the value among `words` (null-terminated list); the error lists them. */
enum tern_status tern_op_choice(const struct tern_op *op, const char *name, const char *const *words, size_t *out, struct tern_error *error);
/* "auto" gives `usual`; else 1..TERN_THREADS_MAX. */
enum tern_status tern_op_threads(const struct tern_op *op, const char *name, int usual, int *out, struct tern_error *error);

/* What bind would choose for a layer, to op->why, with nothing packed. */
enum tern_status tern_op_layer_explain(struct tern_op *op, struct tern_error *error);
enum tern_status tern_op_layout_explain(struct tern_op *op, struct tern_error *error);

#define OP(name) extern const struct tern_op_row tern_op_row_##name;
#include "core/ops.def"
#undef OP
/* The card's own rows of operations that the CPU has too; core/accelerator.c chooses between them. */
extern const struct tern_op_row tern_op_row_cuda_matmul, tern_op_row_cuda_bitlinear;

#endif
