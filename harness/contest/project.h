/* SPDX-License-Identifier: Apache-2.0
 *
 * The project file, ternmark.lua at a repository's root: how a tree is built, which files differ between builds, where suites are.
 *   return { build = {"make", "-j2"}, artifacts = { name = "path" }, suites = "suites" }
 */
#ifndef CONTEST_PROJECT_H
#define CONTEST_PROJECT_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>

struct project {
    json_t *build;      /* argv as an array of strings; empty: nothing to build */
    json_t *artifacts;  /* {name: path in the tree} */
    char *suites;       /* folder in the tree */
    bool is_there;      /* false: the tree has no such file and these are the defaults: no build, no artifacts, "suites" */
};

/*
 * Loads ROOT/ternmark.lua, in a process of its own with 10 s and no globals. Strict: an unknown field, a wrong type, a path that
 * leaves the tree is EXIT_CODE_USAGE with file, field, expected, found.
 */
bool project_load(const char *root, struct project *project, struct fault *fault);
void project_clear(struct project *project);

#endif
