/* SPDX-License-Identifier: Apache-2.0 */
#include "report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_MS = 60000 };

static const char *find_program(void)
{
    static const char *const places[] = {"/usr/local/bin/gnuplot", "/usr/bin/gnuplot", "/bin/gnuplot"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool gnuplot_is_here(void)
{
    return find_program() != NULL;
}

static int start(const char *program, const char *folder, const char *script, const char *log, pid_t *child)
{
    char *const argv[] = {"gnuplot", "-d", (char *)(uintptr_t)script, NULL};
    char *const environment[] = {"LC_ALL=C.UTF-8", "PATH=/nowhere", "HOME=/nowhere", NULL};
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    if (!(error = posix_spawn_file_actions_addchdir_np(&actions, folder)) &&
        !(error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)) &&
        !(error = posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0666)) &&
        !(error = posix_spawn_file_actions_adddup2(&actions, 1, 2)))
        error = posix_spawn(child, program, &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Waits at most LIMIT_MS; then kills. Returns the wait status. */
static int wait_for(pid_t child)
{
    int status = 0, fd = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd until_end = {.fd = fd, .events = POLLIN};
    int ended = 0;
    while (fd >= 0 && (ended = poll(&until_end, 1, LIMIT_MS)) < 0 && errno == EINTR)
        ;
    if (fd >= 0 && ended == 0)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (fd >= 0)
        close(fd);
    return status;
}

bool gnuplot_run(const char *folder, const char *script, const char *log, struct fault *fault)
{
    const char *program = find_program();
    if (!program)
        return fault_set(fault, EXIT_CODE_USAGE, "gnuplot is not installed (package gnuplot-nox)");
    pid_t child;
    int error = start(program, folder, script, log, &child);
    if (error)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", program, strerror(error));
    int status = wait_for(child);
    if (WIFSIGNALED(status))
        return fault_set(fault, EXIT_CODE_USAGE, "%s/%s: gnuplot ended by signal %d; see %s", folder, script, WTERMSIG(status), log);
    if (WEXITSTATUS(status))
        return fault_set(fault, EXIT_CODE_USAGE, "%s/%s: gnuplot ended with %d; see %s", folder, script, WEXITSTATUS(status), log);
    return true;
}
