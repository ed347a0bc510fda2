/* SPDX-License-Identifier: Apache-2.0
 *
 * The history in PostgreSQL, for teams: tables in the schema `ternmark`, which the connection searches first. A writer needs
 * SELECT and INSERT only; migrations need the owner. The password comes from the URL, PGPASSWORD or ~/.pgpass (libpq); no
 * fault names the URL.
 *
 * libpq is opened with the first history of that kind: it brings twenty libraries, which each worker would map and relocate at
 * its start (17 ms with them, 6 ms without, on a virtual EPYC).
 */
#include "store/driver.h"
#include "text.h"

#include <dlfcn.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STATEMENTS = 64, MAX_COLUMNS = 24, MAX_PARAMETERS = 24, NUMBER = 32 };
enum { OID_BYTEA = 17, OID_INT8 = 20, OID_INT4 = 23, OID_FLOAT8 = 701, OID_NUMERIC = 1700 };  /* pg_type.dat */

#define FUNCTIONS(X) \
    X(clear) X(connectdbParams) X(errorMessage) X(exec) X(execPrepared) X(finish) X(freemem) X(ftype) X(getisnull) \
    X(getlength) X(getvalue) X(nfields) X(ntuples) X(prepare) X(resultStatus) X(setNoticeProcessor) X(status) \
    X(transactionStatus) X(unescapeBytea)

#define FIELD(name) __typeof__(PQ##name) *name;
#define ROW(name) {"PQ" #name, offsetof(struct functions, name)},
struct functions {
    FUNCTIONS(FIELD)
};
static const struct {
    const char *name;
    size_t at;
} functions[] = {FUNCTIONS(ROW)};

static struct functions pq;
static char absence[256];  /* why there is no libpq, empty with it */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    void *library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library && i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(library, functions[i].name);
        memcpy((char *)&pq + functions[i].at, &function, sizeof function);
        if (!function)
            library = NULL;
    }
    if (!library)
        snprintf(absence, sizeof absence, "%s", dlerror());
}

struct postgres {
    PGconn *connection;
    const struct store_statement *prepared[MAX_STATEMENTS];
    size_t n_prepared;
    bool was_down;
};

static void be_silent(void *to, const char *text)
{
    (void)to;
    (void)text;
}

/* The server's message, one line, without what could reach a terminal raw. */
static bool failed(struct postgres *p, struct fault *fault)
{
    char line[512], shown[600];
    snprintf(line, sizeof line, "%s", pq.errorMessage(p->connection));
    for (char *at = line; *at; at++)
        if (*at == '\n')
            *at = at[1] ? ' ' : '\0';
    p->was_down = pq.status(p->connection) != CONNECTION_OK;
    return fault_set(fault, EXIT_CODE_USAGE, "history in PostgreSQL: %s", text_escape(line, shown, sizeof shown));
}

/* Whether the result is one of success; frees it. */
static bool done(struct postgres *p, PGresult *result, struct fault *fault)
{
    ExecStatusType status = pq.resultStatus(result);
    pq.clear(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || failed(p, fault);
}

static bool execute(struct postgres *p, const char *sql, struct fault *fault)
{
    return done(p, pq.exec(p->connection, sql), fault);
}

static void postgres_close(void *database)
{
    struct postgres *p = database;
    pq.finish(p->connection);
    free(p);
}

static void *postgres_open(const char *url, bool create, struct fault *fault)
{
    (void)create;  /* a database is made by its administrator */
    pthread_once(&once, open_library);
    if (*absence) {
        fault_set(fault, EXIT_CODE_USAGE, "history in PostgreSQL: %s", absence);
        return NULL;
    }
    const char *keywords[] = {"dbname", "connect_timeout", "application_name", "client_encoding", "options", NULL};
    const char *values[] = {url, "5", "ternmark", "UTF8", "-c search_path=ternmark -c standard_conforming_strings=on", NULL};
    struct postgres *p = calloc(1, sizeof *p);
    if (!p) {
        fault_set(fault, EXIT_CODE_USAGE, "history: no memory");
        return NULL;
    }
    p->connection = pq.connectdbParams(keywords, values, 1);
    pq.setNoticeProcessor(p->connection, be_silent, NULL);
    if (pq.status(p->connection) == CONNECTION_OK)
        return p;
    failed(p, fault);
    postgres_close(p);
    return NULL;
}

static bool take_integer(void *to, const struct store_value *columns, size_t n)
{
    if (n)
        *(int64_t *)to = columns[0].integer;
    return false;
}

static bool postgres_run(void *database, const struct store_statement *statement, const struct store_value *parameters, store_row *each, void *to, struct fault *fault);

static bool postgres_version(void *database, int64_t *version, struct fault *fault)
{
    static const struct store_statement there = {"SELECT count(*) FROM pg_tables WHERE schemaname = 'ternmark' AND tablename = 'migration'", 0};
    static const struct store_statement newest = {"SELECT coalesce(max(version), 0)::bigint FROM migration", 0};
    int64_t is_there = 0;
    *version = 0;
    return postgres_run(database, &there, NULL, take_integer, &is_there, fault) &&
           (!is_there || postgres_run(database, &newest, NULL, take_integer, version, fault));
}

static bool postgres_migrate(void *database, const char *script, int64_t version, struct fault *fault)
{
    char sql[96];
    snprintf(sql, sizeof sql, "INSERT INTO migration (version) VALUES (%lld)", (long long)version);
    return execute(database, "CREATE SCHEMA IF NOT EXISTS ternmark; CREATE TABLE IF NOT EXISTS migration (version BIGINT PRIMARY KEY)", fault) &&
           execute(database, script, fault) && execute(database, sql, fault);
}

/* Writers queue, as they do for SQLite: two that add the same cells in another order would wait for each other for ever. */
static bool postgres_begin(void *database, struct fault *fault)
{
    return execute(database, "BEGIN; SELECT pg_advisory_xact_lock(1413631563)", fault);
}

static bool postgres_commit(void *database, struct fault *fault)
{
    return execute(database, "COMMIT", fault);
}

static void postgres_rollback(void *database)
{
    struct postgres *p = database;
    if (pq.transactionStatus(p->connection) != PQTRANS_IDLE)
        pq.clear(pq.exec(p->connection, "ROLLBACK"));
}

/* Prepares once; the name is the statement's number. */
static bool prepare(struct postgres *p, const struct store_statement *statement, char name[NUMBER], struct fault *fault)
{
    size_t i = 0;
    while (i < p->n_prepared && p->prepared[i] != statement)
        i++;
    snprintf(name, NUMBER, "s%zu", i);
    if (i < p->n_prepared)
        return true;
    if (i == MAX_STATEMENTS)
        return fault_set(fault, EXIT_CODE_USAGE, "history: more than %d statements", MAX_STATEMENTS);
    if (!done(p, pq.prepare(p->connection, name, statement->sql, 0, NULL), fault))
        return false;
    p->prepared[p->n_prepared++] = statement;
    return true;
}

struct parameters {
    const char *values[MAX_PARAMETERS];
    int lengths[MAX_PARAMETERS], formats[MAX_PARAMETERS];
    char numbers[MAX_PARAMETERS][NUMBER];
};

static void set_parameter(struct parameters *out, size_t i, const struct store_value *v)
{
    out->values[i] = v->kind == STORE_NULL ? NULL : v->kind == STORE_TEXT || v->kind == STORE_BLOB ? v->bytes : out->numbers[i];
    out->lengths[i] = (int)v->n;
    out->formats[i] = v->kind == STORE_BLOB;
    if (v->kind == STORE_INTEGER)
        snprintf(out->numbers[i], NUMBER, "%lld", (long long)v->integer);
    if (v->kind == STORE_REAL)
        snprintf(out->numbers[i], NUMBER, "%.17g", v->real);
}

/* A column as the server wrote it: numbers by type, bytes unescaped (freed by free_column). */
static struct store_value column(const PGresult *result, int row, int i)
{
    if (pq.getisnull(result, row, i))
        return (struct store_value){.kind = STORE_NULL};
    const char *text = pq.getvalue(result, row, i);
    switch (pq.ftype(result, i)) {
    case OID_INT4:
    case OID_INT8: {
        int64_t v = strtoll(text, NULL, 10);
        return (struct store_value){.kind = STORE_INTEGER, .integer = v, .real = (double)v};
    }
    case OID_NUMERIC:
    case OID_FLOAT8: return (struct store_value){.kind = STORE_REAL, .real = strtod(text, NULL)};
    case OID_BYTEA: {
        size_t n = 0;
        const void *bytes = pq.unescapeBytea((const unsigned char *)text, &n);
        return (struct store_value){.kind = STORE_BLOB, .bytes = bytes, .n = n};
    }
    default: return (struct store_value){.kind = STORE_TEXT, .bytes = text, .n = (size_t)pq.getlength(result, row, i)};
    }
}

static void free_columns(struct store_value *columns, int n)
{
    for (int i = 0; i < n; i++)
        if (columns[i].kind == STORE_BLOB)
            pq.freemem((void *)(uintptr_t)columns[i].bytes);
}

static void rows(const PGresult *result, store_row *each, void *to)
{
    struct store_value columns[MAX_COLUMNS];
    int n = pq.nfields(result);
    bool more = each != NULL && n <= MAX_COLUMNS;
    for (int row = 0; more && row < pq.ntuples(result); row++) {
        for (int i = 0; i < n; i++)
            columns[i] = column(result, row, i);
        more = each(to, columns, (size_t)n);
        free_columns(columns, n);
    }
}

static bool postgres_run(void *database, const struct store_statement *statement, const struct store_value *parameters, store_row *each, void *to, struct fault *fault)
{
    struct postgres *p = database;
    struct parameters sent;
    char name[NUMBER];
    if (!prepare(p, statement, name, fault))
        return false;
    for (size_t i = 0; i < statement->n_parameters; i++)
        set_parameter(&sent, i, &parameters[i]);
    PGresult *result = pq.execPrepared(p->connection, name, (int)statement->n_parameters, sent.values, sent.lengths, sent.formats, 0);
    if (pq.resultStatus(result) == PGRES_TUPLES_OK)
        rows(result, each, to);
    return done(p, result, fault);
}

static bool postgres_is_down(void *database)
{
    struct postgres *p = database;
    return p->was_down || pq.status(p->connection) != CONNECTION_OK;
}

/* The server keeps its own pages. */
static bool postgres_check(void *database, struct fault *fault)
{
    (void)database;
    (void)fault;
    return true;
}

const struct store_driver postgres_driver = {
    .bytes = {"SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
              " WHERE n.nspname = 'ternmark' AND c.relkind = 'r'", 0},
    .scheme = "postgresql", .serial = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", .compact = "", .open = postgres_open, .close = postgres_close,
    .version = postgres_version, .migrate = postgres_migrate, .begin = postgres_begin, .commit = postgres_commit, .rollback = postgres_rollback,
    .run = postgres_run, .is_down = postgres_is_down, .check = postgres_check,
};
