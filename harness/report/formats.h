/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored results in other tools' formats. A format is a row of formats.def and a file format_<name>.c; the caller's result was
 * loaded by runfile_load or holds what that would accept. Names in it may be hostile: each format escapes for its reader.
 */
#ifndef REPORT_FORMATS_H
#define REPORT_FORMATS_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct format {
    const char *name;
    bool (*print)(FILE *out, const json_t *run); /* false: out of memory */
    const char *about;
};

extern const struct format formats[]; /* ended by a null name */

/* The row of a name, or NULL. */
const struct format *formats_find(const char *name);

/*
 * Writes `run` as "NAME=FILE" says: durably to FILE, or to standard output where FILE is "-". EXIT_CODE_USAGE with the names
 * that exist when NAME is none of them, or when FILE can't be written.
 */
bool formats_write(const json_t *run, const char *name_equals_file, struct fault *fault);

/* Whether "NAME=FILE" could be written now: to be asked before minutes are measured. */
bool formats_check(const char *name_equals_file, struct fault *fault);

#define FORMAT(name, function, about) bool format_##function(FILE *out, const json_t *run);
#include "report/formats.def"
#undef FORMAT

#endif
