/* SPDX-License-Identifier: Apache-2.0
 *
 * What git says of the current folder's repository.
 */
#ifndef PROBE_GIT_H
#define PROBE_GIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* {commit: string|null, dirty: bool}: a new object; null and false outside a repository or without git. */
json_t *git_state(void);

/* Runs git with `arguments` (NULL-ended, without "git"), no shell; its output, less the last newline, goes to `text`. False unless it ends with 0. */
bool git_ask(const char *const *arguments, char *text, size_t size);

#endif
