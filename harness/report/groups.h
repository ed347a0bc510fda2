/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples as repetitions: formats whose readers test repetitions (google-benchmark, benchstat) get all samples of a cell, or, above
 * GROUPS_MOST, the medians of that many runs of consecutive samples.
 */
#ifndef REPORT_GROUPS_H
#define REPORT_GROUPS_H

#include <jansson.h>
#include <stddef.h>

enum { GROUPS_MOST = 100 };

/* Values in ns per iteration, in the order measured; free(). NULL with *n 0 where there are none. */
double *groups_of(const json_t *cell, size_t *n);

/* Iterations of one sample, of the last generation; 1 where unknown. */
json_int_t groups_iterations(const json_t *cell);

#endif
