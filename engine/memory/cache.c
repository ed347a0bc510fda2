/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/cache.h"

#include <pthread.h>
#include <time.h>

enum { FIRST_HEADS = 64 };

struct tern_cache_entry {
    struct tern_cache_key key;
    struct tern_cache_entry *chain;        /* of the same hash */
    struct tern_cache_entry *newer, *older; /* while nobody uses it */
    void *memory;
    size_t bytes;
    uint32_t uses;
    uint8_t place;
    bool is_filling;
};

struct tern_cache {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct tern_pool *pool;
    struct tern_cache_place place[TERN_CACHE_PLACES];
    unsigned n_places;
    struct tern_cache_entry **head;
    size_t n_heads;
    struct tern_cache_entry *newest, *oldest;
    size_t idle;                           /* bytes of what nobody uses */
    struct tern_cache_stats stats;
};

static void *take_from_pool(void *pool, size_t bytes, struct tern_error *error)
{
    return tern_pool_take(pool, bytes, 64, TERN_TAG_CACHE, error);
}

static void give_to_pool(void *pool, void *memory)
{
    tern_pool_give(pool, memory);
}

/* ---- table and list */

static struct tern_cache_entry **head_of(const struct tern_cache *cache, const struct tern_cache_key *key)
{
    uint64_t hash = key->model * 0x9e3779b97f4a7c15u;
    hash = (hash ^ hash >> 29) + ((uint64_t)key->layer << 32 | (uint64_t)key->part << 16 | key->backend);
    hash *= 0xbf58476d1ce4e5b9u;
    return &cache->head[(hash ^ hash >> 31) & (cache->n_heads - 1)];
}

static bool is_same(const struct tern_cache_key *a, const struct tern_cache_key *b)
{
    return a->model == b->model && a->layer == b->layer && a->part == b->part && a->backend == b->backend;
}

static struct tern_cache_entry *find(const struct tern_cache *cache, const struct tern_cache_key *key)
{
    struct tern_cache_entry *entry = *head_of(cache, key);
    while (entry && !is_same(&entry->key, key))
        entry = entry->chain;
    return entry;
}

static void list_in(struct tern_cache *cache, struct tern_cache_entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    if (entry->older)
        entry->older->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
    cache->idle += entry->bytes;
}

static void list_out(struct tern_cache *cache, struct tern_cache_entry *entry)
{
    cache->idle -= entry->bytes;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
}

static bool grow_table(struct tern_cache *cache, size_t n, struct tern_error *error)
{
    struct tern_cache_entry **old = cache->head, **head = tern_pool_take_array(cache->pool, n, sizeof *head, 64, TERN_TAG_CACHE, error);
    const size_t n_old = cache->n_heads;
    if (!head)
        return false;
    for (size_t i = 0; i < n; i++)
        head[i] = NULL;
    cache->head = head;
    cache->n_heads = n;
    for (size_t i = 0; i < n_old; i++)
        for (struct tern_cache_entry *entry = old[i], *next; entry; entry = next) {
            next = entry->chain;
            struct tern_cache_entry **at = head_of(cache, &entry->key);
            entry->chain = *at;
            *at = entry;
        }
    tern_pool_give(cache->pool, old);
    return true;
}

/* ---- entries */

static void remove_entry(struct tern_cache *cache, struct tern_cache_entry *entry)
{
    struct tern_cache_entry **at = head_of(cache, &entry->key);
    while (*at != entry)
        at = &(*at)->chain;
    *at = entry->chain;
    const struct tern_cache_place *place = &cache->place[entry->place];
    if (entry->memory)
        place->give(place->context, entry->memory);
    cache->stats.resident -= entry->bytes;
    cache->stats.place_bytes[entry->place] -= entry->bytes;
    cache->stats.entries--;
    tern_pool_give(cache->pool, entry);
}

static void evict(struct tern_cache *cache, struct tern_cache_entry *entry)
{
    list_out(cache, entry);
    remove_entry(cache, entry);
    cache->stats.evictions++;
}

static enum tern_status make_room(struct tern_cache *cache, size_t bytes, struct tern_error *error)
{
    struct tern_cache_stats *stats = &cache->stats;
    const size_t in_use = stats->resident - cache->idle;
    if (bytes > stats->capacity || in_use > stats->capacity - bytes) { /* before anything is evicted in vain */
        stats->refused++;
        return tern_error_set(error, TERN_NO_MEMORY, "tensor cache: %zu bytes: the capacity is %zu, %zu are in use", bytes, stats->capacity,
                              in_use);
    }
    while (stats->resident > stats->capacity - bytes)
        evict(cache, cache->oldest);
    return TERN_OK;
}

/* A new entry with one use, not yet filled. Memory that the place refuses is sought by evicting more. */
static enum tern_status add_entry(struct tern_cache *cache, const struct tern_cache_key *key, unsigned place_number, size_t bytes,
                                  struct tern_cache_entry **out, struct tern_error *error)
{
    const struct tern_cache_place *place = &cache->place[place_number];
    const enum tern_status status = make_room(cache, bytes, error);
    if (status)
        return status;
    if (cache->stats.entries >= cache->n_heads && !grow_table(cache, cache->n_heads * 2, error))
        return TERN_NO_MEMORY;
    struct tern_cache_entry *entry = tern_pool_take(cache->pool, sizeof *entry, 64, TERN_TAG_CACHE, error);
    if (!entry)
        return TERN_NO_MEMORY;
    void *memory = place->take(place->context, bytes, error);
    while (!memory && cache->oldest) {
        evict(cache, cache->oldest);
        memory = place->take(place->context, bytes, error);
    }
    if (!memory) {
        tern_pool_give(cache->pool, entry);
        return TERN_NO_MEMORY;
    }
    struct tern_cache_entry **at = head_of(cache, key);
    *entry = (struct tern_cache_entry){.key = *key, .chain = *at, .memory = memory, .bytes = bytes, .uses = 1, .place = (uint8_t)place_number,
                                       .is_filling = true};
    *out = *at = entry;
    cache->stats.entries++;
    cache->stats.resident += bytes;
    cache->stats.place_bytes[place_number] += bytes;
    if (cache->stats.resident > cache->stats.peak)
        cache->stats.peak = cache->stats.resident;
    return TERN_OK;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Fills without the lock; those who came for it meanwhile wait, and find it gone where that failed. */
static enum tern_status fill_entry(struct tern_cache *cache, struct tern_cache_entry *entry, tern_cache_fill *fill, void *context,
                                   struct tern_error *error)
{
    pthread_mutex_unlock(&cache->lock);
    const double from = now_ns();
    const enum tern_status status = fill(context, &entry->key, entry->place, entry->memory, entry->bytes, error);
    const double ns = now_ns() - from;
    pthread_mutex_lock(&cache->lock);
    entry->is_filling = false;
    pthread_cond_broadcast(&cache->filled);
    if (status) {
        cache->stats.failed++;
        remove_entry(cache, entry);
        return status;
    }
    cache->stats.transfer_bytes[entry->place] += entry->bytes;
    cache->stats.transfer_ns[entry->place] += ns;
    return TERN_OK;
}

/* The lock is held; on success the entry has a use more. */
static enum tern_status acquire(struct tern_cache *cache, const struct tern_cache_key *key, unsigned place, size_t bytes, tern_cache_fill *fill,
                                void *context, struct tern_cache_entry **out, struct tern_error *error)
{
    struct tern_cache_entry *entry;
    while ((entry = find(cache, key)) && entry->is_filling)
        pthread_cond_wait(&cache->filled, &cache->lock);
    if (entry && (entry->bytes != bytes || entry->place != place))
        return tern_error_set(error, TERN_INVALID, "tensor cache: %zu bytes at %s asked for, %zu bytes at %s are resident", bytes,
                              cache->place[place].name, entry->bytes, cache->place[entry->place].name);
    if (!entry) {
        cache->stats.misses++;
        const enum tern_status status = add_entry(cache, key, place, bytes, out, error);
        return status ? status : fill_entry(cache, *out, fill, context, error);
    }
    cache->stats.hits++;
    if (entry->uses++ == 0)
        list_out(cache, entry);
    *out = entry;
    return TERN_OK;
}

enum tern_status tern_cache_acquire(struct tern_cache *cache, const struct tern_cache_key *key, unsigned place, size_t bytes,
                                    tern_cache_fill *fill, void *context, struct tern_cache_entry **out, void **memory,
                                    struct tern_error *error)
{
    *out = NULL;
    if (!bytes || place >= cache->n_places)
        return tern_error_set(error, TERN_INVALID, "tensor cache: %zu bytes at place %u of %u", bytes, place, cache->n_places);
    pthread_mutex_lock(&cache->lock);
    struct tern_cache_entry *entry = NULL;
    const enum tern_status status = acquire(cache, key, place, bytes, fill, context, &entry, error);
    if (!status) {
        *out = entry;
        *memory = entry->memory;
        cache->stats.in_use += entry->uses == 1;
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

void tern_cache_release(struct tern_cache *cache, struct tern_cache_entry *entry)
{
    pthread_mutex_lock(&cache->lock);
    if (--entry->uses == 0) {
        list_in(cache, entry);
        cache->stats.in_use--;
    }
    pthread_mutex_unlock(&cache->lock);
}

size_t tern_cache_drop(struct tern_cache *cache, uint64_t model)
{
    pthread_mutex_lock(&cache->lock);
    const size_t before = cache->stats.resident;
    for (struct tern_cache_entry *entry = cache->oldest, *newer; entry; entry = newer) {
        newer = entry->newer;
        if (!model || entry->key.model == model)
            evict(cache, entry);
    }
    const size_t freed = before - cache->stats.resident;
    pthread_mutex_unlock(&cache->lock);
    return freed;
}

void tern_cache_stats(struct tern_cache *cache, struct tern_cache_stats *stats)
{
    pthread_mutex_lock(&cache->lock);
    *stats = cache->stats;
    pthread_mutex_unlock(&cache->lock);
}

/* ---- the cache itself */

enum tern_status tern_cache_open(struct tern_pool *pool, size_t capacity, struct tern_cache **out, struct tern_error *error)
{
    *out = NULL;
    pool = pool ? pool : tern_pool_default();
    if (!capacity)
        return tern_error_set(error, TERN_INVALID, "tensor cache: a capacity of 0 bytes");
    struct tern_cache *cache = tern_pool_take(pool, sizeof *cache, 64, TERN_TAG_CACHE, error);
    if (!cache)
        return TERN_NO_MEMORY;
    *cache = (struct tern_cache){.pool = pool, .n_places = 1, .stats.capacity = capacity};
    cache->place[0] = (struct tern_cache_place){"cpu", take_from_pool, give_to_pool, pool};
    if (!grow_table(cache, FIRST_HEADS, error)) {
        tern_pool_give(pool, cache);
        return TERN_NO_MEMORY;
    }
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->filled, NULL);
    *out = cache;
    return TERN_OK;
}

enum tern_status tern_cache_add_place(struct tern_cache *cache, const struct tern_cache_place *place, unsigned *number, struct tern_error *error)
{
    if (cache->n_places == TERN_CACHE_PLACES)
        return tern_error_set(error, TERN_INVALID, "tensor cache: place %s: there are %d already", place->name, TERN_CACHE_PLACES);
    cache->place[*number = cache->n_places++] = *place;
    return TERN_OK;
}

void tern_cache_close(struct tern_cache *cache)
{
    if (!cache)
        return;
    tern_cache_drop(cache, 0);
    pthread_mutex_destroy(&cache->lock);
    pthread_cond_destroy(&cache->filled);
    tern_pool_give(cache->pool, cache->head);
    tern_pool_give(cache->pool, cache);
}
