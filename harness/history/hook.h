/* SPDX-License-Identifier: Apache-2.0
 *
 * A program of the user's that gets JSON on its standard input: mail, chat, whatever there is. No shell; what it prints goes
 * to standard error, behind a mark, so that a CI system takes none of it for a command.
 */
#ifndef HISTORY_HOOK_H
#define HISTORY_HOOK_H

#include "fault.h"

#include <stddef.h>

/* argv[0] is looked up in PATH; n words. False, EXIT_CODE_USAGE, unless it ends with 0 within 10 s. */
bool hook_call(const char *const *argv, size_t n, const char *json, struct fault *fault);

#endif
