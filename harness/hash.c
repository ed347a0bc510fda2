/* SPDX-License-Identifier: Apache-2.0 */
#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(struct hash), "struct hash holds nettle's context");
_Static_assert(_Alignof(struct sha256_ctx) <= _Alignof(struct hash), "struct hash is aligned for nettle's context");

static struct sha256_ctx *context(struct hash *hash)
{
    return (struct sha256_ctx *)(void *)hash->state;
}

void hash_init(struct hash *hash)
{
    sha256_init(context(hash));
}

void hash_add(struct hash *hash, const void *data, size_t n)
{
    if (n)
        sha256_update(context(hash), n, data);
}

void hash_end(struct hash *hash, char hex[HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(context(hash), sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[HASH_HEX - 1] = 0;
}

void hash_sha256(const void *data, size_t n, char hex[HASH_HEX])
{
    struct hash hash;
    hash_init(&hash);
    hash_add(&hash, data, n);
    hash_end(&hash, hex);
}

bool hash_file(const char *path, char hex[HASH_HEX], struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    struct hash hash;
    char block[65536];
    ssize_t n;
    hash_init(&hash);
    do {
        n = read(fd, block, sizeof block);
        if (n > 0)
            hash_add(&hash, block, (size_t)n);
    } while (n > 0 || (n < 0 && errno == EINTR));
    int reason = errno;
    close(fd);
    if (n < 0)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(reason));
    hash_end(&hash, hex);
    return true;
}
