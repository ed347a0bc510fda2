/* SPDX-License-Identifier: Apache-2.0
 * The backends as a table: rows of backends.def, weakest first, each laid over the weaker ones that this CPU can run. */
#ifndef TERN_CORE_BACKEND_H
#define TERN_CORE_BACKEND_H

#include "core/kernels.h"
#include "tern.h"

struct tern_backend {
    const char *name;
    struct tern_kernels kernels;
};

/*
 * The backend of that name; null or "auto" is the strongest that runs here, or the one that TERN_BACKEND forces. Never falls back:
 * TERN_UNSUPPORTED names the missing feature, TERN_INVALID lists the known names. The table is static.
 */
enum tern_status tern_backend_find(const char *name, const struct tern_backend **out, struct tern_error *error);

/* The backend that defines right. Never null. */
const struct tern_backend *tern_backend_scalar(void);

#endif
