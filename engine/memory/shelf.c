/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/pool_fast.h"

#include <pthread.h>
#include <string.h>

static struct tern_thread nobody; /* never written: zeros that cost no memory */
_Thread_local struct tern_thread *tern_thread = &nobody;

/* One lock for the tables of all threads: held when a shelf, a thread or a pool comes or goes. */
static pthread_mutex_t tables = PTHREAD_MUTEX_INITIALIZER;
static struct tern_thread *spare_threads;
static unsigned n_threads;
static pthread_key_t at_exit;
static bool has_exit;

/* ---- tables */

/* Most blocks that a bin may hold: 256 KiB of them, but not below some, so that a bin rides out what random use makes of it. */
static unsigned slots_of(unsigned class)
{
    const unsigned bytes = tern_classes.at[class].bytes, most = (256u << 10) / bytes, least = bytes > 128u << 10 ? 2 : 16;
    return most < least ? least : most > TERN_BIN_SLOTS ? TERN_BIN_SLOTS : most;
}

static size_t slots_bytes(void)
{
    size_t slots = 0;
    for (unsigned class = 1; class < TERN_CLASSES; class++)
        slots += slots_of(class) + 2;
    return slots * sizeof(void *);
}

static void set_slot(struct tern_bin *bin, void **slot)
{
    __atomic_store_n(&bin->slot, slot, __ATOMIC_RELAXED);
}

/* Without accounting: a block that comes from or goes to the pool is nobody's. */
static void stack(struct tern_bin *bin, void *block)
{
    bin->slot[1] = bin->top;
    bin->top = block;
    set_slot(bin, bin->slot + 1);
}

static void *unstack(struct tern_bin *bin)
{
    void *block = bin->top;
    bin->top = *bin->slot;
    set_slot(bin, bin->slot - 1);
    return block;
}

/* Under the pool's lock, as whoever counts blocks is: one on its way from a shelf to its run is on neither. */
static void empty(struct tern_shelf *shelf)
{
    tern_lock(&shelf->pool->lock);
    for (unsigned class = 1; class < TERN_CLASSES; class++) {
        struct tern_bin *bin = &shelf->bin[class];
        while (bin->top) {
            void *block = unstack(bin);
            tern_pool_return(shelf->pool, class, shelf->tag, &block, 1);
        }
    }
    tern_unlock(&shelf->pool->lock);
}

void tern_shelf_forget(struct tern_shelf *shelf)
{
    for (unsigned class = 1; class < TERN_CLASSES; class++) {
        struct tern_bin *bin = &shelf->bin[class];
        set_slot(bin, bin->slot - tern_bin_count(bin));
        bin->top = NULL;
    }
    shelf->slack = 0;
}

/* Unhooks the shelf from its pool and its thread; the caller holds `tables`. */
static void remove_shelf(struct tern_shelf *shelf)
{
    struct tern_pool *pool = shelf->pool;
    tern_lock(&pool->lock);
    for (struct tern_shelf **at = &pool->shelves; *at; at = &(*at)->next)
        if (*at == shelf) {
            *at = shelf->next;
            __atomic_fetch_sub(&pool->n_shelves, 1, __ATOMIC_RELAXED);
            break;
        }
    for (unsigned tier = 0; tier < TERN_N_TIERS; tier++)
        tern_tracker_leave(&shelf->account[tier]);
    pool->asked += shelf->asked;
    pool->rounded += shelf->rounded;
    pool->slack += shelf->slack;
    tern_space_unmap(shelf->slots, slots_bytes());
    memset(shelf, 0, sizeof *shelf);
    tern_unlock(&pool->lock);
}

static void leave(void *thread_pointer)
{
    struct tern_thread *thread = thread_pointer;
    pthread_mutex_lock(&tables);
    for (unsigned i = 0; i < TERN_SHELVES; i++)
        if (thread->shelf[i].pool) {
            empty(&thread->shelf[i]);
            remove_shelf(&thread->shelf[i]);
        }
    thread->next = spare_threads;
    spare_threads = thread;
    tern_thread = &nobody;
    pthread_mutex_unlock(&tables);
}

/* The calling thread's own table; null: no memory. The caller holds `tables`. */
static struct tern_thread *own_table(void)
{
    if (tern_thread != &nobody)
        return tern_thread;
    if (!has_exit && pthread_key_create(&at_exit, leave))
        return NULL;
    has_exit = true;
    struct tern_thread *thread = spare_threads;
    if (thread) {
        spare_threads = thread->next;
    } else {
        if (!(thread = tern_space_map(sizeof *thread)))
            return NULL;
        thread->number = n_threads++;
    }
    if (pthread_setspecific(at_exit, thread)) {
        thread->next = spare_threads;
        spare_threads = thread;
        return NULL;
    }
    return tern_thread = thread;
}

static bool make_shelf(struct tern_shelf *shelf, struct tern_pool *pool, enum tern_tag tag)
{
    if (!(shelf->slots = tern_space_map(slots_bytes())))
        return false;
    shelf->pool = pool;
    shelf->tag = (uint8_t)tag;
    void **slot = shelf->slots;
    for (unsigned class = 1; class < TERN_CLASSES; class++) {
        struct tern_bin *bin = &shelf->bin[class];
        bin->bytes = tern_classes.at[class].bytes;
        bin->slot = slot;
        bin->low = bin->end = (uint16_t)(uintptr_t)slot;
        bin->account = &shelf->account[class > TERN_CLASS_SMALL ? TERN_TIER_SLAB : TERN_TIER_SMALL];
        slot += slots_of(class) + 2;
    }
    for (unsigned tier = 0; tier < TERN_N_TIERS; tier++)
        tern_tracker_join(&pool->tracker, &shelf->account[tier], tag, (enum tern_tier)tier);
    tern_lock(&pool->lock);
    shelf->next = pool->shelves;
    pool->shelves = shelf;
    __atomic_fetch_add(&pool->n_shelves, 1, __ATOMIC_RELAXED);
    tern_unlock(&pool->lock);
    return true;
}

struct tern_shelf *tern_shelf_of(struct tern_pool *pool, enum tern_tag tag)
{
    if (!pool->has_shelves)
        return NULL;
    struct tern_shelf *shelf = tern_shelf_at(tern_thread, pool->key, tag);
    if (shelf->pool)
        return shelf;
    pthread_mutex_lock(&tables);
    struct tern_thread *thread = own_table();
    shelf = thread ? tern_shelf_at(thread, pool->key, tag) : NULL;
    if (shelf && make_shelf(shelf, pool, tag))
        shelf->shard = (uint8_t)(thread->number % pool->n_shards);
    else
        shelf = NULL;
    pthread_mutex_unlock(&tables);
    return shelf;
}

void tern_shelf_remove_all(struct tern_pool *pool)
{
    pthread_mutex_lock(&tables);
    while (pool->shelves)
        remove_shelf(pool->shelves);
    pthread_mutex_unlock(&tables);
}

void tern_shelf_empty(struct tern_pool *pool)
{
    for (unsigned tag = 0; tag < TERN_N_TAGS; tag++) {
        struct tern_shelf *shelf = tern_shelf_at(tern_thread, pool->key, tag);
        if (shelf->pool)
            empty(shelf);
    }
}

/* ---- bins */

static unsigned capacity_of(const struct tern_bin *bin)
{
    return (uint16_t)(bin->end - bin->low) / (unsigned)sizeof(void *);
}

/* Lets a bin that runs dry or over hold twice as much, while the shelf stays within its stock. */
static void widen(struct tern_shelf *shelf, unsigned class)
{
    struct tern_bin *bin = &shelf->bin[class];
    if (shelf->stock + bin->bytes > TERN_STOCK) /* the common end of it, without a division */
        return;
    const unsigned now = capacity_of(bin), more = now ? now : bin->bytes < 1024 ? 8 : bin->bytes < 65536 ? 2 : 1;
    const unsigned most = slots_of(class), capacity = now + more < most ? now + more : most;
    const size_t growth = (size_t)(capacity - now) * bin->bytes;
    const size_t share = TERN_STOCK / (__atomic_load_n(&shelf->pool->n_shelves, __ATOMIC_RELAXED) | 1);
    if (shelf->stock + growth > (share > TERN_STOCK_LEAST ? share : TERN_STOCK_LEAST))
        return;
    shelf->stock += growth;
    bin->end = (uint16_t)(bin->low + capacity * sizeof(void *));
}

void *tern_shelf_take(struct tern_shelf *shelf, unsigned class, size_t asked)
{
    struct tern_bin *bin = &shelf->bin[class];
    void *block[TERN_BIN_SLOTS];
    if (!bin->top) {
        widen(shelf, class);
        const unsigned capacity = capacity_of(bin), want = capacity > 1 ? capacity / 2 : 1;
        unsigned n = tern_pool_fetch(shelf->pool, shelf->shard, class, shelf->tag, block, want);
        if (!n)
            return NULL;
        while (n) { /* lowest address on top */
            n--;
            if (class > TERN_CLASS_SMALL)
                tern_fast_stock(block[n], class);
            stack(bin, block[n]);
        }
        shelf->asked += asked;
        shelf->rounded += bin->bytes;
    }
    tern_tracker_take(bin->account, bin->bytes);
    return unstack(bin);
}

/* The older half goes: what was given last is still in the caches of the core. */
static void drain(struct tern_shelf *shelf, unsigned class)
{
    struct tern_bin *bin = &shelf->bin[class];
    const unsigned n = tern_bin_count(bin), goes = (n + 1) / 2, stays = n - goes;
    void **first = bin->slot - n + 2; /* the oldest block's place, when it is not the top */
    if (!n)
        return;
    if (!stays) {
        first[goes - 1] = bin->top;
        bin->top = NULL;
    }
    tern_pool_return(shelf->pool, class, shelf->tag, first, goes);
    if (stays > 1)
        memmove(first, first + goes, (stays - 1) * sizeof *first);
    set_slot(bin, bin->slot - goes);
}

bool tern_shelf_give(struct tern_shelf *shelf, unsigned class, void *block)
{
    struct tern_bin *bin = &shelf->bin[class];
    if (tern_bin_is_full(bin))
        widen(shelf, class);
    if (tern_bin_is_full(bin))
        drain(shelf, class);
    tern_fast_stock(block, class);
    if (!tern_bin_is_full(bin))
        stack(bin, block);
    else if (!tern_pool_return(shelf->pool, class, shelf->tag, &block, 1))
        return false;
    tern_tracker_give(bin->account, bin->bytes);
    return true;
}
