/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/tree.h"

#include "contest/process.h"
#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* ---- git */

static bool is_commit_name(const char *text)
{
    size_t n = strlen(text);
    return n >= 40 && n <= 64 && strspn(text, "0123456789abcdef") == n;
}

/* Asks git for one object name. */
static bool ask(const char *root, const char *const *argv, char name[65])
{
    char text[200];
    if (process_capture(argv, root, text, sizeof text) != 0 || !is_commit_name(text))
        return false;
    memcpy(name, text, strlen(text) + 1);  /* is_commit_name: at most 64 */
    return true;
}

static bool resolve(const char *root, const char *revision, const char *kind, char name[65])
{
    char text[600];
    snprintf(text, sizeof text, "%s^{%s}", revision, kind);
    return ask(root, (const char *const[]){"git", "rev-parse", "--verify", "--quiet", "--end-of-options", text, NULL}, name);
}

bool tree_find_root(char *root, size_t size)
{
    if (process_capture((const char *const[]){"git", "rev-parse", "--show-toplevel", NULL}, NULL, root, size) == 0 && root[0] == '/')
        return true;
    if (!getcwd(root, size))
        snprintf(root, size, ".");
    return false;
}

bool tree_find_base(const char *root, const char *wanted, char commit[65], struct fault *fault)
{
    static const char *const branches[] = {"origin/HEAD", "origin/main", "main", "master"};
    char head[65], tip[65];
    if (wanted)
        return resolve(root, wanted, "commit", commit) ||
               fault_set(fault, EXIT_CODE_USAGE, "--base: expected a revision, a run file or NAME=PATH, found '%s'", wanted);
    if (!resolve(root, "HEAD", "commit", head))
        return false;
    for (size_t i = 0; i < sizeof branches / sizeof *branches; i++) {
        if (!resolve(root, branches[i], "commit", tip))
            continue;
        if (ask(root, (const char *const[]){"git", "merge-base", head, tip, NULL}, commit) && strcmp(commit, head) != 0)
            return true;
        break;
    }
    return resolve(root, "HEAD^", "commit", commit);
}

/* ---- where builds are kept */

/* Keeps the folder out of every git status. */
static void hide(const char *folder)
{
    char path[PATH_SIZE + 20];
    snprintf(path, sizeof path, "%s/.gitignore", folder);
    FILE *file = fopen(path, "wxe");
    if (file) {
        fputs("*\n", file);
        fclose(file);
    }
}

static bool cache_folder(const char *root, char *folder, size_t size)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    struct fault ignored;
    if (xdg && *xdg == '/')
        snprintf(folder, size, "%s/ternmark", xdg);
    else if (home && *home == '/')
        snprintf(folder, size, "%s/.cache/ternmark", home);
    if (((xdg && *xdg == '/') || (home && *home == '/')) && process_make_folder(folder, &ignored) && access(folder, W_OK) == 0)
        return true;
    snprintf(folder, size, "%s/.cache/ternmark", root);
    if (!process_make_folder(folder, &ignored))
        return false;
    hide(folder);
    return true;
}

/* What else decides the bytes of a build: the compiler that `cc` is, and flags from outside. */
static void add_toolchain(struct hash *hash)
{
    static const char *const names[] = {"CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS"};
    char version[300];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        hash_add(hash, value ? value : "", value ? strlen(value) + 1 : 1);
    }
    process_capture((const char *const[]){"cc", "--version", NULL}, NULL, version, sizeof version);
    hash_add(hash, version, strlen(version));
}

static void key_of(const char *tree, const struct project *fallback, char key[HASH_HEX])
{
    struct hash hash;
    char *build = json_dumps(fallback->build, JSON_COMPACT);
    hash_init(&hash);
    hash_add(&hash, tree, strlen(tree) + 1);
    hash_add(&hash, build ? build : "", build ? strlen(build) : 0);
    add_toolchain(&hash);
    hash_end(&hash, key);
    free(build);
}

/* ---- building */

static int build(const struct project *project, const char *root, const char *log)
{
    size_t n = json_array_size(project->build);
    if (n == 0)
        return 0;
    const char **argv = calloc(n + 1, sizeof *argv);
    if (!argv)
        return 127;
    for (size_t i = 0; i < n; i++)
        argv[i] = json_string_value(json_array_get(project->build, i));
    int status = process_build(argv, root, log);
    free(argv);
    return status;
}

bool tree_open_here(const char *root, struct tree *tree, struct fault *fault)
{
    char folder[PATH_SIZE], log[PATH_SIZE + 20];
    *tree = (struct tree){0};
    snprintf(tree->root, sizeof tree->root, "%s", root);
    if (!project_load(root, &tree->project, fault))
        return false;
    if (!cache_folder(root, folder, sizeof folder))
        return fault_set(fault, EXIT_CODE_USAGE, "no folder for logs: set XDG_CACHE_HOME");
    snprintf(log, sizeof log, "%s/head.log", folder);
    int status = build(&tree->project, root, log);
    return status == 0 || fault_set(fault, EXIT_CODE_USAGE, "the head does not build (exit %d): see %s", status, log);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A scratch worktree of the commit; hooks of the repository do not run. */
static bool check_out(const char *root, const char *commit, const char *folder, const char *log)
{
    const char *const prune[] = {"git", "worktree", "prune", NULL};
    const char *const away[] = {"rm", "-rf", "--", folder, NULL};
    const char *const add[] = {"git", "-c", "core.hooksPath=/dev/null", "worktree", "add", "--force", "--detach", folder, commit, NULL};
    process_build(away, root, NULL);
    process_build(prune, root, NULL);
    return process_build(add, root, log) == 0;
}

static bool make(const char *root, const char *commit, const struct project *fallback, const char *folder, struct fault *fault)
{
    char log[PATH_SIZE + 20], done[PATH_SIZE + 20];
    struct project own;
    snprintf(log, sizeof log, "%s.log", folder);
    snprintf(done, sizeof done, "%s.done", folder);
    if (exists(done) && exists(folder))
        return true;
    unlink(done);
    if (!check_out(root, commit, folder, log))
        return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "the base %.12s cannot be checked out: see %s", commit, log);
    if (!project_load(folder, &own, fault)) {
        fault->code = EXIT_CODE_CANNOT_JUDGE;
        return false;
    }
    int status = build(own.is_there ? &own : fallback, folder, log);
    project_clear(&own);
    if (status != 0)
        return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "the base %.12s does not build (exit %d): see %s", commit, status, log);
    FILE *mark = fopen(done, "we");
    return (mark && fclose(mark) == 0) || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", done, strerror(errno));
}

/* One process at a time builds a tree; the others wait and find it done. */
static bool make_locked(const char *root, const char *commit, const struct project *fallback, const char *folder, struct fault *fault)
{
    char path[PATH_SIZE + 20];
    snprintf(path, sizeof path, "%s.lock", folder);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    while (flock(lock, LOCK_EX) != 0 && errno == EINTR)
        ;
    bool ok = make(root, commit, fallback, folder, fault);
    close(lock);
    return ok;
}

static bool adopt(struct project *to, const struct project *from)
{
    project_clear(to);
    *to = (struct project){json_deep_copy(from->build), json_deep_copy(from->artifacts), strdup(from->suites), false};
    return to->build && to->artifacts && to->suites;
}

bool tree_open_commit(const char *root, const char *commit, const struct project *fallback, struct tree *tree, struct fault *fault)
{
    char folder[PATH_SIZE - 80], name[65], key[HASH_HEX];
    *tree = (struct tree){0};
    snprintf(tree->commit, sizeof tree->commit, "%s", commit);
    if (!resolve(root, commit, "tree", name))
        return fault_set(fault, EXIT_CODE_USAGE, "%s has no tree", commit);
    if (!cache_folder(root, folder, sizeof folder))
        return fault_set(fault, EXIT_CODE_USAGE, "no folder to build the base in: set XDG_CACHE_HOME");
    key_of(name, fallback, key);
    snprintf(tree->root, sizeof tree->root, "%s/%.16s", folder, key);
    if (!make_locked(root, commit, fallback, tree->root, fault) || !project_load(tree->root, &tree->project, fault))
        return false;
    return tree->project.is_there || adopt(&tree->project, fallback) || fault_set(fault, EXIT_CODE_USAGE, "out of memory");
}

void tree_close(struct tree *tree)
{
    project_clear(&tree->project);
}

json_t *tree_artifacts(const struct tree *tree, struct fault *fault)
{
    json_t *list = json_array(), *file;
    const char *name;
    json_object_foreach(tree->project.artifacts, name, file) {
        char text[2 * PATH_SIZE];
        int at = snprintf(text, sizeof text, "%s=", name);
        snprintf(text + at, sizeof text - (size_t)at, "%s/%s", tree->root, json_string_value(file));
        if (access(text + at, R_OK) != 0) {
            fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "artifact %s: %s: %s", name, text + at, strerror(errno));
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, json_string(text));
    }
    return list;
}
