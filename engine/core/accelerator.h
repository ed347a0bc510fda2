/* SPDX-License-Identifier: Apache-2.0
 *
 * The way to libtern_cuda.so. It lies beside libtern.so (TERN_CUDA_LIBRARY names another) and is loaded when the first op or
 * question asks for it, and the card opened by the first op: a question alone makes no context on it. A process that does not ask never touches the driver.
 *
 * Threads: the first call opens, others wait; ops on the card belong to one thread at a time, like all ops.
 */
#ifndef TERN_CORE_ACCELERATOR_H
#define TERN_CORE_ACCELERATOR_H

#include "core/op.h"
#include "cuda/face.h"

struct tern_accelerator {
    const struct cuda_face *face;
    struct cuda_device *device;
};

/* TERN_UNSUPPORTED where there is no library, driver or fitting card; the text says which. */
enum tern_status tern_accelerator_open(struct tern_accelerator *out, struct tern_error *error);

/* The status that an outcome is to a caller of libtern, with "<outcome>: <sentence>" as its text. */
enum tern_status tern_accelerator_fault(enum cuda_outcome outcome, const struct cuda_fault *fault, struct tern_error *error);

/* The row of an operation that the card has as well (backend=cuda), or null. */
const struct tern_op_row *tern_accelerator_row(const char *name);

/* The backend that ops on the card say they run on. */
const struct tern_backend *tern_accelerator_backend(void);

/* Whether "cuda" is asked for: by the parameter, or by TERN_BACKEND where the parameter leaves it open. */
bool tern_accelerator_wanted(const struct tern_param *params, size_t n);

#endif
