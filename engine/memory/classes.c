/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/classes.h"

#include "memory/space.h"

struct tern_classes tern_classes;

static uint32_t bytes_of(unsigned class)
{
    if (class <= 8)
        return class * 16;
    const unsigned doubling = (class - 1) / 8, step = (class - 1) % 8 + 1;
    return (64u << doubling) + step * (8u << doubling);
}

/* The shortest run that wastes at most 1/32 of itself and holds eight blocks. */
static uint8_t order_of(uint32_t bytes)
{
    unsigned order = 2;
    for (; order < 7; order++) {
        const uint32_t run = (uint32_t)TERN_PAGE << order;
        if (run / bytes >= 8 && run % bytes <= run / 32)
            break;
    }
    return (uint8_t)order;
}

static unsigned first_class(size_t bytes, size_t align)
{
    for (unsigned class = 1; class < TERN_CLASSES; class++)
        if (tern_classes.at[class].bytes >= bytes && tern_classes.at[class].bytes % align == 0)
            return class;
    return 0;
}

void tern_classes_init(void)
{
    for (unsigned class = 1; class < TERN_CLASSES; class++) {
        struct tern_class *row = &tern_classes.at[class];
        const uint32_t grains = bytes_of(class) / TERN_CLASS_GRAIN;
        row->bytes = bytes_of(class);
        if (class > TERN_CLASS_RUN) {
            for (uint32_t page = row->bytes >> TERN_PAGE_SHIFT; page && !tern_classes.of_pages[page]; page--)
                tern_classes.of_pages[page] = (uint8_t)class;
            continue;
        }
        row->order = order_of(row->bytes);
        row->blocks = (uint16_t)(((uint32_t)TERN_PAGE << row->order) / row->bytes);
        row->inverse = ((1ull << 32) + grains - 1) / grains;
    }
    for (unsigned align = 0; align <= 64; align++)
        tern_classes.kind[align] = align & (align - 1) ? 2 : align > 16;
    for (size_t grain = 1; grain <= TERN_RUN_BYTES / TERN_CLASS_GRAIN; grain++) {
        tern_classes.of[0][grain] = (uint8_t)first_class(grain * TERN_CLASS_GRAIN, 16);
        tern_classes.of[1][grain] = (uint8_t)first_class(grain * TERN_CLASS_GRAIN, 64);
    }
}

unsigned tern_class_for(size_t bytes, size_t align)
{
    if (bytes > TERN_RUN_BYTES)
        return align <= TERN_PAGE ? tern_classes.of_pages[tern_pages_of(bytes)] : 0;
    if (align <= 64)
        return tern_classes.of[align > 16][(bytes + TERN_CLASS_GRAIN - 1) / TERN_CLASS_GRAIN];
    return align <= TERN_PAGE ? first_class(bytes, align) : 0;
}
