/* SPDX-License-Identifier: Apache-2.0
 *
 * One line on a terminal's standard error while cells are measured: how many are done, which one, how long it will take.
 * Nothing at all where standard error is no terminal.
 */
#ifndef COMMAND_PROGRESS_H
#define COMMAND_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct progress {
    uint64_t begun_ns;
};

void progress_show(struct progress *progress, const char *id, size_t done, size_t all);

/* Erases the line. */
void progress_clear(const struct progress *progress);

#endif
