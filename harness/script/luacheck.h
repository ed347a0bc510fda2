/* SPDX-License-Identifier: Apache-2.0
 *
 * What luacheck (Debian's lua-check) says of a suite, where it is installed. It reads the file and runs nothing of it. Globals are left
 * to the harness, which knows what a suite may see.
 */
#ifndef SCRIPT_LUACHECK_H
#define SCRIPT_LUACHECK_H

#include <jansson.h>

/* Appends {file, line, text, warning: true} for each finding about `path`. Nothing where luacheck is not installed or cannot run. */
void luacheck_add(const char *path, json_t *mistakes);

#endif
