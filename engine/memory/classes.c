/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/classes.h"

#include "memory/space.h"

struct tern_classes tern_classes;

static uint16_t span_pages_of(unsigned class)
{
    const unsigned doubling = (class - TERN_CLASS_SPAN) / 8, step = (class - TERN_CLASS_SPAN) % 8 + 1;
    return (uint16_t)((8u << doubling) + (step << doubling) + 1);
}

static uint32_t bytes_of(unsigned class)
{
    if (class >= TERN_CLASS_SPAN)
        return (uint32_t)(span_pages_of(class) - 1) * TERN_PAGE + TERN_SPAN_REST;
    const unsigned nth = class < TERN_CLASS_SLAB ? class : class - TERN_CLASS_SLAB + TERN_CLASS_SMALL + 1;
    if (nth <= 8)
        return nth * 16;
    const unsigned doubling = (nth - 1) / 8, step = (nth - 1) % 8 + 1;
    const uint32_t bytes = (64u << doubling) + step * (8u << doubling);
    return bytes < 1024 ? bytes : bytes + TERN_CLASS_LINE;
}

/* The shortest run that wastes at most 1/32 of itself and holds eight blocks. */
static uint8_t order_of(uint32_t bytes)
{
    unsigned order = 2;
    for (; order < 8; order++) {
        const uint32_t run = (uint32_t)TERN_PAGE << order;
        if (run / bytes >= 8 && run % bytes <= run / 32)
            break;
    }
    return (uint8_t)order;
}

static void lay_out_run(struct tern_class *row)
{
    const uint32_t grains = row->bytes / TERN_CLASS_GRAIN;
    row->order = order_of(row->bytes);
    row->blocks = (uint16_t)(((uint32_t)TERN_PAGE << row->order) / row->bytes);
    row->inverse = ((1ull << 32) + grains - 1) / grains;
}

static unsigned first_class(size_t bytes, size_t align)
{
    for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class))
        if (tern_classes.at[class].bytes >= bytes && tern_classes.at[class].bytes % align == 0)
            return class;
    return 0;
}

void tern_classes_init(void)
{
    for (unsigned class = 1; class < TERN_CLASSES; class = tern_class_next(class)) {
        struct tern_class *row = &tern_classes.at[class];
        row->bytes = bytes_of(class);
        if (class < TERN_CLASS_SPAN)
            lay_out_run(row);
        else
            row->pages = span_pages_of(class);
    }
    for (unsigned align = 0; align <= 64; align++)
        tern_classes.kind[align] = align & (align - 1) ? 2 : align > 16;
    for (size_t grain = 1; grain <= TERN_SMALL_BYTES / TERN_CLASS_GRAIN; grain++)
        for (unsigned kind = 0; kind < 2; kind++)
            tern_classes.small[kind][grain] = (uint8_t)first_class(grain * TERN_CLASS_GRAIN, kind ? 64 : 16);
    for (size_t bytes = TERN_SMALL_BYTES + TERN_CLASS_STEP; bytes <= TERN_SPAN_BYTES; bytes += TERN_CLASS_STEP)
        tern_classes.large[tern_large_step(bytes)] = (uint8_t)first_class(bytes, 64);
}

unsigned tern_class_for(size_t bytes, size_t align)
{
    if (bytes > TERN_SPAN_BYTES || align > TERN_PAGE)
        return 0;
    if (align > 64 || bytes <= TERN_SMALL_BYTES)
        return first_class(bytes, align);
    return tern_classes.large[tern_large_step(bytes)];
}
