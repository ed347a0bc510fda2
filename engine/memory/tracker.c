/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/tracker.h"

struct sums {
    int64_t all, tier[TERN_N_TIERS], tag[TERN_N_TAGS];
};

static int64_t live_of(const struct tern_account *account)
{
    return __atomic_load_n(&account->live, __ATOMIC_RELAXED);
}

static void set_limit(struct tern_account *account, int64_t limit)
{
    __atomic_store_n(&account->limit, limit, __ATOMIC_RELAXED);
}

/* Its limit falls to what it has. Nothing is written for one that is at rest, whose line then stays with the thread that has it. */
static void lower(struct tern_account *account)
{
    const int64_t live = live_of(account);
    if (account->floor == live && account->limit == live)
        return;
    account->floor = live;
    set_limit(account, live);
}

static void add(struct sums *sums, unsigned tier, unsigned tag, int64_t live)
{
    sums->all += live;
    sums->tier[tier] += live;
    sums->tag[tag] += live;
}

static struct sums sum_up(const struct tern_tracker *tracker)
{
    struct sums sums = {0};
    for (const struct tern_account *account = tracker->first; account; account = account->next)
        add(&sums, account->tier, account->tag, live_of(account));
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++)
        for (unsigned tier = 0; tier < TERN_N_TIERS; tier++)
            add(&sums, tier, tag, tracker->retired[tag][tier]);
    return sums;
}

/* Lifts the peak to the sum; what is left between them. */
static int64_t lift(int64_t *peak, int64_t sum)
{
    if (sum > *peak)
        *peak = sum;
    return *peak - sum;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Records peaks; what is left below them. */
static struct sums lift_all(struct tern_tracker *tracker, const struct sums *sums)
{
    struct sums room;
    for (unsigned i = 0; i < TERN_N_TIERS; i++)
        room.tier[i] = lift(&tracker->peak_tier[i], sums->tier[i]);
    for (unsigned i = 0; i < TERN_N_TAGS; i++)
        room.tag[i] = lift(&tracker->peak_tag[i], sums->tag[i]);
    room.all = lift(&tracker->peak, sums->all);
    return room;
}

static int64_t *room_of(struct sums *room, const struct tern_account *account, unsigned group)
{
    return group == 0 ? &room->all : group == 1 ? &room->tier[account->tier] : &room->tag[account->tag];
}

static bool asked_lately(const struct tern_tracker *tracker, const struct tern_account *account)
{
    return account->asked && tracker->asks - account->asked < tracker->lately;
}

/* Bytes above its floor that the account had when it asked, less with each time that it asks. */
static int64_t need_of(const struct tern_account *account)
{
    return most(account->want - account->floor, 0);
}

/* A part of `whole` as large as `of` is of `all`. */
static int64_t part_of(int64_t whole, int64_t of, int64_t all)
{
    return all ? (int64_t)((double)whole * (double)of / (double)all) : 0;
}

/* Of `room` bytes: what each needs to be as high as it was, or in proportion, and of the rest, at least an eighth, what it was at in
 * proportion, so that one at its height can move too. */
static int64_t share_of(int64_t room, int64_t need, int64_t needs, int64_t want, int64_t wants)
{
    const int64_t for_needs = needs < room - room / 8 ? needs : room - room / 8;
    return part_of(for_needs, need, needs) + part_of(room - for_needs, want, wants);
}

/* What is left to each group, shared among its accounts that asked lately: an account gets the least of its three shares. */
static void share_out(struct tern_tracker *tracker, struct sums *room)
{
    struct sums needs = {0}, wants = {0};
    for (const struct tern_account *account = tracker->first; account; account = account->next)
        if (asked_lately(tracker, account)) {
            add(&needs, account->tier, account->tag, need_of(account));
            add(&wants, account->tier, account->tag, account->want);
        }
    for (struct tern_account *account = tracker->first; account; account = account->next) {
        if (!asked_lately(tracker, account))
            continue;
        int64_t share = INT64_MAX;
        for (unsigned group = 0; group < 3; group++) {
            const int64_t of_group = share_of(*room_of(room, account, group), need_of(account), *room_of(&needs, account, group), account->want,
                                              *room_of(&wants, account, group));
            share = of_group < share ? of_group : share;
        }
        set_limit(account, account->floor + share);
    }
}

/*
 * Limits of the others are lowered before their live bytes are read, so one that does not see its lower limit had counted
 * before, unless it runs at this very moment: that is the race that pool.h speaks of.
 */
void *tern_tracker_ask(struct tern_account *account, void *block)
{
    struct tern_tracker *tracker = account->tracker;
    if (tracker->is_off) {
        set_limit(account, INT64_MAX);
        return block;
    }
    tern_lock(&tracker->lock);
    account->asked = ++tracker->asks;
    account->want = most(most(live_of(account), 0), account->want - account->want / 8);
    for (struct tern_account *other = tracker->first; other; other = other->next)
        lower(other);
    const struct sums sums = sum_up(tracker);
    struct sums room = lift_all(tracker, &sums);
    if (room.all && *room_of(&room, account, 1) && *room_of(&room, account, 2))
        share_out(tracker, &room);
    tern_unlock(&tracker->lock);
    return block;
}

void tern_tracker_join(struct tern_tracker *tracker, struct tern_account *account, enum tern_tag tag, enum tern_tier tier)
{
    *account = (struct tern_account){.tracker = tracker, .tag = (uint8_t)tag, .tier = (uint8_t)tier};
    tern_lock(&tracker->lock);
    account->next = tracker->first;
    tracker->first = account;
    tern_unlock(&tracker->lock);
}

void tern_tracker_leave(struct tern_account *account)
{
    struct tern_tracker *tracker = account->tracker;
    tern_lock(&tracker->lock);
    for (struct tern_account **at = &tracker->first; *at; at = &(*at)->next)
        if (*at == account) {
            *at = account->next;
            break;
        }
    tracker->retired[account->tag][account->tier] += live_of(account);
    tracker->retired_blocks[account->tag][account->tier] += account->blocks;
    tern_unlock(&tracker->lock);
}

void tern_tracker_reset(struct tern_tracker *tracker)
{
    tern_lock(&tracker->lock);
    const struct sums sums = sum_up(tracker);
    lift_all(tracker, &sums);
    for (struct tern_account *account = tracker->first; account; account = account->next) {
        account->live = account->blocks = 0;
        set_limit(account, 0);
    }
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++)
        for (unsigned tier = 0; tier < TERN_N_TIERS; tier++)
            tracker->retired[tag][tier] = tracker->retired_blocks[tag][tier] = 0;
    tern_unlock(&tracker->lock);
}

static void count(struct tern_pool_stats *stats, unsigned tier, unsigned tag, int64_t blocks)
{
    stats->total.blocks += (size_t)blocks;
    stats->tier[tier].blocks += (size_t)blocks;
    stats->tag[tag].blocks += (size_t)blocks;
}

void tern_tracker_read(struct tern_tracker *tracker, struct tern_pool_stats *stats)
{
    tern_lock(&tracker->lock);
    const struct sums sums = sum_up(tracker);
    if (!tracker->is_off)
        lift_all(tracker, &sums);
    stats->total.live = (size_t)sums.all;
    stats->total.peak = (size_t)tracker->peak;
    for (unsigned tier = 0; tier < TERN_N_TIERS; tier++) {
        stats->tier[tier].live = (size_t)sums.tier[tier];
        stats->tier[tier].peak = (size_t)tracker->peak_tier[tier];
    }
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++) {
        stats->tag[tag].live = (size_t)sums.tag[tag];
        stats->tag[tag].peak = (size_t)tracker->peak_tag[tag];
        for (unsigned tier = 0; tier < TERN_N_TIERS; tier++)
            count(stats, tier, tag, tracker->retired_blocks[tag][tier]);
    }
    for (const struct tern_account *account = tracker->first; account; account = account->next)
        count(stats, account->tier, account->tag, __atomic_load_n(&account->blocks, __ATOMIC_RELAXED));
    tern_unlock(&tracker->lock);
}

_Static_assert(TERN_N_TAGS <= 8, "a record's key has three bits for the tag");
