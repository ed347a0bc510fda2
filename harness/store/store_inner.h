/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the store (store*.c): the connection, and short ways to run statements.
 */
#ifndef STORE_INNER_H
#define STORE_INNER_H

#include "store/driver.h"
#include "store/store.h"

#include <string.h>

struct store {
    const struct store_driver *driver;
    void *database;
    bool is_open_transaction;
};

static inline struct store_value store_integer(int64_t v)
{
    return (struct store_value){.kind = STORE_INTEGER, .integer = v};
}

/* NULL for what is not finite: a number that isn't one is not stored as if it were. */
static inline struct store_value store_real(double v)
{
    return __builtin_isfinite(v) ? (struct store_value){.kind = STORE_REAL, .real = v} : (struct store_value){.kind = STORE_NULL};
}

static inline struct store_value store_text(const char *v)
{
    return v ? (struct store_value){.kind = STORE_TEXT, .bytes = v, .n = strlen(v)} : (struct store_value){.kind = STORE_NULL};
}

/* Runs a statement whose parameters stand in an array. */
#define STORE_RUN(store, statement, parameters, each, to, fault) \
    ((store)->driver->run((store)->database, (statement), (parameters), (each), (to), (fault)))

/* A row callback: the first column as integer into an int64_t. */
bool store_take_integer(void *to, const struct store_value *columns, size_t n);

/* Copies a text column; nothing for NULL. */
void store_copy_text(const struct store_value *column, char *to, size_t size);

/* The key of a row found by one statement, added by another when it is not there. Both take the same parameters. */
bool store_key(struct store *store, const struct store_statement *find, const struct store_statement *add, const struct store_value *parameters,
               int64_t *key, struct fault *fault);

/*
 * Sample sets as bytes: a version, the counts per generation, then all doubles with their k-th bytes side by side, deflated
 * (zlib): neighbours share sign, exponent and upper digits. Lossless. `generations` as in SCHEMA.md; free(*bytes).
 */
bool store_samples_pack(const json_t *generations, unsigned char **bytes, size_t *n_bytes, size_t *n_samples);
/* False when the bytes are not such a set. free(*samples). */
bool store_samples_unpack(const unsigned char *bytes, size_t n_bytes, double **samples, size_t *n_samples);

/* Keeps why a machine could not read a metric; once for each reason. */
bool store_absence_add(struct store *store, int64_t hardware, const char *metric, const char *why, int64_t started, struct fault *fault);

/* Where a point's samples lie: bytes from .. from + n - 1 of a block, counted from 1. Block 0: it has none. */
struct store_place {
    int64_t block, from, n;
};

/* Sample sets on their way into the table of blocks; zeroed to begin with. */
struct store_block {
    int64_t id;
    unsigned char *bytes;
    size_t n, room;
};

/* Puts a packed set behind the others; writes what is full. Inside a transaction. */
bool store_block_append(struct store *store, struct store_block *block, const unsigned char *set, size_t n, struct store_place *place, struct fault *fault);
/* Writes what is there; the block is empty then. */
bool store_block_write(struct store *store, struct store_block *block, struct fault *fault);
void store_block_clear(struct store_block *block);

/* Sees to it that an array at *items, of *room items of `size` bytes, has room for item n. */
bool store_grow(void *items, size_t *room, size_t n, size_t size);

/* One statement for each version: migrations[v] leads from v to v + 1. */
extern const char *const store_migrations[];
extern const int64_t store_version;

/*
 * Brings the tables to a version, in one transaction and under the write lock, since another process may have come first:
 * whoever is second finds nothing left to do.
 */
bool store_migrate(struct store *store, int64_t to, struct fault *fault);

#endif
