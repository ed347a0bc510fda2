/* SPDX-License-Identifier: Apache-2.0
 *
 * `history changes --csv`: change points of series that live in a file, so that anyone can score the method.
 */
#ifndef HISTORY_CSV_CHANGES_H
#define HISTORY_CSV_CHANGES_H

#include "fault.h"

#include <stdbool.h>

/*
 * Prints `series,index` of every step, or with `stream` `series,index,seen`, seen being the index at which it was first
 * said, in the order said. With `verbose` a sentence a change goes to standard error: ramps and the drift of a whole series too.
 */
bool csv_changes(const char *path, bool stream, bool verbose, struct fault *fault);

#endif
