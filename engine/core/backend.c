/* SPDX-License-Identifier: Apache-2.0 */
#include "core/backend.h"
#include "core/cpu.h"
#include "core/error.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name, *needs;
    void (*overlay)(struct tern_kernels *);
};

/* Rows of other architectures keep their name, so that asking for one is answered by "needs" and not by "unknown". */
#define ROW_any(name) tern_##name##_overlay
#if defined(__x86_64__)
#define ROW_x86(name) tern_##name##_overlay
#define ROW_arm(name) NULL
#elif defined(__aarch64__)
#define ROW_x86(name) NULL
#define ROW_arm(name) tern_##name##_overlay
#else
#define ROW_x86(name) NULL
#define ROW_arm(name) NULL
#endif

static const struct row rows[] = {
#define BACKEND(name, arch, flags, needs) { #name, needs, ROW_##arch(name) },
#include "core/backends.def"
#undef BACKEND
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static struct tern_backend table[N_ROWS];
static const char *names[N_ROWS];
static size_t n_names;
static pthread_once_t built = PTHREAD_ONCE_INIT;

static bool runs_here(size_t i)
{
    char missing[32];
    return rows[i].overlay && !tern_cpu_lacks(rows[i].needs, missing);
}

/* Backend i: every weaker one that runs here, then its own kernels on top. */
static void build(void)
{
    struct tern_kernels kernels = { 0 };
    for (size_t i = 0; i < N_ROWS; i++) {
        table[i].name = rows[i].name;
        if (!runs_here(i))
            continue;
        rows[i].overlay(&kernels);
        table[i].kernels = kernels;
        names[n_names++] = rows[i].name;
    }
}

static enum tern_status unknown(const char *name, const char *where, struct tern_error *error)
{
    char known[256] = "";
    for (size_t i = 0, at = 0; i < N_ROWS && at < sizeof known; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, " %s", rows[i].name);
    return tern_error_set(error, TERN_INVALID, "%s: no backend is named \"%s\"; there are:%s", where, name, known);
}

/* Index of a name that runs here. */
static enum tern_status locate(const char *name, const char *where, size_t *out, struct tern_error *error)
{
    char missing[32] = "another architecture";
    size_t i = 0;
    while (i < N_ROWS && strcmp(rows[i].name, name))
        i++;
    if (i == N_ROWS)
        return unknown(name, where, error);
    if (!rows[i].overlay)
        return tern_error_set(error, TERN_UNSUPPORTED, "%s: backend %s is of another architecture (needs %s)", where, name, rows[i].needs);
    if (tern_cpu_lacks(rows[i].needs, missing))
        return tern_error_set(error, TERN_UNSUPPORTED, "%s: backend %s needs the CPU feature %s, which is missing here", where, name, missing);
    *out = i;
    return TERN_OK;
}

static const char *forced(void)
{
    const char *name = getenv("TERN_BACKEND");
    return name && *name ? name : NULL;
}

static enum tern_status check_forced(const char *name, size_t i, struct tern_error *error)
{
    const char *force = forced();
    if (!force || !strcmp(force, rows[i].name))
        return TERN_OK;
    return tern_error_set(error, TERN_UNSUPPORTED, "backend %s was asked for, but TERN_BACKEND forces %s", name, force);
}

enum tern_status tern_backend_find(const char *name, const struct tern_backend **out, struct tern_error *error)
{
    size_t i;
    enum tern_status status;
    const char *force = forced();
    pthread_once(&built, build);
    if (!name || !strcmp(name, "auto"))
        name = force ? force : names[n_names - 1];
    if ((force && (status = locate(force, "TERN_BACKEND", &i, error))) || (status = locate(name, "backend", &i, error)) ||
        (status = check_forced(name, i, error)))
        return status;
    *out = &table[i];
    return TERN_OK;
}

const struct tern_backend *tern_backend_scalar(void)
{
    pthread_once(&built, build);
    return &table[0];
}

enum tern_status tern_backends(const char *const **list, size_t *n, struct tern_error *error)
{
    const char *force = forced();
    size_t i;
    pthread_once(&built, build);
    *list = names;
    *n = n_names;
    if (!force)
        return TERN_OK;
    enum tern_status status = locate(force, "TERN_BACKEND", &i, error);
    *list = &table[status ? 0 : i].name;
    *n = status ? 0 : 1;
    return status;
}
