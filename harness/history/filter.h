/* SPDX-License-Identifier: Apache-2.0
 *
 * What the options of `ternmark history` select.
 */
#ifndef HISTORY_FILTER_H
#define HISTORY_FILTER_H

#include "cli.h"
#include "store/store.h"

/*
 * Operands after the verb: one expression on cell ids, or none. --metric is an exact name (default time), --hardware an
 * expression, --since a time: 30d, 12h, or YYYY-MM-DD. `metric` receives the expression for the metric and must outlive the filter.
 */
bool filter_of(const struct options *options, struct store_filter *filter, char metric[128], struct fault *fault);

/* "30d", "12h" back from now, or "YYYY-MM-DD" (UTC), in seconds since 1970. */
bool filter_time(const char *text, int64_t now, int64_t *seconds);

/* The date of `seconds` (UTC) into `text`. */
const char *filter_date(int64_t seconds, char text[24]);

#endif
