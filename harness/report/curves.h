/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells of one bench that differ in a numeric axis only, put together as curves: one group per picture, one series per backend.
 */
#ifndef REPORT_CURVES_H
#define REPORT_CURVES_H

#include <jansson.h>
#include <stdio.h>

/*
 * {"suite/bench, other=value": {"x": axis, "series": {backend or "": [index into cells, ascending x]}}} for all measured cells
 * that have one of `x_axes` (NULL-ended, first that fits); only groups with two points or more in some series. json_decref it.
 */
json_t *curves_group(const json_t *run, const char *const *x_axes);

/* The index-th group and its key, or NULL. Borrowed. */
const json_t *curves_at(json_t *groups, size_t index, const char **key);

/* The cell's value on the axis. */
double curves_x(const json_t *cell, const char *axis);

/* Prints "TICS" as gnuplot's list of all x of the group: set xtics (1,8,32). */
void curves_print_tics(FILE *constants, const json_t *run, const json_t *group);

#endif
