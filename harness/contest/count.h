/* SPDX-License-Identifier: Apache-2.0
 *
 * --count: the instructions of cells' bodies by callgrind (measure/callgrind.h), as the metric "instruction_count" of results and, where two
 * builds are compared, with a verdict of its own.
 */
#ifndef CONTEST_COUNT_H
#define CONTEST_COUNT_H

#include "measure/worker.h"

#include <jansson.h>

/* Of a cell whose suite states none. A count is exact: what is left to differ is the path a build takes through its inputs. */
extern const double count_tolerance;

/*
 * Counts a measured cell of a result (`cell`; `planned` is its plan) in one lane and returns the metric as result files hold it, {value,
 * unit} or {absent: why}; {absent} too where the backend that the cell was timed with does not run under valgrind. NULL: interrupted.
 */
json_t *count_metric(const json_t *planned, const json_t *cell, const struct worker_start *lane, struct fault *fault);

/*
 * The verdict of head's count against base's: exact, so the bounds are the ratio itself. NULL where either is absent: the metric says why.
 * Where `time` is the cell's verdict of time, red or improved, and the counts agree to a thousandth, its reason becomes that.
 */
json_t *count_verdict(const json_t *base, const json_t *head, double tolerance, json_t *time);

#endif
