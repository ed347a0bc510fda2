/* SPDX-License-Identifier: Apache-2.0 */
#include "script/script.h"

#include "hash.h"
#include "script/convert.h"
#include "script/preludes.h"

#include <lualib.h>
#include <luajit.h>
#include <stdlib.h>
#include <string.h>

struct script {
    lua_State *L;
    int ask;    /* registry references: host.lua's functions table */
    int run;    /* body, empty body, state and params of the open cell */
    int empty;
    int state;
    int params;
    int observe; /* LUA_REFNIL where the bench observes nothing */
    char **argv;
};

/* core.sha256(text): 64 hex digits */
static int core_sha256(lua_State *L)
{
    size_t n;
    const char *text = luaL_checklstring(L, 1, &n);
    char hex[HASH_HEX];
    hash_sha256(text, n, hex);
    lua_pushstring(L, hex);
    return 1;
}

/* core.sha256_file(path): 64 hex digits, or nil and why not */
static int core_sha256_file(lua_State *L)
{
    char hex[HASH_HEX];
    struct fault fault = {0};
    if (hash_file(luaL_checkstring(L, 1), hex, &fault)) {
        lua_pushstring(L, hex);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, fault.text);
    return 2;
}

/* core.prelude(name): the text of a linked-in Lua file, or nil */
static int core_prelude(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    for (const struct prelude *p = preludes; p->name; p++)
        if (strcmp(p->name, name) == 0) {
            lua_pushstring(L, p->text);
            return 1;
        }
    return 0;
}

static const luaL_Reg core_functions[] = {
    {"sha256", core_sha256}, {"sha256_file", core_sha256_file}, {"prelude", core_prelude}, {NULL, NULL}};

/* Runs in protected mode; argument: light userdata, the settings. Leaves host.lua's table of functions. */
static int open_host(lua_State *L)
{
    const json_t *settings = lua_touserdata(L, 1);
    luaL_openlibs(L);
    lua_newtable(L);
    luaL_register(L, NULL, core_functions);
    const char *text = NULL;
    for (const struct prelude *p = preludes; p->name; p++)
        if (strcmp(p->name, "host") == 0)
            text = p->text;
    if (!text || luaL_loadbuffer(L, text, strlen(text), "=host.lua") != 0)
        return luaL_error(L, "host.lua: %s", text ? lua_tostring(L, -1) : "not linked in");
    lua_insert(L, -2);
    convert_push(L, settings);
    lua_call(L, 2, 1);
    return 1;
}

struct script *script_open(const json_t *settings, struct fault *fault)
{
    struct script *script = calloc(1, sizeof *script);
    lua_State *L = script ? luaL_newstate() : NULL;
    if (!L) {
        fault_set(fault, EXIT_CODE_USAGE, "out of memory");
        free(script);
        return NULL;
    }
    script->L = L;
    script->run = script->empty = script->state = script->params = script->observe = LUA_NOREF;
    lua_pushcfunction(L, open_host);
    lua_pushlightuserdata(L, (void *)(uintptr_t)settings);
    if (lua_pcall(L, 1, 1, 0) != 0) {
        const char *text = lua_tostring(L, -1);
        fault_set(fault, EXIT_CODE_USAGE, "%s", text ? text : "the Lua state cannot be opened");
        script_close(script);
        return NULL;
    }
    script->ask = luaL_ref(L, LUA_REGISTRYINDEX);
    return script;
}

void script_close(struct script *script)
{
    if (!script)
        return;
    lua_close(script->L);
    free(script->argv);
    free(script);
}

/* The error value on the top of the stack as text. Tables that suites throw are named, not printed. */
static void fault_of(lua_State *L, const char *name, struct fault *fault)
{
    static const char *const suite_questions[] = {"load", "benches", "describe"};
    enum exit_code code = EXIT_CODE_FAILED;
    for (size_t i = 0; i < sizeof suite_questions / sizeof *suite_questions; i++)
        if (strcmp(name, suite_questions[i]) == 0)
            code = EXIT_CODE_USAGE;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (text)
        fault_set(fault, code, "%.1000s", text);
    else
        fault_set(fault, code, "threw a %s as its error", luaL_typename(L, -1));
}

struct question {
    struct script *script;
    const char *name;
    const json_t *argument;
    json_t *answer;
    struct fault *fault;
};

static int ask_protected(lua_State *L)
{
    struct question *q = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, q->script->ask);
    lua_getfield(L, -1, q->name);
    convert_push(L, q->argument);
    lua_call(L, 1, 1);
    q->answer = convert_get(L, -1, q->fault);
    return 0;
}

json_t *script_ask(struct script *script, const char *name, const json_t *argument, struct fault *fault)
{
    struct question q = {script, name, argument, NULL, fault};
    lua_State *L = script->L;
    lua_pushcfunction(L, ask_protected);
    lua_pushlightuserdata(L, &q);
    if (lua_pcall(L, 1, 0, 0) != 0) {
        fault_of(L, name, fault);
        lua_pop(L, 1);
        return NULL;
    }
    return q.answer;
}

/* Moves the field on the top of the stack to a registry reference, freeing the one before. */
static void keep(lua_State *L, int *reference, const char *field)
{
    luaL_unref(L, LUA_REGISTRYINDEX, *reference);
    lua_getfield(L, -1, field);
    *reference = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* The table `stream` of the table on the top, where there is one. */
static struct body_stream take_stream(lua_State *L)
{
    struct body_stream stream = {0};
    lua_getfield(L, -1, "stream");
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "rate");
        lua_getfield(L, -2, "requests");
        lua_getfield(L, -3, "even");
        stream = (struct body_stream){lua_tonumber(L, -3), lua_tonumber(L, -2), lua_toboolean(L, -1)};
        lua_pop(L, 3);
    }
    lua_pop(L, 1);
    return stream;
}

static void *address(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    void *p = (void *)(uintptr_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return p;
}

/* argv of the table `argv` inside the table on the top; the strings stay owned by Lua, which keeps that table while the cell is open. */
static bool take_argv(struct script *script)
{
    lua_State *L = script->L;
    lua_getfield(L, -1, "argv");
    size_t n = lua_objlen(L, -1);
    free(script->argv);
    script->argv = calloc(n + 1, sizeof *script->argv);
    for (size_t i = 0; script->argv && i < n; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        script->argv[i] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return script->argv && n > 0;
}

bool script_body(struct script *script, struct body *body, struct fault *fault)
{
    static const char *const kinds[] = {[BODY_NATIVE] = "native", [BODY_LUA] = "lua", [BODY_COMMAND] = "command"};
    lua_State *L = script->L;
    memset(body, 0, sizeof *body);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->ask);
    lua_getfield(L, -1, "body");
    lua_remove(L, -2);
    lua_getfield(L, -1, "kind");
    const char *kind = lua_tostring(L, -1);
    lua_pop(L, 1);
    while (kind && body->kind <= BODY_COMMAND && strcmp(kinds[body->kind], kind) != 0)
        body->kind++;
    keep(L, &script->run, "run");
    keep(L, &script->empty, "empty");
    keep(L, &script->state, "state");
    keep(L, &script->params, "params");
    keep(L, &script->observe, "observe");
    body->native = (void (*)(void *, uint64_t))address(L, "native");
    body->park = (void (*)(void))address(L, "park");
    body->elapsed = (double (*)(void *))address(L, "elapsed");
    body->state = address(L, "pointer");
    bool ok = kind && body->kind <= BODY_COMMAND && (body->kind != BODY_COMMAND || take_argv(script));
    body->argv = script->argv;
    body->stream = take_stream(L);
    lua_pop(L, 1);
    return ok || fault_set(fault, EXIT_CODE_USAGE, "no cell is open");
}

bool script_run(struct script *script, uint64_t n, bool empty, struct fault *fault)
{
    lua_State *L = script->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, empty ? script->empty : script->run);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->state);
    lua_pushnumber(L, (double)n);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->params);
    if (lua_pcall(L, 3, 0, 0) == 0)
        return true;
    fault_of(L, "run", fault);
    lua_pop(L, 1);
    return false;
}

bool script_observe(struct script *script, struct fault *fault)
{
    lua_State *L = script->L;
    if (script->observe == LUA_REFNIL)
        return true;
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->observe);
    if (lua_pcall(L, 0, 0, 0) == 0)
        return true;
    fault_of(L, "observe", fault);
    lua_pop(L, 1);
    return false;
}

void script_collect(struct script *script)
{
    lua_gc(script->L, LUA_GCCOLLECT, 0);
}
