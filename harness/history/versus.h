/* SPDX-License-Identifier: Apache-2.0
 *
 * One commit measured against another in one cell: `ternmark gate` in a process of its own, which builds both (each once, kept by
 * tree) and runs them in pairs; its rounds become a ratio and its error.
 */
#ifndef HISTORY_VERSUS_H
#define HISTORY_VERSUS_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>

struct versus {
    const char *good, *bad;   /* commits: base and head */
    const char *cell;         /* id */
    double seconds;           /* budget of the measurement */
    double tolerance;         /* the gate stops when it knows on which side of 1 + tolerance the ratio is */
    const char *folder;       /* for its result and log */
};

enum versus_end {
    VERSUS_MEASURED,
    VERSUS_IDENTICAL,     /* the builds are byte for byte the same */
    VERSUS_NOT_BUILT,     /* the bad one does not build, list or run the cell */
    VERSUS_UNFIT,         /* the machine could not measure, or the budget ended before there were rounds enough */
    VERSUS_INTERRUPTED,
};

struct versus_ratio {
    double ratio, log_error;  /* of time(bad)/time(good), standard error of its logarithm */
    size_t rounds, generations;
};

enum versus_end versus_measure(const struct versus *versus, struct versus_ratio *out);

/*
 * From the rounds of a cell's `paired` object: the mean over generations of their median ln(head / mean of base and base2), its
 * error from their scatter, not below what the rounds' own scatter gives. False with fewer than 6 rounds.
 */
bool versus_from_rounds(const json_t *paired, struct versus_ratio *out);

#endif
