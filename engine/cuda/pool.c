/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/pool.h"

#include <stdlib.h>

enum { GRAIN = 512, NO_MEMORY = 2 };
static const size_t chunk_bytes = (size_t)32 << 20, slab_most = (size_t)16 << 20;

struct cuda_span {
    uint64_t at;
    size_t bytes, asked; /* asked: 0 where it is free */
    bool is_first, is_mapped;
    enum tern_tag tag;
    struct cuda_span *before, *after;
};

/* ---- counts */

static void raise(struct tern_pool_count *count, size_t bytes)
{
    count->live += bytes;
    count->blocks++;
    count->peak = count->live > count->peak ? count->live : count->peak;
}

static void lower(struct tern_pool_count *count, size_t bytes)
{
    count->live -= bytes;
    count->blocks--;
}

static struct tern_pool_count *counts(struct cuda_pool *p, const struct cuda_span *s, size_t i)
{
    return i == 0 ? &p->stats.total : i == 1 ? &p->stats.tier[s->is_mapped ? TERN_TIER_MAPPED : TERN_TIER_SLAB] : &p->stats.tag[s->tag];
}

static void hold(struct cuda_pool *p, size_t bytes)
{
    p->stats.held += bytes;
    p->stats.held_peak = p->stats.held > p->stats.held_peak ? p->stats.held : p->stats.held_peak;
}

/* ---- spans */

static void link_after(struct cuda_pool *p, struct cuda_span *before, struct cuda_span *s)
{
    s->before = before;
    s->after = before ? before->after : p->spans;
    if (s->after)
        s->after->before = s;
    *(before ? &before->after : &p->spans) = s;
}

static void drop(struct cuda_pool *p, struct cuda_span *s)
{
    if (s->after)
        s->after->before = s->before;
    *(s->before ? &s->before->after : &p->spans) = s->after;
    free(s);
}

/* A new block of the driver's as one free span; null and a code when there is none. */
static struct cuda_span *map(struct cuda_pool *p, size_t bytes, bool is_mapped, int *code)
{
    struct cuda_span *s = p->ceiling && bytes > p->ceiling - (p->stats.held < p->ceiling ? p->stats.held : p->ceiling) ? NULL : calloc(1, sizeof *s);
    *code = NO_MEMORY;
    if (!s || (*code = p->driver->allocate(&s->at, bytes))) {
        free(s);
        return NULL;
    }
    s->bytes = bytes;
    s->is_first = true;
    s->is_mapped = is_mapped;
    link_after(p, NULL, s);
    hold(p, bytes);
    return s;
}

static bool is_alone(const struct cuda_span *s)
{
    return s->is_first && (!s->after || s->after->is_first);
}

static size_t unmap(struct cuda_pool *p, struct cuda_span *s)
{
    size_t bytes = s->bytes;
    p->driver->free(s->at);
    p->stats.held -= bytes;
    drop(p, s);
    return bytes;
}

static struct cuda_span *best_fit(const struct cuda_pool *p, size_t bytes)
{
    struct cuda_span *best = NULL;
    for (struct cuda_span *s = p->spans; s; s = s->after)
        if (!s->asked && s->bytes >= bytes && (!best || s->bytes < best->bytes))
            best = s;
    return best;
}

/* Leaves the first `bytes` bytes in s; where there is no memory for a record, all of it. */
static void split(struct cuda_pool *p, struct cuda_span *s, size_t bytes)
{
    struct cuda_span *rest = s->bytes > bytes ? calloc(1, sizeof *rest) : NULL;
    if (!rest)
        return;
    *rest = (struct cuda_span){.at = s->at + bytes, .bytes = s->bytes - bytes};
    s->bytes = bytes;
    link_after(p, s, rest);
}

static void merge(struct cuda_pool *p, struct cuda_span *s)
{
    if (s->after && !s->after->is_first && !s->after->asked) {
        s->bytes += s->after->bytes;
        drop(p, s->after);
    }
    if (!s->is_first && !s->before->asked) {
        s->before->bytes += s->bytes;
        drop(p, s);
    }
}

/* ---- take, give */

static struct cuda_span *find_room(struct cuda_pool *p, size_t bytes, int *code)
{
    bool is_mapped = p->is_apart || bytes > slab_most;
    struct cuda_span *s = is_mapped ? NULL : best_fit(p, bytes);
    if (s)
        return s;
    s = map(p, is_mapped ? bytes : chunk_bytes, is_mapped, code);
    if (!s && *code == NO_MEMORY && cuda_pool_trim(p) + !is_mapped) /* a chunk may be too much where the block itself fits */
        s = map(p, bytes, is_mapped, code);
    return s;
}

int cuda_pool_take(struct cuda_pool *p, size_t bytes, enum tern_tag tag, uint64_t *out)
{
    size_t rounded = p->is_apart ? bytes : bytes > SIZE_MAX - GRAIN ? 0 : (bytes + GRAIN - 1) / GRAIN * GRAIN;
    int code = NO_MEMORY;
    struct cuda_span *s = rounded ? find_room(p, rounded, &code) : NULL;
    if (!s) {
        p->stats.refused++;
        return code;
    }
    if (!s->is_mapped)
        split(p, s, rounded);
    s->asked = bytes;
    s->tag = tag;
    for (size_t i = 0; i < 3; i++)
        raise(counts(p, s, i), s->bytes);
    *out = s->at;
    return 0;
}

bool cuda_pool_give(struct cuda_pool *p, uint64_t at)
{
    struct cuda_span *s = p->spans;
    while (s && (s->at != at || !s->asked))
        s = s->after;
    if (!s) {
        p->stats.misuses++;
        return false;
    }
    for (size_t i = 0; i < 3; i++)
        lower(counts(p, s, i), s->bytes);
    s->asked = 0;
    if (s->is_mapped)
        unmap(p, s);
    else
        merge(p, s);
    return true;
}

size_t cuda_pool_trim(struct cuda_pool *p)
{
    size_t bytes = 0;
    for (struct cuda_span *s = p->spans, *next; s; s = next) {
        next = s->after;
        if (!s->asked && is_alone(s))
            bytes += unmap(p, s);
    }
    return bytes;
}

void cuda_pool_close(struct cuda_pool *p)
{
    for (struct cuda_span *s = p->spans, *next; s; s = next) {
        next = s->after;
        if (s->is_first)
            p->driver->free(s->at);
        free(s);
    }
    p->spans = NULL;
}
