/* SPDX-License-Identifier: Apache-2.0
 *
 * Axes to cells: pure functions on JSON. A cell's id is `suite/bench/axis=value/…` in declared order; bytes that would make it
 * ambiguous or unreadable ('/', '%', controls, DEL) are written as %HH, numbers with the fewest digits that read back the same.
 */
#ifndef PLAN_CELLS_H
#define PLAN_CELLS_H

#include "fault.h"

#include <jansson.h>
#include <stdint.h>

enum { CELLS_MAX = 200000 };  /* of one bench */

/*
 * The product of a bench's axes ([[name, [values]], …], the last axis fastest), as a new array of params objects with keys in
 * declared order. No axes: one empty object. EXIT_CODE_USAGE when there would be more than CELLS_MAX.
 */
json_t *cells_product(const json_t *axes, struct fault *fault);

/* The id, malloc'd. */
char *cells_id(const char *suite, const char *bench, const json_t *params);

/* The text of one value as ids hold it, malloc'd. */
char *cells_value_text(const json_t *value);

#endif
