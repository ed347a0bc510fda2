/* SPDX-License-Identifier: Apache-2.0
 *
 * Other programs, without a shell: git, and the builds of a project.
 */
#ifndef CONTEST_PROCESS_H
#define CONTEST_PROCESS_H

#include "fault.h"

#include <stddef.h>

/*
 * Runs argv (NULL-ended) in `folder` (NULL: here); standard output, less its last line ends, goes to `text` (cut to size,
 * NUL-ended), errors nowhere. Returns the exit status, 128 + signal, or 127 when it could not be started.
 */
int process_capture(const char *const *argv, const char *folder, char *text, size_t size);

/*
 * Runs argv in `folder`, both outputs to the file `log` (made new; NULL: nowhere). What an outer make hands on in the environment
 * is taken away, and TERNMARK_NO_INSTALL=1 set: a base's build installs nothing. Returns as process_capture.
 */
int process_build(const char *const *argv, const char *folder, const char *log);

/* Makes a folder and those above it. EXIT_CODE_USAGE with the system's reason. */
bool process_make_folder(const char *path, struct fault *fault);

#endif
