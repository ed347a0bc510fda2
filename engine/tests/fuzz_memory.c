/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of the fuzz target: each block from the system, so that the sanitizer sees where it ends, which it does not within a pool's.
 */
#include "core/memory.h"
#include "memory/pool.h"

#include <stdlib.h>

void *tern_array_open(size_t n, size_t size)
{
    return calloc(n ? n : 1, size ? size : 1);
}

void tern_array_close(void *array)
{
    free(array);
}

void *tern_pool_take(struct tern_pool *pool, size_t bytes, size_t alignment, enum tern_tag tag, struct tern_error *error)
{
    void *block = NULL;
    (void)pool;
    (void)tag;
    (void)error;
    return posix_memalign(&block, alignment, bytes) ? NULL : block;
}
