/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed sample sets of one result, one behind the other in a block: a database loses part of a page with each row of
 * bytes, and a block pays that once for many sets. A point says where in which block its set lies.
 */
#include "store/store_inner.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 1024 * 1024 };  /* a set is read through its whole block */

/* Ids count by themselves only under the write lock, which the caller holds. Below zero: blocks that a migration made. */
static const struct store_statement next_block = {"SELECT coalesce(max(id), 0) + 1 FROM sample_block WHERE id > 0", 0};
static const struct store_statement add_block = {"INSERT INTO sample_block (id, data) VALUES ($1, $2)", 2};

bool store_block_write(struct store *store, struct store_block *block, struct fault *fault)
{
    const struct store_value parameters[] = {store_integer(block->id), {.kind = STORE_BLOB, .bytes = block->bytes, .n = block->n}};
    bool ok = block->n == 0 || STORE_RUN(store, &add_block, parameters, NULL, NULL, fault);
    block->n = 0;
    return ok;
}

bool store_block_append(struct store *store, struct store_block *block, const unsigned char *set, size_t n, struct store_place *place, struct fault *fault)
{
    if (block->n && block->n + n > BLOCK_BYTES && !store_block_write(store, block, fault))
        return false;
    if (block->n == 0 && !STORE_RUN(store, &next_block, NULL, store_take_integer, &block->id, fault))
        return false;
    if (block->n + n > block->room) {
        size_t room = block->n + n > BLOCK_BYTES ? block->n + n : BLOCK_BYTES;
        unsigned char *bigger = realloc(block->bytes, room);
        if (!bigger)
            return fault_set(fault, EXIT_CODE_USAGE, "history: no memory");
        block->bytes = bigger;
        block->room = room;
    }
    memcpy(block->bytes + block->n, set, n);
    *place = (struct store_place){block->id, (int64_t)block->n + 1, (int64_t)n};
    block->n += n;
    return true;
}

void store_block_clear(struct store_block *block)
{
    free(block->bytes);
    *block = (struct store_block){0};
}
