/* SPDX-License-Identifier: Apache-2.0
 *
 * Size classes: multiples of 16 bytes up to 128, then eight per doubling up to 1 MiB.
 *
 *   bytes  1..16  17..32 … 113..128 | 129..144  145..160 … 241..256 | … 28673..32768 | 32769..36864 … 1048576
 *   class    1      2    …    8     |    9        10     …   16     | …     72       |     73       …  112
 *
 * Blocks of classes up to 72 fill a run, a power of two of pages, to 31/32 or better where 512 KiB allow, at most 1024 of them;
 * a block above is a span of whole pages.
 */
#ifndef TERN_MEMORY_CLASSES_H
#define TERN_MEMORY_CLASSES_H

#include <stddef.h>
#include <stdint.h>

enum {
    TERN_CLASSES = 113,  /* class 0 stands for none */
    TERN_CLASS_RUN = 72, /* last one cut from runs */
    TERN_RUN_BYTES = 32768,
    TERN_CLASS_BYTES = 1 << 20,
    TERN_CLASS_SMALL = 48, /* last class of the small tier: 4096 bytes */
    TERN_CLASS_GRAIN = 16,
    TERN_RUN_BLOCKS = 1024
};

struct tern_class {
    uint32_t bytes;
    uint16_t blocks;  /* in a run */
    uint8_t order;    /* a run has 2^order pages */
    uint64_t inverse; /* ceil(2^32 / (bytes / 16)): offset / bytes = (offset / 16) * inverse >> 32 for all offsets of a run */
};

struct tern_classes {
    struct tern_class at[TERN_CLASSES];
    /* By kind of alignment and bytes / 16 rounded up. Kind 0: up to 16, 1: 32 and 64, 2: no alignment, no class. */
    uint8_t of[3][TERN_RUN_BYTES / TERN_CLASS_GRAIN + 1];
    uint8_t of_pages[TERN_CLASS_BYTES / 4096 + 1]; /* above TERN_RUN_BYTES, by pages */
    uint8_t kind[65]; /* by alignment; 0 means 16 */
};

extern struct tern_classes tern_classes;

/* Fills the tables; called under the pools' own lock before the first pool. */
void tern_classes_init(void);

/* Smallest class for bytes <= TERN_CLASS_BYTES whose blocks are aligned to `align`; 0 when none is. */
unsigned tern_class_for(size_t bytes, size_t align);

#endif
