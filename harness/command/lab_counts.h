/* SPDX-License-Identifier: Apache-2.0
 *
 * What a laboratory counted: verdicts of cells whose true change is known, with exact intervals.
 */
#ifndef COMMAND_LAB_COUNTS_H
#define COMMAND_LAB_COUNTS_H

#include "gate/decide.h"

#include <jansson.h>
#include <stdio.h>

enum { LAB_LIMITS = 3 };

/* Seconds inside turns, all lanes summed, within which a verdict is also counted apart. */
extern const double lab_limits_s[LAB_LIMITS];

struct lab_counts {
    double change;                   /* true change of head's work, as a share */
    size_t of[DECISION_UNFIT + 1];
    size_t within[LAB_LIMITS][DECISION_UNFIT + 1];  /* decided within lab_limits_s; 0 for replays */
    size_t cells, runs;
    size_t red_runs, passed_runs;    /* with a red; in which every cell passed */
    double turn_s, wall_s;           /* inside turns, all lanes; 0 for replays */
};

/* A cell of a run; turn_s is 0 where no time is known. */
void lab_count(struct lab_counts *counts, enum decision decision, double turn_s);

/* Ends a run that began when the counts were `before`. */
void lab_count_run(struct lab_counts *counts, const struct lab_counts *before);

/* Adds counts of the same change. */
void lab_add(struct lab_counts *to, const struct lab_counts *from);

/* Rates with their 95 % intervals (Clopper and Pearson 1934). */
void lab_print(const struct lab_counts *counts, bool as_json);

/* Reads what lab_print wrote as JSON. False: it is not that. */
bool lab_read(const json_t *top, struct lab_counts *counts);

#endif
