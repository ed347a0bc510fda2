/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a series stands now: the level since its last step.
 */
#ifndef HISTORY_LEVEL_H
#define HISTORY_LEVEL_H

#include "store/store.h"

struct level_newest {
    double value, spread;  /* geometric mean of the points since the last step, 16 at most; relative spread of one point */
    double change;         /* the last step, after / before - 1; 0: none */
    int64_t points;        /* that the level rests on */
};

/* p->n > 0, values above 0. False without memory. */
bool level_newest(const struct store_points *p, struct level_newest *out);

#endif
