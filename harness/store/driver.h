/* SPDX-License-Identifier: Apache-2.0
 *
 * What a database has to offer (one file each: sqlite.c, postgres.c). All SQL stands above this line, in store*.c, in the
 * words both databases share; statements are constants, values go in as parameters $1, $2, … in the order of their numbers.
 *
 * Faults: EXIT_CODE_INVALID for a file or schema that is damaged, foreign or newer; EXIT_CODE_USAGE for everything else
 * (no server, no rights, no room). `is_down` tells of the last fault whether the database was out of reach, so that the
 * caller may keep the data and come back. A connection is for one thread and never crosses a fork.
 */
#ifndef STORE_DRIVER_H
#define STORE_DRIVER_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_kind { STORE_NULL, STORE_INTEGER, STORE_REAL, STORE_TEXT, STORE_BLOB };

/* A parameter or a column. Text and bytes are the owner's: of a column, valid until the callback returns. */
struct store_value {
    enum store_kind kind;
    int64_t integer;
    double real;
    const void *bytes;  /* text ends with a NUL that n does not count */
    size_t n;
};

/* Takes one row; false ends the statement early. */
typedef bool store_row(void *to, const struct store_value *columns, size_t n);

struct store_statement {
    const char *sql;
    size_t n_parameters;
};

struct store_driver {
    const char *scheme;   /* of the URL, up to the colon */
    const char *serial;   /* type of a key that counts by itself */
    struct store_statement bytes;  /* how many the whole takes, one row of one integer */
    const char *compact;  /* words after a table whose rows live in their primary key */
    /* `where` is the whole URL; `create`: may be made when it is not there. */
    void *(*open)(const char *where, bool create, struct fault *fault);
    void (*close)(void *database);
    /* Version of the schema, 0 when there is none. */
    bool (*version)(void *database, int64_t *version, struct fault *fault);
    /* Several statements without parameters, and the version they make, inside the transaction at hand. */
    bool (*migrate)(void *database, const char *script, int64_t version, struct fault *fault);
    bool (*begin)(void *database, struct fault *fault);  /* takes the write lock at once where there is one */
    bool (*commit)(void *database, struct fault *fault);
    void (*rollback)(void *database);
    /* Prepared once per connection and statement (by its address). `each` may be NULL. */
    bool (*run)(void *database, const struct store_statement *statement, const struct store_value *parameters, store_row *each, void *to, struct fault *fault);
    bool (*is_down)(void *database);
    /* Looks at every page where the database is a file; slow. EXIT_CODE_INVALID. */
    bool (*check)(void *database, struct fault *fault);
};

extern const struct store_driver sqlite_driver, postgres_driver;

#endif
