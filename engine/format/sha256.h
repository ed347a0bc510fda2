/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 of a stream of bytes. Source: FIPS 180-4, sections 4.1.2, 5.3.3 and 6.2.
 */
#ifndef TERN_SHA256_H
#define TERN_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct tern_sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    uint8_t block[64];
};

void tern_sha256_init(struct tern_sha256 *s);
void tern_sha256_add(struct tern_sha256 *s, const void *bytes, size_t n);
/* Ends the stream: 64 lower-case hexadecimal digits and a null. */
void tern_sha256_end(struct tern_sha256 *s, char text[65]);

#endif
