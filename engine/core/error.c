/* SPDX-License-Identifier: Apache-2.0 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>

enum tern_status tern_error_set(struct tern_error *error, enum tern_status status, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->status = status;
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return status;
}

enum tern_status tern_error_memory(struct tern_error *error, const char *what, size_t bytes)
{
    return tern_error_set(error, TERN_NO_MEMORY, "%s: %zu bytes could not be allocated", what, bytes);
}
