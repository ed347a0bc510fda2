/* SPDX-License-Identifier: Apache-2.0 */
#include "fault.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum exit_code exit_worst(enum exit_code a, enum exit_code b)
{
    static const enum exit_code worst_first[] = {EXIT_CODE_INTERRUPTED, EXIT_CODE_INVALID,    EXIT_CODE_USAGE,
                                                 EXIT_CODE_FAILED,      EXIT_CODE_REGRESSION, EXIT_CODE_CANNOT_JUDGE};
    for (size_t i = 0; i < sizeof worst_first / sizeof *worst_first; i++)
        if (a == worst_first[i] || b == worst_first[i])
            return worst_first[i];
    return EXIT_CODE_PASS;
}

bool fault_set(struct fault *fault, enum exit_code code, const char *format, ...)
{
    if (!fault)
        return false;
    fault->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return false;
}
