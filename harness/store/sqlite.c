/* SPDX-License-Identifier: Apache-2.0
 *
 * The history in one SQLite file. Rollback journal and full sync: a commit that was acknowledged survives power loss, and the
 * write-ahead log's reset bug of the versions in use (before 3.51.3) can't be met. Writers queue for the lock (BEGIN IMMEDIATE,
 * busy timeout). The file may come from elsewhere, so SQLite's advice for hostile files holds (sqlite.org/security.html).
 */
#include "store/driver.h"
#include "store/durable.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_STATEMENTS = 64,
    MAX_COLUMNS = 24,
    BUSY_MS = 60000,
    APPLICATION = 0x544d524b,            /* "TMRK" in the file's header */
    QUICK_CHECK_BYTES = 32 * 1024 * 1024 /* above, checking the whole file costs more than a query: 0.1 s here, 2026-11 */
};

struct prepared {
    const struct store_statement *statement;
    sqlite3_stmt *handle;
};

struct sqlite {
    sqlite3 *handle;
    char path[PATH_MAX];
    struct prepared prepared[MAX_STATEMENTS];
    size_t n_prepared;
};

static bool is_damage(int code)
{
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_SCHEMA || code == SQLITE_MISMATCH || code == SQLITE_FORMAT;
}

static bool failed(const struct sqlite *s, struct fault *fault)
{
    int code = sqlite3_errcode(s->handle) & 0xff;
    return fault_set(fault, is_damage(code) ? EXIT_CODE_INVALID : EXIT_CODE_USAGE, "history %s: %s", s->path, sqlite3_errmsg(s->handle));
}

static bool execute(struct sqlite *s, const char *sql, struct fault *fault)
{
    return sqlite3_exec(s->handle, sql, NULL, NULL, NULL) == SQLITE_OK || failed(s, fault);
}

static int first_text(void *to, int n, char **columns, char **names)
{
    (void)names;
    if (n > 0 && columns[0])
        snprintf(to, 64, "%s", columns[0]);
    return 0;
}

/* The first column of a pragma's last row, as text of at most 63 bytes. */
static bool ask(struct sqlite *s, const char *sql, char answer[64], struct fault *fault)
{
    answer[0] = '\0';
    return sqlite3_exec(s->handle, sql, first_text, answer, NULL) == SQLITE_OK || failed(s, fault);
}

static void defend(sqlite3 *handle)
{
    static const struct {
        int id, value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, 64 * 1024 * 1024}, {SQLITE_LIMIT_SQL_LENGTH, 100000}, {SQLITE_LIMIT_COLUMN, 100}, {SQLITE_LIMIT_EXPR_DEPTH, 20},
        {SQLITE_LIMIT_VDBE_OP, 25000}, {SQLITE_LIMIT_ATTACHED, 0}, {SQLITE_LIMIT_FUNCTION_ARG, 8}, {SQLITE_LIMIT_VARIABLE_NUMBER, 99},
    };
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(handle, limits[i].id, limits[i].value);
}

static bool settings(struct sqlite *s, struct fault *fault)
{
    sqlite3_extended_result_codes(s->handle, 1);
    sqlite3_busy_timeout(s->handle, BUSY_MS);
    defend(s->handle);
    /* Counts for a new file. A block of samples leaves a part of its last page empty: small pages leave less. */
    return execute(s, "PRAGMA page_size = 2048; PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY", fault);
}

static bool check_application(struct sqlite *s, struct fault *fault)
{
    char answer[64];
    if (!ask(s, "PRAGMA application_id", answer, fault))
        return false;
    if (atoi(answer) != APPLICATION)
        return fault_set(fault, EXIT_CODE_INVALID, "history %s: a database, but none of Ternmark's", s->path);
    return true;
}

/*
 * A copy that was cut short inside its last page reads as zeros there and passes the checks of pages. Asked under a read
 * lock, after a hot journal was rolled back, since a writer at work or killed may rightly leave a part of a page.
 */
static bool check_whole(struct sqlite *s, struct fault *fault)
{
    char answer[64], page[64];
    struct stat st = {0};
    bool ok = execute(s, "BEGIN", fault) && ask(s, "SELECT count(*) FROM sqlite_schema", answer, fault) && ask(s, "PRAGMA page_size", page, fault);
    if (ok && (stat(s->path, &st) != 0 || st.st_size % atoi(page) != 0))
        ok = fault_set(fault, EXIT_CODE_INVALID, "history %s: cut short: %lld bytes are no whole number of pages of %s", s->path, (long long)st.st_size, page);
    sqlite3_exec(s->handle, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

static bool check_pages(struct sqlite *s, off_t bytes, struct fault *fault)
{
    char answer[64];
    if (!check_whole(s, fault))
        return false;
    if (bytes > QUICK_CHECK_BYTES)
        return true;
    if (!ask(s, "PRAGMA quick_check(1)", answer, fault))
        return false;
    return strcmp(answer, "ok") == 0 || fault_set(fault, EXIT_CODE_INVALID, "history %s: damaged: %s", s->path, answer);
}

static bool open_handle(struct sqlite *s, const char *path, int flags, struct fault *fault)
{
    if (sqlite3_open_v2(path, &s->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL) != SQLITE_OK)
        return failed(s, fault);
    return settings(s, fault);
}

static void sqlite_close(void *database)
{
    struct sqlite *s = database;
    for (size_t i = 0; i < s->n_prepared; i++)
        sqlite3_finalize(s->prepared[i].handle);
    sqlite3_close(s->handle);
    free(s);
}

static bool mark(struct sqlite *s, struct fault *fault)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d", APPLICATION);
    return execute(s, sql, fault);
}

/*
 * Makes the file aside and links it to its name, so that no process ever meets a file half made; whoever comes second finds
 * the first one's (EEXIST) and is content.
 */
static bool create_file(const char *path, struct fault *fault)
{
    struct sqlite made = {0};
    snprintf(made.path, sizeof made.path, "%s", path);
    char aside[PATH_MAX];
    if (snprintf(aside, sizeof aside, "%s.new.%ld", path, (long)getpid()) >= (int)sizeof aside)
        return fault_set(fault, EXIT_CODE_USAGE, "history %s: the name is too long", path);
    unlink(aside);
    bool ok = open_handle(&made, aside, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, fault) && mark(&made, fault);
    sqlite3_close(made.handle);
    if (ok && link(aside, path) != 0 && errno != EEXIST)
        ok = fault_set(fault, EXIT_CODE_USAGE, "history %s: %s", path, strerror(errno));
    unlink(aside);
    return ok && durable_sync_folder(path, fault);
}

/* Sees to it that a regular file that is not empty is there; *bytes is its size. */
static bool find_file(const char *path, bool create, off_t *bytes, struct fault *fault)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno != ENOENT || !create)
            return fault_set(fault, EXIT_CODE_USAGE, "history %s: %s%s", path, strerror(errno), errno == ENOENT ? " (history import makes it)" : "");
        if (!create_file(path, fault))
            return false;
        if (stat(path, &st) != 0)
            return fault_set(fault, EXIT_CODE_USAGE, "history %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode))
        return fault_set(fault, EXIT_CODE_INVALID, "history %s: not a file", path);
    if (st.st_size == 0)
        return fault_set(fault, EXIT_CODE_INVALID, "history %s: an empty file, which no history is", path);
    if (access(path, R_OK) != 0)
        return fault_set(fault, EXIT_CODE_USAGE, "history %s: %s", path, strerror(errno));
    *bytes = st.st_size;
    return true;
}

static void *sqlite_open(const char *url, bool create, struct fault *fault)
{
    const char *path = url + strlen("sqlite:");
    off_t bytes;
    struct sqlite *s = calloc(1, sizeof *s);
    if (!s || strlen(path) >= sizeof s->path || !*path) {
        fault_set(fault, EXIT_CODE_USAGE, "--store: expected sqlite:FILE");
        free(s);
        return NULL;
    }
    snprintf(s->path, sizeof s->path, "%s", path);
    if (find_file(path, create, &bytes, fault) && open_handle(s, path, SQLITE_OPEN_READWRITE, fault) && check_application(s, fault) &&
        check_pages(s, bytes, fault) && execute(s, "PRAGMA journal_mode = DELETE", fault))
        return s;
    sqlite_close(s);
    return NULL;
}

static bool sqlite_version(void *database, int64_t *version, struct fault *fault)
{
    char answer[64];
    if (!ask(database, "PRAGMA user_version", answer, fault))
        return false;
    *version = atoll(answer);
    return true;
}

static bool sqlite_migrate(void *database, const char *script, int64_t version, struct fault *fault)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)version);
    return execute(database, script, fault) && execute(database, sql, fault);
}

static bool sqlite_begin(void *database, struct fault *fault)
{
    return execute(database, "BEGIN IMMEDIATE", fault);
}

static bool sqlite_commit(void *database, struct fault *fault)
{
    return execute(database, "COMMIT", fault);
}

static void sqlite_rollback(void *database)
{
    struct sqlite *s = database;
    if (!sqlite3_get_autocommit(s->handle))
        sqlite3_exec(s->handle, "ROLLBACK", NULL, NULL, NULL);
}

static sqlite3_stmt *prepare(struct sqlite *s, const struct store_statement *statement, struct fault *fault)
{
    for (size_t i = 0; i < s->n_prepared; i++)
        if (s->prepared[i].statement == statement)
            return s->prepared[i].handle;
    sqlite3_stmt *handle = NULL;
    if (s->n_prepared == MAX_STATEMENTS)
        fault_set(fault, EXIT_CODE_USAGE, "history: more than %d statements", MAX_STATEMENTS);
    else if (sqlite3_prepare_v3(s->handle, statement->sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL) != SQLITE_OK)
        failed(s, fault);
    else
        s->prepared[s->n_prepared++] = (struct prepared){statement, handle};
    return handle;
}

/* $1 is a name to SQLite; its number is that of its first use, so it is asked for. */
static bool bind(sqlite3_stmt *handle, size_t i, const struct store_value *v)
{
    char name[24];
    snprintf(name, sizeof name, "$%zu", i + 1);
    int at = sqlite3_bind_parameter_index(handle, name);
    switch (v->kind) {
    case STORE_INTEGER: return sqlite3_bind_int64(handle, at, v->integer) == SQLITE_OK;
    case STORE_REAL: return sqlite3_bind_double(handle, at, v->real) == SQLITE_OK;
    case STORE_TEXT: return sqlite3_bind_text(handle, at, v->bytes, (int)v->n, SQLITE_STATIC) == SQLITE_OK;
    case STORE_BLOB: return sqlite3_bind_blob(handle, at, v->bytes, (int)v->n, SQLITE_STATIC) == SQLITE_OK;
    default: return sqlite3_bind_null(handle, at) == SQLITE_OK;
    }
}

static struct store_value column(sqlite3_stmt *handle, int i)
{
    switch (sqlite3_column_type(handle, i)) {
    case SQLITE_INTEGER: {
        int64_t v = sqlite3_column_int64(handle, i);
        return (struct store_value){.kind = STORE_INTEGER, .integer = v, .real = (double)v};
    }
    case SQLITE_FLOAT: return (struct store_value){.kind = STORE_REAL, .real = sqlite3_column_double(handle, i)};
    case SQLITE_TEXT: {
        const void *text = sqlite3_column_text(handle, i);
        return (struct store_value){.kind = STORE_TEXT, .bytes = text, .n = (size_t)sqlite3_column_bytes(handle, i)};
    }
    case SQLITE_BLOB: {
        const void *bytes = sqlite3_column_blob(handle, i);
        return (struct store_value){.kind = STORE_BLOB, .bytes = bytes, .n = (size_t)sqlite3_column_bytes(handle, i)};
    }
    default: return (struct store_value){.kind = STORE_NULL};
    }
}

static bool rows(struct sqlite *s, sqlite3_stmt *handle, store_row *each, void *to, struct fault *fault)
{
    for (;;) {
        int code = sqlite3_step(handle), n = sqlite3_column_count(handle);
        if (code == SQLITE_DONE)
            return true;
        if (code != SQLITE_ROW)
            return failed(s, fault);
        struct store_value columns[MAX_COLUMNS];
        for (int i = 0; i < n && i < MAX_COLUMNS; i++)
            columns[i] = column(handle, i);
        if (each && !each(to, columns, (size_t)n))
            return true;
    }
}

static bool sqlite_run(void *database, const struct store_statement *statement, const struct store_value *parameters, store_row *each, void *to, struct fault *fault)
{
    struct sqlite *s = database;
    sqlite3_stmt *handle = prepare(s, statement, fault);
    bool ok = handle != NULL;
    for (size_t i = 0; ok && i < statement->n_parameters; i++)
        ok = bind(handle, i, &parameters[i]) || failed(s, fault);
    ok = ok && rows(s, handle, each, to, fault);
    if (handle) {
        sqlite3_reset(handle);
        sqlite3_clear_bindings(handle);
    }
    return ok;
}

/* A file is there or not; it is never down for a while. */
static bool sqlite_is_down(void *database)
{
    (void)database;
    return false;
}

static bool sqlite_check(void *database, struct fault *fault)
{
    struct sqlite *s = database;
    char answer[64];
    if (!ask(s, "PRAGMA integrity_check(1)", answer, fault))
        return false;
    return strcmp(answer, "ok") == 0 || fault_set(fault, EXIT_CODE_INVALID, "history %s: damaged: %s", s->path, answer);
}

const struct store_driver sqlite_driver = {
    .bytes = {"SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", 0},
    .scheme = "sqlite", .serial = "INTEGER PRIMARY KEY", .compact = " WITHOUT ROWID", .open = sqlite_open, .close = sqlite_close,
    .version = sqlite_version, .migrate = sqlite_migrate, .begin = sqlite_begin, .commit = sqlite_commit, .rollback = sqlite_rollback,
    .run = sqlite_run, .is_down = sqlite_is_down, .check = sqlite_check,
};
