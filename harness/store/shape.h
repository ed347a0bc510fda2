/* SPDX-License-Identifier: Apache-2.0
 *
 * What a JSON value must look like, as tables, and the one function that compares. A record has exactly the fields of its
 * table; nothing unknown, nothing missing but what is optional. The tables of the result file are in store/runfile_shape.c.
 */
#ifndef STORE_SHAPE_H
#define STORE_SHAPE_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>

enum shape_kind { SHAPE_TEXT, SHAPE_INTEGER, SHAPE_NUMBER, SHAPE_BOOL, SHAPE_SCALAR, SHAPE_LIST, SHAPE_MAP, SHAPE_RECORD, SHAPE_EITHER };
enum shape_bound { BOUND_NONE, BOUND_NOT_NEGATIVE, BOUND_POSITIVE };

struct shape_walk;

/* One key of a record. `kinds` is a set of bits: the field belongs to files of these kinds only (0: to all). */
struct shape_field {
    const char *key;
    const struct shape *shape;
    unsigned kinds;
};

struct shape {
    enum shape_kind kind;
    bool nullable;
    bool optional;                             /* a record may lack it */
    const char *name;                          /* what a fault says was expected; NULL: the kind's own name */
    bool (*text)(const char *text);            /* TEXT: what it must satisfy, or NULL */
    const char *const *words;                  /* TEXT: the only ones allowed, NULL-ended, or NULL */
    enum shape_bound bound;                    /* INTEGER, NUMBER */
    const struct shape *of;                    /* LIST: each element; MAP: each value */
    const struct shape_field *fields;          /* RECORD: ended by a null key */
    const struct shape *const *either;         /* EITHER: records, told apart by their first key; NULL-ended */
    bool (*rule)(const json_t *value, struct shape_walk *walk); /* what the tables can't say; runs when all else holds */
};

/* Where a walk is, for faults: `path` is like cells[3].runs[0].samples_ns[1][7]. */
struct shape_walk {
    const char *file;
    unsigned kind;      /* one bit: of which kind the file is */
    struct fault *fault;
    char path[512];
};

/* Whether `value` is of `shape`; else fills the fault (EXIT_CODE_INVALID) with file, path, expected and found. */
bool shape_check(const json_t *value, const struct shape *shape, struct shape_walk *walk);

/* Fills the fault for the place where the walk is, with `key` added (NULL: the place itself); returns false. For rules. */
__attribute__((format(printf, 3, 4))) bool shape_fault(struct shape_walk *walk, const char *key, const char *format, ...);

#endif
