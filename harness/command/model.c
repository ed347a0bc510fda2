/* SPDX-License-Identifier: Apache-2.0
 *
 * `ternmark model`: the words of the command line as a request for the prelude lua/model.lua, which a worker runs.
 */
#include "cli.h"
#include "measure/interrupt.h"
#include "measure/worker.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What each action needs. */
static const struct action {
    const char *name;
    bool needs_file, needs_tokens, needs_out;
} actions[] = {{"make", true, false, false},  {"inspect", true, false, false}, {"check", true, false, false},
               {"logits", true, true, true}, {"generate", true, true, false}, {"levels", false, false, false}};

/* The action of the first word, when the words after it are as many as it needs. */
static const struct action *find_action(const char *const *words, size_t n)
{
    for (size_t i = 0; n && i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, words[0]) == 0)
            return n == 1 + (size_t)actions[i].needs_file ? &actions[i] : NULL;
    return NULL;
}

static const char *file_of(const struct options *o, const struct action *action)
{
    return action->needs_file ? o->operands.items[1] : "";
}

/* "1,2,3" as a new array; NULL with the fault. */
static json_t *parse_tokens(const char *text, struct fault *fault)
{
    json_t *tokens = json_array();
    for (const char *at = text; tokens; at++) {
        char *end;
        errno = 0;
        unsigned long long value = strtoull(at, &end, 10);
        if (*at < '0' || *at > '9' || errno || value > UINT32_MAX || (*end && *end != ',')) {
            json_decref(tokens);
            fault_set(fault, EXIT_CODE_USAGE, "--tokens: expected ids like 1,2,3, found '%s'", text);
            return NULL;
        }
        json_array_append_new(tokens, json_integer((json_int_t)value));
        if (!*end)
            break;
        at = end;
    }
    return tokens;
}

static void set_text(json_t *params, const char *name, const char *value)
{
    if (value)
        json_object_set_new(params, name, json_string(value));
}

/* Without a level, nothing is rounded but what int8 activations ask for: an output matrix in int8 and keys in bfloat16 put logits up to 1.3 times
 * as far from the exact ones. The card has one way. */
static void set_ways(json_t *params, const struct options *o)
{
    const bool is_plain = !o->given_level && !(o->given_backend && strcmp(o->backend, "cuda") == 0);
    set_text(params, "output", o->given_output ? o->output : is_plain ? "exact" : NULL);
    set_text(params, "cache", o->given_cache ? o->cache : is_plain ? "f32" : NULL);
    set_text(params, "level", o->given_level ? o->level : NULL);
}

static json_t *params_of(const struct options *o, const struct action *action)
{
    json_t *params = json_object();
    if (strcmp(action->name, "make") == 0) {
        set_text(params, "like", o->like);
        set_text(params, "architecture", o->given_architecture ? o->architecture : NULL);
        set_text(params, "weights", o->given_weights ? o->weights : NULL);
        set_text(params, "embedding", o->given_embedding ? o->embedding : NULL);
        set_text(params, "output", o->given_output ? o->output : NULL);
        json_object_set_new(params, "seed", json_integer(o->seed));
    } else {
        set_text(params, "activations", o->activations);
        set_ways(params, o);
        set_text(params, "i2s_order", o->given_i2s_order ? o->i2s_order : NULL);
        set_text(params, "backend", o->given_backend ? o->backend : NULL);
        json_object_set_new(params, "threads", json_integer(o->threads));
    }
    return params;
}

static json_t *request_of(const struct options *o, const struct action *action, struct fault *fault)
{
    json_t *tokens = action->needs_tokens ? parse_tokens(o->tokens ? o->tokens : "", fault) : json_array();
    if (!tokens)
        return NULL;
    if (action->needs_out && !o->out) {
        json_decref(tokens);
        fault_set(fault, EXIT_CODE_USAGE, "model %s needs --out FILE", action->name);
        return NULL;
    }
    json_t *params = params_of(o, action);
    if (action->needs_tokens) /* the cache has room for what will be fed, and no more */
        json_object_set_new(params, "context", json_integer((json_int_t)json_array_size(tokens) + (action->needs_out ? 0 : o->predict)));
    json_t *request = json_pack("{s:s,s:s,s:s,s:o,s:o,s:I}", "do", "model", "action", action->name, "file", file_of(o, action), "tokens", tokens,
                                "params", params, "n", (json_int_t)o->predict);
    if (request && o->out)
        json_object_set_new(request, "out", json_string(o->out));
    if (!request)
        fault_set(fault, EXIT_CODE_USAGE, "the file's name is no UTF-8");
    return request;
}

/* The engine's number for what is wrong, as an exit code: a file that breaks a rule is invalid, all else is usage or the system. */
static enum exit_code code_of(json_int_t status, const char *text)
{
    enum { TERN_INVALID = 1 };
    return status == TERN_INVALID && strstr(text, "(rule ") ? EXIT_CODE_INVALID : EXIT_CODE_USAGE;
}

static enum exit_code tell(const json_t *answer, bool is_verbose, struct fault *fault)
{
    const char *text = json_string_value(json_object_get(answer, "text"));
    const char *problem = json_string_value(json_object_get(answer, "problem"));
    const char *explained = json_string_value(json_object_get(answer, "explained"));
    if (problem) {
        fault_set(fault, code_of(json_integer_value(json_object_get(answer, "status")), problem), "%s", problem);
        return fault->code;
    }
    if (text)
        fputs(text, stdout);
    if (explained && is_verbose)
        fputs(explained, stderr);
    return fflush(stdout) == 0 ? EXIT_CODE_PASS : EXIT_CODE_USAGE;
}

enum exit_code command_model(const struct options *o, struct fault *fault)
{
    const struct action *action = find_action(o->operands.items, o->operands.n);
    if (!action) {
        fault_set(fault, EXIT_CODE_USAGE, "model: expected make, inspect, check, logits or generate and one FILE, or levels");
        return fault->code;
    }
    interrupt_install();
    json_t *request = request_of(o, action, fault);
    if (!request)
        return fault->code;
    struct worker_start start = {.artifacts = o->artifact.items, .n_artifacts = o->artifact.n, .cpu = -1, .timeout_ns = 24 * 3600e9};
    struct worker *worker = worker_start(&start, fault);
    json_t *answer = worker ? worker_ask(worker, request, fault) : NULL;
    if (!worker)
        json_decref(request);
    enum exit_code code = answer ? tell(answer, o->verbose, fault) : fault->code;
    json_decref(answer);
    worker_stop(worker);
    return code;
}
