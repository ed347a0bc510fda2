/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors of the harness: an exit code and one sentence that says what, where, expected and found.
 * A function that can fail takes `struct fault *` last, fills it once, at the place that knows most, and returns
 * false or NULL. Only main.c prints a fault and turns it into an exit status.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>

/* What the program's exit status says; the worst of several wins (exit_worst). */
enum exit_code {
    EXIT_CODE_PASS = 0,
    EXIT_CODE_REGRESSION = 1,
    EXIT_CODE_USAGE = 2,         /* usage, broken suite, tool error */
    EXIT_CODE_CANNOT_JUDGE = 3,  /* inconclusive, unfit, not comparable, nothing measured */
    EXIT_CODE_FAILED = 4,        /* an expected cell is missing or its subject failed */
    EXIT_CODE_INVALID = 5,       /* baseline, run or history file invalid */
    EXIT_CODE_INTERRUPTED = 130,
};

struct fault {
    enum exit_code code;
    char text[1400];
};

/* The worse of two codes, in the order 130, 5, 2, 4, 1, 3, 0. */
enum exit_code exit_worst(enum exit_code a, enum exit_code b);

/* Fills `fault` (NULL is allowed) and returns false, so that callers write `return fault_set(...)`. */
__attribute__((format(printf, 3, 4))) bool fault_set(struct fault *fault, enum exit_code code, const char *format, ...);

#endif
