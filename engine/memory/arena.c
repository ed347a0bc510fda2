/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/arena.h"

#include "memory/checked.h"

enum { HEAD = 64, LEAST = 4096, ZONE = 64 };

/* The head of a chunk; pieces start HEAD bytes after it. */
struct tern_arena_chunk {
    struct tern_arena_chunk *before;
    size_t bytes; /* with the head */
};

static void *start_of(struct tern_arena_chunk *chunk)
{
    return (char *)chunk + HEAD;
}

/* In a checked pool what is not taken is filled and hidden. */
static void hide_rest(const struct tern_arena *arena, uintptr_t from, uintptr_t to)
{
    if (arena->is_checked && to > from) {
        tern_checked_show((void *)from, to - from);
        tern_checked_fill((void *)from, to - from);
        tern_checked_hide((void *)from, to - from);
    }
}

static void set_end(struct tern_arena *arena, uintptr_t end)
{
    arena->end = end;
    arena->limit = arena->is_checked ? 0 : end;
}

static enum tern_status add_chunk(struct tern_arena *arena, size_t bytes, struct tern_error *error)
{
    struct tern_arena_chunk *chunk = tern_pool_take(arena->pool, bytes, HEAD, arena->tag, error);
    if (!chunk)
        return error ? error->status : TERN_NO_MEMORY;
    *chunk = (struct tern_arena_chunk){.before = arena->chunk, .bytes = bytes};
    arena->below = tern_arena_used(arena);
    arena->chunk = chunk;
    arena->at = (uintptr_t)start_of(chunk);
    set_end(arena, (uintptr_t)chunk + bytes);
    hide_rest(arena, arena->at, arena->end);
    return TERN_OK;
}

enum tern_status tern_arena_open(struct tern_arena *arena, struct tern_pool *pool, size_t bytes, enum tern_tag tag, struct tern_error *error)
{
    pool = pool ? pool : tern_pool_default();
    *arena = (struct tern_arena){.pool = pool, .tag = tag, .is_checked = tern_pool_checks(pool) != 0};
    if (__builtin_add_overflow(bytes < LEAST ? LEAST : bytes, HEAD, &arena->chunk_bytes)) {
        *arena = (struct tern_arena){0};
        return tern_error_set(error, TERN_NO_MEMORY, "arena: %zu bytes for %s: more than there are addresses", bytes, tern_tag_name(tag));
    }
    const enum tern_status status = add_chunk(arena, arena->chunk_bytes, error);
    if (status)
        *arena = (struct tern_arena){0};
    return status;
}

static void drop_chunk(struct tern_arena *arena)
{
    struct tern_arena_chunk *chunk = arena->chunk;
    arena->chunk = chunk->before;
    tern_checked_show(chunk, chunk->bytes);
    tern_pool_give(arena->pool, chunk);
}

void tern_arena_close(struct tern_arena *arena)
{
    while (arena->chunk)
        drop_chunk(arena);
    *arena = (struct tern_arena){0};
}

size_t tern_arena_used(const struct tern_arena *arena)
{
    return arena->below + (arena->chunk ? arena->at - (uintptr_t)start_of(arena->chunk) : 0);
}

static void note_peak(struct tern_arena *arena)
{
    const size_t used = tern_arena_used(arena);
    if (used > arena->peak)
        arena->peak = used;
}

/* A piece from the current chunk, with a hidden gap behind it in checked pools; null when it does not fit. */
static void *cut(struct tern_arena *arena, size_t bytes, size_t align)
{
    const uintptr_t at = (arena->at + align - 1) & ~(uintptr_t)(align - 1);
    const size_t gap = arena->is_checked ? ZONE : 0;
    if (at < arena->at || at > arena->end || bytes > arena->end - at || gap > arena->end - at - bytes)
        return NULL;
    if (arena->is_checked) {
        tern_checked_show((void *)arena->at, at + bytes - arena->at);
        if (tern_checked_scan((void *)arena->at, at + bytes - arena->at) < at + bytes - arena->at)
            tern_pool_tell(arena->pool, (void *)at, "was written after its arena was reset, or past the piece before it");
    }
    arena->at = at + bytes + gap;
    return (void *)at;
}

void *tern_arena_more(struct tern_arena *arena, size_t bytes, size_t align, struct tern_error *error)
{
    align = align ? align : 64;
    if (!bytes || align & (align - 1)) {
        tern_error_set(error, TERN_INVALID, "arena: %zu bytes for %s at alignment %zu", bytes, tern_tag_name(arena->tag), align);
        return NULL;
    }
    void *piece = arena->chunk ? cut(arena, bytes, align) : NULL;
    size_t need;
    if (piece)
        return piece;
    if (__builtin_add_overflow(bytes, align + HEAD + ZONE, &need)) {
        tern_error_set(error, TERN_NO_MEMORY, "arena: %zu bytes for %s: more than there are addresses", bytes, tern_tag_name(arena->tag));
        return NULL;
    }
    note_peak(arena);
    /* Doubling keeps the number of chunks small whatever the first guess was. */
    const size_t twice = arena->chunk ? arena->chunk->bytes * 2 : arena->chunk_bytes;
    return add_chunk(arena, need > twice ? need : twice, error) ? NULL : cut(arena, bytes, align);
}

struct tern_arena_mark tern_arena_mark(const struct tern_arena *arena)
{
    return (struct tern_arena_mark){.chunk = arena->chunk, .at = arena->at, .below = arena->below};
}

void tern_arena_release(struct tern_arena *arena, struct tern_arena_mark mark)
{
    note_peak(arena);
    const uintptr_t used_to = arena->chunk == mark.chunk ? arena->at : 0;
    while (arena->chunk != mark.chunk)
        drop_chunk(arena);
    arena->at = mark.at;
    arena->below = mark.below;
    set_end(arena, arena->chunk ? (uintptr_t)arena->chunk + arena->chunk->bytes : 0);
    hide_rest(arena, arena->at, used_to ? used_to : arena->end);
}

void tern_arena_reset(struct tern_arena *arena)
{
    note_peak(arena);
    if (arena->chunk && arena->peak + HEAD > arena->chunk->bytes) {
        while (arena->chunk)
            drop_chunk(arena);
        arena->at = 0;
        set_end(arena, 0);
        arena->below = 0;
        arena->chunk_bytes = arena->peak + arena->peak / 8 + LEAST + HEAD; /* gaps of alignment fall anew */
        add_chunk(arena, arena->chunk_bytes, NULL); /* where that fails the next take tries again */
    }
    if (arena->chunk)
        tern_arena_release(arena, (struct tern_arena_mark){.chunk = arena->chunk, .at = (uintptr_t)start_of(arena->chunk)});
}
