/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/space.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/checked.h"
#include "memory/lock.h"

struct tern_space tern_space;

/* Regions given back, in order of address and merged; the pages above `top` were never taken. */
enum { GAPS = 1024 };
static struct {
    struct tern_lock lock;
    uint32_t top, n_gaps;
    struct gap {
        uint32_t first, n;
    } gap[GAPS];
} regions;

void *tern_space_map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

void tern_space_unmap(void *at, size_t bytes)
{
    if (at)
        munmap(at, bytes);
}

void tern_space_purge(uint32_t first, size_t n)
{
    madvise(tern_space_address(first), n << TERN_PAGE_SHIFT, MADV_DONTNEED);
}

/* Four times the memory, so that holes never matter, down to what a limited process is allowed. */
static void reserve(void)
{
    const size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) << TERN_PAGE_SHIFT;
    size_t bytes = (size_t)1 << 34;
    while (bytes < memory * 4 && bytes < (size_t)1 << 42)
        bytes *= 2;
    if (tern_checked_always()) /* tools that look through all that is mapped */
        bytes = (size_t)1 << 32;
    for (; bytes >= (size_t)1 << 26; bytes /= 2) {
        const size_t huge = (size_t)TERN_HUGE_PAGES << TERN_PAGE_SHIFT;
        char *at = tern_space_map(bytes + huge);
        const size_t n = (bytes >> TERN_PAGE_SHIFT) + 1, keys = (n * sizeof *tern_space.key + TERN_PAGE - 1) & ~(size_t)(TERN_PAGE - 1);
        char *records = at ? tern_space_map(keys + n * sizeof *tern_space.page) : NULL;
        if (records) {
            tern_space.base = ((uintptr_t)at + huge - 1) & ~(uintptr_t)(huge - 1);
            tern_space.key = (uint32_t *)records;
            tern_space.page = (struct tern_page *)(records + keys);
            tern_space.bytes = bytes;
            tern_space.grains = bytes / 16;
            regions.top = 1;
            return;
        }
        tern_space_unmap(at, bytes + huge);
    }
}

bool tern_space_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, reserve);
    return tern_space.bytes != 0;
}

static void gap_insert(uint32_t at, uint32_t first, uint32_t n)
{
    if (regions.n_gaps == GAPS) /* its addresses are lost to the process; its pages are not */
        return;
    for (uint32_t i = regions.n_gaps++; i > at; i--)
        regions.gap[i] = regions.gap[i - 1];
    regions.gap[at] = (struct gap){first, n};
}

static void gap_remove(uint32_t at)
{
    regions.n_gaps--;
    for (uint32_t i = at; i < regions.n_gaps; i++)
        regions.gap[i] = regions.gap[i + 1];
}

static uint32_t align_up(uint32_t page, size_t align)
{
    return (uint32_t)((page + align - 1) & ~(align - 1));
}

static uint32_t take_gap(size_t n, size_t align)
{
    for (uint32_t i = 0; i < regions.n_gaps; i++) {
        struct gap gap = regions.gap[i];
        const uint32_t first = align_up(gap.first, align), end = gap.first + gap.n;
        if (first > end || n > end - first)
            continue;
        gap_remove(i);
        if (end > first + n)
            gap_insert(i, first + (uint32_t)n, end - first - (uint32_t)n);
        if (first > gap.first)
            gap_insert(i, gap.first, first - gap.first);
        return first;
    }
    return 0;
}

uint32_t tern_space_take(size_t n, size_t align)
{
    const size_t pages = tern_space.bytes >> TERN_PAGE_SHIFT;
    if (n > pages || align > pages)
        return 0;
    tern_lock(&regions.lock);
    uint32_t first = take_gap(n, align);
    if (!first) {
        first = align_up(regions.top, align);
        if (first > pages || n > pages - first)
            first = 0;
        else if (first > regions.top)
            gap_insert(regions.n_gaps, regions.top, first - regions.top);
        if (first)
            regions.top = first + (uint32_t)n;
    }
    tern_unlock(&regions.lock);
    return first;
}

/* Zeroes from..to of an array that lies on pages of its own: whole pages go back to the system, the edges by hand. */
static void forget(void *from, void *to)
{
    const uintptr_t inner = ((uintptr_t)from + TERN_PAGE - 1) & ~(uintptr_t)(TERN_PAGE - 1), outer = (uintptr_t)to & ~(uintptr_t)(TERN_PAGE - 1);
    if (inner < outer)
        madvise((void *)inner, outer - inner, MADV_DONTNEED);
    for (uint32_t *at = from; at < (uint32_t *)to; at++) {
        if (inner < outer && (uintptr_t)at == inner)
            at = (uint32_t *)outer;
        if (at < (uint32_t *)to)
            __atomic_store_n(at, 0, __ATOMIC_RELAXED);
    }
}

void tern_space_give(uint32_t first, size_t n)
{
    tern_space_purge(first, n);
    forget(&tern_space.key[first], &tern_space.key[first + n]);
    forget(&tern_space.page[first], &tern_space.page[first + n]);
    tern_lock(&regions.lock);
    uint32_t i = 0;
    while (i < regions.n_gaps && regions.gap[i].first < first)
        i++;
    gap_insert(i, first, (uint32_t)n);
    for (uint32_t k = i ? i - 1 : 0; k + 1 < regions.n_gaps && k <= i + 1;) {
        struct gap *gap = &regions.gap[k];
        if (gap[0].first + gap[0].n == gap[1].first) {
            gap->n += gap[1].n;
            gap_remove(k + 1);
        } else {
            k++;
        }
    }
    tern_unlock(&regions.lock);
}
