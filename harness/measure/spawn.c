/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static double ns_of(struct timeval t)
{
    return (double)t.tv_sec * 1e9 + (double)t.tv_usec * 1e3;
}

static bool start(char *const *argv, pid_t *pid, struct fault *fault)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 || fault_set(fault, EXIT_CODE_FAILED, "%.200s cannot be started: %s", argv[0], strerror(error));
}

bool spawn_run(char *const *argv, struct spawn_usage *usage, struct fault *fault)
{
    pid_t pid;
    if (!start(argv, &pid, fault))
        return false;
    struct rusage used;
    int status;
    while (wait4(pid, &status, 0, &used) < 0)
        if (errno != EINTR)
            return fault_set(fault, EXIT_CODE_FAILED, "%.200s cannot be waited for: %s", argv[0], strerror(errno));
    usage->cpu_ns += ns_of(used.ru_utime) + ns_of(used.ru_stime);
    usage->faults += (double)(used.ru_minflt + used.ru_majflt);
    usage->switches += (double)(used.ru_nvcsw + used.ru_nivcsw);
    double peak = (double)used.ru_maxrss * 1024;
    if (peak > usage->peak_bytes)
        usage->peak_bytes = peak;
    if (WIFSIGNALED(status))
        return fault_set(fault, EXIT_CODE_FAILED, "%.200s was killed by SIG%s", argv[0], sigabbrev_np(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return fault_set(fault, EXIT_CODE_FAILED, "%.200s exited with %d", argv[0], WEXITSTATUS(status));
    return true;
}
