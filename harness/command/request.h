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

/*
 * Runs `body` with what ./ternmark.lua says beside the command line, where there is such a file: its artifacts that --artifact does not
 * name and that were built, and its folder of suites where no suite is named. (Not the artifact tern: the engine beside the program
 * is that, unless --artifact names another.) EXIT_CODE_USAGE where the file is wrong.
 */
enum exit_code request_with_project(const struct options *options, command_body *body, struct fault *fault);

#endif
