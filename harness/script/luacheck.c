/* SPDX-License-Identifier: Apache-2.0 */
#include "script/luacheck.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *find_program(void)
{
    static const char *const places[] = {"/usr/local/bin/luacheck", "/usr/bin/luacheck", "/bin/luacheck"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* Starts it with its output in a pipe; the reading end, or NULL. */
static FILE *start(const char *program, const char *path, pid_t *child)
{
    char *const argv[] = {(char *)(uintptr_t)program, "--quiet", "--no-color", "--no-config", "--formatter", "plain", "--std", "luajit",
                          "--no-max-line-length", "--no-global", "--", (char *)(uintptr_t)path, NULL};
    char *const environment[] = {"LC_ALL=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nowhere", NULL};
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error = posix_spawn(child, program, &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *output = error ? NULL : fdopen(ends[0], "r");
    if (!output)
        close(ends[0]);
    return output;
}

/* "path:line:column: sentence" */
static void add_line(const char *line, const char *path, json_t *mistakes)
{
    size_t n = strlen(path);
    char *rest = NULL;
    if (strncmp(line, path, n) != 0 || line[n] != ':')
        return;
    long number = strtol(line + n + 1, &rest, 10);
    rest = *rest == ':' ? strchr(rest + 1, ':') : NULL;
    if (number > 0 && rest)
        json_array_append_new(mistakes, json_pack("{s:s,s:I,s:s,s:b}", "file", path, "line", (json_int_t)number, "text", rest + 2, "warning", 1));
}

void luacheck_add(const char *path, json_t *mistakes)
{
    const char *program = find_program();
    pid_t child;
    FILE *output = program ? start(program, path, &child) : NULL;
    if (!output)
        return;
    char *line = NULL;
    size_t room = 0;
    for (ssize_t n; (n = getline(&line, &room, output)) > 1;) {
        line[strcspn(line, "\n")] = 0;
        add_line(line, path, mistakes);
    }
    free(line);
    fclose(output);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}
