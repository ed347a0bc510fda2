/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal beside a run in progress: JSON lines, each synced before the call returns. The first is the top object of the
 * run without cells, then one line per finished generation and one per finished cell (SCHEMA.md). A kill loses at most the
 * line that was being written: a last line that is torn or does not parse is ignored.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>

struct journal;

/*
 * Opens the journal for writing. With `top`: a new one, that line first (an old one at `path` is replaced). With NULL: goes on
 * with the one that is there, after cutting a torn last line. Held by a lock, so that a second process gets EXIT_CODE_USAGE.
 */
struct journal *journal_open(const char *path, const json_t *top, struct fault *fault);

/* Writes one line and syncs it. After a failure the journal takes no more lines (EXIT_CODE_USAGE each time). */
bool journal_append(struct journal *journal, const json_t *line, struct fault *fault);

/* Closes; NULL is allowed. The file stays: whoever saved the result file removes it. */
void journal_close(struct journal *journal);

/* All whole lines as an array, the caller's. EXIT_CODE_USAGE: no such file; EXIT_CODE_INVALID: a line before the last is no JSON object, or there is none. */
json_t *journal_load(const char *path, struct fault *fault);

#endif
