/* SPDX-License-Identifier: Apache-2.0
 *
 * Result files against each other: cells of one run held against stored runs of other occasions (stats/stored.h).
 */
#ifndef CONTEST_LEVELS_H
#define CONTEST_LEVELS_H

#include "contest/judge.h"

#include <jansson.h>

struct levels {
    const json_t *base;   /* a baseline, or a run: top object of a result file, cells of several files merged */
    json_t *head;         /* top object; verdicts are added to its cells, and cells that it lacks */
    double tolerance;     /* of cells that state none */
    bool strict;          /* cells left out on the command line are missing */
    const json_t *planned; /* base's own plan: what it no longer lists is no longer expected; NULL: everything stored is expected */
    bool crowded;         /* other programs used the processors while head was measured: no red can come of it */
    bool lists_new;       /* say which cells the base lacks */
};

/*
 * Adds a verdict against "stored" to every cell of head that base has measured, for its time and for each metric that gates it
 * (contest/level_metrics.h), and one of its time against "anchor" where base keeps the anchor's run beside later ones. Other hardware, other workload, an unfinished base: not comparable, each differing field named.
 * Cells that base has and head has not measured: missing. Notes (sentences) are appended to `notes`.
 */
void levels_judge(const struct levels *levels, json_t *notes);

/* Whether a second measurement of the same cell (fresh processes) is red in this metric too: for reds before they are said. Its verdicts are added to `again`. */
bool levels_confirms(const struct levels *levels, const char *metric, json_t *again);

/* Log of the median over generations of a run's medians; NAN where it has none. `*error`: standard error, may be NULL. */
double levels_of_run(const json_t *run, double *error);

#endif
