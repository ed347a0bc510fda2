/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are either the old or the new one, whatever happens: a temporary file in the same folder, written and synced,
 * renamed over the target, the folder synced. A failed fsync is an error and is not tried again (Linux has dropped the pages).
 */
#ifndef STORE_DURABLE_H
#define STORE_DURABLE_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A file being written; `stream` is for the caller to write to, its errors are seen by durable_close. */
struct durable {
    FILE *stream;
    char *path;
    char *temporary;
};

/* Opens the temporary file beside `path`. False, EXIT_CODE_USAGE with the system's reason: the target is untouched. */
bool durable_open(struct durable *file, const char *path, struct fault *fault);

/* Flushes, syncs and renames; false leaves the target as it was. In both cases everything is freed. */
bool durable_close(struct durable *file, struct fault *fault);

/* Gives up: removes the temporary file, leaves the target as it was. */
void durable_abandon(struct durable *file);

/* durable_open, the bytes, durable_close. */
bool durable_write(const char *path, const void *bytes, size_t n, struct fault *fault);

/* Whether a file could be written at `path` now (to say so before minutes are measured); changes nothing. */
bool durable_check(const char *path, struct fault *fault);

/* Syncs the folder that holds `path`, so that a rename or a new file in it stays. */
bool durable_sync_folder(const char *path, struct fault *fault);

#endif
