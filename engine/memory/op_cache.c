/* SPDX-License-Identifier: Apache-2.0
 *
 * The op cache: one run acquires a tensor, reads it, and releases it. Tensors are asked for in passes over the layers of a few
 * models, the models with falling popularity, which is what serving several models under one budget looks like. Tensors of some of
 * the models may lie on a card, under the same budget.
 */
#include <stdio.h>
#include <string.h>

#include "core/card_place.h"
#include "core/error.h"
#include "core/op.h"

enum { MODELS = 8, CHECKED = 20000 };

struct state {
    struct tern_cache *cache;
    size_t layers, bytes, fits; /* fits: tensors that the budget holds */
    uint64_t random, seed;
    unsigned model, layer, failures;
    struct tern_accelerator on;
    size_t card_models;         /* the most popular ones, that have their tensors on the card */
    unsigned card;              /* its place */
    unsigned char *host;        /* a tensor on its way to the card and back */
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A pass over all layers of a model; the next model is k with chance 2^-(k+1). */
static struct tern_cache_key next_key(const struct state *state, uint64_t *random, unsigned *model, unsigned *layer)
{
    if (*layer == state->layers) {
        *layer = 0;
        *model = (unsigned)__builtin_ctzll(next_random(random) >> 20 | 1u << (MODELS - 1));
    }
    return (struct tern_cache_key){.model = *model + 1u, .layer = (*layer)++};
}

static unsigned char content_of(const struct tern_cache_key *key)
{
    return (unsigned char)(key->model * 31 + key->layer);
}

static enum tern_status fill(void *context, const struct tern_cache_key *key, unsigned place, void *memory, size_t bytes, struct tern_error *error)
{
    const struct state *state = context;
    memset(place ? state->host : memory, content_of(key), bytes);
    return place ? tern_card_place_write(&state->on, memory, state->host, bytes, error) : TERN_OK;
}

/* A look at the first and the last byte. What lies on the card is for its kernels to read, and is fetched only to be checked. */
static bool is_right(struct state *state, const struct tern_cache_key *key, unsigned place, const void *memory, bool is_checked)
{
    const unsigned char *bytes = memory;
    if (place && !is_checked)
        return true;
    if (place && tern_card_place_read(&state->on, state->host, memory, state->bytes, NULL))
        return false;
    bytes = place ? state->host : bytes;
    return bytes[0] == content_of(key) && bytes[state->bytes - 1] == content_of(key);
}

static void run_once(struct state *state, bool is_checked)
{
    const struct tern_cache_key key = next_key(state, &state->random, &state->model, &state->layer);
    const unsigned place = key.model <= state->card_models ? state->card : 0;
    struct tern_cache_entry *entry;
    void *memory;
    if (tern_cache_acquire(state->cache, &key, place, state->bytes, fill, state, &entry, &memory, NULL)) {
        state->failures++;
        return;
    }
    state->failures += !is_right(state, &key, place, memory, is_checked);
    tern_cache_release(state->cache, entry);
}

static void run(struct tern_op *op)
{
    run_once(op->state, false);
}

/* Hits of the same requests by the plainest list of least recently used ones. */
static size_t plain_hits(const struct state *state, size_t n)
{
    uint64_t random = state->seed;
    unsigned model = 0, layer = 0;
    size_t hits = 0, resident = 0, most = MODELS * state->layers;
    uint32_t list[4096];
    for (size_t i = 0; i < n; i++) {
        const struct tern_cache_key key = next_key(state, &random, &model, &layer);
        const uint32_t id = (uint32_t)(key.model * 65536 + key.layer);
        size_t at = 0;
        while (at < resident && list[at] != id)
            at++;
        hits += at < resident;
        if (at == resident && resident < state->fits && resident < most)
            resident++;
        else if (at == resident)
            at--;
        memmove(list + 1, list, at * sizeof *list);
        list[0] = id;
    }
    return hits;
}

static double transfer_ns(const struct tern_cache_stats *stats)
{
    double ns = 0;
    for (unsigned place = 0; place < TERN_CACHE_PLACES; place++)
        ns += stats->transfer_ns[place];
    return ns;
}

static enum tern_status check(struct tern_op *op, struct tern_error *error)
{
    struct state *state = op->state;
    struct tern_cache_stats before, after;
    tern_cache_drop(state->cache, 0);
    state->random = state->seed;
    state->model = state->layer = 0;
    tern_cache_stats(state->cache, &before);
    for (int i = 0; i < CHECKED; i++)
        run_once(state, true);
    tern_cache_stats(state->cache, &after);
    const size_t hits = after.hits - before.hits, expected = plain_hits(state, CHECKED);
    const double filled = (double)(after.misses - before.misses), filling_ns = transfer_ns(&after) - transfer_ns(&before);
    snprintf(op->why, sizeof op->why, "least recently used first: %.1f %% hits, %llu evictions, %.0f ns to fill a tensor of %zu bytes",
             100.0 * (double)hits / CHECKED, (unsigned long long)(after.evictions - before.evictions),
             filled > 0 ? filling_ns / filled : 0, state->bytes);
    if (state->failures)
        return tern_error_set(error, TERN_WRONG, "cache: %u tensors were missing or not what was filled in", state->failures);
    if (hits != expected || after.peak > after.capacity)
        return tern_error_set(error, TERN_WRONG, "cache: expected %zu hits within %zu bytes, found %zu within %zu", expected, after.capacity, hits,
                              after.peak);
    return TERN_OK;
}

static const struct tern_op_param params[] = {
    {"tensors", "30", "layers of each of the 8 models"},
    {"bytes", "65536", "of a tensor"},
    {"budget", "50", "capacity of the cache in percent of all tensors"},
    {"card", "0", "of the 8 models, so many have their tensors on the card"},
    {"seed", "1", "order of the models"},
    {NULL, NULL, NULL},
};

/* Since bind; what a miss costs is the time to fill in the tensor. */
static size_t observe(const struct tern_op *op, struct tern_observed *out, size_t room)
{
    const struct state *state = op->state;
    struct tern_cache_stats stats;
    tern_cache_stats(state->cache, &stats);
    const double asked = (double)(stats.hits + stats.misses), misses = (double)stats.misses;
    const struct tern_observed all[] = {
        {"hit_share", asked > 0 ? (double)stats.hits / asked : 0},
        {"evicted_share", asked > 0 ? (double)stats.evictions / asked : 0},
        {"evictions", (double)stats.evictions},
        {"transfer_ns", misses > 0 ? transfer_ns(&stats) / misses : 0},
        {"transferred_bytes", (double)(stats.transfer_bytes[0] + (state->card ? stats.transfer_bytes[state->card] : 0))},
        {"resident_bytes", (double)stats.resident},
        {"card_bytes", state->card ? (double)stats.place_bytes[state->card] : 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all && i < room; i++)
        out[i] = all[i];
    return sizeof all / sizeof *all;
}

/* The card as a second place of the cache. */
static enum tern_status add_card(struct state *state, struct tern_error *error)
{
    enum tern_status status = tern_accelerator_open(&state->on, error);
    if (status)
        return status;
    state->host = tern_pool_take(NULL, state->bytes, 64, TERN_TAG_CACHE, error);
    if (!state->host)
        return TERN_NO_MEMORY;
    const struct tern_cache_place place = tern_card_place(&state->on);
    return tern_cache_add_place(state->cache, &place, &state->card, error);
}

static enum tern_status bind(struct tern_op *op, struct tern_error *error)
{
    size_t budget;
    struct state *state = tern_pool_take(NULL, sizeof *state, 64, TERN_TAG_OTHER, error);
    if (!state)
        return TERN_NO_MEMORY;
    memset(state, 0, sizeof *state);
    op->state = state;
    op->observe = observe;
    enum tern_status status = tern_op_size(op, "tensors", 1, 500, &state->layers, error);
    if (!status)
        status = tern_op_size(op, "bytes", 1, 1u << 26, &state->bytes, error);
    if (!status)
        status = tern_op_size(op, "budget", 1, 100, &budget, error);
    if (!status)
        status = tern_op_size(op, "card", 0, MODELS, &state->card_models, error);
    if (!status)
        status = tern_op_seed(op, "seed", &state->seed, error);
    if (status)
        return status;
    state->seed = state->seed * 0x9e3779b97f4a7c15u | 1;
    state->random = state->seed;
    state->fits = (state->layers * MODELS * budget + 99) / 100;
    snprintf(op->why, sizeof op->why, "least recently used first, %zu of %zu tensors fit", state->fits, state->layers * MODELS);
    status = tern_cache_open(NULL, state->fits * state->bytes, &state->cache, error);
    return status || !state->card_models ? status : add_card(state, error);
}

static void work(const struct tern_op *op, struct tern_work *work)
{
    (void)op;
    *work = (struct tern_work){.items = 1};
}

static void close(struct tern_op *op)
{
    struct state *state = op->state;
    if (state) {
        tern_cache_close(state->cache);
        tern_pool_give(NULL, state->host);
    }
    tern_pool_give(NULL, state);
}

const struct tern_op_row tern_op_row_cache = {
    .name = "cache", .about = "a tensor from the cache: acquire, read, release", .params = params,
    .bind = bind, .run = run, .check = check, .work = work, .close = close,
};
