/* SPDX-License-Identifier: Apache-2.0 */
#include "script/convert.h"

#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

static void push_array(lua_State *L, const json_t *value)
{
    size_t n = json_array_size(value);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        convert_push(L, json_array_get(value, i));
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static void push_object(lua_State *L, const json_t *value)
{
    lua_newtable(L);
    const char *key;
    json_t *field;
    json_object_foreach((json_t *)(uintptr_t)value, key, field) {
        lua_pushstring(L, key);
        convert_push(L, field);
        lua_rawset(L, -3);
    }
}

void convert_push(lua_State *L, const json_t *value)
{
    luaL_checkstack(L, 8, "JSON too deep");
    switch (json_typeof(value)) {
    case JSON_OBJECT: push_object(L, value); break;
    case JSON_ARRAY: push_array(L, value); break;
    case JSON_STRING: lua_pushlstring(L, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER:
    case JSON_REAL: lua_pushnumber(L, json_number_value(value)); break;
    case JSON_TRUE:
    case JSON_FALSE: lua_pushboolean(L, json_is_true(value)); break;
    default: lua_pushnil(L); break;
    }
}

static json_t *get(lua_State *L, int index, int depth, struct fault *fault);

static json_t *get_number(double number, struct fault *fault)
{
    if (!isfinite(number)) {
        fault_set(fault, EXIT_CODE_USAGE, "expected a finite number, found %g", number);
        return NULL;
    }
    if (number == floor(number) && fabs(number) < 9007199254740992.0)
        return json_integer((json_int_t)number);
    return json_real(number);
}

static json_t *get_string(lua_State *L, int index, struct fault *fault)
{
    size_t n;
    const char *text = lua_tolstring(L, index, &n);
    json_t *value = memchr(text, 0, n) ? NULL : json_stringn(text, n);
    if (!value)
        fault_set(fault, EXIT_CODE_USAGE, "expected UTF-8 text without NUL, found other bytes");
    return value;
}

static json_t *get_array(lua_State *L, int index, int depth, struct fault *fault)
{
    json_t *array = json_array();
    size_t n = lua_objlen(L, index);
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, index, (int)i);
        json_t *item = get(L, lua_gettop(L), depth + 1, fault);
        lua_pop(L, 1);
        if (!item || json_array_append_new(array, item) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *get_object(lua_State *L, int index, int depth, struct fault *fault)
{
    json_t *object = json_object();
    lua_pushnil(L);
    while (lua_next(L, index)) {
        int top = lua_gettop(L);
        json_t *item = NULL;
        if (lua_type(L, top - 1) != LUA_TSTRING)
            fault_set(fault, EXIT_CODE_USAGE, "expected names as keys, found a %s", lua_typename(L, lua_type(L, top - 1)));
        else
            item = get(L, top, depth + 1, fault);
        if (!item || json_object_set_new(object, lua_tostring(L, top - 1), item) != 0) {
            json_decref(object);
            lua_settop(L, top - 2);
            return NULL;
        }
        lua_pop(L, 1);
    }
    return object;
}

static json_t *get_table(lua_State *L, int index, int depth, struct fault *fault)
{
    if (depth > DEPTH_MAX || !lua_checkstack(L, 8)) {
        fault_set(fault, EXIT_CODE_USAGE, "expected at most %d tables inside each other", DEPTH_MAX);
        return NULL;
    }
    bool array = lua_objlen(L, index) > 0;
    if (luaL_getmetafield(L, index, "json")) {
        array = true;
        lua_pop(L, 1);
    }
    return array ? get_array(L, index, depth, fault) : get_object(L, index, depth, fault);
}

static json_t *get(lua_State *L, int index, int depth, struct fault *fault)
{
    switch (lua_type(L, index)) {
    case LUA_TNIL: return json_null();
    case LUA_TBOOLEAN: return json_boolean(lua_toboolean(L, index));
    case LUA_TNUMBER: return get_number(lua_tonumber(L, index), fault);
    case LUA_TSTRING: return get_string(L, index, fault);
    case LUA_TTABLE: return get_table(L, index, depth, fault);
    default: fault_set(fault, EXIT_CODE_USAGE, "expected plain data, found a %s", lua_typename(L, lua_type(L, index))); return NULL;
    }
}

json_t *convert_get(lua_State *L, int index, struct fault *fault)
{
    return get(L, index < 0 ? lua_gettop(L) + index + 1 : index, 0, fault);
}
