/* SPDX-License-Identifier: Apache-2.0
 *
 * Live and peak bytes by tier and by tag, exact, for the price of an addition and a comparison per take and an addition per
 * give: each thread counts for itself, and only a take that might make a new peak meets the others.
 *
 *   account  what one thread has taken less what it has given, of one tag and tier; negative where it gives others' blocks.
 *            Only its thread writes `live`.
 *   limit    how far an account may rise without asking. For every group g (all accounts, those of a tag, those of a tier)
 *            sum of limits in g <= peak of g, and live <= limit, so no peak passes unseen.
 *
 * A take that passes its limit sums all accounts: where the sum is above the peak it is the new peak; where it is below, what is
 * left is shared among the accounts that asked lately: first what they need to be as high as they were, the rest by how high that is; the
 * limits of all others fall to what they have. A growing heap asks at each take (some 15 ns), one that moves below its peak hardly ever.
 */
#ifndef TERN_MEMORY_TRACKER_H
#define TERN_MEMORY_TRACKER_H

#include "memory/lock.h"
#include "memory/pool.h"

struct tern_account {
    int64_t live, limit; /* bytes */
    int64_t floor;       /* live when last another or this one asked: what its limit fell to */
    int64_t blocks;      /* spans only; blocks of classes are counted by their centres */
    int64_t want;        /* live when it asked, the most of late */
    uint64_t asked;      /* the tracker's count of asks at its last one */
    struct tern_tracker *tracker;
    struct tern_account *next;
    uint8_t tier, tag;
};

struct tern_tracker {
    struct tern_lock lock;
    struct tern_account *first;
    uint64_t asks, lately;   /* an account whose last ask is that many asks ago needs nothing */
    int64_t retired[TERN_N_TAGS][TERN_N_TIERS];        /* live of accounts that are gone */
    int64_t retired_blocks[TERN_N_TAGS][TERN_N_TIERS];
    int64_t peak, peak_tier[TERN_N_TIERS], peak_tag[TERN_N_TAGS];
    bool is_off;
};

/* The account joins the tracker's sums. */
void tern_tracker_join(struct tern_tracker *tracker, struct tern_account *account, enum tern_tag tag, enum tern_tier tier);
/* Its live bytes stay in the sums, the account does not. */
void tern_tracker_leave(struct tern_account *account);
/* Everything was given back at once: live is 0 everywhere, peaks stay. No other thread may be counting. */
void tern_tracker_reset(struct tern_tracker *tracker);
/* Live and peak of all groups. Blocks of spans are added to the counts of blocks. */
void tern_tracker_read(struct tern_tracker *tracker, struct tern_pool_stats *stats);

void *tern_tracker_ask(struct tern_account *account, void *block); /* take's slow half; returns block */

/* Counts; true when the limit is passed and the tracker is to be asked. */
static inline bool tern_tracker_add(struct tern_account *account, size_t bytes)
{
    const int64_t live = account->live + (int64_t)bytes;
    __atomic_store_n(&account->live, live, __ATOMIC_RELAXED);
    return live > __atomic_load_n(&account->limit, __ATOMIC_RELAXED);
}

static inline void tern_tracker_take(struct tern_account *account, size_t bytes)
{
    if (tern_tracker_add(account, bytes))
        tern_tracker_ask(account, NULL);
}

static inline void tern_tracker_give(struct tern_account *account, size_t bytes)
{
    __atomic_store_n(&account->live, account->live - (int64_t)bytes, __ATOMIC_RELAXED);
}

#endif
