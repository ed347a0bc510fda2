/* SPDX-License-Identifier: Apache-2.0
 * Filling a caller's struct tern_error. */
#ifndef TERN_CORE_ERROR_H
#define TERN_CORE_ERROR_H

#include "tern.h"

/* Writes status and sentence when error is not null (long text is cut); returns status, so that `return tern_error_set(…)` reads well. */
enum tern_status tern_error_set(struct tern_error *error, enum tern_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* TERN_NO_MEMORY for `what`, with the number of bytes that could not be had. */
enum tern_status tern_error_memory(struct tern_error *error, const char *what, size_t bytes);

#endif
