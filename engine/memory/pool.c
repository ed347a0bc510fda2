/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "memory/checked.h"
#include "memory/pool_fast.h"
#include "memory/pool_plain.h"
#include "memory/trace.h"

enum { FRESH_FROM = 1 << 20, ALIGN_MOST = 1 << 30 };

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

/* ---- take and give */

static void *take_once(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag)
{
    struct tern_shelf *shelf = tern_shelf_of(pool, tag);
    if (!shelf)
        return NULL;
    const unsigned class = tern_pool_class(pool, bytes, align);
    return class ? tern_shelf_take(shelf, class, bytes) : tern_span_take_on(shelf, bytes, align);
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
static const char *fault_of(const struct tern_pool *pool, void *block)
{
    if (!tern_space_holds(block))
        return "is not from a pool";
    const uint32_t first = tern_space_page(block), key = tern_key(first);
    const enum tern_page_state state = tern_key_state(key);
    if (key && (state == TERN_PAGE_CLASS || state == TERN_PAGE_USED)) {
        if ((key ^ pool->key) & TERN_KEY_ALL_POOLS)
            return "belongs to another pool";
        if ((state == TERN_PAGE_USED || tern_key_class(key) >= TERN_CLASS_SPAN) && tern_span_block(first) != block)
            return "is not the start of a block";
        if ((uintptr_t)block % TERN_CLASS_GRAIN)
            return "is not the start of a block";
        if (tern_fast_is_stocked(key, block, pool->is_unmarked))
            return "given twice";
        return NULL;
    }
    return !key || state == TERN_PAGE_TAIL ? "is no block" : "is in free memory: given twice, or never taken";
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
    tern_span_give_on(shelf, first);
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

TERN_FAST void *tern_pool_take(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    pool = pool ? pool : tern_pool_default();
    return tern_fast_take(pool, pool->key, bytes, align, tag, error, true, true);
}

TERN_FAST enum tern_status tern_pool_give(struct tern_pool *pool, void *block)
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

/* Whole pages of a big block are returned to the system instead of written. */
static void clear(char *block, size_t bytes)
{
    char *from = (char *)(((uintptr_t)block + TERN_PAGE - 1) & ~(uintptr_t)(TERN_PAGE - 1));
    const size_t edge = (size_t)(from - block), inner = bytes < FRESH_FROM ? 0 : (bytes - edge) & ~(size_t)(TERN_PAGE - 1);
    if (!inner) {
        memset(block, 0, bytes);
        return;
    }
    tern_space_purge(tern_space_page(from), inner >> TERN_PAGE_SHIFT);
    tern_checked_show(from, inner); /* nobody wrote these zeros, which Valgrind takes for uninitialised */
    memset(block, 0, edge);
    memset(from + inner, 0, bytes - edge - inner);
}

void *tern_pool_take_zeroed(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    void *block = tern_pool_take(pool, bytes, align, tag, error);
    if (block)
        clear(block, bytes);
    return block;
}

size_t tern_pool_usable(struct tern_pool *pool, const void *block)
{
    pool = pool ? pool : tern_pool_default();
    if (pool->checked)
        return tern_checked_usable(pool, block);
    if (!block || fault_of(pool, (void *)(uintptr_t)block))
        return 0;
    const unsigned class = tern_key_class(tern_key(tern_space_page(block)));
    return class ? tern_classes.at[class].bytes : tern_span_usable(tern_space_page(block));
}

/* Whether a block of the pool may have been asked for with that many bytes: spans know, classes can be told by rounding. */
static bool can_be(const void *block, size_t bytes)
{
    const uint32_t first = tern_space_page(block);
    const unsigned class = tern_key_class(tern_key(first));
    if (!class)
        return bytes == tern_span_usable(first) - tern_space.page[first].next;
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
