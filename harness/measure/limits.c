/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* SIGKILL would spare what the subject has started; the group dies with us. */
static void on_parent_death(int number)
{
    (void)number;
    kill(0, SIGKILL);
}

bool limits_tie_to_parent(int parent)
{
    struct sigaction action = {.sa_handler = on_parent_death};
    struct rlimit none = {0, 0};
    signal(SIGINT, SIG_IGN);  /* Ctrl-C is the parent's to handle; this group may still get it from a terminal */
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) != 0)
        return false;
    return getppid() == parent;
}

void limits_set_environment(void)
{
    setenv("NCCL_NVLS_ENABLE", "0", 1);
    setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 0);
}

static double mapped_bytes(void)
{
    double pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%lf", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

/* Where there is a card its driver reserves terabytes of addresses: there the limit is on memory that can be written. */
static __rlimit_resource_t limited(void)
{
    return access("/dev/nvidiactl", F_OK) == 0 ? RLIMIT_DATA : RLIMIT_AS;
}

bool limits_set_memory(double bytes, struct fault *fault)
{
    double mapped = mapped_bytes();
    if (bytes <= 0 || mapped > 1e12)
        return true;
    rlim_t limit = (rlim_t)(mapped + bytes);
    struct rlimit rlimit = {limit, limit};
    return setrlimit(limited(), &rlimit) == 0 || fault_set(fault, EXIT_CODE_USAGE, "the memory limit cannot be set");
}

static _Atomic uint64_t *crash_added;
static uint64_t mapped_before;

/* The first number of /proc/self/statm in bytes, by calls that are allowed in a signal handler. */
static uint64_t mapped_in_handler(void)
{
    char text[64];
    uint64_t pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : 0;
    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        pages = pages * 10 + (uint64_t)(text[i] - '0');
    if (fd >= 0)
        close(fd);
    return pages * 4096;
}

static void on_crash(int number)
{
    uint64_t mapped = mapped_in_handler();
    if (crash_added && mapped > mapped_before)
        atomic_store(crash_added, mapped - mapped_before);
    signal(number, SIG_DFL);
    raise(number);
}

void limits_watch_crashes(_Atomic uint64_t *added)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    static char stack[16384];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};
    crash_added = added;
    mapped_before = mapped_in_handler();
    sigaltstack(&alternative, NULL);
    for (size_t i = 0; mapped_before < (uint64_t)1 << 40 && i < sizeof signals / sizeof *signals; i++)  /* a sanitizer has handlers of its own */
        sigaction(signals[i], &action, NULL);
}

void limits_reset_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "5", 1) != 1)
        (void)0;  /* then the peak is that since the worker's start */
    close(fd);
}

/* A line of /proc/self/status in bytes; 0 when the kernel does not say. */
static double status_bytes(const char *name)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtod(line + strlen(name), NULL);
            break;
        }
    if (file)
        fclose(file);
    return kib * 1024;
}

double limits_peak_bytes(void)
{
    return status_bytes("VmHWM:");
}

double limits_resident_bytes(void)
{
    return status_bytes("VmRSS:");
}

int limits_thread_count(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        n += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return n;
}

static cpu_set_t allowed;
static bool is_pinned;

bool limits_pin(int cpu)
{
    cpu_set_t one;
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0 || !CPU_ISSET((unsigned)cpu, &allowed))
        return false;
    CPU_ZERO(&one);
    CPU_SET((unsigned)cpu, &one);
    is_pinned = sched_setaffinity(0, sizeof one, &one) == 0;
    return is_pinned;
}

void limits_unpin(void)
{
    if (is_pinned)
        sched_setaffinity(0, sizeof allowed, &allowed);
    is_pinned = false;
}
