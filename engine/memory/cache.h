/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors kept for reuse under one budget of bytes, wherever they lie: least recently used goes first, what is in use stays.
 *
 *   key       which tensor: model, layer, part of the layer, backend whose layout it has
 *   place     where bytes may lie: 0 is the CPU's pool; a GPU joins with its own take, give and fill
 *   entry     a resident tensor; a reference keeps it from eviction
 *   transfer  filling an entry that was not there: its bytes and time are counted by place
 *
 *     front (used last) <-> … <-> back (goes first)      only entries without references hang in the list
 *
 * Any thread. A tensor is filled once: others that want it wait for the thread that fills. Capacity counts bytes asked for, at all
 * places together, and is never exceeded: where all that is resident is in use, acquire says so instead.
 */
#ifndef TERN_MEMORY_CACHE_H
#define TERN_MEMORY_CACHE_H

#include "memory/pool.h"

enum { TERN_CACHE_PLACES = 8 };

struct tern_cache;
struct tern_cache_entry;

struct tern_cache_key {
    uint64_t model;
    uint32_t layer;
    uint16_t part, backend;
};

struct tern_cache_place {
    const char *name;
    void *(*take)(void *context, size_t bytes, struct tern_error *error);
    void (*give)(void *context, void *memory);
    void *context;
};

/* Writes the tensor into memory of the place. Returns a status; on failure nothing becomes resident. */
typedef enum tern_status tern_cache_fill(void *context, const struct tern_cache_key *key, unsigned place, void *memory, size_t bytes,
                                         struct tern_error *error);

struct tern_cache_stats {
    uint64_t hits, misses, evictions, refused, failed;  /* acquires; refused: no room because all is in use */
    size_t capacity, resident, peak;                    /* bytes */
    size_t entries, in_use;
    size_t place_bytes[TERN_CACHE_PLACES];
    uint64_t transfer_bytes[TERN_CACHE_PLACES];
    double transfer_ns[TERN_CACHE_PLACES];
};

/* `pool` (null: the default) is place 0. Errors: TERN_INVALID for a capacity of 0, TERN_NO_MEMORY. */
enum tern_status tern_cache_open(struct tern_pool *pool, size_t capacity, struct tern_cache **out, struct tern_error *error);
/* Gives all memory back; no entry may be in use. Null is allowed. */
void tern_cache_close(struct tern_cache *cache);
/* Adds a place; its number, or TERN_INVALID when there are TERN_CACHE_PLACES. Before the first acquire. */
enum tern_status tern_cache_add_place(struct tern_cache *cache, const struct tern_cache_place *place, unsigned *number, struct tern_error *error);

/*
 * The tensor with one reference more; *memory is what release's holder may read. Errors: TERN_NO_MEMORY when it does not fit (the
 * text says capacity, resident and in use), TERN_INVALID when it is resident with another size or place, and fill's own.
 */
enum tern_status tern_cache_acquire(struct tern_cache *cache, const struct tern_cache_key *key, unsigned place, size_t bytes,
                                    tern_cache_fill *fill, void *context, struct tern_cache_entry **out, void **memory,
                                    struct tern_error *error);
void tern_cache_release(struct tern_cache *cache, struct tern_cache_entry *entry);
/* Evicts what is not in use, of one model or of all (0); bytes freed. */
size_t tern_cache_drop(struct tern_cache *cache, uint64_t model);
void tern_cache_stats(struct tern_cache *cache, struct tern_cache_stats *stats);

#endif
