/* SPDX-License-Identifier: Apache-2.0 */
#include "command/request.h"

#include "contest/project.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct plan_request request_of(const struct options *o)
{
    return (struct plan_request){
        .suites = o->operands.items,
        .n_suites = o->operands.n,
        .worker = {.artifacts = o->artifact.items,
                   .n_artifacts = o->artifact.n,
                   .cpu = -1,
                   .seed = (uint64_t)o->seed,
                   .timeout_ns = o->cell_timeout,
                   .memory_bytes = o->memory_limit},
        .select = {.filter = o->filter, .set = o->set.items, .n_set = o->set.n},
    };
}

bool request_check(const struct options *o, struct fault *fault)
{
    for (size_t i = 0; i < o->artifact.n; i++) {
        const char *equals = strchr(o->artifact.items[i], '=');
        if (!equals || equals == o->artifact.items[i] || !equals[1])
            return fault_set(fault, EXIT_CODE_USAGE, "--artifact: expected NAME=PATH, found '%s'", o->artifact.items[i]);
        if (access(equals + 1, R_OK) != 0)
            return fault_set(fault, EXIT_CODE_USAGE, "--artifact %s: %s", o->artifact.items[i], strerror(errno));
    }
    return true;
}

static bool is_named(const struct text_list *artifacts, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < artifacts->n; i++)
        if (strncmp(artifacts->items[i], name, n) == 0 && artifacts->items[i][n] == '=')
            return true;
    return false;
}

/* A new array: the command line's, then the project's as new strings. */
static const char **join_artifacts(const struct text_list *given, const struct project *project, size_t *n)
{
    const char *name, **items = calloc(given->n + json_object_size(project->artifacts) + 1, sizeof *items);
    json_t *path;
    *n = 0;
    for (; items && *n < given->n; ++*n)
        items[*n] = given->items[*n];
    json_object_foreach(project->artifacts, name, path)
    {
        char *text;
        const char *file = json_string_value(path);
        if (items && strcmp(name, "tern") != 0 && !is_named(given, name) && access(file, R_OK) == 0 && asprintf(&text, "%s=%s", name, file) >= 0)
            items[(*n)++] = text;
    }
    return items;
}

enum exit_code request_with_project(const struct options *options, command_body *body, struct fault *fault)
{
    struct project project;
    if (access("ternmark.lua", F_OK) != 0)
        return body(options, fault);
    if (!project_load(".", &project, fault))
        return fault->code;
    struct options with = *options;
    const char *folder = project.suites;
    with.artifact.items = join_artifacts(&options->artifact, &project, &with.artifact.n);
    if (options->operands.n == 0)
        with.operands = (struct text_list){&folder, 1};
    enum exit_code code = with.artifact.items ? body(&with, fault) : EXIT_CODE_USAGE;
    for (size_t i = options->artifact.n; with.artifact.items && i < with.artifact.n; i++)
        free((char *)(uintptr_t)with.artifact.items[i]);
    free(with.artifact.items);
    project_clear(&project);
    return code;
}
