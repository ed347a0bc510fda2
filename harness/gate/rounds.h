/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of recorded rounds: CSV with the header `cell,process,round,lane,ns`, one row a turn, rounds in the order
 * measured and within a round the lanes in the order run.
 */
#ifndef ROUNDS_H
#define ROUNDS_H

#include "fault.h"
#include "gate/decide.h"

#include <stdio.h>

struct rounds_cell {
    char *name;
    struct decide_round *rounds;
    size_t n, room;
};

/* Cells in the order of their first row. */
struct rounds {
    struct rounds_cell *cells;
    size_t n, room;
};

/*
 * Reads a file strictly. Fields may be quoted as in RFC 4180, lines may end in CR LF. A row that breaks a rule (header,
 * number of fields, a process or round that is no whole number from 0, an unknown lane, a time that is not a finite
 * number above 0, a lane twice or missing in a round, a round that does not follow the one before it in its process) is
 * EXIT_CODE_USAGE with "file:line:". A file without rows is no error: n is 0.
 */
bool rounds_load(const char *path, struct rounds *rounds, struct fault *fault);
void rounds_clear(struct rounds *rounds);

/* Moves the cells of `from` behind those of `to`; equal names stay two cells. False: memory is short and `from` is cleared. */
bool rounds_join(struct rounds *to, struct rounds *from);

/* The header, and one round of a cell. False when writing failed. */
bool rounds_print_header(FILE *out);
bool rounds_print(FILE *out, const char *cell, const struct decide_round *round);

#endif
