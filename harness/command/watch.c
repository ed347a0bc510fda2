/* SPDX-License-Identifier: Apache-2.0 */
#include "command/watch.h"

#include "measure/interrupt.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Watches the folder of each path; `watches[i]` is that of paths[i]. */
static bool watch_folders(int fd, const json_t *paths, int *watches, struct fault *fault)
{
    for (size_t i = 0; i < json_array_size(paths); i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s", json_string_value(json_array_get(paths, i)));
        watches[i] = inotify_add_watch(fd, dirname(path), IN_CLOSE_WRITE | IN_MOVED_TO);
        if (watches[i] < 0)
            return fault_set(fault, EXIT_CODE_USAGE, "%s cannot be watched: %s", json_string_value(json_array_get(paths, i)), strerror(errno));
    }
    return true;
}

/* The path that an event is about, or NULL. */
static const char *path_of(const struct inotify_event *event, const json_t *paths, const int *watches)
{
    for (size_t i = 0; i < json_array_size(paths); i++) {
        char path[PATH_MAX];
        const char *whole = json_string_value(json_array_get(paths, i));
        snprintf(path, sizeof path, "%s", whole);
        if (event->len && watches[i] == event->wd && strcmp(basename(path), event->name) == 0)
            return whole;
    }
    return NULL;
}

static const char *read_events(int fd, const json_t *paths, const int *watches)
{
    char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    const char *saved = NULL;
    ssize_t n = read(fd, buffer, sizeof buffer);
    for (ssize_t at = 0; at < n && !saved;) {
        const struct inotify_event *event = (const void *)(buffer + at);
        saved = path_of(event, paths, watches);
        at += (ssize_t)(sizeof *event + event->len);
    }
    return saved;
}

const char *watch_wait(const json_t *paths, struct fault *fault)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int *watches = calloc(json_array_size(paths) + 1, sizeof *watches);
    bool ok = fd >= 0 && watches && watch_folders(fd, paths, watches, fault);
    const char *saved = NULL;
    while (ok && !saved && !interrupt_asked()) {
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        if (poll(&watched, 1, 500) > 0)
            saved = read_events(fd, paths, watches);
    }
    if (fd >= 0)
        close(fd);
    free(watches);
    return saved;
}
