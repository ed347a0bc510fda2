/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine's memory: one pool in front of three tiers by size, chosen by the bytes asked for.
 *
 *   small   1 B .. 4 KiB      size classes, blocks of one class and one tag cut from runs, runs supplied by a buddy
 *   slab    4 KiB .. 1 MiB    size classes too; blocks above 64 KiB are spans of whole pages, best fit, merged when free
 *   mapped  above 1 MiB       spans of whole pages kept apart; for weights and caches on huge pages
 *
 *   class    a rounded size: multiples of 16 B up to 128 B, then eight per doubling, so rounding wastes at most 15 B or 12.5 %
 *   tag      what memory is for; every count is kept by tier and by tag
 *   shelf    a thread's own stock of free blocks of one pool and tag: take and give touch no lock while it lasts
 *   depot    blocks that one thread's shelf has too many of, for another's (depot.h)
 *   live     bytes in blocks that were taken and not given back, rounded as handed out
 *   held     bytes of pages that the pool has used and not returned to the system: live, stocks, free pages, own records
 *
 * Which of the three shapes of memory to use: a pool block for what lives as long as its owner (persistent), an arena (arena.h)
 * for what is freed together (temporary), a ring (ring.h) for what is freed in the order it was taken (streaming).
 *
 * For all functions: any thread may take, any thread may give what another took. Nothing here prints, aborts or exits; a wrong
 * give is refused, counted, and told to the hook. Memory is not cleared. Blocks are aligned to 16 bytes or to what was asked.
 * A pool must not be closed or reset while another thread is inside a call on it.
 *
 * How exact. live, count and peak are exact for operations ordered by happens-before, in every thread; two takes that race may
 * be counted in either order, as may the peak between them. held is exact.
 *
 * When a general allocator is as good, or better (the pool's speed over that of the best of glibc, mimalloc, jemalloc and tcmalloc, one
 * to four threads on two processors; 0.9 or more in 58 of 70 cells on a Xeon with AMX, in 44 on a Zen 4 EPYC, in 52 on a Zen 5 one, virtual
 * machines on which cells with several threads spread by a factor of two):
 *
 *                              Xeon                                EPYC
 *   to 64 B                    0.9-1.3; lifo and random 0.8-0.9    0.8-0.9; several threads 0.6-1.1
 *   64 B to 4 KiB              1.0-1.5                             0.9-1.0; several threads 0.8-1.4
 *   4 to 64 KiB                0.8-1.9; four threads 0.5-3.7       0.8-1.2; several threads 0.7-7
 *   64 KiB to 1 MiB            1.6-31                              1.0-18
 *   above 1 MiB                1.0-10; random, one thread 0.8      0.8-17; several threads 0.6-5
 *   given by another thread    1.2-3.1                             0.4-8
 *
 * Ahead by less than it seems above 64 KiB: threads keep up to 64 MiB of free blocks for that, 32 MiB each, a depot up to 1 MiB, and the
 * heap up to 11 MiB (above 1 MiB: half of the peak) of free pages, see shelf.h, depot.h and span.h. On what models ask for while they
 * load it is 1.0, 1.7 and 1.6 times as fast as tcmalloc, the best there (tiny, small and medium; EPYC), where a loop that took nothing
 * would be 1.3 times as fast for tiny.
 * Blocks of 16 B to 1 MiB replaced at random are 0.6 to 0.7 times as fast as tcmalloc's after 10^6 operations, and a tenth in runs of 5 * 10^6
 * (Zen 5, where a page fault costs 10 us): 6 to 12 % of what is held is not in use (tcmalloc 17 to 22 %), which costs .55 page faults an operation.
 * What is left below 1 is mostly the accounting: without it 60 of 64 of these cells were at 0.9 or more on the Xeon.
 *
 * What it adds is accounting by tag, ceilings and refusal of wrong gives. suites/memory.lua measures all of this again.
 */
#ifndef TERN_MEMORY_POOL_H
#define TERN_MEMORY_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define TERN_TAGS(X) \
    X(OTHER, "other") X(WEIGHTS, "weights") X(ACTIVATIONS, "activations") X(SCRATCH, "scratch") \
    X(KV, "kv cache") X(CACHE, "tensor cache") X(STREAM, "stream") X(FILE, "file")
#define TERN_TIERS(X) X(SMALL, "small") X(SLAB, "slab") X(MAPPED, "mapped")

#define TERN_TAG_VALUE(name, text) TERN_TAG_##name,
#define TERN_TIER_VALUE(name, text) TERN_TIER_##name,
enum tern_tag { TERN_TAGS(TERN_TAG_VALUE) TERN_N_TAGS };
enum tern_tier { TERN_TIERS(TERN_TIER_VALUE) TERN_N_TIERS };

/* Checks that cost time. Double and foreign frees are caught without any of them. */
enum tern_pool_check {
    TERN_CHECK_RED_ZONE = 1, /* bytes before and after each block, compared at give, verify and close */
    TERN_CHECK_POISON = 2,   /* freed memory is filled and kept back for a while; a write into it is found */
    TERN_CHECK_GUARD = 4,    /* each block ends at a page that cannot be touched (page-grained: for hunting, not for running) */
    TERN_CHECK_ALL = 7
};

struct tern_pool;

struct tern_pool_options {
    const char *name;   /* used in errors; null: "pool". Copied, at most 31 bytes */
    size_t ceiling;     /* most bytes held; 0: none */
    unsigned checks;    /* enum tern_pool_check, or-ed. Under ASan and Valgrind red zones and poison
                           are on unless TERN_POOL_CHECKS in the environment says otherwise */
    const char *trace;  /* file that every take and give is recorded in (trace.h); null: none */
    bool is_untracked;  /* no peaks, for measuring what they cost; live and held stay exact */
};

struct tern_pool_count {
    size_t live, peak;  /* bytes */
    size_t blocks;      /* live ones */
};

struct tern_pool_stats {
    struct tern_pool_count total, tier[TERN_N_TIERS], tag[TERN_N_TAGS];
    size_t held, held_peak;     /* bytes */
    size_t stocked;             /* bytes on the shelves of threads, and in depots between them */
    double internal;            /* share of rounding in what is live: exact for mapped blocks, sampled at refills for classes */
    double external;            /* 1 - live / held */
    uint64_t refused;           /* takes that gave null */
    uint64_t misuses;           /* gives that were refused */
};

/* Null options: defaults. Takes less than 100 us. Errors: TERN_NO_MEMORY (no address space, or more than 126 pools). */
enum tern_status tern_pool_open(const struct tern_pool_options *options, struct tern_pool **out, struct tern_error *error);
/* Returns all its memory to the system, blocks still live included. Null is allowed; the default pool stays. */
void tern_pool_close(struct tern_pool *pool);
/* The pool of the whole process, made on first use; never null. TERN_POOL_TRACE=FILE in the environment records it. */
struct tern_pool *tern_pool_default(void);

/*
 * `bytes` bytes at a multiple of `align` (a power of two up to 1 GiB; 0 means 16), never wrapping. Null and a status in `error`:
 *   TERN_INVALID    no bytes, or an alignment that is no power of two
 *   TERN_NO_MEMORY  more than the address space, the system or the pool's ceiling allows; the text names tag and size
 * Tags WEIGHTS and KV of 2 MiB or more are put on huge pages. A pool of null is the default one.
 */
void *tern_pool_take(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
/* n * bytes, checked. */
void *tern_pool_take_array(struct tern_pool *pool, size_t n, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
/* As take, and every byte is 0. From 1 MiB up the pages come into being at first touch, on the node of the thread that writes first. */
void *tern_pool_take_zeroed(struct tern_pool *pool, size_t bytes, size_t align, enum tern_tag tag, struct tern_error *error);
/*
 * Gives a block back; null is allowed. TERN_INVALID, and nothing done, for a pointer that is no live block of this pool:
 * given before, foreign, interior (known at once for spans and in checked pools, for classes when the stock is passed on).
 */
enum tern_status tern_pool_give(struct tern_pool *pool, void *block);
/* As give, and TERN_INVALID when `bytes` cannot be what was asked for. */
enum tern_status tern_pool_give_sized(struct tern_pool *pool, void *block, size_t bytes);
/* Bytes that may be used at `block`, at least those asked for; 0 when it is no live block of this pool. */
size_t tern_pool_usable(struct tern_pool *pool, const void *block);

/* Most bytes that the pool may hold from now on; 0: no limit. What is held above it stays. Null: the default pool. */
void tern_pool_limit(struct tern_pool *pool, size_t ceiling);
/* Gives all blocks back at once; pointers to them are foreign afterwards. Peaks stay. */
void tern_pool_reset(struct tern_pool *pool);
/* Returns empty runs, free pages and the calling thread's stock to the system; bytes returned. */
size_t tern_pool_trim(struct tern_pool *pool);
/* Looks at every red zone and every poisoned byte of a checked pool; number of damaged blocks, each told to the hook. */
size_t tern_pool_verify(struct tern_pool *pool);

void tern_pool_stats(struct tern_pool *pool, struct tern_pool_stats *stats);
const char *tern_tag_name(enum tern_tag tag);
const char *tern_tier_name(enum tern_tier tier);

/* Called for each misuse with one sentence, in the thread that did it; null: only counted. It may return, and must not call the
 * pool. */
void tern_pool_on_misuse(struct tern_pool *pool, void (*hook)(void *context, const char *text), void *context);

/* The checks that are on, ASan's and Valgrind's included: what a bench of the pool must say. */
unsigned tern_pool_checks(const struct tern_pool *pool);
/* For memory cut from a pool's blocks: counts a misuse of `block` and tells the hook. Returns TERN_INVALID. Null: the default pool. */
enum tern_status tern_pool_tell(struct tern_pool *pool, const void *block, const char *what);

/* tern_memory_take and tern_memory_give of tern.h are take and give on the default pool with tag OTHER. */

#endif
