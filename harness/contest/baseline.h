/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored baselines: FOLDER/<hardware key>/<suite>.json, result files of kind "baseline" with several runs per cell.
 * The anchor is the first run ever recorded: it stays beside later ones, so that many small losses add up against it.
 */
#ifndef CONTEST_BASELINE_H
#define CONTEST_BASELINE_H

#include "fault.h"

#include <jansson.h>

enum { BASELINE_SAMPLES = 200, BASELINE_BYTES = 2 << 20 };  /* most samples of a generation, most bytes of a file */

/*
 * All suites' baselines of one key, their cells in one top object. NULL without a fault: there are none. EXIT_CODE_INVALID: a file
 * that is broken, no baseline, of another key than its folder, or lists a cell twice over all files; or a key that can't be a folder's name.
 */
json_t *baseline_load(const char *folder, const char *key, struct fault *fault);

/*
 * The baseline of one suite from runs (top objects of kind "run", same machine, oldest first); the anchor's run, acceptances and
 * renames of `old` (NULL: none) are kept for cells whose work is the same. New reference.
 */
json_t *baseline_make(const char *suite, json_t *const *runs, size_t n, const json_t *old);

/* Replaces a cell's stored runs by that of `cell` (of a gate's or run's result) and records why. False: no such cell there. */
bool baseline_accept(json_t *baseline, const json_t *cell, const char *metric, const char *reason, const char *who, const char *commit);

/* Writes FOLDER/<key>/<suite>.json. EXIT_CODE_USAGE: cannot be written, or larger than BASELINE_BYTES. */
bool baseline_save(const char *folder, const char *suite, json_t *baseline, struct fault *fault);

/* FOLDER/<key>/<suite>.json, malloc'd. */
char *baseline_path(const char *folder, const char *key, const char *suite);

#endif
