/* SPDX-License-Identifier: Apache-2.0
 *
 * How bad a change is, and which way is bad.
 */
#ifndef HISTORY_SEVERITY_H
#define HISTORY_SEVERITY_H

#include <stdbool.h>

/* Rates (a unit per second) and shares of a roof are better when larger; times, bytes and counts when smaller. */
bool severity_larger_is_better(const char *metric, const char *unit);

/* after / before - 1 as a change for the worse (positive) or the better (negative): of rates 1/(1 + change) - 1. */
double severity_worsening(double change, bool larger_is_better);

/* "improvement", "slight" (under 5 %), "minor" (5 to 15 %), "moderate" (to 30 %), "major" (to 50 %), "critical". */
const char *severity_of(double worsening);

#endif
