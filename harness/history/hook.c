/* SPDX-License-Identifier: Apache-2.0 */
#include "history/hook.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { LIMIT_MS = 10000, STEP_MS = 20 };

/* The text as a file without a name, at its start: a program that does not read it can't block us. */
static int as_file(const char *text)
{
    FILE *file = tmpfile();
    int fd = file ? dup(fileno(file)) : -1;
    bool ok = file && fd >= 0 && fputs(text, file) >= 0 && fflush(file) == 0 && lseek(fd, 0, SEEK_SET) == 0;
    if (file)
        fclose(file);
    if (!ok && fd >= 0)
        close(fd);
    return ok ? fd : -1;
}

static int start(const char *const *argv, size_t n, int input, pid_t *pid)
{
    char **words = calloc(n + 1, sizeof *words);
    posix_spawn_file_actions_t actions;
    if (!words)
        return ENOMEM;
    for (size_t i = 0; i < n; i++)
        words[i] = (char *)(uintptr_t)argv[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, 2, 1);
    int code = posix_spawnp(pid, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    free(words);
    return code;
}

/* Waits for the end or kills at the limit; the status of waitpid. */
static int finish(pid_t pid)
{
    int status = 0;
    for (int waited = 0; waitpid(pid, &status, WNOHANG) == 0; waited += STEP_MS) {
        if (waited >= LIMIT_MS) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return status;
        }
        usleep(STEP_MS * 1000);
    }
    return status;
}

bool hook_call(const char *const *argv, size_t n, const char *json, struct fault *fault)
{
    pid_t pid;
    int input = as_file(json);
    if (input < 0)
        return fault_set(fault, EXIT_CODE_USAGE, "--hook: no room for its input");
    int code = start(argv, n, input, &pid);
    close(input);
    if (code)
        return fault_set(fault, EXIT_CODE_USAGE, "--hook %s: %s", argv[0], strerror(code));
    int status = finish(pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return fault_set(fault, EXIT_CODE_USAGE, "--hook %s: ended with %s %d", argv[0], WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}
