/* SPDX-License-Identifier: Apache-2.0
 *
 * What is remembered of a header: where each key and each tensor info starts, and a hash set of their names.
 * Counted references, because the cache of headers and open files share one index.
 */
#ifndef TERN_GGUF_INDEX_H
#define TERN_GGUF_INDEX_H

#include "format/gguf_cursor.h"

#include <stdatomic.h>

/* Offsets of n named things, and an open-addressed set of them: slot = number + 1, 0 = free. */
struct tern_gguf_names {
    uint64_t n;
    uint64_t *offsets;
    uint32_t *slots;
    uint64_t n_slots;
};

struct tern_gguf_index {
    atomic_uint references;
    uint32_t version;
    struct tern_gguf_data data;
    uint64_t seed; /* of the hash, random: a file cannot be made to collide */
    struct tern_gguf_names keys, tensors;
};

/* Reads and checks the header under `c`; NULL with the error told. The caller owns one reference. */
struct tern_gguf_index *tern_gguf_index_read(struct tern_gguf_cursor *c);
struct tern_gguf_index *tern_gguf_index_hold(struct tern_gguf_index *index);
void tern_gguf_index_release(struct tern_gguf_index *index);

/* The number of a name, or UINT64_MAX. `bytes` and `size` are the file's. */
uint64_t tern_gguf_index_find(const struct tern_gguf_index *index, const struct tern_gguf_names *names, const uint8_t *bytes,
                              uint64_t size, struct tern_gguf_string name);

#endif
