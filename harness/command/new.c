/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "contest/project.h"
#include "script/preludes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kinds are the linked-in files new_<kind>.lua. */
static const char prefix[] = "new_";

static const char *template_of(const char *kind)
{
    for (const struct prelude *p = preludes; p->name; p++)
        if (strncmp(p->name, prefix, strlen(prefix)) == 0 && strcmp(p->name + strlen(prefix), kind) == 0)
            return p->text;
    return NULL;
}

static void list_kinds(char *text, size_t size)
{
    text[0] = 0;
    for (const struct prelude *p = preludes; p->name; p++) {
        size_t used = strlen(text);
        if (strncmp(p->name, prefix, strlen(prefix)) == 0 && used < size)
            snprintf(text + used, size - used, "%s%s", used ? ", " : "", p->name + strlen(prefix));
    }
}

/* NAME → FOLDER/NAME.lua; a name with a folder or ending is a path already. */
static char *path_of(const char *folder, const char *name)
{
    char *path = NULL;
    size_t n = strlen(name);
    bool has_end = n > 4 && strcmp(name + n - 4, ".lua") == 0, has_folder = strchr(name, '/');
    int made = asprintf(&path, "%s%s%s%s", has_folder ? "" : folder, has_folder ? "" : "/", name, has_end ? "" : ".lua");
    return made < 0 ? NULL : path;
}

/* Never over an existing file. */
static bool write_new(const char *path, const char *text, struct fault *fault)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    size_t n = strlen(text);
    if (fd < 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    bool ok = write(fd, text, n) == (ssize_t)n;
    ok = close(fd) == 0 && ok;
    return ok || fault_set(fault, EXIT_CODE_USAGE, "%s: cannot be written", path);
}

enum exit_code command_new(const struct options *options, struct fault *fault)
{
    char kinds[200];
    const char *text = template_of(options->kind);
    list_kinds(kinds, sizeof kinds);
    if (options->operands.n != 1) {
        fault_set(fault, EXIT_CODE_USAGE, "new: expected one name, found %zu", options->operands.n);
        return EXIT_CODE_USAGE;
    }
    if (!text) {
        fault_set(fault, EXIT_CODE_USAGE, "--kind: expected one of %s, found '%s'", kinds, options->kind);
        return EXIT_CODE_USAGE;
    }
    struct project project;
    if (!project_load(".", &project, fault))
        return fault->code;
    char *path = path_of(project.suites, options->operands.items[0]);
    if (path && !strchr(options->operands.items[0], '/'))
        mkdir(project.suites, 0777);
    bool ok = path && write_new(path, text, fault);
    if (ok)
        printf("%s: written; next: ternmark check %s && ternmark run %s\n", path, path, path);
    free(path);
    project_clear(&project);
    return ok ? EXIT_CODE_PASS : fault->code;
}
