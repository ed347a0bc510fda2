/* SPDX-License-Identifier: Apache-2.0
 *
 * Size classes: multiples of 16 bytes up to 128, then eight per doubling up to 1 MiB; from 1 KiB up each is a cache line longer.
 *
 *   small   1..48    16 32 … 128 | 144 160 … 256 | … | 960 1088 | 1216 1344 … 2112 | … 4160 bytes
 *   slab  128..151   4672 5184 … 8256 | … | … 32832 bytes
 *   span  152..191   9 10 … 16 | 18 … | … 256 pages and what the colours of one page more leave: 3136 bytes
 *
 * The line more makes every such class an odd number of lines, so that the starts of its blocks fall on all sets of a cache. Blocks
 * at multiples of a page share one set of 64, and a store to a twentieth of them costs some 20-50 ns instead of 1 (measured on an
 * EPYC, Zen 5); the same is why spans have colours (pool_plain.c). Rounding wastes at most 15 B or 12.5 %.
 *
 * Blocks fill a run, a power of two of pages, to 31/32 or better where 1 MiB allows, at most 1024 of them. Those of span classes
 * belong to the slab tier too; each has a span of its own (span.h).
 *
 *   Source: J. Bonwick, "The slab allocator: an object-caching kernel memory allocator", USENIX 1994, for colours.
 */
#ifndef TERN_MEMORY_CLASSES_H
#define TERN_MEMORY_CLASSES_H

#include <stddef.h>
#include <stdint.h>

enum {
    TERN_CLASSES = 192,    /* class 0 stands for none, 49..127 for nothing */
    TERN_CLASS_SMALL = 48, /* last class of the small tier */
    TERN_CLASS_SLAB = 128, /* first one of the slab tier */
    TERN_CLASS_SPAN = 152, /* first one whose blocks are spans */
    TERN_CLASS_LINE = 64,
    TERN_COLOURS = 16,     /* lines that a span's block may start after the span, and so many less one are left to it */
    TERN_SMALL_BYTES = 4096 + TERN_CLASS_LINE,
    TERN_CLASS_BYTES = 32768 + TERN_CLASS_LINE,
    TERN_SPAN_REST = 4096 - (TERN_COLOURS - 1) * TERN_CLASS_LINE,
    TERN_SPAN_BYTES = (1 << 20) + TERN_SPAN_REST,
    TERN_CLASS_GRAIN = 16,
    TERN_CLASS_STEP = 512, /* of slab and span classes, all of which are a line longer than some of it */
    TERN_LARGE_STEPS = TERN_SPAN_BYTES / TERN_CLASS_STEP + 1,
    TERN_RUN_BLOCKS = 1024
};

struct tern_class {
    uint32_t bytes;
    uint16_t blocks;  /* in a run */
    uint16_t pages;   /* of a span */
    uint8_t order;    /* a run has 2^order pages */
    uint64_t inverse; /* ceil(2^32 / (bytes / 16)): offset / bytes = (offset / 16) * inverse >> 32 for all offsets of a run */
};

struct tern_classes {
    struct tern_class at[TERN_CLASSES];
    /* By kind of alignment and bytes / 16 rounded up, of small classes. Kind 0: up to 16, 1: 32 and 64, 2: no alignment, no class. */
    uint8_t small[3][TERN_SMALL_BYTES / TERN_CLASS_GRAIN + 1];
    uint8_t large[TERN_LARGE_STEPS]; /* by tern_large_step(): slab and span classes */
    uint8_t kind[65]; /* by alignment; 0 means 16 */
};

extern struct tern_classes tern_classes;

/* The class after this one; 0 is before the first, TERN_CLASSES after the last. */
static inline unsigned tern_class_next(unsigned class)
{
    return class == TERN_CLASS_SMALL ? TERN_CLASS_SLAB : class + 1;
}

/* Place in `large` of TERN_SMALL_BYTES < bytes <= TERN_SPAN_BYTES: bytes less a line, in steps, rounded up. */
static inline size_t tern_large_step(size_t bytes)
{
    return (bytes - TERN_CLASS_LINE + TERN_CLASS_STEP - 1) / TERN_CLASS_STEP;
}

/* Fills the tables; called under the pools' own lock before the first pool. */
void tern_classes_init(void);

/* Smallest class for bytes <= TERN_SPAN_BYTES whose blocks are aligned to `align`; 0 when none is. */
unsigned tern_class_for(size_t bytes, size_t align);

#endif
