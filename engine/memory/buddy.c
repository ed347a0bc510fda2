/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/buddy.h"

enum { IS_CLEAN = 1 << 8 }; /* in the record's span, beside the order */

static uint32_t free_key(const struct tern_buddy *buddy)
{
    return buddy->key | (uint32_t)TERN_PAGE_BUDDY << TERN_KEY_STATE;
}

static void link_in(struct tern_buddy *buddy, uint32_t first, unsigned order, unsigned clean)
{
    struct tern_page *page = &tern_space.page[first];
    tern_set_key(first, free_key(buddy));
    page->span = order | clean;
    buddy->clean += clean ? (size_t)1 << order : 0;
    page->next = buddy->first[order];
    page->prev = 0;
    if (page->next)
        tern_space.page[page->next].prev = first;
    buddy->first[order] = first;
}

/* Whether it was clean. */
static unsigned link_out(struct tern_buddy *buddy, uint32_t first, unsigned order)
{
    struct tern_page *page = &tern_space.page[first];
    const unsigned clean = page->span & IS_CLEAN;
    if (page->next)
        tern_space.page[page->next].prev = page->prev;
    if (page->prev)
        tern_space.page[page->prev].next = page->next;
    else
        buddy->first[order] = page->next;
    tern_set_key(first, 0);
    buddy->clean -= clean ? (size_t)1 << order : 0;
    return clean;
}

/* The heap's own marks on the chunk's edges give way to the buddy's; they are put back by return_chunk. */
static uint32_t take_chunk(struct tern_buddy *buddy)
{
    const size_t n = (size_t)1 << buddy->top;
    const uint32_t first = tern_span_take(buddy->spans, n, n, buddy->key | (uint32_t)TERN_PAGE_USED << TERN_KEY_STATE);
    if (first) {
        tern_set_key(first, 0);
        tern_set_key(first + (uint32_t)n - 1, 0);
    }
    return first;
}

static void return_chunk(struct tern_buddy *buddy, uint32_t first)
{
    tern_space.page[first].span = 1u << buddy->top;
    tern_span_give(buddy->spans, first);
}

/* A free piece of at least that order, taken out of its list; its order and whether it is clean. */
static uint32_t take_piece(struct tern_buddy *buddy, unsigned *order, unsigned *clean)
{
    unsigned from = *order;
    while (from <= buddy->top && !buddy->first[from])
        from++;
    *clean = 0;
    *order = from <= buddy->top ? from : buddy->top;
    if (from > buddy->top)
        return take_chunk(buddy);
    const uint32_t first = buddy->first[from];
    *clean = link_out(buddy, first, from);
    return first;
}

uint32_t tern_buddy_take(struct tern_buddy *buddy, unsigned order)
{
    unsigned from = order, clean;
    tern_lock(&buddy->lock);
    uint32_t first = take_piece(buddy, &from, &clean);
    if (first && clean && !tern_held_add(buddy->spans->held, (size_t)1 << order)) {
        link_in(buddy, first, from, clean);
        first = 0;
    }
    while (first && from > order) {
        from--;
        link_in(buddy, first + (1u << from), from, clean);
    }
    tern_unlock(&buddy->lock);
    return first;
}

/* Returns a free piece's pages to the system. */
static void purge(struct tern_buddy *buddy, uint32_t first, unsigned order)
{
    tern_space_purge(first, (size_t)1 << order);
    tern_held_sub(buddy->spans->held, (size_t)1 << order);
}

/* A whole chunk's pages count as held for its heap. */
static void return_whole(struct tern_buddy *buddy, uint32_t first, unsigned clean)
{
    const size_t n = (size_t)1 << buddy->top;
    if (clean)
        __atomic_fetch_add(&buddy->spans->held->pages, n, __ATOMIC_RELAXED);
    return_chunk(buddy, first);
}

/* Joined pieces are of one kind: where they differ, the one that is not clean becomes so. */
void tern_buddy_give(struct tern_buddy *buddy, uint32_t first, unsigned order)
{
    unsigned clean = 0;
    tern_lock(&buddy->lock);
    for (; order < buddy->top; order++) {
        const uint32_t other = first ^ 1u << order;
        const struct tern_page *page = &tern_space.page[other];
        if (tern_key(other) != free_key(buddy) || (page->span & ~(unsigned)IS_CLEAN) != order)
            break;
        const unsigned other_clean = link_out(buddy, other, order);
        if (clean != other_clean)
            purge(buddy, clean ? other : first, order);
        clean |= other_clean;
        first &= ~(1u << order);
    }
    if (order == buddy->top && buddy->first[order])
        return_whole(buddy, first, clean);
    else
        link_in(buddy, first, order, clean);
    tern_unlock(&buddy->lock);
}

size_t tern_buddy_trim(struct tern_buddy *buddy)
{
    size_t pages = 0;
    tern_lock(&buddy->lock);
    while (buddy->first[buddy->top]) {
        const uint32_t first = buddy->first[buddy->top];
        return_whole(buddy, first, link_out(buddy, first, buddy->top));
    }
    for (unsigned order = 0; order < buddy->top; order++)
        for (uint32_t first = buddy->first[order]; first; first = tern_space.page[first].next)
            if (!(tern_space.page[first].span & IS_CLEAN)) {
                purge(buddy, first, order);
                tern_space.page[first].span |= IS_CLEAN;
                buddy->clean += (size_t)1 << order;
                pages += (size_t)1 << order;
            }
    tern_unlock(&buddy->lock);
    return pages;
}

void tern_buddy_forget(struct tern_buddy *buddy)
{
    __atomic_fetch_add(&buddy->spans->held->pages, buddy->clean, __ATOMIC_RELAXED);
    buddy->clean = 0;
}

void tern_buddy_init(struct tern_buddy *buddy, uint32_t key, unsigned top, struct tern_spans *spans)
{
    *buddy = (struct tern_buddy){.key = key, .top = top, .spans = spans};
}
