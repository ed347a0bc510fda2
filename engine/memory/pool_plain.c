/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/pool_plain.h"

#include <sys/mman.h>

/* In a span's record, below the colour: whether it is on huge pages, and the heap it came from. */
enum { SLAB_PAGES = 256, HUGE_FROM = 2 << 20, SPAN_IS_HUGE = 1, SPAN_HEAP = 1, SPAN_MARKS = 63 };

/* ---- spans */

static bool wants_huge(size_t bytes, enum tern_tag tag)
{
    return bytes >= HUGE_FROM && (tag == TERN_TAG_WEIGHTS || tag == TERN_TAG_KV);
}

static enum tern_tier tier_of_pages(size_t n)
{
    return n > SLAB_PAGES ? TERN_TIER_MAPPED : TERN_TIER_SLAB;
}

/*
 * A span's block starts some cache lines, its colour, after the start of its span, so that blocks do not all compete for
 * one set of the caches (classes.h has the price of that). The colour follows from the first page, which makes it the same
 * whenever the span is; a page is added for it where the last one has no room. Blocks aligned to more than a line have none.
 */
enum { LINE = TERN_CLASS_LINE, COLOURS = TERN_COLOURS };

static size_t pages_with_colour(size_t bytes, size_t align)
{
    size_t all;
    return align > LINE || __builtin_add_overflow(bytes, (COLOURS - 1) * LINE, &all) ? tern_pages_of(bytes) : tern_pages_of(all);
}

static size_t colour_of(uint32_t first)
{
    return (first * 0x9e3779b1u >> 28) * LINE;
}

void *tern_span_block(uint32_t first)
{
    return (char *)tern_space_address(first) + (tern_space.page[first].prev & ~(uint32_t)SPAN_MARKS);
}

size_t tern_span_usable(uint32_t first)
{
    const struct tern_page *page = &tern_space.page[first];
    return ((size_t)page->span << TERN_PAGE_SHIFT) - (page->prev & ~(uint32_t)SPAN_MARKS);
}

static struct tern_spans *heap_of(struct tern_pool *pool, unsigned heap)
{
    return heap == TERN_SHARDS ? &pool->mapped : &pool->shard[heap];
}

static void *take_span(struct tern_pool *pool, unsigned shard, size_t bytes, size_t align, enum tern_tag tag)
{
    const bool is_huge = wants_huge(bytes, tag);
    const size_t n = is_huge ? tern_pages_of(bytes) : pages_with_colour(bytes, align);
    const size_t align_pages = align > TERN_PAGE ? align >> TERN_PAGE_SHIFT : 1;
    const unsigned heap = n > SLAB_PAGES ? TERN_SHARDS : shard;
    const uint32_t first = tern_span_take(heap_of(pool, heap), n, is_huge && align_pages < TERN_HUGE_PAGES ? TERN_HUGE_PAGES : align_pages,
                                          pool->key | (uint32_t)tag << TERN_KEY_TAG | (uint32_t)TERN_PAGE_USED << TERN_KEY_STATE);
    if (!first)
        return NULL;
    struct tern_page *page = &tern_space.page[first];
    page->prev = heap << SPAN_HEAP | (is_huge ? SPAN_IS_HUGE : align > LINE ? 0 : (uint32_t)colour_of(first));
    page->next = (uint32_t)(tern_span_usable(first) - bytes);
    if (is_huge)
        madvise(tern_space_address(first), n << TERN_PAGE_SHIFT, MADV_HUGEPAGE);
    return tern_span_block(first);
}

static void give_span(struct tern_pool *pool, uint32_t first)
{
    const struct tern_page *page = &tern_space.page[first];
    if (page->prev & SPAN_IS_HUGE)
        madvise(tern_space_address(first), (size_t)page->span << TERN_PAGE_SHIFT, MADV_NOHUGEPAGE);
    tern_span_give(heap_of(pool, (page->prev & SPAN_MARKS) >> SPAN_HEAP), first);
}

/* What a span counts for while it is in use. */
struct span_count {
    enum tern_tier tier;
    size_t bytes;
    uint32_t rest;
};

static struct span_count count_of(uint32_t first)
{
    const struct tern_page *page = &tern_space.page[first];
    return (struct span_count){tier_of_pages(page->span), tern_span_usable(first), page->next};
}

static void count_span(struct tern_account *account, int64_t *slack, const struct span_count *span, int sign)
{
    if (sign > 0)
        tern_tracker_take(account, span->bytes);
    else
        tern_tracker_give(account, span->bytes);
    __atomic_store_n(&account->blocks, account->blocks + sign, __ATOMIC_RELAXED);
    __atomic_store_n(slack, *slack + sign * (int64_t)span->rest, __ATOMIC_RELAXED);
}

void *tern_span_take_on(struct tern_shelf *shelf, size_t bytes, size_t align)
{
    void *block = take_span(shelf->pool, shelf->shard, bytes, align, (enum tern_tag)shelf->tag);
    if (block) {
        const struct span_count span = count_of(tern_space_page(block));
        count_span(tern_shelf_span_account(shelf, span.tier), &shelf->slack, &span, 1);
    }
    return block;
}

void tern_span_give_on(struct tern_shelf *shelf, uint32_t first)
{
    const struct span_count span = count_of(first);
    give_span(shelf->pool, first);
    count_span(tern_shelf_span_account(shelf, span.tier), &shelf->slack, &span, -1);
}

/* ---- classes */

unsigned tern_pool_class(const struct tern_pool *pool, size_t bytes, size_t align)
{
    const unsigned class = tern_class_for(bytes, align);
    return class && tern_classes.at[class].order <= pool->store.buddy.top ? class : 0;
}

static enum tern_tier tier_of_class(unsigned class)
{
    return class > TERN_CLASS_SMALL ? TERN_TIER_SLAB : TERN_TIER_SMALL;
}

static void tell_wrong(void *context, void *block, enum tern_block_state state)
{
    tern_pool_misuse(context, block, state == TERN_BLOCK_BACK ? "given twice" : "is not the start of a block");
}

static uint32_t class_key(const struct tern_pool *pool, unsigned class, unsigned tag)
{
    return pool->key | tag << TERN_KEY_TAG | class << TERN_KEY_CLASS;
}

static void count_out(struct tern_centre *centre, size_t n)
{
    __atomic_fetch_add(&centre->out, n, __ATOMIC_RELAXED);
}

/* One at a time: a spare one more is as much memory as its class has. */
static unsigned fetch_span(struct tern_pool *pool, unsigned shard, unsigned class, unsigned tag, void **block)
{
    const uint32_t first = tern_span_take(&pool->shard[shard], tern_classes.at[class].pages, 1, class_key(pool, class, tag));
    if (!first)
        return 0;
    tern_space.page[first].prev = shard << SPAN_HEAP | (uint32_t)colour_of(first);
    *block = tern_span_block(first);
    count_out(&pool->centre[tag][class], 1);
    return 1;
}

/* What is no span of the class by now was given twice; the lock keeps two such gives apart. */
static unsigned return_spans(struct tern_pool *pool, unsigned class, unsigned tag, void **block, unsigned k)
{
    struct tern_centre *centre = &pool->centre[tag][class];
    unsigned right = 0;
    tern_lock(&centre->lock);
    for (unsigned i = 0; i < k; i++) {
        const uint32_t first = tern_space_page(block[i]);
        const bool is_live = tern_key(first) == class_key(pool, class, tag);
        if (is_live && tern_span_block(first) == block[i]) {
            give_span(pool, first);
            right++;
        } else {
            tell_wrong(pool, block[i], is_live ? TERN_BLOCK_NONE : TERN_BLOCK_BACK);
        }
    }
    count_out(centre, -(size_t)right);
    tern_unlock(&centre->lock);
    return right;
}

unsigned tern_pool_fetch(struct tern_pool *pool, unsigned shard, unsigned class, unsigned tag, void **block, unsigned k)
{
    if (class >= TERN_CLASS_SPAN)
        return fetch_span(pool, shard, class, tag, block);
    return tern_run_take(&pool->store, &pool->centre[tag][class], class, tag, block, k);
}

unsigned tern_pool_return(struct tern_pool *pool, unsigned class, unsigned tag, void **block, unsigned k)
{
    if (class >= TERN_CLASS_SPAN)
        return return_spans(pool, class, tag, block, k);
    return tern_run_give(&pool->store, &pool->centre[tag][class], block, k, tell_wrong, pool);
}

/* ---- without shelves: one account per tag and tier, under the pool's lock */

static struct tern_account *common_account(struct tern_pool *pool, unsigned tag, enum tern_tier tier)
{
    if (!pool->has_common[tag][tier])
        tern_tracker_join(&pool->tracker, &pool->common[tag][tier], (enum tern_tag)tag, tier);
    pool->has_common[tag][tier] = true;
    return &pool->common[tag][tier];
}

void tern_pool_count_checked(struct tern_pool *pool, unsigned tag, size_t bytes, int sign)
{
    tern_lock(&pool->lock);
    struct tern_account *account = common_account(pool, tag, bytes > 4096 ? tier_of_pages(tern_pages_of(bytes)) : TERN_TIER_SMALL);
    if (sign > 0)
        tern_tracker_take(account, bytes);
    else
        tern_tracker_give(account, bytes);
    __atomic_store_n(&account->blocks, account->blocks + sign, __ATOMIC_RELAXED);
    tern_unlock(&pool->lock);
}

void *tern_pool_take_plain(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    const unsigned class = tern_pool_class(pool, bytes, align);
    void *block = NULL;
    if (!class)
        block = take_span(pool, 0, bytes, align, tag);
    else if (tern_pool_fetch(pool, 0, class, tag, &block, 1))
        *tern_block_word(block) = 0;
    if (!block)
        return tern_pool_refuse(pool, bytes, tag, error);
    if (pool->checked)
        return block;
    tern_lock(&pool->lock);
    if (class) {
        tern_tracker_take(common_account(pool, tag, tier_of_class(class)), tern_classes.at[class].bytes);
        pool->asked += bytes;
        pool->rounded += tern_classes.at[class].bytes;
    } else {
        const struct span_count span = count_of(tern_space_page(block));
        count_span(common_account(pool, tag, span.tier), &pool->slack, &span, 1);
    }
    tern_unlock(&pool->lock);
    return block;
}

enum tern_status tern_pool_give_plain(struct tern_pool *pool, void *block)
{
    const uint32_t first = tern_space_page(block), key = tern_key(first);
    const unsigned class = tern_key_class(key), tag = tern_key_tag(key);
    const struct span_count span = class ? (struct span_count){0} : count_of(first);
    if (class && !tern_pool_return(pool, class, tag, &block, 1))
        return TERN_INVALID;
    if (!class)
        give_span(pool, first);
    if (pool->checked)
        return TERN_OK;
    tern_lock(&pool->lock);
    if (class)
        tern_tracker_give(common_account(pool, tag, tier_of_class(class)), tern_classes.at[class].bytes);
    else
        count_span(common_account(pool, tag, span.tier), &pool->slack, &span, -1);
    tern_unlock(&pool->lock);
    return TERN_OK;
}
