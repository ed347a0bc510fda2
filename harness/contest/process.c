/* SPDX-License-Identifier: Apache-2.0 */
#include "contest/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

/* Of make, and of git when a hook called us: they would bend the build of another tree. */
static const char *const foreign[] = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"};

static void child(const char *const *argv, const char *folder, int out, int error)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || (folder && chdir(folder) != 0))
        _exit(127);
    dup2(nothing, STDIN_FILENO);
    dup2(out >= 0 ? out : nothing, STDOUT_FILENO);
    dup2(error >= 0 ? error : nothing, STDERR_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void read_all(int fd, char *text, size_t size)
{
    size_t n = 0;
    char spill[4096];
    for (;;) {
        bool room = n + 1 < size;
        ssize_t got = read(fd, room ? text + n : spill, room ? size - 1 - n : sizeof spill);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += room ? (size_t)got : 0;
    }
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = 0;
}

int process_capture(const char *const *argv, const char *folder, char *text, size_t size)
{
    int ends[2];
    text[0] = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 127;
    pid_t pid = fork();
    if (pid == 0)
        child(argv, folder, ends[1], -1);
    close(ends[1]);
    if (pid > 0)
        read_all(ends[0], text, size);
    close(ends[0]);
    return pid > 0 ? wait_for(pid) : 127;
}

int process_build(const char *const *argv, const char *folder, const char *log)
{
    int out = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    if (log && out < 0)
        return 127;
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
            unsetenv(foreign[i]);
        setenv("TERNMARK_NO_INSTALL", "1", 1);
        child(argv, folder, out, out);
    }
    if (out >= 0)
        close(out);
    return pid > 0 ? wait_for(pid) : 127;
}

bool process_make_folder(const char *path, struct fault *fault)
{
    char *copy = strdup(path);
    bool ok = copy != NULL;
    for (char *at = copy ? copy + 1 : NULL; ok && at; ) {
        at = strchr(at, '/');
        if (at)
            *at = 0;
        ok = mkdir(copy, 0755) == 0 || errno == EEXIST;
        if (at)
            *at++ = '/';
    }
    if (!ok)
        fault_set(fault, EXIT_CODE_USAGE, "cannot make the folder %s: %s", path, strerror(errno));
    free(copy);
    return ok;
}
