/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 (FIPS 180-4) by nettle, printed as 64 lower-case hex digits and a NUL. Whoever stores one puts "sha256:" before it.
 * No function here keeps state of its own: any thread, on its own `struct hash`.
 */
#ifndef HASH_H
#define HASH_H

#include "fault.h"

#include <stdbool.h>
#include <stddef.h>

enum { HASH_HEX = 65 };

/* A hash under way; the caller's memory, nothing to free. */
struct hash {
    _Alignas(16) unsigned char state[128];
};

void hash_init(struct hash *hash);
void hash_add(struct hash *hash, const void *data, size_t n);

/* Writes the digits of all that was added; `hash` must be initialised again before it is used again. */
void hash_end(struct hash *hash, char hex[HASH_HEX]);

/* The hash of `n` bytes at once. */
void hash_sha256(const void *data, size_t n, char hex[HASH_HEX]);

/* The hash of a file's bytes. False, EXIT_CODE_USAGE and the system's reason where it can't be read. */
bool hash_file(const char *path, char hex[HASH_HEX], struct fault *fault);

#endif
