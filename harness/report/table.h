/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict table for a terminal: a row per verdict (per cell where nothing was judged), worst first, then the headline.
 * Colours on a terminal only, and not with NO_COLOR; the mark in front says the same without. Names pass text_print.
 */
#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* Prints a run, gate or baseline that was loaded. */
void table_print(FILE *out, const json_t *run);

#endif
