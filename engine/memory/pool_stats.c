/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/shelf.h"

#define TERN_TEXT(name, text) text,
static const char *const tag_names[] = {TERN_TAGS(TERN_TEXT)};
static const char *const tier_names[] = {TERN_TIERS(TERN_TEXT)};

const char *tern_tag_name(enum tern_tag tag)
{
    return (unsigned)tag < TERN_N_TAGS ? tag_names[tag] : "unknown";
}

const char *tern_tier_name(enum tern_tier tier)
{
    return (unsigned)tier < TERN_N_TIERS ? tier_names[tier] : "unknown";
}

/* Blocks of a class on shelves; the pool's lock is held. */
static size_t stocked(const struct tern_pool *pool, unsigned tag, unsigned class)
{
    size_t n = tern_depot_count(&pool->depot[tag][class]);
    for (const struct tern_shelf *shelf = pool->shelves; shelf; shelf = shelf->next)
        if (shelf->tag == tag)
            n += tern_bin_count(tern_shelf_bin(shelf, class));
    return n;
}

/* Adds the blocks of classes to the counts; their live bytes. */
static size_t count_classes(struct tern_pool *pool, struct tern_pool_stats *stats)
{
    size_t live = 0;
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++)
        for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class)) {
            struct tern_centre *centre = &pool->centre[tag][class];
            tern_lock(&centre->lock);
            const size_t out = __atomic_load_n(&centre->out, __ATOMIC_RELAXED);
            tern_unlock(&centre->lock);
            if (!out || pool->checked)
                continue;
            const size_t spare = stocked(pool, tag, class), n = out > spare ? out - spare : 0;
            stats->stocked += spare * tern_classes.at[class].bytes;
            stats->total.blocks += n;
            stats->tag[tag].blocks += n;
            stats->tier[class > TERN_CLASS_SMALL ? TERN_TIER_SLAB : TERN_TIER_SMALL].blocks += n;
            live += n * tern_classes.at[class].bytes;
        }
    return live;
}

/* Share of rounding: spans say it themselves, classes by the sample of takes that met an empty bin. */
static double rounding(const struct tern_pool *pool, size_t live, size_t class_live)
{
    uint64_t asked = pool->asked, rounded = pool->rounded;
    int64_t slack = pool->slack;
    for (const struct tern_shelf *shelf = pool->shelves; shelf; shelf = shelf->next) {
        asked += shelf->asked;
        rounded += shelf->rounded;
        slack += __atomic_load_n(&shelf->slack, __ATOMIC_RELAXED);
    }
    const double share = rounded ? 1 - (double)asked / (double)rounded : 0;
    return live ? ((double)slack + share * (double)class_live) / (double)live : 0;
}

void tern_pool_stats(struct tern_pool *pool, struct tern_pool_stats *stats)
{
    pool = pool ? pool : tern_pool_default();
    *stats = (struct tern_pool_stats){0};
    tern_tracker_read(&pool->tracker, stats);
    tern_lock(&pool->lock);
    stats->internal = rounding(pool, stats->total.live, count_classes(pool, stats));
    tern_unlock(&pool->lock);
    stats->held = (__atomic_load_n(&pool->held.pages, __ATOMIC_RELAXED) << TERN_PAGE_SHIFT) + pool->store.records.bytes;
    stats->held_peak = __atomic_load_n(&pool->held.peak, __ATOMIC_RELAXED) << TERN_PAGE_SHIFT;
    stats->external = stats->held ? 1 - (double)stats->total.live / (double)stats->held : 0;
    stats->refused = __atomic_load_n(&pool->refused, __ATOMIC_RELAXED);
    stats->misuses = __atomic_load_n(&pool->misuses, __ATOMIC_RELAXED);
}
