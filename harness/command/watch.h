/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for a suite to be saved (`ternmark run --watch`), by inotify on the folders: editors replace files, so the files
 * themselves cannot be watched.
 */
#ifndef COMMAND_WATCH_H
#define COMMAND_WATCH_H

#include "fault.h"

#include <jansson.h>

/*
 * Waits until one of `paths` (an array of file names) is written or replaced; that path, borrowed from the array. NULL when the
 * user pressed Ctrl-C, or with `fault` when the kernel cannot watch.
 */
const char *watch_wait(const json_t *paths, struct fault *fault);

#endif
