/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/span.h"

enum { DIRTY, CLEAN, SEARCH = 8, SLACK_LEAST = 2816, SLACK_MOST = 131072, FADE = 11, PURGE_LEAST = 256 };

bool tern_held_add(struct tern_held *held, size_t n)
{
    const size_t after = __atomic_add_fetch(&held->pages, n, __ATOMIC_RELAXED);
    if (held->ceiling && after > held->ceiling) {
        tern_held_sub(held, n);
        return false;
    }
    for (size_t before = __atomic_load_n(&held->peak, __ATOMIC_RELAXED); after > before;)
        if (__atomic_compare_exchange_n(&held->peak, &before, after, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            break;
    return true;
}

void tern_held_sub(struct tern_held *held, size_t n)
{
    __atomic_fetch_sub(&held->pages, n, __ATOMIC_RELAXED);
}

static struct tern_page *page_of(uint32_t first)
{
    return &tern_space.page[first];
}

static uint32_t free_key(const struct tern_spans *spans, unsigned list)
{
    return spans->key | (uint32_t)(TERN_PAGE_DIRTY + list) << TERN_KEY_STATE;
}

/* List that a span of n pages hangs in: the lengths of list i are all below those of list i + 1. */
static unsigned list_of(size_t n)
{
    if (n < TERN_SPAN_EXACT)
        return (unsigned)n;
    const unsigned log = 63u - (unsigned)__builtin_clzll(n);
    return TERN_SPAN_EXACT + (log - 6) * TERN_SPAN_STEPS + (unsigned)(n >> (log - 4) & (TERN_SPAN_STEPS - 1));
}

/* First list all of whose spans have at least n pages. */
static unsigned list_above(size_t n)
{
    return n < TERN_SPAN_EXACT ? (unsigned)n : list_of(n - 1) + 1;
}

static void link_in(struct tern_spans *spans, unsigned which, uint32_t first, uint32_t n)
{
    struct tern_span_lists *lists = &spans->lists[which];
    const unsigned i = list_of(n);
    struct tern_page *head = page_of(first), *tail = page_of(first + n - 1);
    const uint32_t next = lists->first[i];
    tern_set_key(first, free_key(spans, which));
    tern_set_key(first + n - 1, free_key(spans, which));
    tail->span = head->span = n;
    head->next = next;
    head->prev = 0;
    if (next)
        page_of(next)->prev = first;
    lists->first[i] = first;
    lists->has[i / 64] |= 1ull << (i % 64);
    if (which == DIRTY)
        spans->dirty += n;
}

static void link_out(struct tern_spans *spans, unsigned which, uint32_t first)
{
    struct tern_span_lists *lists = &spans->lists[which];
    struct tern_page *head = page_of(first);
    const uint32_t n = head->span, next = head->next, prev = head->prev;
    const unsigned i = list_of(n);
    if (next)
        page_of(next)->prev = prev;
    if (prev)
        page_of(prev)->next = next;
    else if (!(lists->first[i] = next))
        lists->has[i / 64] &= ~(1ull << (i % 64));
    tern_set_key(first, 0);
    tern_set_key(first + n - 1, 0);
    if (which == DIRTY)
        spans->dirty -= n;
}

/* Pages to skip in a free span at `first` so that n aligned ones follow, or a number above its length. */
static size_t skip_of(uint32_t first, size_t align)
{
    return (size_t)(-(uint64_t)first & (align - 1));
}

static bool fits(uint32_t first, size_t n, size_t align)
{
    const size_t length = page_of(first)->span, skip = skip_of(first, align);
    return skip <= length && n <= length - skip;
}

static uint32_t search_list(uint32_t first, size_t n, size_t align)
{
    for (unsigned tries = 0; first && tries < SEARCH; tries++, first = page_of(first)->next)
        if (fits(first, n, align))
            return first;
    return 0;
}

/* A free span that holds n aligned pages, the shortest kind first; 0: none found. */
static uint32_t search(const struct tern_span_lists *lists, size_t n, size_t align)
{
    unsigned i = list_of(n);
    if (i < list_above(n)) {
        const uint32_t found = search_list(lists->first[i], n, align);
        if (found)
            return found;
        i++;
    }
    uint64_t bits = lists->has[i / 64] & ~0ull << (i % 64);
    for (unsigned word = i / 64;;) {
        for (; bits; bits &= bits - 1) {
            const uint32_t found = search_list(lists->first[word * 64 + (unsigned)__builtin_ctzll(bits)], n, align);
            if (found)
                return found;
        }
        if (++word == TERN_SPAN_LISTS / 64)
            return 0;
        bits = lists->has[word];
    }
}

/* Cuts n pages out of a free span; what is left on either side stays free of its kind. */
static uint32_t cut(struct tern_spans *spans, unsigned which, uint32_t from, size_t n, size_t align)
{
    const size_t skip = skip_of(from, align), length = page_of(from)->span;
    const uint32_t first = from + (uint32_t)skip;
    link_out(spans, which, from);
    if (skip)
        link_in(spans, which, from, (uint32_t)skip);
    if (length > skip + n)
        link_in(spans, which, first + (uint32_t)n, (uint32_t)(length - skip - n));
    return first;
}

/* Links a span in after merging it with free neighbours of its kind. A neighbour may be another heap's, whose lock we do not
 * have: its key is read in one piece and only compared with ours. */
static void merge(struct tern_spans *spans, unsigned which, uint32_t first, uint32_t n)
{
    const uint32_t key = free_key(spans, which);
    if (tern_key(first + n) == key) {
        const uint32_t after = first + n;
        n += page_of(after)->span;
        link_out(spans, which, after);
    }
    if (tern_key(first - 1) == key) {
        const uint32_t before = first - page_of(first - 1)->span;
        n += first - before;
        first = before;
        link_out(spans, which, before);
    }
    link_in(spans, which, first, n);
}

static void purge(struct tern_spans *spans, uint32_t first)
{
    const uint32_t n = page_of(first)->span;
    link_out(spans, DIRTY, first);
    tern_space_purge(first, n);
    tern_held_sub(spans->held, n);
    merge(spans, CLEAN, first, n);
}

/* Purges the shortest dirty spans until n pages are, or none is left: those that the next takes have least use for. */
static size_t purge_pages(struct tern_spans *spans, size_t n)
{
    size_t done = 0;
    for (unsigned i = 0; done < n && spans->dirty && i < TERN_SPAN_LISTS; i++)
        while (done < n && spans->lists[DIRTY].first[i]) {
            const uint32_t first = spans->lists[DIRTY].first[i];
            done += page_of(first)->span;
            purge(spans, first);
        }
    return done;
}

static bool remember_region(struct tern_spans *spans, uint32_t first, size_t n)
{
    struct tern_regions *last = spans->n_regions ? &spans->region[spans->n_regions - 1] : NULL;
    if (last && last->first + last->n == first) {
        last->n += (uint32_t)n;
        return true;
    }
    if (spans->n_regions == spans->max_regions) {
        const uint32_t max = spans->max_regions ? spans->max_regions * 4 : TERN_PAGE / sizeof *spans->region;
        struct tern_regions *more = tern_space_map(max * sizeof *more);
        if (!more)
            return false;
        for (uint32_t i = 0; i < spans->n_regions; i++)
            more[i] = spans->region[i];
        tern_space_unmap(spans->region, spans->max_regions * sizeof *more);
        spans->region = more;
        spans->max_regions = max;
    }
    spans->region[spans->n_regions++] = (struct tern_regions){first, (uint32_t)n};
    return true;
}

static bool grow(struct tern_spans *spans, size_t n, size_t align)
{
    const size_t least = n + align - 1, pages = (least + spans->grow - 1) / spans->grow * spans->grow;
    const uint32_t first = tern_space_take(pages, TERN_HUGE_PAGES);
    if (!first)
        return false;
    if (!remember_region(spans, first, pages)) {
        tern_space_give(first, pages);
        return false;
    }
    merge(spans, CLEAN, first, (uint32_t)pages);
    return true;
}

/* Free pages that may stay dirty on top of the heap's peak. */
static size_t slack_of(const struct tern_spans *spans, size_t peak)
{
    const size_t share = peak / spans->spare;
    return share < SLACK_LEAST ? SLACK_LEAST : share < SLACK_MOST ? share : SLACK_MOST;
}

/* Makes room for n more held pages: little above the heap's own peak, and under the ceiling. */
static bool admit(struct tern_spans *spans, size_t n)
{
    struct tern_held *held = spans->held;
    const size_t used = spans->used + n, peak = used > spans->used_peak ? used : spans->used_peak;
    const size_t most = peak + slack_of(spans, peak), now = tern_held_pages(held) + n;
    if (used + spans->dirty > most)
        purge_pages(spans, used + spans->dirty - most);
    if (held->ceiling && now > held->ceiling)
        purge_pages(spans, now - held->ceiling);
    return tern_held_add(held, n);
}

static uint32_t take_clean(struct tern_spans *spans, size_t n, size_t align)
{
    if (!admit(spans, n))
        return 0;
    uint32_t from = search(&spans->lists[CLEAN], n, align);
    if (!from && grow(spans, n, align))
        from = search(&spans->lists[CLEAN], n, align);
    if (!from) {
        tern_held_sub(spans->held, n);
        return 0;
    }
    return cut(spans, CLEAN, from, n, align);
}

uint32_t tern_span_take(struct tern_spans *spans, size_t n, size_t align, uint32_t key)
{
    if (n >= tern_space.bytes >> TERN_PAGE_SHIFT || align > tern_space.bytes >> TERN_PAGE_SHIFT)
        return 0;
    tern_lock(&spans->lock);
    uint32_t first = search(&spans->lists[DIRTY], n, align);
    first = first ? cut(spans, DIRTY, first, n, align) : take_clean(spans, n, align);
    if (first) {
        tern_set_key(first + (uint32_t)n - 1, spans->key | (uint32_t)TERN_PAGE_TAIL << TERN_KEY_STATE);
        tern_set_key(first, key);
        page_of(first)->span = (uint32_t)n;
        spans->used += n;
        if (spans->used > spans->used_peak)
            spans->used_peak = spans->used;
        else
            spans->used_peak -= (spans->used_peak - spans->used) >> FADE;
    }
    tern_unlock(&spans->lock);
    return first;
}

void tern_span_give(struct tern_spans *spans, uint32_t first)
{
    tern_lock(&spans->lock);
    const uint32_t n = page_of(first)->span;
    tern_set_key(first, 0);
    tern_set_key(first + n - 1, 0);
    spans->used -= n;
    merge(spans, DIRTY, first, n);
    const size_t most = spans->used_peak + slack_of(spans, spans->used_peak), now = spans->used + spans->dirty;
    if (spans->purges && now >= most + PURGE_LEAST)
        purge_pages(spans, now - most);
    tern_unlock(&spans->lock);
}

size_t tern_span_trim(struct tern_spans *spans)
{
    tern_lock(&spans->lock);
    const size_t n = purge_pages(spans, SIZE_MAX);
    tern_unlock(&spans->lock);
    return n;
}

void tern_span_init(struct tern_spans *spans, uint32_t key, uint32_t grow_pages, uint32_t spare, bool purges, struct tern_held *held)
{
    spans->key = key;
    spans->grow = grow_pages;
    spans->spare = spare;
    spans->purges = purges;
    spans->held = held;
}

void tern_span_clear(struct tern_spans *spans)
{
    for (uint32_t i = 0; i < spans->n_regions; i++)
        tern_space_give(spans->region[i].first, spans->region[i].n);
    tern_space_unmap(spans->region, spans->max_regions * sizeof *spans->region);
    tern_held_sub(spans->held, spans->used + spans->dirty);
    const struct tern_spans was = *spans;
    *spans = (struct tern_spans){0};
    tern_span_init(spans, was.key, was.grow, was.spare, was.purges, was.held);
}
