/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/checked.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif

enum { ZONE = 64, ZONE_BYTE = 0xfb, FREE_BYTE = 0xdf, KEPT_BLOCKS = 4096, KEPT_BYTES = 8 << 20, FIRST_RECORDS = 1024 };

struct record {
    uintptr_t block;       /* 0: none */
    void *raw;             /* what the plain pool handed out */
    size_t bytes, front, raw_bytes;
    uint32_t chain, later; /* next of the same hash; kept after this one */
    uint8_t is_kept, tag;
};

struct tern_checked {
    pthread_mutex_t lock;
    struct record *record; /* 1..max-1 */
    uint32_t *head;        /* by hash; as many as records */
    uint32_t max, fresh, spare;
    uint32_t first_kept, last_kept, n_kept;
    size_t kept_bytes;
};

/* ---- what the tools are told */

void tern_checked_hide(void *at, size_t bytes)
{
#ifdef HAS_ASAN
    ASAN_POISON_MEMORY_REGION(at, bytes);
#endif
#ifdef VALGRIND_MAKE_MEM_NOACCESS
    VALGRIND_MAKE_MEM_NOACCESS(at, bytes);
#endif
    (void)at, (void)bytes;
}

void tern_checked_show(void *at, size_t bytes)
{
#ifdef HAS_ASAN
    ASAN_UNPOISON_MEMORY_REGION(at, bytes);
#endif
#ifdef VALGRIND_MAKE_MEM_DEFINED
    VALGRIND_MAKE_MEM_DEFINED(at, bytes);
#endif
    (void)at, (void)bytes;
}

unsigned tern_checked_always(void)
{
    const char *wanted = getenv("TERN_POOL_CHECKS");
    if (wanted)
        return (unsigned)strtoul(wanted, NULL, 0) & TERN_CHECK_ALL;
    unsigned checks = 0;
#ifdef HAS_ASAN
    checks = TERN_CHECK_RED_ZONE | TERN_CHECK_POISON;
#endif
#ifdef RUNNING_ON_VALGRIND
    if (RUNNING_ON_VALGRIND)
        checks = TERN_CHECK_RED_ZONE | TERN_CHECK_POISON;
#endif
    return checks;
}

static void announce_pool(struct tern_pool *pool, bool is_open)
{
#ifdef VALGRIND_CREATE_MEMPOOL
    if (is_open)
        VALGRIND_CREATE_MEMPOOL(pool, 0, 0);
    else
        VALGRIND_DESTROY_MEMPOOL(pool);
#endif
    (void)pool, (void)is_open;
}

/* The block becomes the caller's, uninitialised, or nobody's. */
static void announce_block(struct tern_pool *pool, const struct record *record, bool is_taken)
{
#ifdef VALGRIND_MEMPOOL_ALLOC
    if (is_taken)
        VALGRIND_MEMPOOL_ALLOC(pool, record->block, record->bytes);
    else
        VALGRIND_MEMPOOL_FREE(pool, record->block);
#endif
    (void)pool, (void)record, (void)is_taken;
}

void tern_checked_fill(void *at, size_t bytes)
{
    memset(at, FREE_BYTE, bytes);
}

static size_t first_other(const unsigned char *at, size_t bytes, unsigned char byte)
{
    size_t i = 0;
    while (i < bytes && at[i] == byte)
        i++;
    return i;
}

size_t tern_checked_scan(const void *at, size_t bytes)
{
    return first_other(at, bytes, FREE_BYTE);
}

/* ---- records */

static uint32_t hash_of(const struct tern_checked *checked, uintptr_t block)
{
    return (uint32_t)((uint64_t)(block >> 4) * 0x9e3779b97f4a7c15u >> 32) & (checked->max - 1);
}

static void chain_in(struct tern_checked *checked, uint32_t i)
{
    uint32_t *head = &checked->head[hash_of(checked, checked->record[i].block)];
    checked->record[i].chain = *head;
    *head = i;
}

static uint32_t find(const struct tern_checked *checked, uintptr_t block)
{
    uint32_t i = checked->head[hash_of(checked, block)];
    while (i && checked->record[i].block != block)
        i = checked->record[i].chain;
    return i;
}

static bool grow_records(struct tern_checked *checked, uint32_t max)
{
    struct record *record = tern_space_map(max * sizeof *record);
    uint32_t *head = tern_space_map(max * sizeof *head);
    if (!record || !head) {
        tern_space_unmap(record, max * sizeof *record);
        tern_space_unmap(head, max * sizeof *head);
        return false;
    }
    if (checked->max)
        memcpy(record, checked->record, checked->max * sizeof *record);
    tern_space_unmap(checked->record, checked->max * sizeof *record);
    tern_space_unmap(checked->head, checked->max * sizeof *head);
    checked->record = record;
    checked->head = head;
    checked->max = max;
    for (uint32_t i = 1; i < checked->fresh; i++)
        if (record[i].block)
            chain_in(checked, i);
    return true;
}

static uint32_t add_record(struct tern_checked *checked, const struct record *record)
{
    uint32_t i = checked->spare;
    if (i)
        checked->spare = checked->record[i].chain;
    else if (checked->fresh < checked->max || grow_records(checked, checked->max * 2))
        i = checked->fresh++;
    if (i) {
        checked->record[i] = *record;
        chain_in(checked, i);
    }
    return i;
}

static void drop_record(struct tern_checked *checked, uint32_t i)
{
    uint32_t *at = &checked->head[hash_of(checked, checked->record[i].block)];
    while (*at != i)
        at = &checked->record[*at].chain;
    *at = checked->record[i].chain;
    checked->record[i] = (struct record){.chain = checked->spare};
    checked->spare = i;
}

/* ---- zones */

static unsigned char *rear_of(const struct record *record)
{
    return (unsigned char *)record->block + record->bytes;
}

static size_t rear_bytes(const struct record *record)
{
    return record->raw_bytes - record->front - record->bytes;
}

static void set_zones(const struct record *record)
{
    memset(record->raw, ZONE_BYTE, record->front);
    memset(rear_of(record), ZONE_BYTE, rear_bytes(record));
    tern_checked_hide(record->raw, record->front);
    tern_checked_hide(rear_of(record), rear_bytes(record));
}

/* Null, or which zone was written into. */
static const char *broken_zone(const struct record *record)
{
    tern_checked_show(record->raw, record->front);
    tern_checked_show(rear_of(record), rear_bytes(record));
    const bool front = first_other(record->raw, record->front, ZONE_BYTE) < record->front;
    const bool rear = first_other(rear_of(record), rear_bytes(record), ZONE_BYTE) < rear_bytes(record);
    tern_checked_hide(record->raw, record->front);
    tern_checked_hide(rear_of(record), rear_bytes(record));
    return front ? "was written before its start" : rear ? "was written past its end" : NULL;
}

/* ---- kept blocks */

/* Tells of a write into a kept block; whether there was one. */
static bool tell_of_write(struct tern_pool *pool, const struct record *record)
{
    unsigned char *at = (unsigned char *)record->block;
    tern_checked_show(at, record->bytes);
    const bool is_written = tern_checked_scan(at, record->bytes) < record->bytes;
    if (is_written)
        tern_pool_misuse(pool, at, "was written after it was given back");
    tern_checked_hide(at, record->bytes);
    return is_written;
}

static void open_guard(const struct tern_pool *pool, const struct record *record)
{
    if (pool->checks & TERN_CHECK_GUARD)
        mprotect((char *)record->raw + record->raw_bytes, TERN_PAGE, PROT_READ | PROT_WRITE);
}

/* Gives the block's memory to the plain pool and forgets it. */
static void let_go(struct tern_pool *pool, uint32_t i)
{
    const struct record record = pool->checked->record[i];
    drop_record(pool->checked, i);
    open_guard(pool, &record);
    tern_checked_show(record.raw, record.raw_bytes);
    tern_pool_give_plain(pool, record.raw);
}

static void let_go_oldest(struct tern_pool *pool)
{
    struct tern_checked *checked = pool->checked;
    const uint32_t i = checked->first_kept;
    const struct record *record = &checked->record[i];
    tell_of_write(pool, record);
    checked->first_kept = record->later;
    if (!checked->first_kept)
        checked->last_kept = 0;
    checked->n_kept--;
    checked->kept_bytes -= record->raw_bytes;
    let_go(pool, i);
}

static void keep(struct tern_pool *pool, uint32_t i)
{
    struct tern_checked *checked = pool->checked;
    struct record *record = &checked->record[i];
    tern_checked_fill((void *)record->block, record->bytes);
    tern_checked_hide((void *)record->block, record->bytes);
    record->is_kept = 1;
    record->later = 0;
    if (checked->last_kept)
        checked->record[checked->last_kept].later = i;
    else
        checked->first_kept = i;
    checked->last_kept = i;
    checked->n_kept++;
    checked->kept_bytes += record->raw_bytes;
    while (checked->n_kept > KEPT_BLOCKS || (checked->kept_bytes > KEPT_BYTES && checked->n_kept > 1))
        let_go_oldest(pool);
}

/* ---- take and give */

/* Sizes of a block's zones; false when they wrap. The guard page follows raw_bytes. */
static bool lay_out(const struct tern_pool *pool, size_t bytes, size_t align, struct record *record)
{
    const size_t zone = pool->checks & TERN_CHECK_RED_ZONE ? ZONE : 0, front = zone && align > zone ? align : zone;
    size_t all;
    if (__builtin_add_overflow(bytes, front + zone + 2 * (align + TERN_PAGE), &all))
        return false;
    *record = (struct record){.bytes = bytes, .front = front, .raw_bytes = front + bytes + zone};
    if (pool->checks & TERN_CHECK_GUARD) {
        const size_t tail = (bytes + align - 1) & ~(align - 1);
        record->raw_bytes = tern_pages_of(front + tail) << TERN_PAGE_SHIFT;
        record->raw_bytes = (record->raw_bytes + align - 1) & ~(align - 1);
        record->front = record->raw_bytes - tail;
    }
    return true;
}

void *tern_checked_take(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error)
{
    const size_t guard = pool->checks & TERN_CHECK_GUARD ? TERN_PAGE : 0;
    struct record record;
    if (!lay_out(pool, bytes, align, &record)) {
        tern_error_set(error, TERN_NO_MEMORY, "pool %s: %zu bytes for %s: more than there are addresses", pool->name, bytes, tern_tag_name(tag));
        return NULL;
    }
    /* A span even when small, so that the guard page is a page of this block alone. */
    const size_t need = record.raw_bytes + guard, least = guard ? TERN_CLASS_BYTES + 1 : 0;
    record.raw = tern_pool_take_plain(pool, need > least ? need : least, guard && align < TERN_PAGE ? TERN_PAGE : align, tag, NULL);
    if (!record.raw)
        return tern_pool_refuse(pool, bytes, tag, error);
    tern_checked_show(record.raw, record.raw_bytes);
    record.block = (uintptr_t)record.raw + record.front;
    record.tag = (uint8_t)tag;
    set_zones(&record);
    if (guard)
        mprotect((char *)record.raw + record.raw_bytes, TERN_PAGE, PROT_NONE);
    announce_block(pool, &record, true);
    pthread_mutex_lock(&pool->checked->lock);
    const uint32_t i = add_record(pool->checked, &record);
    pthread_mutex_unlock(&pool->checked->lock);
    if (i) {
        tern_pool_count_checked(pool, tag, bytes, 1);
        return (void *)record.block;
    }
    open_guard(pool, &record);
    tern_checked_show(record.raw, record.raw_bytes);
    tern_pool_give_plain(pool, record.raw);
    tern_error_memory(error, "the record of a checked block", sizeof record);
    return NULL;
}

/* What an address without a record is: zones and insides belong to blocks that are live or kept. */
static const char *fault_of(const struct tern_pool *pool, uintptr_t block)
{
    if (!tern_space_holds((void *)block))
        return "is not from a pool";
    for (uint32_t i = 1; i < pool->checked->fresh; i++) {
        const struct record *record = &pool->checked->record[i];
        if (record->block && block - (uintptr_t)record->raw < record->raw_bytes)
            return "is not the start of a block";
    }
    return "is no block of this pool";
}

static enum tern_status give_record(struct tern_pool *pool, uint32_t i, size_t bytes)
{
    const struct record record = pool->checked->record[i];
    if (record.is_kept)
        return tern_pool_misuse(pool, (void *)record.block, "given twice");
    if (bytes && bytes != record.bytes)
        return tern_pool_misuse(pool, (void *)record.block, "given with a size that it does not have");
    const char *broken = broken_zone(&record);
    tern_pool_count_checked(pool, record.tag, record.bytes, -1);
    announce_block(pool, &record, false);
    tern_checked_show((void *)record.block, record.bytes);
    if (pool->checks & TERN_CHECK_POISON)
        keep(pool, i);
    else
        let_go(pool, i);
    return broken ? tern_pool_misuse(pool, (void *)record.block, broken) : TERN_OK;
}

enum tern_status tern_checked_give(struct tern_pool *pool, void *block, size_t bytes)
{
    pthread_mutex_lock(&pool->checked->lock);
    const uint32_t i = find(pool->checked, (uintptr_t)block);
    const enum tern_status status = i ? give_record(pool, i, bytes) : tern_pool_misuse(pool, block, fault_of(pool, (uintptr_t)block));
    pthread_mutex_unlock(&pool->checked->lock);
    return status;
}

size_t tern_checked_usable(struct tern_pool *pool, const void *block)
{
    pthread_mutex_lock(&pool->checked->lock);
    const uint32_t i = find(pool->checked, (uintptr_t)block);
    const size_t bytes = i && !pool->checked->record[i].is_kept ? pool->checked->record[i].bytes : 0;
    pthread_mutex_unlock(&pool->checked->lock);
    return bytes;
}

void tern_checked_reset(struct tern_pool *pool)
{
    struct tern_checked *checked = pool->checked;
    pthread_mutex_lock(&checked->lock);
    for (uint32_t i = 1; i < checked->fresh; i++)
        if (checked->record[i].block && !checked->record[i].is_kept)
            give_record(pool, i, 0);
    pthread_mutex_unlock(&checked->lock);
}

size_t tern_checked_verify(struct tern_pool *pool)
{
    struct tern_checked *checked = pool->checked;
    size_t damaged = 0;
    pthread_mutex_lock(&checked->lock);
    for (uint32_t i = 1; i < checked->fresh; i++) {
        const struct record *record = &checked->record[i];
        const char *broken = !record->block || record->is_kept ? NULL : broken_zone(record);
        if (broken)
            tern_pool_misuse(pool, (void *)record->block, broken);
        damaged += broken || (record->block && record->is_kept && tell_of_write(pool, record));
    }
    pthread_mutex_unlock(&checked->lock);
    return damaged;
}

struct tern_checked *tern_checked_open(struct tern_pool *pool)
{
    struct tern_checked *checked = tern_space_map(sizeof *checked);
    if (!checked)
        return NULL;
    pthread_mutex_init(&checked->lock, NULL);
    checked->fresh = 1;
    if (!grow_records(checked, FIRST_RECORDS)) {
        tern_space_unmap(checked, sizeof *checked);
        return NULL;
    }
    announce_pool(pool, true);
    return checked;
}

void tern_checked_close(struct tern_pool *pool)
{
    struct tern_checked *checked = pool->checked;
    if (!checked)
        return;
    tern_checked_verify(pool);
    for (uint32_t i = 1; i < checked->fresh; i++)
        if (checked->record[i].block) {
            if (!checked->record[i].is_kept)
                announce_block(pool, &checked->record[i], false);
            let_go(pool, i);
        }
    announce_pool(pool, false);
    pthread_mutex_destroy(&checked->lock);
    tern_space_unmap(checked->record, checked->max * sizeof *checked->record);
    tern_space_unmap(checked->head, checked->max * sizeof *checked->head);
    tern_space_unmap(checked, sizeof *checked);
    pool->checked = NULL;
}
