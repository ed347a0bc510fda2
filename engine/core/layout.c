/* SPDX-License-Identifier: Apache-2.0 */
#include "core/layout.h"

#include "core/cpu.h"

/* Figures: GB/s that one thread read, suites/layout.lua, in the order rows, prefetch, blocked, packed; AMD EPYC (Zen 4), 2026-11-26.
 * A Xeon with AMX (medians of three runs, the same day) chose as Zen 4 does, or with differences within its spread, but for tensors
 * beyond its L3. */
static const struct tern_layout_choice choices[] = {
    {TERN_READER_SEQUENTIAL, "amxint8", 3, TERN_LAYOUT_PREFETCH, 1024, "the processor asks ahead too little (Xeon with AMX, from memory: rows 8.2, prefetch 12.1, blocked 6.5, packed 8.9 GB/s)"},
    {TERN_READER_SEQUENTIAL, NULL, 3, TERN_LAYOUT_ROWS, 0, "the processor asks ahead itself (Zen 4, from memory: rows 31.1, prefetch 30.0, blocked 9.1, packed 31.0 GB/s)"},
    {TERN_READER_SEQUENTIAL, NULL, 2, TERN_LAYOUT_ROWS, 0, "the processor asks ahead itself (Zen 4, from L3: rows 74.6, prefetch 57.1, blocked 33.9, packed 73.7 GB/s)"},
    {TERN_READER_SEQUENTIAL, NULL, 0, TERN_LAYOUT_PACKED, 0, "loads that cross lines are what is left (Zen 4, from L2: rows 74.8, prefetch 62.1, blocked 38.9, packed 78.1 GB/s)"},
    {TERN_READER_STRIDED, NULL, 3, TERN_LAYOUT_BLOCKED, 0, "a slice becomes one stretch (Zen 4, from memory: rows 3.6, prefetch 4.0, blocked 29.9, packed 3.9 GB/s)"},
    {TERN_READER_STRIDED, NULL, 2, TERN_LAYOUT_BLOCKED, 0, "a slice becomes one stretch (Zen 4, from L3: rows 21.2, prefetch 26.9, blocked 37.8, packed 17.9 GB/s)"},
    {TERN_READER_STRIDED, NULL, 0, TERN_LAYOUT_BLOCKED, 0, "a slice becomes one stretch (Zen 4, from L2: rows 36.6, prefetch 35.3, blocked 39.9, packed 36.9 GB/s)"},
    {TERN_READER_RANDOM, "amxint8", 3, TERN_LAYOUT_ROWS, 0, "asking ahead gains nothing (Xeon with AMX, from memory: rows 17.2, prefetch 15.1, blocked 10.9, packed 17.7 GB/s)"},
    {TERN_READER_RANDOM, NULL, 3, TERN_LAYOUT_PREFETCH, 1024, "the next row is on its way (Zen 4, from memory: rows 20.0, prefetch 29.6, blocked 5.4, packed 17.7 GB/s)"},
    {TERN_READER_RANDOM, NULL, 2, TERN_LAYOUT_PREFETCH, 1024, "the next row is on its way (Zen 4, from L3: rows 38.8, prefetch 44.1, blocked 22.1, packed 40.6 GB/s)"},
    {TERN_READER_RANDOM, NULL, 0, TERN_LAYOUT_PACKED, 0, "loads that cross lines are what is left (Zen 4, from L2: rows 69.9, prefetch 58.8, blocked 37.5, packed 74.3 GB/s)"},
};

const struct tern_layout_choice *tern_layout_choose(enum tern_reader reader, size_t bytes)
{
    const struct tern_layout_choice *c = choices;
    while (c->reader != reader || (c->feature && !tern_cpu_has(c->feature)) || (c->beyond && bytes <= tern_cpu_cache(c->beyond)))
        c++;
    return c;
}

#define TERN_TEXT(name, text) text,
static const char *const reader_names[] = {TERN_READERS_OF(TERN_TEXT)}, *const layout_names[] = {TERN_LAYOUTS_OF(TERN_TEXT)};

const char *tern_reader_name(enum tern_reader reader)
{
    return reader_names[reader];
}

const char *tern_layout_name(enum tern_layout layout)
{
    return layout_names[layout];
}
