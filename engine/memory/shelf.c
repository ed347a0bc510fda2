/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/pool_fast.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

static struct tern_thread nobody; /* never written: zeros that cost no memory */
_Thread_local struct tern_thread *tern_thread = &nobody;

/* A shelf that has too little for its bins looks for unused places each that many times. */
enum { NARROW_EVERY = 8 };

/* One lock for the tables of all threads: held when a shelf, a thread or a pool comes or goes. */
static pthread_mutex_t tables = PTHREAD_MUTEX_INITIALIZER;
static struct tern_thread_table *spare_tables;
static unsigned n_threads;
static pthread_key_t at_exit;
static bool has_exit;

/* ---- tables */

/* Most blocks that a bin may hold: 256 KiB of them, but not below some, so that a bin rides out what random use makes of it. */
static unsigned slots_of(unsigned class)
{
    const unsigned most = (256u << 10) / tern_classes.at[class].bytes;
    return most < 16 ? 16 : most > TERN_BIN_SLOTS ? TERN_BIN_SLOTS : most;
}

/* Places of a bin, the null below them included: an odd number of cache lines, so that the tops of all bins fall on all sets of a cache. */
static unsigned places_of(unsigned class)
{
    enum { A_LINE = TERN_CLASS_LINE / sizeof(void *) };
    return ((slots_of(class) + A_LINE) / A_LINE | 1) * A_LINE;
}

static void set_slot(struct tern_bin *bin, void **slot)
{
    bin->top = *slot;
    __atomic_store_n(&bin->slot, slot, __ATOMIC_RELAXED);
}

/* Without accounting: a block that comes from or goes to the pool is nobody's. */
static void stack(struct tern_bin *bin, void *block)
{
    bin->slot[1] = block;
    set_slot(bin, bin->slot + 1);
}

/* The n blocks on top, the last one last; the bin holds them no longer. */
static void **unstack(struct tern_bin *bin, unsigned n)
{
    set_slot(bin, bin->slot - n);
    return bin->slot + 1;
}

/* Under the pool's lock, as whoever counts blocks is: one on its way from a shelf to its run is on neither. */
static void empty(struct tern_shelf *shelf)
{
    tern_lock(&shelf->pool->lock);
    for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class)) {
        struct tern_bin *bin = tern_shelf_bin(shelf, class);
        const unsigned n = tern_bin_count(bin);
        if (n)
            tern_pool_return(shelf->pool, class, shelf->tag, unstack(bin, n), n);
    }
    tern_unlock(&shelf->pool->lock);
}

void tern_shelf_forget(struct tern_shelf *shelf)
{
    for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class))
        set_slot(tern_shelf_bin(shelf, class), tern_bin_low(tern_shelf_bin(shelf, class)));
    shelf->slack = 0;
}

static struct tern_account *account_of(struct tern_shelf *shelf, unsigned tier)
{
    return tier == TERN_TIER_SMALL ? &shelf->small_account : tern_shelf_span_account(shelf, (enum tern_tier)tier);
}

/* The table that the shelf lies in, and its number there. */
static struct tern_thread_table *table_of(struct tern_shelf *shelf, size_t *i)
{
    *i = (shelf->pool->key >> TERN_KEY_TAG) + shelf->tag;
    return (struct tern_thread_table *)(shelf - *i);
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
        tern_tracker_leave(account_of(shelf, tier));
    pool->asked += shelf->asked;
    pool->rounded += shelf->rounded;
    pool->slack += shelf->slack;
    size_t i;
    struct tern_thread_table *table = table_of(shelf, &i);
    madvise(table->slots[i], sizeof table->slots[i], MADV_DONTNEED);
    memset(shelf, 0, sizeof *shelf);
    tern_unlock(&pool->lock);
}

static void leave(void *table_pointer)
{
    struct tern_thread_table *table = table_pointer;
    pthread_mutex_lock(&tables);
    for (unsigned i = 0; i < TERN_SHELVES; i++)
        if (table->thread.shelf[i].pool) {
            empty(&table->thread.shelf[i]);
            remove_shelf(&table->thread.shelf[i]);
        }
    table->next = spare_tables;
    spare_tables = table;
    tern_thread = &nobody;
    pthread_mutex_unlock(&tables);
}

/* The calling thread's own table; null: no memory. The caller holds `tables`. */
static struct tern_thread_table *own_table(void)
{
    if (tern_thread != &nobody)
        return (struct tern_thread_table *)tern_thread;
    if (!has_exit && pthread_key_create(&at_exit, leave))
        return NULL;
    has_exit = true;
    struct tern_thread_table *table = spare_tables;
    if (table) {
        spare_tables = table->next;
    } else {
        char *at = tern_space_map(sizeof *table); /* aligned to pages, which is enough: shelves are half of one */
        if (!at)
            return NULL;
        table = (struct tern_thread_table *)at;
        table->number = n_threads++;
    }
    if (pthread_setspecific(at_exit, table)) {
        table->next = spare_tables;
        spare_tables = table;
        return NULL;
    }
    tern_thread = &table->thread;
    return table;
}

static void make_bins(struct tern_shelf *shelf, void **slot)
{
    for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class)) {
        *tern_shelf_bin(shelf, class) = (struct tern_bin){.slot = slot, .end = slot, .bytes = tern_classes.at[class].bytes};
        slot += places_of(class);
    }
}

static void make_shelf(struct tern_thread_table *table, struct tern_shelf *shelf, struct tern_pool *pool, enum tern_tag tag)
{
    size_t i;
    shelf->pool = pool;
    shelf->tag = (uint8_t)tag;
    shelf->shard = (uint8_t)(table->number % pool->n_shards);
    shelf->victim = 1;
    shelf->stock_most = TERN_STOCK_LEAST;
    shelf->short_of = NARROW_EVERY - 1;
    table_of(shelf, &i);
    make_bins(shelf, table->slots[i]);
    for (unsigned tier = 0; tier < TERN_N_TIERS; tier++)
        tern_tracker_join(&pool->tracker, account_of(shelf, tier), tag, (enum tern_tier)tier);
    tern_lock(&pool->lock);
    shelf->next = pool->shelves;
    pool->shelves = shelf;
    __atomic_fetch_add(&pool->n_shelves, 1, __ATOMIC_RELAXED);
    tern_unlock(&pool->lock);
}

struct tern_shelf *tern_shelf_of(struct tern_pool *pool, enum tern_tag tag)
{
    if (!pool->has_shelves)
        return NULL;
    struct tern_shelf *shelf = tern_shelf_at(tern_thread, pool->key, tag);
    if (shelf->pool)
        return shelf;
    pthread_mutex_lock(&tables);
    struct tern_thread_table *table = own_table();
    shelf = table ? tern_shelf_at(&table->thread, pool->key, tag) : NULL;
    if (shelf)
        make_shelf(table, shelf, pool, tag);
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

/* Bytes that a shelf's bins may hold: its share of the pool's. */
static size_t stock_of(const struct tern_pool *pool)
{
    const size_t share = TERN_STOCK / __atomic_load_n(&pool->n_shelves, __ATOMIC_RELAXED);
    return share < TERN_STOCK_LEAST ? TERN_STOCK_LEAST : share < TERN_STOCK_MOST ? share : TERN_STOCK_MOST;
}

/* The older ones go: what was given last is still in the caches of the core. */
static void drain(struct tern_shelf *shelf, unsigned class, unsigned goes)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    const unsigned stays = tern_bin_count(bin) - goes;
    void **first = tern_bin_low(bin) + 1;
    tern_pool_return(shelf->pool, class, shelf->tag, first, goes);
    memmove(first, first + goes, stays * sizeof *first);
    set_slot(bin, bin->slot - goes);
}

static void set_capacity(struct tern_shelf *shelf, struct tern_bin *bin, unsigned capacity)
{
    shelf->stock -= (size_t)bin->capacity * bin->bytes;
    shelf->stock += (size_t)capacity * bin->bytes;
    bin->end = tern_bin_low(bin) + capacity;
    bin->capacity = capacity;
}

/* Takes half of its places from the next bin in turn, so that those in use now get what others had from earlier use. */
static void narrow_next(struct tern_shelf *shelf, unsigned but)
{
    unsigned class = shelf->victim;
    do {
        class = tern_class_next(class);
        class = class == TERN_CLASSES ? 1 : class;
    } while (class != shelf->victim && (class == but || !tern_shelf_bin(shelf, class)->capacity));
    shelf->victim = (uint8_t)class;
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    const unsigned capacity = bin->capacity / 2, n = tern_bin_count(bin);
    if (class == but)
        return;
    if (n > capacity)
        drain(shelf, class, n - capacity);
    set_capacity(shelf, bin, capacity);
}

/* Lets a bin that runs dry or over hold twice as much, while the shelf stays within its stock; whether it did. */
static bool widen(struct tern_shelf *shelf, unsigned class)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    const unsigned now = bin->capacity, more = now ? now : bin->bytes < 1024 ? 8 : bin->bytes < 65536 ? 2 : 1;
    const unsigned most = slots_of(class), capacity = now + more < most ? now + more : most;
    const size_t after = shelf->stock + (size_t)(capacity - now) * bin->bytes;
    if (capacity == now)
        return false;
    if (after > shelf->stock_most && ++shelf->short_of % NARROW_EVERY == 0) {
        shelf->stock_most = stock_of(shelf->pool);
        narrow_next(shelf, class);
    }
    if (after > shelf->stock_most)
        return false;
    set_capacity(shelf, bin, capacity);
    return true;
}

/* Blocks for an empty bin; false: no memory. */
static bool refill(struct tern_shelf *shelf, unsigned class)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    void *block[TERN_BIN_SLOTS];
    const unsigned capacity = bin->capacity, want = capacity > 1 ? capacity / 2 : 1;
    unsigned n = tern_pool_fetch(shelf->pool, shelf->shard, class, shelf->tag, block, want);
    if (!n)
        return false;
    while (n) /* lowest address on top */
        stack(bin, block[--n]);
    return true;
}

/* For an empty bin of spans: one of the next classes whose bin has a spare block, cheaper than a span from the heap, and nothing more
 * is held; the class itself where none has. */
static unsigned spare_near(const struct tern_shelf *shelf, unsigned class)
{
    const unsigned last = class + TERN_SPAN_NEAR < TERN_CLASSES ? class + TERN_SPAN_NEAR : TERN_CLASSES - 1;
    for (unsigned near = class + 1; class >= TERN_CLASS_SPAN && near <= last; near++)
        if (tern_bin_count(tern_shelf_bin(shelf, near)))
            return near;
    return class;
}

void *tern_shelf_take(struct tern_shelf *shelf, unsigned class, size_t asked)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    if (!tern_bin_count(bin) && !widen(shelf, class)) {
        class = spare_near(shelf, class);
        bin = tern_shelf_bin(shelf, class);
    }
    if (!tern_bin_count(bin)) {
        if (!refill(shelf, class))
            return NULL;
        shelf->asked += asked;
        shelf->rounded += bin->bytes;
    }
    void *top = *unstack(bin, 1);
    *tern_block_word(top) = 0;
    tern_tracker_take(tern_bin_account(bin), bin->bytes);
    return top;
}

bool tern_shelf_give(struct tern_shelf *shelf, unsigned class, void *block)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    if (tern_bin_is_full(bin))
        widen(shelf, class);
    if (tern_bin_is_full(bin))
        drain(shelf, class, (tern_bin_count(bin) + 1) / 2);
    *tern_block_word(block) = tern_space.base;
    if (!tern_bin_is_full(bin))
        stack(bin, block);
    else if (!tern_pool_return(shelf->pool, class, shelf->tag, &block, 1))
        return false;
    tern_tracker_give(tern_bin_account(bin), bin->bytes);
    return true;
}
