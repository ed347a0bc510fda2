/* SPDX-License-Identifier: Apache-2.0
 *
 * One text for one JSON value, so that a checksum means something: keys sorted by code point, no spaces, ASCII only (others as
 * \uHHHH, lower case), integers as integers, reals with the fewest digits that read back as the same double. It is what Python's
 * json.dumps(value, sort_keys=True, separators=(",", ":")) prints, so a file can be checked without this program.
 */
#ifndef STORE_CANONICAL_H
#define STORE_CANONICAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { CANONICAL_REAL = 64 };

/* Takes the text piece by piece. */
typedef void canonical_sink(void *to, const char *text, size_t n);

/* Sends the text of `value` to `sink`. False when memory ran out: then the text is not whole. */
bool canonical_print(const json_t *value, canonical_sink *sink, void *to);

/* The text of a finite double into `buffer` : fewest digits that read back the same, always with a point or an exponent. */
void canonical_real(double value, char buffer[CANONICAL_REAL]);

/* The keys of an object, sorted, as an array of pointers into it; free() the array. NULL when empty or out of memory. */
const char **canonical_keys(const json_t *object, size_t *n);

/* A sink that writes to a FILE. */
canonical_sink canonical_to_file;

#endif
