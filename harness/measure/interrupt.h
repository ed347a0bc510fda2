/* SPDX-License-Identifier: Apache-2.0
 *
 * Ctrl-C: the first SIGINT or SIGTERM raises a flag that every wait of the harness looks at, so that a run ends in order within
 * a second; the second ends the process at once with status 130 (its workers die with it).
 */
#ifndef MEASURE_INTERRUPT_H
#define MEASURE_INTERRUPT_H

#include <stdbool.h>

/* Installs the handlers; ignores SIGPIPE. Once per process, before the first worker. */
void interrupt_install(void);

/* Whether the user asked to stop. */
bool interrupt_asked(void);

#endif
