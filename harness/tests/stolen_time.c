/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded into a program, the kernel's count of stolen time (the first line of /proc/stat) grows by .6 s a second: a machine whose
 * hypervisor gives a processor to others, for the transcripts that ci/busy runs.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TICKS = 8 };  /* user, nice, system, idle, iowait, irq, softirq, steal */
static const double share = 0.6;

/* The rest of the file follows the first line as it stands. */
static FILE *with_stolen(FILE *file)
{
    static char text[1 << 16];
    unsigned long long tick[TICKS];
    struct timespec up;
    if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &tick[0], &tick[1], &tick[2], &tick[3], &tick[4], &tick[5], &tick[6], &tick[7]) != TICKS
        || clock_gettime(CLOCK_MONOTONIC, &up) != 0)
        return file;
    tick[TICKS - 1] += (unsigned long long)(share * ((double)up.tv_sec + (double)up.tv_nsec * 1e-9) * (double)sysconf(_SC_CLK_TCK));
    int n = snprintf(text, sizeof text, "cpu ");
    for (int i = 0; i < TICKS; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " %llu", tick[i]);
    n += (int)fread(text + n, 1, sizeof text - (size_t)n, file);
    fclose(file);
    return fmemopen(text, (size_t)n, "r");
}

__attribute__((visibility("default"))) FILE *fopen(const char *restrict path, const char *restrict mode)
{
    FILE *(*next)(const char *, const char *) = NULL;
    *(void **)&next = dlsym(RTLD_NEXT, "fopen");
    FILE *file = next(path, mode);
    return file && strcmp(path, "/proc/stat") == 0 ? with_stolen(file) : file;
}
