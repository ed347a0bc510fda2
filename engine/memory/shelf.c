/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/pool_fast.h"

#include <pthread.h>
#include <string.h>

struct tern_shelf tern_shelf_none;

#define NONE_4 &tern_shelf_none, &tern_shelf_none, &tern_shelf_none, &tern_shelf_none
#define NONE_32 NONE_4, NONE_4, NONE_4, NONE_4, NONE_4, NONE_4, NONE_4, NONE_4
#define NONE_256 NONE_32, NONE_32, NONE_32, NONE_32, NONE_32, NONE_32, NONE_32, NONE_32
static struct tern_thread nobody = {.shelf = {NONE_256, NONE_256, NONE_256, NONE_256}};
_Thread_local struct tern_thread *tern_thread = &nobody;

/* One lock for the tables of all threads: held when a shelf, a thread or a pool comes or goes. */
static pthread_mutex_t tables = PTHREAD_MUTEX_INITIALIZER;
static struct tern_thread *spare_threads;
static unsigned n_threads;
static pthread_key_t at_exit;
static bool has_exit;

static uint32_t load(const uint32_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

static void store(uint32_t *n, uint32_t value)
{
	__atomic_store_n(n, value, __ATOMIC_RELAXED);
}

/* ---- tables */

static size_t slots_of(unsigned class)
{
	const size_t most = (64u << 10) / tern_classes.at[class].bytes;
	return most < 8 ? 8 : most > TERN_BIN_SLOTS ? TERN_BIN_SLOTS : most;
}

static size_t shelf_bytes(void)
{
	size_t slots = 0;
	for (unsigned class = 1; class < TERN_CLASSES; class++)
		slots += slots_of(class);
	return sizeof(struct tern_shelf) + slots * sizeof(void *);
}

static void wrong_in_stock(void *context, void *block, enum tern_block_state state)
{
	tern_pool_misuse(context, block, state == TERN_BLOCK_BACK ? "given twice" : "is not the start of a block");
}

static unsigned give_blocks(struct tern_shelf *shelf, unsigned class, void **block, unsigned n)
{
	struct tern_pool *pool = shelf->pool;
	return tern_run_give(&pool->store, &pool->centre[shelf->tag][class], block, n, wrong_in_stock, pool);
}

static void empty(struct tern_shelf *shelf)
{
	for (unsigned class = 1; class < TERN_CLASSES; class++) {
		struct tern_bin *bin = &shelf->bin[class];
		if (bin->n)
			give_blocks(shelf, class, bin->slot, bin->n);
		store(&bin->n, 0);
	}
}

/* Unhooks the shelf from its pool and its thread; the caller holds `tables`. */
static void remove_shelf(struct tern_shelf *shelf)
{
	struct tern_pool *pool = shelf->pool;
	for (struct tern_shelf **at = &pool->shelves; *at; at = &(*at)->next)
		if (*at == shelf) {
			*at = shelf->next;
			break;
		}
	for (unsigned tier = 0; tier < TERN_N_TIERS; tier++)
		tern_tracker_leave(&shelf->account[tier]);
	pool->asked += shelf->asked;
	pool->rounded += shelf->rounded;
	pool->slack += shelf->slack;
	shelf->thread->shelf[tern_shelf_index(pool, shelf->tag)] = &tern_shelf_none;
	tern_space_unmap(shelf, shelf_bytes());
}

static void leave(void *thread_pointer)
{
	struct tern_thread *thread = thread_pointer;
	pthread_mutex_lock(&tables);
	for (unsigned i = 0; i < TERN_KEY_SHELVES; i++)
		if (thread->shelf[i] != &tern_shelf_none) {
			empty(thread->shelf[i]);
			tern_lock(&thread->shelf[i]->pool->lock);
			struct tern_pool *pool = thread->shelf[i]->pool;
			remove_shelf(thread->shelf[i]);
			tern_unlock(&pool->lock);
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
		*thread = nobody;
		thread->number = n_threads++;
	}
	if (pthread_setspecific(at_exit, thread)) {
		thread->next = spare_threads;
		spare_threads = thread;
		return NULL;
	}
	return tern_thread = thread;
}

static struct tern_shelf *make_shelf(struct tern_pool *pool, enum tern_tag tag)
{
	struct tern_shelf *shelf = tern_space_map(shelf_bytes());
	if (!shelf)
		return NULL;
	shelf->pool = pool;
	shelf->tag = (uint8_t)tag;
	void **slot = shelf->slots;
	for (unsigned class = 1; class < TERN_CLASSES; class++) {
		struct tern_bin *bin = &shelf->bin[class];
		bin->bytes = tern_classes.at[class].bytes;
		bin->most = (uint32_t)slots_of(class);
		bin->slot = slot;
		bin->account = &shelf->account[class > TERN_CLASS_SMALL ? TERN_TIER_SLAB : TERN_TIER_SMALL];
		slot += bin->most;
	}
	for (unsigned tier = 0; tier < TERN_N_TIERS; tier++)
		tern_tracker_join(&pool->tracker, &shelf->account[tier], tag, (enum tern_tier)tier);
	return shelf;
}

struct tern_shelf *tern_shelf_of(struct tern_pool *pool, enum tern_tag tag)
{
	if (!pool->has_shelves)
		return NULL;
	struct tern_shelf *shelf = tern_thread->shelf[tern_shelf_index(pool, tag)];
	if (shelf != &tern_shelf_none)
		return shelf;
	pthread_mutex_lock(&tables);
	struct tern_thread *thread = own_table();
	shelf = thread ? make_shelf(pool, tag) : NULL;
	if (shelf) {
		shelf->thread = thread;
		shelf->shard = (uint8_t)(thread->number % pool->n_shards);
		tern_lock(&pool->lock);
		shelf->next = pool->shelves;
		pool->shelves = shelf;
		tern_unlock(&pool->lock);
		thread->shelf[tern_shelf_index(pool, tag)] = shelf;
	}
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
		struct tern_shelf *shelf = tern_thread->shelf[tern_shelf_index(pool, tag)];
		if (shelf != &tern_shelf_none)
			empty(shelf);
	}
}

/* ---- bins */

/* Lets a bin that runs dry or over hold twice as much, while the shelf stays within its stock. */
static void widen(struct tern_shelf *shelf, struct tern_bin *bin)
{
	const uint32_t more = bin->capacity ? bin->capacity : bin->bytes < 1024 ? 8 : 2;
	const uint32_t capacity = bin->capacity + more < bin->most ? bin->capacity + more : bin->most;
	const size_t growth = (size_t)(capacity - bin->capacity) * bin->bytes;
	if (shelf->stock + growth > TERN_SHELF_STOCK)
		return;
	shelf->stock += growth;
	bin->capacity = capacity;
}

void *tern_shelf_refill(struct tern_shelf *shelf, unsigned class, size_t asked)
{
	struct tern_bin *bin = &shelf->bin[class];
	struct tern_pool *pool = shelf->pool;
	widen(shelf, bin);
	void *one, **block = bin->capacity ? bin->slot : &one;
	const unsigned want = bin->capacity ? (bin->capacity + 1) / 2 : 1;
	const unsigned n = tern_run_take(&pool->store, &pool->centre[shelf->tag][class], class, shelf->tag, block, want);
	if (!n)
		return NULL;
	for (unsigned i = 0; i < n / 2; i++) { /* lowest address on top */
		void *swap = block[i];
		block[i] = block[n - 1 - i];
		block[n - 1 - i] = swap;
	}
	store(&bin->n, n - 1);
	shelf->asked += asked;
	shelf->rounded += bin->bytes;
	tern_tracker_take(bin->account, bin->bytes);
	return block[n - 1];
}

bool tern_shelf_give_one(struct tern_shelf *shelf, unsigned class, void *block)
{
	return give_blocks(shelf, class, &block, 1) == 1;
}

/* The older half goes: what was given last is still in the caches of the core. */
void tern_shelf_drain(struct tern_shelf *shelf, unsigned class)
{
	struct tern_bin *bin = &shelf->bin[class];
	widen(shelf, bin);
	if (bin->n < bin->capacity)
		return;
	const uint32_t goes = (bin->n + 1) / 2, stays = load(&bin->n) - goes;
	give_blocks(shelf, class, bin->slot, goes);
	memmove(bin->slot, bin->slot + goes, stays * sizeof *bin->slot);
	store(&bin->n, stays);
}
