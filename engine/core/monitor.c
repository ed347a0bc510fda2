/* SPDX-License-Identifier: Apache-2.0 */
#include "core/monitor.h"
#include "core/error.h"
#include "core/memory.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW_MAX = 1024, WINDOW = 64, EVERY = 16, NAMES_MAX = 1024, LINE = 32768 };

struct tern_monitored {
    struct tern_monitored *next;
    char name[TERN_MONITOR_NAME];
    pthread_mutex_t lock;
    double ring[WINDOW_MAX];
    uint64_t total;
    double baseline;
    bool is_above;
};

atomic_bool tern_monitor_runs;
static struct tern_monitor setting;
static struct tern_monitored *all;
static size_t n_names;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

double tern_monitor_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* The one of this name, made when new; null when there are too many or memory is out: such a name is not watched. */
static struct tern_monitored *find(const char *name)
{
    pthread_mutex_lock(&lock);
    struct tern_monitored *one = all;
    while (one && strncmp(one->name, name, sizeof one->name - 1) != 0)
        one = one->next;
    if (!one && n_names < NAMES_MAX && (one = tern_array_open(1, sizeof *one))) {
        snprintf(one->name, sizeof one->name, "%s", name);
        pthread_mutex_init(&one->lock, NULL);
        one->next = all;
        all = one;
        n_names++;
    }
    pthread_mutex_unlock(&lock);
    return one;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(const double *ns, size_t n)
{
    double sorted[WINDOW_MAX];
    memcpy(sorted, ns, n * sizeof *ns);
    qsort(sorted, n, sizeof *sorted, by_value);
    return 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]);
}

/*
 * Sign test: were the true median at the limit, half of the samples would lie above it, give or take sqrt(n) / 2; more than
 * 3.09 of these is met once in a thousand windows.
 */
static bool is_surely_above(const double *ns, size_t n, double limit)
{
    size_t above = 0;
    for (size_t i = 0; i < n; i++)
        above += ns[i] > limit;
    return (double)above >= 0.5 * (double)n + 3.09 * 0.5 * sqrt((double)n);
}

/* The newest samples in order, and what is said of them. An alarm needs a whole window; it is over once the median is back. */
static struct tern_monitor_window window_of(struct tern_monitored *one, double *ns)
{
    size_t n = one->total < setting.window ? (size_t)one->total : setting.window;
    for (size_t i = 0; i < n; i++)
        ns[i] = one->ring[(one->total - n + i) % setting.window];
    struct tern_monitor_window w = { .name = one->name, .ns = ns, .n = n, .fresh = n < setting.every ? n : setting.every, .total = one->total,
                                     .median_ns = median_of(ns, n), .baseline_ns = one->baseline };
    if (one->baseline > 0) {
        double limit = one->baseline * (1 + setting.tolerance);
        bool is_raised = !one->is_above && n == setting.window && is_surely_above(ns, n, limit);
        one->is_above = is_raised || (one->is_above && w.median_ns > limit);
        w.ratio = w.median_ns / one->baseline;
        w.above = one->is_above;
        w.alarm = is_raised;
    }
    return w;
}

static void add(struct tern_monitored *one, double ns)
{
    double copy[WINDOW_MAX];
    struct tern_monitor_window window = { 0 };
    pthread_mutex_lock(&one->lock);
    one->ring[one->total++ % setting.window] = ns;
    bool is_due = one->total % setting.every == 0;
    if (is_due)
        window = window_of(one, copy);
    pthread_mutex_unlock(&one->lock);
    if (is_due)
        setting.hook(setting.context, &window);
}

void tern_monitor_add(struct tern_monitored **known, const char *name, double ns)
{
    if (!*known)
        *known = find(name);
    if (*known && ns > 0)
        add(*known, ns);
}

void tern_monitor_sample(const char *name, double ns)
{
    struct tern_monitored *one = NULL;
    tern_monitor_environment();
    if (tern_monitor_is_on())
        tern_monitor_add(&one, name, ns);
}

enum tern_status tern_monitor_start(const struct tern_monitor *monitor, struct tern_error *error)
{
    struct tern_monitor m = *monitor;
    m.window = m.window ? m.window : WINDOW;
    m.every = m.every ? m.every : EVERY;
    m.tolerance = m.tolerance > 0 ? m.tolerance : 0.05;
    if (!m.hook)
        return tern_error_set(error, TERN_INVALID, "monitor: expected a hook");
    if (m.window < 16 || m.window > WINDOW_MAX || m.every > m.window)
        return tern_error_set(error, TERN_INVALID, "monitor: expected a window of 16 to %d samples and no more between calls, found %zu and %zu", WINDOW_MAX, m.window, m.every);
    tern_monitor_stop();
    setting = m;
    for (struct tern_monitored *one = all; one; one = one->next) {
        one->total = 0;
        one->is_above = false;
    }
    atomic_store(&tern_monitor_runs, true);
    return TERN_OK;
}

void tern_monitor_stop(void)
{
    atomic_store(&tern_monitor_runs, false);
}

enum tern_status tern_monitor_baseline(const char *name, double ns, struct tern_error *error)
{
    if (!(ns >= 0) || !isfinite(ns))
        return tern_error_set(error, TERN_INVALID, "monitor: expected a baseline in ns, or 0 for none");
    struct tern_monitored *one = find(name);
    if (!one)
        return tern_error_memory(error, "a name to watch", sizeof *one);
    pthread_mutex_lock(&one->lock);
    one->baseline = ns;
    one->is_above = false;
    pthread_mutex_unlock(&one->lock);
    return TERN_OK;
}

/* ---- the hook that writes lines */

static size_t quoted(char *out, size_t size, const char *text)
{
    size_t at = 0;
    for (; *text && at + 7 < size; text++)
        at += (size_t)snprintf(out + at, size - at, *text == '"' || *text == '\\' ? "\\%c" : (unsigned char)*text < ' ' ? "\\u%04x" : "%c", (unsigned char)*text);
    out[at] = 0;
    return at;
}

void tern_monitor_write(void *context, const struct tern_monitor_window *w)
{
    char line[LINE];
    int descriptor = (int)(intptr_t)context;
    size_t at = (size_t)snprintf(line, sizeof line, "{\"name\":\"");
    at += quoted(line + at, sizeof line - at, w->name);
    at += (size_t)snprintf(line + at, sizeof line - at, "\",\"total\":%llu,\"ns\":[", (unsigned long long)w->total);
    for (size_t i = w->n - w->fresh; i < w->n; i++)
        at += (size_t)snprintf(line + at, sizeof line - at, i + 1 < w->n ? "%.6g," : "%.6g]}\n", w->ns[i]);
    /* Never waits and never raises SIGPIPE: a reader that is slow or gone loses lines, not the program. */
    if (send(descriptor, line, at, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ENOTSOCK && write(descriptor, line, at) < 0)
        tern_monitor_stop();
}

static void start_from_environment(void)
{
    const char *text = getenv("TERN_MONITOR");
    char *end = NULL;
    long descriptor = text && *text ? strtol(text, &end, 10) : -1;
    struct tern_error error;
    if (descriptor >= 0 && !*end)
        tern_monitor_start(&(struct tern_monitor){ .hook = tern_monitor_write, .context = (void *)(intptr_t)descriptor }, &error);
}

void tern_monitor_environment(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_from_environment);
}
