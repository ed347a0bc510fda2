/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "store/store_inner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const struct store_driver *const drivers[] = {&sqlite_driver, &postgres_driver};

static const struct store_driver *driver_of(const char *url)
{
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        size_t n = strlen(drivers[i]->scheme);
        if (strncmp(url, drivers[i]->scheme, n) == 0 && url[n] == ':')
            return drivers[i];
    }
    return strncmp(url, "postgres://", 11) == 0 ? &postgres_driver : NULL;
}

/* The migration's text with the driver's words in it; the caller frees it. */
static char *in_words_of(const struct store_driver *driver, const char *script)
{
    static const char *const words[] = {"{serial}", "{compact}"};
    const char *const meant[] = {driver->serial, driver->compact};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    while (*script) {
        size_t w = 0;
        while (w < 2 && strncmp(script, words[w], strlen(words[w])) != 0)
            w++;
        fputs(w < 2 ? meant[w] : (char[]){*script, '\0'}, out);
        script += w < 2 ? strlen(words[w]) : 1;
    }
    return fclose(out) == 0 ? text : NULL;
}

static bool migrate_one(struct store *s, int64_t version, struct fault *fault)
{
    char *script = in_words_of(s->driver, store_migrations[version]);
    bool ok = script ? s->driver->migrate(s->database, script, version + 1, fault) : fault_set(fault, EXIT_CODE_USAGE, "history: no memory");
    free(script);
    return ok;
}

bool store_migrate(struct store *s, int64_t to, struct fault *fault)
{
    int64_t version;
    bool ok = s->driver->begin(s->database, fault) && s->driver->version(s->database, &version, fault);
    while (ok && version < to)
        ok = migrate_one(s, version++, fault);
    if (ok && s->driver->commit(s->database, fault))
        return true;
    s->driver->rollback(s->database);
    return false;
}

static bool check_version(struct store *s, enum store_mode mode, struct fault *fault)
{
    int64_t version;
    if (!s->driver->version(s->database, &version, fault))
        return false;
    if (version > store_version)
        return fault_set(fault, EXIT_CODE_INVALID, "history: its tables have version %lld, made by a newer Ternmark; this one knows %lld", (long long)version,
                         (long long)store_version);
    if (version == store_version)
        return true;
    if (mode == STORE_READ)
        return fault_set(fault, EXIT_CODE_USAGE, "history: its tables have version %lld, expected %lld (history import makes them)", (long long)version,
                         (long long)store_version);
    /* Two processes may both migrate an empty PostgreSQL database: the one that loses looks again. */
    return store_migrate(s, store_version, fault) || (s->driver->version(s->database, &version, fault) && version == store_version);
}

struct store *store_open(const char *url, enum store_mode mode, struct fault *fault)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s || !(s->driver = driver_of(url))) {
        fault_set(fault, EXIT_CODE_USAGE, "--store: expected sqlite:FILE or postgresql://…");
        free(s);
        return NULL;
    }
    s->database = s->driver->open(url, mode == STORE_WRITE, fault);
    if (s->database && check_version(s, mode, fault))
        return s;
    store_close(s);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->database)
        store->driver->close(store->database);
    free(store);
}

bool store_is_down(const struct store *store)
{
    return store->driver->is_down(store->database);
}

bool store_check(struct store *store, struct fault *fault)
{
    return store->driver->check(store->database, fault);
}

bool store_begin(struct store *store, struct fault *fault)
{
    return store->driver->begin(store->database, fault);
}

bool store_commit(struct store *store, struct fault *fault)
{
    return store->driver->commit(store->database, fault);
}

void store_rollback(struct store *store)
{
    store->driver->rollback(store->database);
}

bool store_take_integer(void *to, const struct store_value *columns, size_t n)
{
    if (n)
        *(int64_t *)to = columns[0].integer;
    return false;
}

void store_copy_text(const struct store_value *column, char *to, size_t size)
{
    size_t n = column->kind == STORE_TEXT ? column->n : 0;
    if (n >= size)
        n = size - 1;
    if (n)
        memcpy(to, column->bytes, n);
    to[n] = '\0';
}

bool store_grow(void *items, size_t *room, size_t n, size_t size)
{
    void **at = items;
    if (n < *room)
        return true;
    size_t more = *room ? 2 * *room : 32;
    void *bigger = reallocarray(*at, more, size);
    if (!bigger)
        return false;
    *at = bigger;
    *room = more;
    return true;
}

bool store_key(struct store *store, const struct store_statement *find, const struct store_statement *add, const struct store_value *parameters,
               int64_t *key, struct fault *fault)
{
    *key = -1;
    if (!STORE_RUN(store, find, parameters, store_take_integer, key, fault))
        return false;
    if (*key >= 0)
        return true;
    if (!STORE_RUN(store, add, parameters, NULL, NULL, fault) || !STORE_RUN(store, find, parameters, store_take_integer, key, fault))
        return false;
    return *key >= 0 || fault_set(fault, EXIT_CODE_USAGE, "history: a row that was added can't be found");
}

/* Makes each folder of `path` up to its last slash. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!ok)
            return false;
    }
    return true;
}

bool store_default_url(char *url, size_t size, struct fault *fault)
{
    const char *store = getenv("TERNMARK_STORE"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (store && *store)
        return (size_t)snprintf(url, size, "%s", store) < size || fault_set(fault, EXIT_CODE_USAGE, "TERNMARK_STORE is too long");
    bool has_data = data && *data == '/';
    if (!has_data && (!home || *home != '/'))
        return fault_set(fault, EXIT_CODE_USAGE, "no --store, TERNMARK_STORE, XDG_DATA_HOME or HOME says where the history is");
    int n = snprintf(url, size, "sqlite:%s%s/ternmark/history.db", has_data ? data : home, has_data ? "" : "/.local/share");
    if (n < 0 || (size_t)n >= size)
        return fault_set(fault, EXIT_CODE_USAGE, "the path of the history is too long");
    return make_folders(url + strlen("sqlite:")) || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", url, strerror(errno));
}
