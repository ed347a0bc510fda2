/* SPDX-License-Identifier: Apache-2.0
 *
 * Which cells of a plan are measured: --filter (POSIX extended expression, unanchored, on the id), --set AXIS=V,V, and a tag.
 * Cells are JSON objects as in plan/plan.h; a deselected one gets "selected": false and stays in the plan.
 */
#ifndef PLAN_SELECT_H
#define PLAN_SELECT_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct select_rule {
    const char *filter;      /* NULL: every id */
    const char *const *set;  /* "AXIS=V,V" each */
    size_t n_set;
    const char *tag;         /* NULL: any */
};

/*
 * Sets "selected" on each cell. EXIT_CODE_USAGE: not an expression; --set without '='; an axis that no cell has; a value that no
 * cell has (the ones there are listed).
 */
bool select_cells(json_t *cells, const struct select_rule *rule, struct fault *fault);

#endif
