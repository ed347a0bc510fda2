/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"
#include "memory/checked.h"
#include "memory/pool_fast.h"
#include "memory/trace.h"

/* Mapped blocks are few and of all lengths: holes between them take up much more. */
enum { GROW_SHARD = 1024, GROW_MAPPED = 4096, SPARE_SHARD = 64, SPARE_MAPPED = 2 };
/* For each processor: an account that asked before those is a thread's that does not run, and room left to it is room that others ask for. */
enum { ASKS_LATELY = 8 };

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
        tern_span_init(&pool->shard[i], key | i << TERN_KEY_HEAP, GROW_SHARD, SPARE_SHARD, true, &pool->held);
    tern_span_init(&pool->mapped, key | (uint32_t)TERN_SHARDS << TERN_KEY_HEAP, GROW_MAPPED, SPARE_MAPPED, false, &pool->held);
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
    pool->tracker.lately = ASKS_LATELY * (uint64_t)cpus;
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

/* Stands in where not even the default pool can be made: it has no space, so every take is refused. All zeros until then, or it would
 * be 3 MiB of the library's file. */
static struct tern_pool no_pool;

static void open_default(void)
{
    const struct tern_pool_options options = {.name = "default", .trace = getenv("TERN_POOL_TRACE")};
    struct tern_pool *pool;
    if (!open_space() || open_as(DEFAULT, &options, &pool, NULL)) {
        pool = &no_pool;
        memcpy(pool->name, "none", sizeof "none");
    }
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

TERN_FAST void *tern_memory_take(size_t bytes)
{
    return tern_fast_take(NULL, DEFAULT, bytes, 16, TERN_TAG_OTHER, NULL, true, true);
}

TERN_FAST void tern_memory_give(void *block)
{
    tern_fast_give(NULL, DEFAULT, block, true, true);
}

void tern_pool_limit(struct tern_pool *pool, size_t ceiling)
{
    pool = pool ? pool : tern_pool_default();
    __atomic_store_n(&pool->held.ceiling, ceiling ? tern_pages_of(ceiling) : 0, __ATOMIC_RELAXED);
}

/* Blocks of a class and tag that no run, and no heap of spans, has. */
static size_t out_of(const struct tern_pool *pool, unsigned tag, unsigned class)
{
    return __atomic_load_n(&pool->centre[tag][class].out, __ATOMIC_RELAXED);
}

static void forget_depots(struct tern_pool *pool)
{
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++)
        for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class))
            if (out_of(pool, tag, class))
                tern_depot_forget(&pool->depot[tag][class]);
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
    forget_depots(pool);
    memset(pool->centre, 0, sizeof pool->centre);
    clear_store(pool);
    set_up_store(pool);
    tern_unlock(&pool->lock);
}

/* Returns what is free of a class and tag to where it came from. */
static void trim_class(struct tern_pool *pool, unsigned tag, unsigned class)
{
    void *block[TERN_DEPOT_BLOCKS];
    struct tern_centre *centre = &pool->centre[tag][class];
    const unsigned n = out_of(pool, tag, class) ? tern_depot_take(&pool->depot[tag][class], NULL, block, TERN_DEPOT_BLOCKS) : 0;
    if (n)
        tern_pool_return(pool, class, tag, block, n);
    if (__atomic_load_n(&centre->n_runs, __ATOMIC_RELAXED))
        tern_run_trim(&pool->store, centre);
}

size_t tern_pool_trim(struct tern_pool *pool)
{
    pool = pool ? pool : tern_pool_default();
    size_t pages = 0;
    tern_shelf_empty(pool);
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++)
        for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class))
            trim_class(pool, tag, class);
    pages += tern_buddy_trim(&pool->store.buddy);
    for (unsigned i = 0; i < TERN_SHARDS; i++)
        pages += tern_span_trim(&pool->shard[i]);
    return (pages + tern_span_trim(&pool->mapped)) << TERN_PAGE_SHIFT;
}

size_t tern_pool_verify(struct tern_pool *pool)
{
    return pool->checked ? tern_checked_verify(pool) : 0;
}
