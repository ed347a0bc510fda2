/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs gnuplot on a script of ours: no shell, no start-up files (-d), an empty environment, no input, a time limit. gnuplot has no
 * safe mode, so the script must hold constants and numbers only; names stay in data files, read by strcol, never evaluated.
 */
#ifndef REPORT_GNUPLOT_H
#define REPORT_GNUPLOT_H

#include "fault.h"

#include <stdbool.h>

/* Whether there is a gnuplot in the places searched (/usr/local/bin, /usr/bin, /bin). */
bool gnuplot_is_here(void);

/*
 * Runs `script` (a file name in `folder`) with `folder` as working directory; what it says goes to `log` there.
 * False: it could not be started, took longer than 60 s or ended with an error (EXIT_CODE_USAGE).
 */
bool gnuplot_run(const char *folder, const char *script, const char *log, struct fault *fault);

#endif
