/* SPDX-License-Identifier: Apache-2.0
 *
 * What every output wants to know of a stored result (SCHEMA.md) and none should work out for itself: which state a cell is in,
 * in which order cells are shown, the headline, rates, samples as arrays, the command that measures a row again.
 * Pointers into the result live as long as it does. All functions only read it.
 */
#ifndef REPORT_VIEW_H
#define REPORT_VIEW_H

#include "stats/summary.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum view_junit { JUNIT_PASSED, JUNIT_FAILURE, JUNIT_ERROR, JUNIT_SKIPPED };

enum {
#define STATE(name, label, mark, ansi, junit) STATE_##name,
#include "report/states.def"
#undef STATE
    STATE_COUNT
};

struct view_state {
    int severity;      /* row of states.def, 0 is the worst */
    const char *name;  /* as in the file, also a CSS class */
    const char *label; /* for readers */
    const char *mark;
    const char *ansi;
    enum view_junit junit;
};

/* The state of a verdict object, and of a cell: that of its worst verdict, else what its status says. */
const struct view_state *view_verdict_state(const json_t *verdict);
const struct view_state *view_cell_state(const json_t *cell);
const struct view_state *view_state_row(int severity);

/* The verdict that decides a cell (the worst; the first of equals), or NULL where it has none. */
const json_t *view_lead(const json_t *cell);

/* Whether nobody asked for the cell and nothing is to be said of it: such cells are counted, not listed. */
bool view_is_aside(const json_t *cell);

/* The cells, worst first, then by how far the ratio is from 1, then by id. free() the array. NULL when there are none. */
const json_t **view_sorted(const json_t *run, size_t *n);

/* Cells in each state. */
void view_counts(const json_t *run, size_t counts[STATE_COUNT]);

/* One line: "REGRESSION: 1 regression, 38 pass, 2 skipped", with PARTIAL and INCOMPLETE where they hold. */
void view_headline(const json_t *run, char *buffer, size_t size);

/* Text of a key, "" where null or absent. Number of a key, `fallback` where null or absent. */
const char *view_text(const json_t *object, const char *key);
double view_number(const json_t *object, const char *key, double fallback);

/* Work per second at the cell's median: operations, else bytes, else items, else iterations. False without a summary. */
struct view_rate {
    double value;
    const char *unit;    /* "op/s", "B/s", "items/s", "1/s" */
    double per_iteration;
};
bool view_rate(const json_t *cell, struct view_rate *rate);

/* All samples of the last run (lane NULL) or all turns of a lane in paired rounds, in the order measured; free(). */
double *view_samples(const json_t *cell, const char *lane, size_t *n);

/* "+9.5 %" of a ratio, "n/a" where it is not above 0. */
const char *view_change(double ratio, char *buffer, size_t size);

/* Prints the shell command that measures this cell again as it was measured. */
void view_reproduce(FILE *out, const json_t *run, const json_t *cell);

#endif
