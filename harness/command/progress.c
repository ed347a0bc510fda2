/* SPDX-License-Identifier: Apache-2.0 */
#include "command/progress.h"

#include "measure/clock.h"
#include "text.h"
#include "units.h"

#include <stdio.h>
#include <unistd.h>

void progress_show(struct progress *progress, const char *id, size_t done, size_t all)
{
    if (!isatty(STDERR_FILENO))
        return;
    uint64_t now = clock_now_ns();
    if (!progress->begun_ns)
        progress->begun_ns = now;
    char left[32] = "", shown[64];
    if (done > 0)
        units_print(UNIT_TIME_NS, (double)(now - progress->begun_ns) / (double)done * (double)(all - done), left, sizeof left);
    fprintf(stderr, "\r\033[K%zu/%zu  %s%s%s", done, all, text_escape(id, shown, sizeof shown), *left ? "  " : "", left);
    fputs(*left ? " left" : "", stderr);
    fflush(stderr);
}

void progress_clear(const struct progress *progress)
{
    if (progress->begun_ns && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}
