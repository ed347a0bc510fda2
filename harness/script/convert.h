/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON to Lua values and back. Objects and arrays become tables; null becomes nil. Going back, a table with a positive length is
 * an array, any other an object, unless its metatable has a field `json`: then it is an array though it be empty.
 */
#ifndef SCRIPT_CONVERT_H
#define SCRIPT_CONVERT_H

#include "fault.h"

#include <jansson.h>
#include <stdint.h>
#include <lauxlib.h>
#include <lua.h>

/* Pushes `value`. */
void convert_push(lua_State *L, const json_t *value);

/* The value at `index` as a new reference, or NULL with `fault`: not UTF-8, not finite, a function, deeper than 16 tables. */
json_t *convert_get(lua_State *L, int index, struct fault *fault);

#endif
