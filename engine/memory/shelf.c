/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/pool_fast.h"

#include <pthread.h>
#include <string.h>

static struct tern_thread nobody; /* never written: zeros that cost no memory */
_Thread_local struct tern_thread *tern_thread = &nobody;

enum {
    NARROW_EVERY = 8, /* a shelf that has too little for its bins looks for unused places each that many times */
    BATCH = 32,       /* places of a bin that only gets what others took, if they are no more than the bytes: of what is passed on in */
    BATCH_BYTES = 256 << 10 /* bigger batches, more has left the caches before it is taken again */
};

/* One lock for the tables of all threads: held when a shelf, a thread or a pool comes or goes. */
static pthread_mutex_t tables = PTHREAD_MUTEX_INITIALIZER;
static struct tern_thread_table *spare_tables;
static unsigned n_threads;
static pthread_key_t at_exit;
static bool has_exit;

/* ---- tables */

static struct tern_depot *depot_of(const struct tern_shelf *shelf, unsigned class)
{
    return &shelf->pool->depot[shelf->tag][class];
}

/* Gives n blocks away, to other shelves or to where they came from; how many were live ones. */
static unsigned pass_on(const struct tern_shelf *shelf, unsigned class, void **block, unsigned n)
{
    const unsigned kept = tern_depot_keep(depot_of(shelf, class), shelf, tern_classes.at[class].bytes, block, n);
    return kept == n ? n : kept + tern_pool_return(shelf->pool, class, shelf->tag, block + kept, n - kept);
}

/* Takes k blocks out of a bin, those that were given last staying on: they are still in the caches of the core. */
static void drain(struct tern_shelf *shelf, unsigned class, unsigned k)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    void *block[TERN_BIN_BLOCKS], **link = &bin->top;
    unsigned n = 0;
    for (unsigned stays = bin->n - k; stays; stays--)
        link = *link;
    for (void *next = *link; next && n < k; next = *(void **)next)
        block[n++] = next;
    *link = NULL;
    __atomic_store_n(&bin->n, bin->n - n, __ATOMIC_RELAXED);
    if (n)
        pass_on(shelf, class, block, n);
}

/* Under the pool's lock, as whoever counts blocks is: one on its way from a shelf to its run is on neither. */
static void empty(struct tern_shelf *shelf)
{
    tern_lock(&shelf->pool->lock);
    for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class))
        drain(shelf, class, tern_bin_count(tern_shelf_bin(shelf, class)));
    tern_unlock(&shelf->pool->lock);
}

void tern_shelf_forget(struct tern_shelf *shelf)
{
    for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class)) {
        tern_shelf_bin(shelf, class)->top = NULL;
        __atomic_store_n(&tern_shelf_bin(shelf, class)->n, 0, __ATOMIC_RELAXED);
    }
    shelf->slack = 0;
}

static struct tern_account *account_of(struct tern_shelf *shelf, unsigned tier)
{
    return tier == TERN_TIER_SMALL ? &shelf->small_account : tern_shelf_span_account(shelf, (enum tern_tier)tier);
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
        char *at = tern_space_map(sizeof *table);
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

static void make_shelf(struct tern_thread_table *table, struct tern_shelf *shelf, struct tern_pool *pool, enum tern_tag tag)
{
    shelf->pool = pool;
    shelf->tag = (uint8_t)tag;
    shelf->shard = (uint8_t)(table->number % pool->n_shards);
    shelf->victim = 1;
    shelf->stock_most = TERN_STOCK_LEAST;
    shelf->short_of = NARROW_EVERY - 1;
    for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class))
        *tern_shelf_bin(shelf, class) = (struct tern_bin){.bytes = tern_classes.at[class].bytes};
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

static void set_capacity(struct tern_shelf *shelf, struct tern_bin *bin, unsigned capacity)
{
    shelf->stock -= (size_t)bin->capacity * bin->bytes;
    shelf->stock += (size_t)capacity * bin->bytes;
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

/* Of small blocks some pages: two threads that got fewer at a time, in turn, would write into the same cache lines from then on. */
static unsigned first_capacity(unsigned bytes)
{
    const unsigned some = 4 * TERN_PAGE / bytes;
    if (bytes < TERN_PAGE / 8)
        return some < TERN_BIN_BLOCKS ? some : TERN_BIN_BLOCKS;
    return bytes < 1024 ? 8 : bytes < 65536 ? 2 : 1;
}

/* Places that a bin which runs dry or over is to get: as many as it has. */
static unsigned more_of(const struct tern_bin *bin)
{
    const unsigned now = bin->capacity, more = now ? now : first_capacity(bin->bytes);
    return now + more < TERN_BIN_BLOCKS ? more : TERN_BIN_BLOCKS - now;
}

/* Places of the bin that the shelf's stock has left. */
static size_t left_for(const struct tern_shelf *shelf, const struct tern_bin *bin)
{
    return shelf->stock < shelf->stock_most ? (shelf->stock_most - shelf->stock) / bin->bytes : 0;
}

/* Lets a bin hold twice as much, while the shelf stays within its stock; whether it did. */
static bool widen(struct tern_shelf *shelf, unsigned class)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    const unsigned more = more_of(bin);
    if (more > left_for(shelf, bin) && ++shelf->short_of % NARROW_EVERY == 0) {
        shelf->stock_most = stock_of(shelf->pool);
        narrow_next(shelf, class);
    }
    if (!more || more > left_for(shelf, bin))
        return false;
    set_capacity(shelf, bin, bin->capacity + more);
    return true;
}

/* The same with what is left of the stock, where that is less: or else half of it could go unused for want of a few more places. */
static void widen_by_rest(struct tern_shelf *shelf, unsigned class)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    const size_t more = more_of(bin), left = left_for(shelf, bin);
    set_capacity(shelf, bin, bin->capacity + (unsigned)(more < left ? more : left));
}

/* Blocks for an empty bin; false: no memory. */
static bool refill(struct tern_shelf *shelf, unsigned class)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    void *block[TERN_BIN_BLOCKS];
    const unsigned capacity = bin->capacity, want = capacity > 1 ? capacity / 2 : 1;
    unsigned n = tern_depot_take(depot_of(shelf, class), shelf, block, want);
    n = n ? n : tern_pool_fetch(shelf->pool, shelf->shard, class, shelf->tag, block, want);
    if (!n)
        return false;
    while (n--) /* lowest address on top */
        tern_bin_push(bin, block[n], bin->n);
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
        const unsigned near = spare_near(shelf, class);
        if (near == class)
            widen_by_rest(shelf, class);
        class = near;
        bin = tern_shelf_bin(shelf, class);
    }
    if (!tern_bin_count(bin)) {
        bin->has_run_dry = true;
        if (!refill(shelf, class))
            return NULL;
        shelf->asked += asked;
        shelf->rounded += bin->bytes;
    }
    void *block = tern_bin_pop(bin);
    *tern_block_word(block) = 0;
    tern_tracker_take(tern_bin_account(bin), bin->bytes);
    return block;
}

/* Of a full bin. One that does not run dry between times gets what others took, and needs no more than what is passed on at once. */
static bool wants_room(const struct tern_bin *bin)
{
    return bin->has_run_dry || (bin->capacity < BATCH && bin->capacity * bin->bytes < BATCH_BYTES);
}

bool tern_shelf_give(struct tern_shelf *shelf, unsigned class, void *block)
{
    struct tern_bin *bin = tern_shelf_bin(shelf, class);
    if (bin->n == bin->capacity && wants_room(bin) && !widen(shelf, class))
        widen_by_rest(shelf, class);
    bin->has_run_dry = false;
    if (bin->n && bin->n == bin->capacity)
        drain(shelf, class, (bin->n + 1) / 2);
    *tern_block_word(block) = tern_space.base;
    if (bin->capacity)
        tern_bin_push(bin, block, bin->n);
    else if (!pass_on(shelf, class, &block, 1))
        return false;
    tern_tracker_give(tern_bin_account(bin), bin->bytes);
    return true;
}
