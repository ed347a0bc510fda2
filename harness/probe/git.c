/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/git.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { ARGUMENTS_MAX = 14 };

static bool spawn_git(const char *const *arguments, int output, pid_t *pid)
{
    const char *argv[ARGUMENTS_MAX + 2] = {"git"};
    for (int i = 0; arguments[i] && i < ARGUMENTS_MAX; i++)
        argv[i + 1] = arguments[i];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error = posix_spawnp(pid, "git", &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0;
}

/* Reads to the end; what does not fit is dropped. */
static void read_text(int fd, char *text, size_t size)
{
    char rest[512];
    size_t used = 0;
    for (;;) {
        bool full = used + 1 >= size;
        ssize_t n = read(fd, full ? rest : text + used, full ? sizeof rest : size - 1 - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        used += full ? 0 : (size_t)n;
    }
    while (used && text[used - 1] == '\n')
        used--;
    text[used] = 0;
}

bool git_ask(const char *const *arguments, char *text, size_t size)
{
    int ends[2], status = -1;
    pid_t pid;
    text[0] = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    bool started = spawn_git(arguments, ends[1], &pid);
    close(ends[1]);
    if (started)
        read_text(ends[0], text, size);
    close(ends[0]);
    while (started && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return started && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

json_t *git_state(void)
{
    static const char *const head[] = {"rev-parse", "--verify", "-q", "HEAD", NULL};
    static const char *const changes[] = {"--no-optional-locks", "status", "--porcelain", "--untracked-files=no", NULL};
    char commit[128], changed[8];
    bool known = git_ask(head, commit, sizeof commit) && strlen(commit) >= 40;
    bool dirty = known && git_ask(changes, changed, sizeof changed) && changed[0];
    return json_pack("{s:s?,s:b}", "commit", known ? commit : NULL, "dirty", dirty);
}
