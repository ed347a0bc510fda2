/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/shelf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/threads.h"
#include "memory/checked.h"
#include "memory/pool_fast.h"
#include "memory/trace.h"

enum { SLAB_PAGES = 256, GROW_SHARD = 1024, GROW_MAPPED = 4096, HUGE_FROM = 2 << 20, FRESH_FROM = 1 << 20, ALIGN_MOST = 1 << 30, SPAN_IS_HUGE = 1 };

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

/* ---- errors */

enum tern_status tern_pool_misuse(struct tern_pool *pool, const void *block, const char *what)
{
    char text[160];
    __atomic_fetch_add(&pool->misuses, 1, __ATOMIC_RELAXED);
    snprintf(text, sizeof text, "pool %s: block %p %s", pool->name, block, what);
    if (pool->hook)
        pool->hook(pool->hook_context, text);
    return TERN_INVALID;
}

void tern_pool_on_misuse(struct tern_pool *pool, void (*hook)(void *context, const char *text), void *context)
{
    pool->hook = hook;
    pool->hook_context = context;
}

enum tern_status tern_pool_tell(struct tern_pool *pool, const void *block, const char *what)
{
    return tern_pool_misuse(pool ? pool : tern_pool_default(), block, what);
}

unsigned tern_pool_checks(const struct tern_pool *pool)
{
    return pool->checks;
}

void *tern_pool_refuse(struct tern_pool *pool, size_t bytes, enum tern_tag tag, struct tern_error *error)
{
    const size_t held = __atomic_load_n(&pool->held.pages, __ATOMIC_RELAXED) << TERN_PAGE_SHIFT;
    __atomic_fetch_add(&pool->refused, 1, __ATOMIC_RELAXED);
    if (pool->held.ceiling)
        tern_error_set(error, TERN_NO_MEMORY, "pool %s: %zu bytes for %s: the ceiling is %zu bytes, %zu are held", pool->name, bytes,
                       tern_tag_name(tag), pool->held.ceiling << TERN_PAGE_SHIFT, held);
    else
        tern_error_set(error, TERN_NO_MEMORY, "pool %s: %zu bytes for %s: the system gives no more, %zu are held", pool->name, bytes,
                       tern_tag_name(tag), held);
    return NULL;
}

static enum tern_status check_request(const struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    if (!bytes)
        return tern_error_set(error, TERN_INVALID, "pool %s: 0 bytes for %s", pool->name, tern_tag_name(tag));
    if (align & (align - 1) || align > ALIGN_MOST)
        return tern_error_set(error, TERN_INVALID, "pool %s: %zu bytes for %s: alignment %zu is no power of two up to %d", pool->name, bytes,
                              tern_tag_name(tag), align, ALIGN_MOST);
    return TERN_OK;
}

/* ---- spans */

static bool wants_huge(size_t bytes, enum tern_tag tag)
{
    return bytes >= HUGE_FROM && (tag == TERN_TAG_WEIGHTS || tag == TERN_TAG_KV);
}

static enum tern_tier tier_of_pages(size_t n)
{
    return n > SLAB_PAGES ? TERN_TIER_MAPPED : TERN_TIER_SLAB;
}

static void *take_span(struct tern_pool *pool, unsigned shard, size_t bytes, size_t align, enum tern_tag tag)
{
    const size_t n = tern_pages_of(bytes), align_pages = align > TERN_PAGE ? align >> TERN_PAGE_SHIFT : 1;
    const bool is_huge = wants_huge(bytes, tag);
    struct tern_spans *spans = n > SLAB_PAGES ? &pool->mapped : &pool->shard[shard];
    const uint32_t first = tern_span_take(spans, n, is_huge && align_pages < TERN_HUGE_PAGES ? TERN_HUGE_PAGES : align_pages,
                                          (uint32_t)tag << TERN_KEY_TAG);
    if (!first)
        return NULL;
    tern_space.page[first].next = (uint32_t)((n << TERN_PAGE_SHIFT) - bytes);
    tern_space.page[first].prev = is_huge ? SPAN_IS_HUGE : 0;
    if (is_huge)
        madvise(tern_space_address(first), n << TERN_PAGE_SHIFT, MADV_HUGEPAGE);
    return tern_space_address(first);
}

/* Gives the span at `first` back; its pages. */
static size_t give_span(struct tern_pool *pool, uint32_t first)
{
    const struct tern_page *page = &tern_space.page[first];
    const unsigned shard = tern_key(first) >> TERN_KEY_SHARD;
    const size_t n = page->span;
    if (page->prev == SPAN_IS_HUGE)
        madvise(tern_space_address(first), n << TERN_PAGE_SHIFT, MADV_NOHUGEPAGE);
    tern_span_give(shard == TERN_SHARDS ? &pool->mapped : &pool->shard[shard], first);
    return n;
}

static void count_span(struct tern_account *account, int64_t *slack, size_t n, uint32_t rest, int sign)
{
    if (sign > 0)
        tern_tracker_take(account, n << TERN_PAGE_SHIFT);
    else
        tern_tracker_give(account, n << TERN_PAGE_SHIFT);
    __atomic_store_n(&account->blocks, account->blocks + sign, __ATOMIC_RELAXED);
    __atomic_store_n(slack, *slack + sign * (int64_t)rest, __ATOMIC_RELAXED);
}

static void *take_span_on(struct tern_shelf *shelf, size_t bytes, size_t align)
{
    void *block = take_span(shelf->pool, shelf->shard, bytes, align, (enum tern_tag)shelf->tag);
    if (block) {
        const struct tern_page *page = &tern_space.page[tern_space_page(block)];
        count_span(&shelf->account[tier_of_pages(page->span)], &shelf->slack, page->span, page->next, 1);
    }
    return block;
}

/* ---- classes */

static unsigned class_of(const struct tern_pool *pool, size_t bytes, size_t align)
{
    const unsigned class = bytes <= TERN_CLASS_BYTES ? tern_class_for(bytes, align) : 0;
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

static unsigned fetch_spans(struct tern_pool *pool, unsigned shard, unsigned class, unsigned tag, void **block, unsigned k)
{
    const size_t n = tern_classes.at[class].bytes >> TERN_PAGE_SHIFT;
    unsigned got = 0;
    for (uint32_t first; got < k && (first = tern_span_take(&pool->shard[shard], n, 1, class << TERN_KEY_CLASS | tag << TERN_KEY_TAG)); got++)
        block[got] = tern_space_address(first);
    __atomic_fetch_add(&pool->centre[tag][class].out, got, __ATOMIC_RELAXED);
    return got;
}

static unsigned return_spans(struct tern_pool *pool, unsigned class, unsigned tag, void **block, unsigned k)
{
    const uint32_t expected = class << TERN_KEY_CLASS | tag << TERN_KEY_TAG | pool->key | TERN_PAGE_USED;
    unsigned right = 0;
    for (unsigned i = 0; i < k; i++) {
        const uint32_t first = tern_space_page(block[i]), key = tern_key(first);
        if ((key & (TERN_KEY_BIN | 7)) != expected || tern_space_address(first) != block[i]) {
            tell_wrong(pool, block[i], key ? TERN_BLOCK_NONE : TERN_BLOCK_BACK);
            continue;
        }
        tern_span_give(&pool->shard[key >> TERN_KEY_SHARD], first);
        right++;
    }
    __atomic_fetch_sub(&pool->centre[tag][class].out, right, __ATOMIC_RELAXED);
    return right;
}

unsigned tern_pool_fetch(struct tern_pool *pool, unsigned shard, unsigned class, unsigned tag, void **block, unsigned k)
{
    if (class > TERN_CLASS_RUN)
        return fetch_spans(pool, shard, class, tag, block, k);
    return tern_run_take(&pool->store, &pool->centre[tag][class], class, tag, block, k);
}

unsigned tern_pool_return(struct tern_pool *pool, unsigned class, unsigned tag, void **block, unsigned k)
{
    if (class > TERN_CLASS_RUN)
        return return_spans(pool, class, tag, block, k);
    return tern_run_give(&pool->store, &pool->centre[tag][class], block, k, tell_wrong, pool);
}

static void *unstocked(void *block, unsigned class)
{
    if (block)
        tern_fast_unstock(block, class);
    return block;
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
    const unsigned class = class_of(pool, bytes, align);
    void *block = NULL;
    if (!class)
        block = take_span(pool, 0, bytes, align, tag);
    else if (tern_pool_fetch(pool, 0, class, tag, &block, 1))
        unstocked(block, class);
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
        const struct tern_page *page = &tern_space.page[tern_space_page(block)];
        count_span(common_account(pool, tag, tier_of_pages(page->span)), &pool->slack, page->span, page->next, 1);
    }
    tern_unlock(&pool->lock);
    return block;
}

enum tern_status tern_pool_give_plain(struct tern_pool *pool, void *block)
{
    const uint32_t first = tern_space_page(block), key = tern_key(first), rest = tern_space.page[first].next;
    const unsigned class = tern_key_class(key), tag = tern_key_tag(key);
    const size_t n = tern_space.page[first].span;
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
        count_span(common_account(pool, tag, tier_of_pages(n)), &pool->slack, n, rest, -1);
    tern_unlock(&pool->lock);
    return TERN_OK;
}

/* ---- take and give */

static void *take_once(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag)
{
    struct tern_shelf *shelf = tern_shelf_of(pool, tag);
    if (!shelf)
        return NULL;
    const unsigned class = class_of(pool, bytes, align);
    return class ? unstocked(tern_shelf_take(shelf, class, bytes), class) : take_span_on(shelf, bytes, align);
}

void *tern_pool_take_slow(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    pool = pool ? pool : tern_pool_default();
    align = align ? align : TERN_CLASS_GRAIN;
    if (check_request(pool, bytes, align, tag, error))
        return NULL;
    if (bytes > tern_space.bytes || align > tern_space.bytes)
        return tern_pool_refuse(pool, bytes, tag, error);
    if (pool->checked)
        return tern_trace_take(pool->trace, tern_checked_take(pool, bytes, align, tag, error), bytes, align, tag);
    if (!pool->has_shelves)
        return tern_trace_take(pool->trace, tern_pool_take_plain(pool, bytes, align, tag, error), bytes, align, tag);
    void *block = take_once(pool, bytes, align, tag);
    if (!block && tern_pool_trim(pool))
        block = take_once(pool, bytes, align, tag);
    return block ? block : tern_pool_refuse(pool, bytes, tag, error);
}

/* Whether the pointer may be given: null, or what is wrong with it. */
static const char *fault_of(const struct tern_pool *pool, const void *block)
{
    if (!tern_space_holds(block))
        return "is not from a pool";
    const uint32_t first = tern_space_page(block), key = tern_key(first);
    const enum tern_page_state state = (enum tern_page_state)(key & 7);
    if (state == TERN_PAGE_RUN || state == TERN_PAGE_USED) {
        if ((key ^ pool->key) & TERN_KEY_ALL_POOLS)
            return "belongs to another pool";
        if (state == TERN_PAGE_USED && tern_space_address(first) != block)
            return "is not the start of a block";
        if ((uintptr_t)block % TERN_CLASS_GRAIN)
            return "is not the start of a block";
        if (tern_fast_is_stocked(key, block, pool->is_unmarked))
            return "given twice";
        return NULL;
    }
    return state == TERN_PAGE_NONE || state == TERN_PAGE_TAIL ? "is no block" : "is in free memory: given twice, or never taken";
}

static enum tern_status give_on_shelf(struct tern_pool *pool, void *block)
{
    const uint32_t first = tern_space_page(block), key = tern_key(first);
    const unsigned class = tern_key_class(key);
    struct tern_shelf *shelf = tern_shelf_of(pool, (enum tern_tag)tern_key_tag(key));
    if (!shelf)
        return tern_pool_give_plain(pool, block);
    if (class)
        return tern_shelf_give(shelf, class, block) ? TERN_OK : TERN_INVALID;
    const uint32_t rest = tern_space.page[first].next;
    const size_t n = give_span(pool, first);
    count_span(&shelf->account[tier_of_pages(n)], &shelf->slack, n, rest, -1);
    return TERN_OK;
}

enum tern_status tern_pool_give_slow(struct tern_pool *pool, void *block)
{
    if (!block)
        return TERN_OK;
    pool = pool ? pool : tern_pool_default();
    if (pool->checked) {
        tern_trace_give(pool->trace, block);
        return tern_checked_give(pool, block, 0);
    }
    const char *fault = fault_of(pool, block);
    if (fault)
        return tern_pool_misuse(pool, block, fault);
    if (pool->has_shelves)
        return give_on_shelf(pool, block);
    tern_trace_give(pool->trace, block);
    return tern_pool_give_plain(pool, block);
}

void *tern_pool_take(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    pool = pool ? pool : tern_pool_default();
    return tern_fast_take(pool, pool->key, bytes, align, tag, error, true, true);
}

enum tern_status tern_pool_give(struct tern_pool *pool, void *block)
{
    pool = pool ? pool : tern_pool_default();
    return tern_fast_give(pool, pool->key, block, true, true);
}

void *tern_pool_take_array(struct tern_pool *pool, size_t n, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    size_t all;
    if (__builtin_mul_overflow(n, bytes, &all)) {
        tern_error_set(error, TERN_NO_MEMORY, "pool: %zu x %zu bytes for %s: more than there are addresses", n, bytes, tern_tag_name(tag));
        return NULL;
    }
    return tern_pool_take(pool, all, align, tag, error);
}

void *tern_pool_take_zeroed(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    void *block = tern_pool_take(pool, bytes, align, tag, error);
    const size_t whole = bytes & ~(size_t)(TERN_PAGE - 1);
    if (!block)
        return NULL;
    if (bytes < FRESH_FROM || (uintptr_t)block % TERN_PAGE)
        return memset(block, 0, bytes);
    tern_space_purge(tern_space_page(block), whole >> TERN_PAGE_SHIFT);
    memset((char *)block + whole, 0, bytes - whole);
    return block;
}

size_t tern_pool_usable(struct tern_pool *pool, const void *block)
{
    pool = pool ? pool : tern_pool_default();
    if (pool->checked)
        return tern_checked_usable(pool, block);
    if (!block || fault_of(pool, block))
        return 0;
    const struct tern_page *page = &tern_space.page[tern_space_page(block)];
    const unsigned class = tern_key_class(tern_key(tern_space_page(block)));
    return class ? tern_classes.at[class].bytes : (size_t)page->span << TERN_PAGE_SHIFT;
}

/* Whether a block of the pool may have been asked for with that many bytes: spans know, classes can be told by rounding. */
static bool can_be(const void *block, size_t bytes)
{
    const struct tern_page *page = &tern_space.page[tern_space_page(block)];
    const unsigned class = tern_key_class(tern_key(tern_space_page(block)));
    if (!class)
        return bytes == ((size_t)page->span << TERN_PAGE_SHIFT) - page->next;
    return bytes && bytes <= tern_classes.at[class].bytes && tern_class_for(bytes, 64) >= class;
}

enum tern_status tern_pool_give_sized(struct tern_pool *pool, void *block, size_t bytes)
{
    pool = pool ? pool : tern_pool_default();
    if (!block)
        return TERN_OK;
    if (pool->checked)
        return tern_checked_give(pool, block, bytes);
    if (!fault_of(pool, block) && !can_be(block, bytes))
        return tern_pool_misuse(pool, block, "given with a size that it cannot have");
    return tern_pool_give(pool, block);
}

/* ---- the pool itself */

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
enum { DEFAULT = 1 << TERN_KEY_POOL }; /* the default pool's key, so that its fast path knows it without looking */
static bool slot_taken[TERN_POOLS] = {true, true}; /* 0 belongs to nobody, 1 to the default pool */

/* Key of a number that no open pool has; 0 when all are taken. */
static uint32_t take_key(void)
{
    uint32_t found = 0;
    pthread_mutex_lock(&slots_lock);
    for (uint32_t i = 2; i < TERN_POOLS && !found; i++)
        if (!slot_taken[i])
            slot_taken[found = i] = true;
    pthread_mutex_unlock(&slots_lock);
    return found << TERN_KEY_POOL;
}

static void give_key(uint32_t key)
{
    pthread_mutex_lock(&slots_lock);
    slot_taken[key >> TERN_KEY_POOL] = false;
    pthread_mutex_unlock(&slots_lock);
}

/* Chunks of 1 MiB, smaller ones under a low ceiling so that one chunk is no large part of it. */
static unsigned chunk_order(size_t ceiling)
{
    unsigned order = TERN_BUDDY_ORDERS - 1;
    while (ceiling && order > 2 && (size_t)TERN_PAGE << order > ceiling / 16)
        order--;
    return order;
}

static void set_up_store(struct tern_pool *pool)
{
    const uint32_t key = pool->key;
    for (unsigned i = 0; i < TERN_SHARDS; i++)
        tern_span_init(&pool->shard[i], key | i << TERN_KEY_SHARD, GROW_SHARD, &pool->held);
    tern_span_init(&pool->mapped, key | (uint32_t)TERN_SHARDS << TERN_KEY_SHARD, GROW_MAPPED, &pool->held);
    pool->store.key = key;
    tern_buddy_init(&pool->store.buddy, key, chunk_order(pool->held.ceiling << TERN_PAGE_SHIFT), &pool->shard[0]);
}

static enum tern_status set_up(struct tern_pool *pool, const struct tern_pool_options *options, struct tern_error *error)
{
    const int cpus = tern_threads_allowed();
    snprintf(pool->name, sizeof pool->name, "%s", options->name ? options->name : "pool");
    pool->n_shards = cpus < TERN_SHARDS ? (unsigned)cpus : TERN_SHARDS;
    pool->held.ceiling = options->ceiling ? tern_pages_of(options->ceiling) : 0;
    pool->tracker.is_off = options->is_untracked;
    pool->checks = options->checks | tern_checked_always();
    set_up_store(pool);
    if (pool->checks && !(pool->checked = tern_checked_open(pool)))
        return tern_error_memory(error, "the records of a checked pool", 0);
    if (options->trace && !(pool->trace = tern_trace_open(options->trace)))
        return tern_error_set(error, TERN_IO, "pool %s: the trace file %s cannot be written", pool->name, options->trace);
    pool->has_shelves = !pool->checked && !pool->trace;
    return TERN_OK;
}

static bool open_space(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, tern_classes_init);
    return tern_space_open();
}

/* A pool of that key, which goes back when there is none. */
static enum tern_status open_as(uint32_t key, const struct tern_pool_options *options, struct tern_pool **out, struct tern_error *error)
{
    struct tern_pool *pool = tern_space_map(sizeof *pool);
    if (!pool) {
        give_key(key);
        return tern_error_memory(error, "a pool", sizeof *pool);
    }
    pool->key = key;
    const enum tern_status status = set_up(pool, options, error);
    if (status)
        tern_pool_close(pool);
    else
        *out = pool;
    return status;
}

enum tern_status tern_pool_open(const struct tern_pool_options *options, struct tern_pool **out, struct tern_error *error)
{
    const struct tern_pool_options none = {0};
    *out = NULL;
    if (!open_space())
        return tern_error_set(error, TERN_NO_MEMORY, "pool: no address space");
    const uint32_t key = take_key();
    if (!key)
        return tern_error_set(error, TERN_NO_MEMORY, "pool: %d pools are open, which is all", TERN_POOLS - 2);
    return open_as(key, options ? options : &none, out, error);
}

static void clear_store(struct tern_pool *pool)
{
    tern_buddy_forget(&pool->store.buddy);
    for (unsigned i = 0; i < TERN_SHARDS; i++)
        tern_span_clear(&pool->shard[i]);
    tern_span_clear(&pool->mapped);
    tern_records_clear(&pool->store.records);
}

static struct tern_pool *default_pool;

void tern_pool_close(struct tern_pool *pool)
{
    if (!pool || pool == default_pool)
        return;
    tern_shelf_remove_all(pool);
    tern_checked_close(pool);
    tern_trace_close(pool->trace);
    clear_store(pool);
    give_key(pool->key);
    tern_space_unmap(pool, sizeof *pool);
}

/* Stands in where not even the default pool can be made: it has no space, so every take is refused. */
static struct tern_pool no_pool = {.name = "none"};

static void open_default(void)
{
    const struct tern_pool_options options = {.name = "default", .trace = getenv("TERN_POOL_TRACE")};
    struct tern_pool *pool;
    if (!open_space() || open_as(DEFAULT, &options, &pool, NULL))
        pool = &no_pool;
    __atomic_store_n(&default_pool, pool, __ATOMIC_RELEASE);
}

struct tern_pool *tern_pool_default(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct tern_pool *pool = __atomic_load_n(&default_pool, __ATOMIC_ACQUIRE);
    if (__builtin_expect(!pool, 0)) {
        pthread_once(&once, open_default);
        pool = default_pool;
    }
    return pool;
}

void *tern_memory_take(size_t bytes)
{
    return tern_fast_take(NULL, DEFAULT, bytes, 16, TERN_TAG_OTHER, NULL, true, true);
}

void tern_memory_give(void *block)
{
    tern_fast_give(NULL, DEFAULT, block, true, true);
}

void tern_pool_reset(struct tern_pool *pool)
{
    if (pool->checked) {
        tern_checked_reset(pool);
        return;
    }
    tern_lock(&pool->lock);
    for (struct tern_shelf *shelf = pool->shelves; shelf; shelf = shelf->next)
        tern_shelf_forget(shelf);
    pool->slack = 0;
    tern_tracker_reset(&pool->tracker);
    memset(pool->centre, 0, sizeof pool->centre);
    clear_store(pool);
    set_up_store(pool);
    tern_unlock(&pool->lock);
}

size_t tern_pool_trim(struct tern_pool *pool)
{
    pool = pool ? pool : tern_pool_default();
    size_t pages = 0;
    tern_shelf_empty(pool);
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++)
        for (unsigned class = 1; class < TERN_CLASSES; class++)
            if (class <= TERN_CLASS_RUN && __atomic_load_n(&pool->centre[tag][class].n_runs, __ATOMIC_RELAXED))
                tern_run_trim(&pool->store, &pool->centre[tag][class]);
    pages += tern_buddy_trim(&pool->store.buddy);
    for (unsigned i = 0; i < TERN_SHARDS; i++)
        pages += tern_span_trim(&pool->shard[i]);
    return (pages + tern_span_trim(&pool->mapped)) << TERN_PAGE_SHIFT;
}

size_t tern_pool_verify(struct tern_pool *pool)
{
    return pool->checked ? tern_checked_verify(pool) : 0;
}

/* ---- what there is */

/* Blocks of a class on shelves; the pool's lock is held. */
static size_t stocked(const struct tern_pool *pool, unsigned tag, unsigned class)
{
    size_t n = 0;
    for (const struct tern_shelf *shelf = pool->shelves; shelf; shelf = shelf->next)
        if (shelf->tag == tag)
            n += tern_bin_count(&shelf->bin[class]);
    return n;
}

/* Adds the blocks of classes to the counts; their live bytes. */
static size_t count_classes(struct tern_pool *pool, struct tern_pool_stats *stats)
{
    size_t live = 0;
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++)
        for (unsigned class = 1; class < TERN_CLASSES; class++) {
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
            stats->tier[tier_of_class(class)].blocks += n;
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
