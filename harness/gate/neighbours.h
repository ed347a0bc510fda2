/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells of one bench, by their ids suite/bench/axis=value/…: what they lend each other. Cells that differ in axes only are taken to be
 * alike in how much processes of one build differ (stats/spread.h), and a red cell's neighbours are tested at their own error rate
 * (gate/decide.h). Nothing is taken from a neighbour's times.
 */
#ifndef NEIGHBOURS_H
#define NEIGHBOURS_H

#include "stats/spread.h"

#include <stdbool.h>

/* Whether two ids name cells of one bench: the same words before the first "axis=value", and both have one. */
bool neighbours_same_bench(const char *a, const char *b);

/* Whether they also differ in the value of exactly one axis. */
bool neighbours_along_axis(const char *a, const char *b);

/*
 * The pool for each of n cells: fitted to all of them, then to those of its bench. `name(context, i)` is the id of cell i. False when
 * memory is short: every pool is then the start.
 */
typedef const char *neighbours_name(const void *context, size_t i);
bool neighbours_pools(const struct spread_cell *cells, size_t n, neighbours_name *name, const void *context, struct spread_pool *pools);

#endif
