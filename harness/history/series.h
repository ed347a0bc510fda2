/* SPDX-License-Identifier: Apache-2.0
 *
 * Named series of points, and the CSV form in which anyone can bring them: a header `series,index,value`, then a line a
 * point. Fields may be quoted (RFC 4180, no line break inside). An empty value is a gap and stays one. The lines of one
 * series must have rising indices; lines of different series may be mixed.
 */
#ifndef HISTORY_SERIES_H
#define HISTORY_SERIES_H

#include "fault.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct series {
    char *name;
    int64_t *index;
    double *value;  /* NaN: a gap */
    size_t n, room;
};

/* Owned by the caller; in the order in which their names came first. */
struct series_set {
    struct series *items;
    size_t n, room;
    void *by_name;
};

/* Adds a point, and the series when its name is new. False when memory runs out or the name is not UTF-8. */
bool series_add(struct series_set *set, const char *name, int64_t index, double value);

/* Reads a whole file; EXIT_CODE_USAGE with "FILE:LINE: …" where it is not as above. On failure the set is cleared. */
bool series_read_csv(const char *path, struct series_set *set, struct fault *fault);

/* Prints one CSV field, quoted where it must be; a name that a spreadsheet would take for a formula gets a leading '. */
void series_print_field(FILE *out, const char *text);

void series_clear(struct series_set *set);

#endif
