/* SPDX-License-Identifier: Apache-2.0
 *
 * `history trend`: the points of each series that matches, its steps and ramps among them. `history export`: all points as CSV.
 */
#ifndef HISTORY_TREND_H
#define HISTORY_TREND_H

#include "cli.h"

/* Text: the newest 40 points of each series; --json: all. EXIT_CODE_CANNOT_JUDGE when no series matches. */
enum exit_code history_trend(const struct options *options, const char *url, struct fault *fault);

/*
 * CSV with a line a point: cell,hardware,metric,unit,started,commit,run_id,value,spread,samples; to --out or standard output.
 * With --csv FILE instead: series,index,value, the form that `history changes --csv` reads.
 */
enum exit_code history_export(const struct options *options, const char *url, struct fault *fault);

#endif
