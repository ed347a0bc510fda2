/* SPDX-License-Identifier: Apache-2.0
 *
 * The Lua side of a worker: one LuaJIT state holding one suite. C asks it questions (script_ask, JSON in and out) and runs the
 * body of the open cell (script_run, or a native function's address). Suites are loaded as text only and see `bench`, `tern`,
 * `ffi`, local modules and a safe part of the standard library; what they may do is checked in lua/host.lua.
 * Only this folder includes lua.h. One thread; only worker processes open a script.
 */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct script;

enum body_kind { BODY_NATIVE, BODY_LUA, BODY_COMMAND };

/* How requests arrive where the cell is a stream; rate 0 where it is not. */
struct body_stream {
    double rate;      /* requests a second */
    double requests;
    bool even;        /* equal gaps instead of a Poisson process */
};

/* What the open cell runs. Valid until script_ask("close"); owned by the script. */
struct body {
    enum body_kind kind;
    void (*native)(void *state, uint64_t n);
    void (*park)(void);  /* puts the subject's threads to sleep; may be NULL */
    double (*elapsed)(void *state);  /* ns of the last call by a device's own clock, 0: read ours, negative: it failed; may be NULL */
    void *state;
    char **argv;         /* of a command, NULL-ended */
    struct body_stream stream;
};

/* Opens a state and its preludes. `settings` is what lua/host.lua reads: {artifacts {name: path}, seed, engine: path}. */
struct script *script_open(const json_t *settings, struct fault *fault);

/*
 * Calls the function `name` of lua/host.lua with one JSON value; gives its answer as a new reference. A Lua error fills `fault`:
 * EXIT_CODE_USAGE for "load", "benches" and "describe", EXIT_CODE_FAILED otherwise, the text cut to what a fault holds.
 */
json_t *script_ask(struct script *script, const char *name, const json_t *argument, struct fault *fault);

/* The body of the cell that script_ask("open") opened. */
bool script_body(struct script *script, struct body *body, struct fault *fault);

/* Calls the open cell's Lua body for `n` iterations; `empty` calls a loop that does nothing instead. */
bool script_run(struct script *script, uint64_t n, bool empty, struct fault *fault);

/* Calls what the open cell's bench gives as `observe`, if anything, and keeps the numbers for "close". False when it fails. */
bool script_observe(struct script *script, struct fault *fault);

/* Collects garbage, so that what setup left is not collected inside a sample. */
void script_collect(struct script *script);

void script_close(struct script *script);

#endif
