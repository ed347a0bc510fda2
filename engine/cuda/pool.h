/* SPDX-License-Identifier: Apache-2.0
 *
 * A card's memory in the words of the engine's pool (memory/pool.h): take and give, live and held, peaks, tags, a ceiling, trim.
 *
 *   slab     up to 16 MiB: spans cut from chunks of 32 MiB, best fit, merged when free; chunks stay until trimmed
 *   mapped   above: the driver's own blocks, given back to it at once
 *
 * Records lie on the host: the card's memory is never read or written here. When the driver has no more, empty chunks are given back and it is asked
 * once more, so a take fails only where what is live does not leave the room. One thread at a time, as its device.
 * `is_apart`: every block is the driver's own, of exactly the bytes asked for, so that compute-sanitizer sees what lies beyond it.
 */
#ifndef CUDA_POOL_H
#define CUDA_POOL_H

#include "cuda/driver.h"
#include "memory/pool.h"

struct cuda_span;
struct cuda_pool {
    const struct cuda_driver *driver;
    struct cuda_span *spans; /* all, those of one block of the driver's side by side in the order of addresses */
    size_t ceiling;          /* most bytes held; 0: none */
    bool is_apart;
    struct tern_pool_stats stats;
};

/* Returns a code of the driver: 0, or 2 for no memory. */
int cuda_pool_take(struct cuda_pool *pool, size_t bytes, enum tern_tag tag, uint64_t *out);
/* False, and nothing done, for what is no live block. */
bool cuda_pool_give(struct cuda_pool *pool, uint64_t at);
/* Gives empty chunks back to the driver; bytes. */
size_t cuda_pool_trim(struct cuda_pool *pool);
/* Gives everything back. */
void cuda_pool_close(struct cuda_pool *pool);

#endif
