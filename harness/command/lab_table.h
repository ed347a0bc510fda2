/* SPDX-License-Identifier: Apache-2.0
 *
 * `lab table FILE.json…`: counts of several labs and machines summed, beside what the gate promises.
 */
#ifndef COMMAND_LAB_TABLE_H
#define COMMAND_LAB_TABLE_H

#include "cli.h"

/*
 * Operands from the second on are files of lab null|power --json, one or more objects each. Prints one line a promise with its
 * exact interval; --out gets the operating curve (true_change,runs,red,low,high: chance of red over the true change).
 */
enum exit_code lab_table(const struct options *options, struct fault *fault);

#endif
