/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/ring.h"

enum { GRAIN = 64, SPREAD = 64 };

/* start and end count bytes since the ring was opened; modulo its size they are places. */
struct piece {
    uint64_t start, end;
    uint8_t is_given; /* written and read by the giving thread, cleared by the taking one before the piece is seen */
};

struct tern_ring {
    char *memory;
    struct piece *piece; /* a power of two of them */
    struct tern_pool *pool;
    size_t bytes;
    uint64_t mask;
    struct {
        uint64_t n, end; /* pieces taken, byte after the newest */
        size_t peak;
        uint64_t refused;
    } take __attribute__((aligned(SPREAD)));
    struct {
        uint64_t n, end; /* pieces whose bytes came back, byte after the last of them */
    } give __attribute__((aligned(SPREAD)));
};

static uint64_t see(const uint64_t *count)
{
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

static void show(uint64_t *count, uint64_t value)
{
    __atomic_store_n(count, value, __ATOMIC_RELEASE);
}

enum tern_status tern_ring_open(struct tern_pool *pool, size_t bytes, size_t pieces, enum tern_tag tag, struct tern_ring **out,
                                struct tern_error *error)
{
    size_t n = 1, size;
    *out = NULL;
    if (!bytes || !pieces || pieces > (size_t)1 << 40 || __builtin_add_overflow(bytes, GRAIN - 1, &size))
        return tern_error_set(error, TERN_INVALID, "ring: %zu bytes in %zu pieces for %s", bytes, pieces, tern_tag_name(tag));
    size &= ~(size_t)(GRAIN - 1);
    while (n < pieces)
        n *= 2;
    struct tern_ring *ring = tern_pool_take(pool, sizeof *ring, SPREAD, tag, error);
    if (!ring)
        return error ? error->status : TERN_NO_MEMORY;
    *ring = (struct tern_ring){.pool = pool, .bytes = size, .mask = n - 1};
    ring->memory = tern_pool_take(pool, size, GRAIN, tag, error);
    ring->piece = ring->memory ? tern_pool_take_array(pool, n, sizeof *ring->piece, 64, tag, error) : NULL;
    if (!ring->piece) {
        tern_ring_close(ring);
        return error ? error->status : TERN_NO_MEMORY;
    }
    *out = ring;
    return TERN_OK;
}

void tern_ring_close(struct tern_ring *ring)
{
    if (!ring)
        return;
    tern_pool_give(ring->pool, ring->piece);
    tern_pool_give(ring->pool, ring->memory);
    tern_pool_give(ring->pool, ring);
}

static void *refuse(struct tern_ring *ring, size_t bytes, enum tern_status status, struct tern_error *error)
{
    __atomic_store_n(&ring->take.refused, ring->take.refused + 1, __ATOMIC_RELAXED);
    tern_error_set(error, status, "ring: %zu bytes of %zu, %zu in use", bytes, ring->bytes, (size_t)(ring->take.end - see(&ring->give.end)));
    return NULL;
}

void *tern_ring_take(struct tern_ring *ring, size_t bytes, struct tern_error *error)
{
    if (!bytes || bytes > ring->bytes)
        return refuse(ring, bytes, bytes ? TERN_NO_MEMORY : TERN_INVALID, error);
    const size_t size = (bytes + GRAIN - 1) & ~(size_t)(GRAIN - 1);
    const size_t place = (size_t)(ring->take.end % ring->bytes), skip = ring->bytes - place < size ? ring->bytes - place : 0;
    const uint64_t given = see(&ring->give.end), start = ring->take.end + skip, end = start + size;
    const uint64_t live = ring->take.n - see(&ring->give.n);
    if (live > ring->mask || (live && end - given > ring->bytes)) /* what is skipped in an empty ring holds nothing */
        return refuse(ring, bytes, TERN_NO_MEMORY, error);
    ring->piece[ring->take.n & ring->mask] = (struct piece){.start = start, .end = end};
    if (end - given > ring->take.peak)
        __atomic_store_n(&ring->take.peak, (size_t)(end - given), __ATOMIC_RELAXED);
    __atomic_store_n(&ring->take.end, end, __ATOMIC_RELAXED);
    show(&ring->take.n, ring->take.n + 1);
    return ring->memory + start % ring->bytes;
}

enum tern_status tern_ring_give(struct tern_ring *ring, void *piece)
{
    if (!piece)
        return TERN_OK;
    const uint64_t taken = see(&ring->take.n);
    uint64_t i = ring->give.n;
    while (i < taken && ring->memory + ring->piece[i & ring->mask].start % ring->bytes != piece)
        i++;
    if (i == taken || ring->piece[i & ring->mask].is_given)
        return tern_pool_tell(ring->pool, piece, i == taken ? "is no live piece of this ring" : "given twice to its ring");
    ring->piece[i & ring->mask].is_given = 1;
    uint64_t n = ring->give.n;
    while (n < taken && ring->piece[n & ring->mask].is_given)
        show(&ring->give.end, ring->piece[n++ & ring->mask].end);
    show(&ring->give.n, n);
    return TERN_OK;
}

void tern_ring_stats(const struct tern_ring *ring, struct tern_ring_stats *stats)
{
    const uint64_t given = see(&ring->give.end), end = __atomic_load_n(&ring->take.end, __ATOMIC_RELAXED);
    *stats = (struct tern_ring_stats){
        .bytes = ring->bytes,
        .used = end > given ? (size_t)(end - given) : 0,
        .peak = __atomic_load_n(&ring->take.peak, __ATOMIC_RELAXED),
        .taken = see(&ring->take.n),
        .refused = __atomic_load_n(&ring->take.refused, __ATOMIC_RELAXED),
    };
}
