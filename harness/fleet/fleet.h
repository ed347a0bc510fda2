/* SPDX-License-Identifier: Apache-2.0
 *
 * The same suites on many machines, through Slurm: one job for each hardware class, whose result comes back as a file in the
 * fleet's folder, which all nodes see (a shared file system). `fleet.json` there holds what was asked for; a class is done when
 * CLASS.json is there, whole. No node writes a database: collect imports, as often as wanted, each result once.
 */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include "cli.h"

/* SUITE… (with a bundle: as they lie in it) --class NAME[:key=value,…] … --out DIR [--bundle FILE] [--exclusive] [--budget T]; keys are those of fleet.c's table. */
enum exit_code fleet_submit(const struct options *options, struct fault *fault);
/* A line a class: done with its exit, pending, running, or lost. EXIT_CODE_CANNOT_JUDGE unless all are done. */
enum exit_code fleet_status(const struct options *options, struct fault *fault);
/* Imports what is done into the store (or the spool); the worst exit of the results, and EXIT_CODE_CANNOT_JUDGE when one is missing. */
enum exit_code fleet_collect(const struct options *options, struct fault *fault);
/* Cancels what is not done: SIGTERM to the whole job; it cleans up and is gone within 5 s. */
enum exit_code fleet_cancel(const struct options *options, struct fault *fault);

#endif
