/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees that take part in a contest: the one we stand in, and a commit's, checked out and built in a scratch worktree that is
 * kept by what it is made of (tree hash, build command, compiler and its flags), so that it is built once.
 */
#ifndef CONTEST_TREE_H
#define CONTEST_TREE_H

#include "contest/project.h"

struct tree {
    char root[4096];     /* folder */
    char commit[65];     /* of a commit's tree; "" else */
    struct project project;
};

/* The root of the git repository around the current folder, else the current folder; true when it is a repository. */
bool tree_find_root(char *root, size_t size);

/*
 * What head is compared with: `wanted` (a revision) if not NULL; else the merge base with the first of origin/HEAD, origin/main,
 * main, master that exists, or HEAD^ where that merge base is HEAD itself. Gives the commit in `commit`.
 * False with no fault set when there is none (no repository, first commit, shallow clone); EXIT_CODE_USAGE when `wanted` is no commit.
 */
bool tree_find_base(const char *root, const char *wanted, char commit[65], struct fault *fault);

/* Loads the project file of `root` and builds it there. EXIT_CODE_USAGE with the log's path when the build fails. */
bool tree_open_here(const char *root, struct tree *tree, struct fault *fault);

/*
 * Checks out and builds `commit` of the repository at `root`, or takes the kept one. EXIT_CODE_CANNOT_JUDGE with the log's path
 * when it does not build; when the tree has no project file, `fallback` (head's) says how.
 */
bool tree_open_commit(const char *root, const char *commit, const struct project *fallback, struct tree *tree, struct fault *fault);

void tree_close(struct tree *tree);

/* The artifacts of the tree as "NAME=PATH" (absolute paths), a new array of strings. EXIT_CODE_CANNOT_JUDGE: a file is not there. */
json_t *tree_artifacts(const struct tree *tree, struct fault *fault);

#endif
