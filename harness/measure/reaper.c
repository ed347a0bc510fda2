/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/reaper.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void reaper_install(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

bool reaper_is_gone(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid;
}

static void pause_ms(int ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000L};
    nanosleep(&t, NULL);
}

bool reaper_wait(pid_t pid, int limit_ms, struct reaper_end *end)
{
    int status;
    struct rusage used;
    for (int waited = 0;; waited++) {
        pid_t got = wait4(pid, &status, WNOHANG, &used);
        if (got == pid)
            break;
        if ((got < 0 && errno != EINTR) || waited >= limit_ms)
            return false;
        pause_ms(1);
    }
    end->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end->status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    end->peak_bytes = (double)used.ru_maxrss * 1024;
    return true;
}

static pid_t live[64];

void reaper_watch(pid_t pid)
{
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        if (!live[i]) {
            live[i] = pid;
            return;
        }
}

static bool is_live(pid_t pid)
{
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        if (live[i] == pid)
            return true;
    return false;
}

static void forget(pid_t pid)
{
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        if (live[i] == pid)
            live[i] = 0;
}

/*
 * Our children by the kernel's list, less live workers and what this program itself started (git, make, gnuplot stay in its own
 * group, which no subject is born into): the rest was adopted.
 */
static void end_adopted(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    int pid;
    while (file && fscanf(file, "%d", &pid) == 1) {
        if (is_live(pid) || getpgid(pid) == getpgrp())
            continue;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (file)
        fclose(file);
}

void reaper_end_group(pid_t pid)
{
    forget(pid);
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    end_adopted();
}
