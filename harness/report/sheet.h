/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate's operating curve as `ternmark lab power --out` writes it: a CSV file with the header true_change,runs,red,low,high. A row a
 * known change of work: how many cells were judged, the share of them called a regression, and the ends of that share's interval.
 */
#ifndef REPORT_SHEET_H
#define REPORT_SHEET_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>

struct sheet_row {
    double true_change; /* 0.10: a tenth more work */
    double runs, red, low, high;
};

struct sheet {
    char name[64];      /* of the file, without folder and ending */
    struct sheet_row *rows;
    size_t n;
};

/* Whether a file of this name is taken for one: it ends in .csv. */
bool sheet_is_named(const char *path);

/* EXIT_CODE_USAGE with file and line where it cannot be read, has another header, or a number is missing, not finite or out of range
 * (shares 0 to 1, low <= red <= high). */
bool sheet_load(const char *path, struct sheet *sheet, struct fault *fault);
void sheet_clear(struct sheet *sheet);

#endif
