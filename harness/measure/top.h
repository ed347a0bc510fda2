/* SPDX-License-Identifier: Apache-2.0
 *
 * The top object of a result file (store/SCHEMA.md), before anything was measured.
 */
#ifndef MEASURE_TOP_H
#define MEASURE_TOP_H

#include <jansson.h>

/* A UUID version 4 in the usual 36 characters. */
void top_uuid(char text[37]);

/*
 * A new top object of `kind` ("run", "gate"): run id, time, git, hardware and environment of here and now, complete false, no cells.
 * `arguments`, an array of strings, is kept as JSON text in environment.arguments, from which --resume rebuilds the command line.
 */
json_t *top_new(const char *kind, const json_t *arguments);

#endif
