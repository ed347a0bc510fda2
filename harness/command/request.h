/* SPDX-License-Identifier: Apache-2.0
 *
 * What `list`, `check`, `run` and `gate` share: the options of the command line as a request for a plan.
 */
#ifndef COMMAND_REQUEST_H
#define COMMAND_REQUEST_H

#include "cli.h"
#include "plan/plan.h"

/* Points into `options`, which must outlive it. */
struct plan_request request_of(const struct options *options);

/* Checks --artifact NAME=PATH: EXIT_CODE_USAGE where it has no such form or the file is not there. */
bool request_check(const struct options *options, struct fault *fault);

#endif
