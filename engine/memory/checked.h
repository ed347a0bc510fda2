/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools that look for mistakes. Every block has a record outside of it, so what a pointer is can be told whatever was written.
 *
 *     | front zone 64 B, or the alignment | the caller's bytes | rear zone 64 B .. |       with red zones
 *     | …                                 | the caller's bytes | page that faults  |       with a guard page
 *
 *   kept    given back and filled, its record still there: a second give and a write into it are told from anything else
 *
 * Under ASan zones and kept blocks are poisoned, under Valgrind they are out of bounds, so that a bad access is reported where it
 * happens; elsewhere it is found at give, at verify, when a kept block is let go, and at close.
 */
#ifndef TERN_MEMORY_CHECKED_H
#define TERN_MEMORY_CHECKED_H

#include "memory/shelf.h"

/* Checks that this build and this process have in every pool: those of TERN_POOL_CHECKS in the environment (enum tern_pool_check,
 * 0 to 7); without it all but guards under ASan and Valgrind, none elsewhere. */
unsigned tern_checked_always(void);
struct tern_checked *tern_checked_open(struct tern_pool *pool);
/* Verifies, then drops all records; the pool's memory may go afterwards. A pool that is not checked is allowed. */
void tern_checked_close(struct tern_pool *pool);

void *tern_checked_take(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
/* `bytes` of 0: not known. */
enum tern_status tern_checked_give(struct tern_pool *pool, void *block, size_t bytes);
size_t tern_checked_usable(struct tern_pool *pool, const void *block);
/* Gives every live block. */
void tern_checked_reset(struct tern_pool *pool);
size_t tern_checked_verify(struct tern_pool *pool);

/* For memory that an arena or a ring cuts up itself: nobody may touch it, or anybody may. No-ops outside ASan and Valgrind. */
void tern_checked_hide(void *at, size_t bytes);
void tern_checked_show(void *at, size_t bytes);
/* Fills with the byte of memory that is not in use; the offset of the first byte that differs, or `bytes`. */
void tern_checked_fill(void *at, size_t bytes);
size_t tern_checked_scan(const void *at, size_t bytes);

#endif
