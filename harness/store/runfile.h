/* SPDX-License-Identifier: Apache-2.0
 *
 * The result file (SCHEMA.md): one JSON object for a run, a gate's verdicts or a baseline. In memory it is that same jansson
 * object; there is no second form of it. What can be loaded was checked wholly, so readers may take every key for granted.
 * A json_t is not for two threads at once.
 */
#ifndef STORE_RUNFILE_H
#define STORE_RUNFILE_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { RUNFILE_SCHEMA = 1 };

/*
 * Reads a file and holds it against every rule of SCHEMA.md. The caller owns the result (json_decref).
 * Faults: EXIT_CODE_USAGE when there is no file that can be read; EXIT_CODE_INVALID, with the path of the field, what was
 * expected and what was found, for everything else. No fault quotes a value of the file.
 */
json_t *runfile_load(const char *path, struct fault *fault);

/* The same for text in memory; `name` stands for the path in faults. */
json_t *runfile_parse(const char *text, size_t n, const char *name, struct fault *fault);

/*
 * Sets the checksum, checks the whole against the rules, and writes it durably (store/durable.h): what is there before is
 * replaced whole or not at all. EXIT_CODE_USAGE where it can't be written or `run` breaks a rule (then the fault says which).
 * `run` stays the caller's.
 */
bool runfile_save(const char *path, json_t *run, struct fault *fault);

/* "sha256:<64 hex>" over the canonical text of `run` without its key checksum. False only without memory. */
bool runfile_checksum(const json_t *run, char text[72]);

/* JSON text to a value: strict UTF-8, no duplicate keys, no NUL in strings, nesting at most 2048. EXIT_CODE_INVALID with line and column. */
json_t *runfile_read_json(const char *text, size_t n, const char *name, struct fault *fault);

#endif
