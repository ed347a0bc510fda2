/* SPDX-License-Identifier: Apache-2.0 */
#include "core/memory.h"

#include "memory/pool.h"

void *tern_block_open(size_t bytes)
{
    return tern_pool_take_zeroed(NULL, bytes ? bytes : 1, 64, TERN_TAG_WEIGHTS, NULL);
}

void tern_block_close(void *block, size_t bytes)
{
    (void)bytes;
    tern_pool_give(NULL, block);
}
