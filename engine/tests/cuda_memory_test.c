/* SPDX-License-Identifier: Apache-2.0
 * A card's memory without a card: the pool's spans and counts, what happens when the driver has no more, the order of copies in the queue, layers that
 * come from the host, and a place of the tensor cache on the card. */
#include "cuda/model.h"
#include "cuda/session.h"
#include "cuda/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* ---- a driver of counters: addresses are numbers, copies are noted */

static size_t room, given_out, blocks;
static uint64_t next_address = 4096;
static struct {
    uint64_t at;
    size_t bytes;
} live[64];
static struct {
    uint64_t to;
    size_t bytes;
    void *event; /* recorded or waited for */
    char kind;   /* 'c' copy, 'r' record, 'w' wait */
} notes[256];
static size_t n_notes;
static int things;

static int allocate(uint64_t *at, size_t bytes)
{
    if (bytes > room - given_out)
        return 2;
    given_out += bytes;
    *at = next_address;
    next_address += bytes + 4096;
    for (size_t i = 0; i < 64; i++)
        if (!live[i].at) {
            live[i].at = *at;
            live[i].bytes = bytes;
            blocks++;
            return 0;
        }
    return 2;
}

static int give(uint64_t at)
{
    for (size_t i = 0; i < 64; i++)
        if (live[i].at == at) {
            given_out -= live[i].bytes;
            live[i].at = 0;
            blocks--;
            return 0;
        }
    fail_msg("the driver has no block at %llu", (unsigned long long)at);
    return 1;
}

static int note(char kind, uint64_t to, size_t bytes, void *event)
{
    if (n_notes < 256)
        notes[n_notes++] = (typeof(notes[0])){to, bytes, event, kind};
    return 0;
}

static int open_thing(void **thing, unsigned flags)
{
    (void)flags;
    things++;
    *thing = malloc(1);
    return 0;
}

static int close_thing(void *thing)
{
    things--;
    free(thing);
    return 0;
}

static int pin(void **memory, size_t bytes)
{
    things++;
    *memory = malloc(bytes);
    return 0;
}

static int upload_later(uint64_t to, const void *from, size_t bytes, void *stream)
{
    (void)from, (void)stream;
    return note('c', to, bytes, NULL);
}

static int record(void *event, void *stream)
{
    (void)stream;
    return note('r', 0, 0, event);
}

static int wait_event(void *stream, void *event, unsigned flags)
{
    (void)stream, (void)flags;
    return note('w', 0, 0, event);
}

static int query(void *event)
{
    (void)event;
    return 0;
}

static struct cuda_device device;

static void use_card(size_t bytes)
{
    memset(&device, 0, sizeof device);
    room = bytes;
    n_notes = 0;
    device.driver = (struct cuda_driver){.allocate = allocate, .free = give, .open_stream = open_thing, .close_stream = close_thing, .open_event = open_thing,
                                         .close_event = close_thing, .allocate_pinned = pin, .free_pinned = close_thing, .upload_later = upload_later, .record = record,
                                         .wait_event = wait_event, .query = query, .query_event = query};
    device.pool.driver = &device.driver;
}

/* ---- pool */

enum { MIB = 1 << 20 };

static void spans_are_cut_from_chunks_and_merge(void **state)
{
    struct cuda_memory m[3] = {0};
    struct tern_pool_stats stats;
    (void)state;
    use_card((size_t)256 * MIB);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(cuda_take(&device, 1000 + i, i ? "keys" : "weights", &m[i], NULL), CUDA_OUTCOME_ok);
    assert_int_equal(blocks, 1);
    assert_int_equal(m[1].at - m[0].at, 1024);
    cuda_memory_stats(&device, &stats);
    assert_int_equal(stats.total.live, 3 * 1024);
    assert_int_equal(stats.total.blocks, 3);
    assert_int_equal(stats.tag[TERN_TAG_WEIGHTS].live, 1024);
    assert_int_equal(stats.tag[TERN_TAG_KV].live, 2048);
    assert_int_equal(stats.held, 32 * MIB);
    uint64_t second = m[1].at;
    cuda_give(&device, &m[1]);
    assert_int_equal(cuda_take(&device, 512, "scratch", &m[1], NULL), CUDA_OUTCOME_ok);
    assert_int_equal(m[1].at, second); /* the least that fits */
    for (size_t i = 0; i < 3; i++)
        cuda_give(&device, &m[i]);
    assert_int_equal(cuda_take(&device, 16 * MIB, "scratch", &m[0], NULL), CUDA_OUTCOME_ok);
    assert_int_equal(blocks, 1); /* all merged again */
    cuda_give(&device, &m[0]);
    assert_int_equal(cuda_pool_trim(&device.pool), 32 * MIB);
    assert_int_equal(blocks, 0);
    cuda_memory_stats(&device, &stats);
    assert_int_equal(stats.total.live, 0);
    assert_int_equal(stats.total.peak, 16 * MIB);
    assert_int_equal(stats.held, 0);
}

/* Random takes and gives: no two live blocks share a byte, counts are what a plain list says. */
static void blocks_never_overlap(void **state)
{
    struct cuda_memory m[40] = {0};
    uint64_t random = 88172645463325252ull;
    size_t sum = 0;
    (void)state;
    use_card((size_t)512 * MIB);
    for (int turn = 0; turn < 4000; turn++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t i = random % 40, bytes = (random >> 8) % ((size_t)1 << (random >> 40) % 25) + 1;
        sum -= (m[i].bytes + 511) / 512 * 512;
        cuda_give(&device, &m[i]);
        if (random >> 60 & 1 && cuda_take(&device, bytes, "some", &m[i], NULL) == CUDA_OUTCOME_ok)
            sum += (bytes + 511) / 512 * 512;
        for (size_t j = 0; j < 40; j++)
            assert_true(j == i || !m[j].at || !m[i].at || m[j].at >= m[i].at + m[i].bytes || m[i].at >= m[j].at + m[j].bytes);
        assert_int_equal(device.pool.stats.total.live, sum);
    }
    for (size_t i = 0; i < 40; i++)
        cuda_give(&device, &m[i]);
    cuda_pool_trim(&device.pool);
    assert_int_equal(blocks, 0);
}

/* Each block the driver's own and no byte longer, so that a tool sees what lies beyond it. */
static void blocks_lie_apart_where_bounds_are_checked(void **state)
{
    struct cuda_memory m[2] = {0};
    (void)state;
    use_card((size_t)64 * MIB);
    device.pool.is_apart = true;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(cuda_take(&device, 1000 + i, "some", &m[i], NULL), CUDA_OUTCOME_ok);
    assert_int_equal(blocks, 2);
    assert_int_equal(given_out, 2001);
    for (size_t i = 0; i < 2; i++)
        cuda_give(&device, &m[i]);
    assert_int_equal(blocks, 0);
}

static void out_of_memory_is_said_and_survived(void **state)
{
    struct cuda_memory small = {0}, big = {0}, more = {0};
    struct cuda_fault fault;
    (void)state;
    use_card((size_t)100 * MIB);
    assert_int_equal(cuda_take(&device, 4096, "some", &small, &fault), CUDA_OUTCOME_ok);
    cuda_give(&device, &small); /* an empty chunk stays */
    assert_int_equal(cuda_take(&device, 90 * (size_t)MIB, "weights", &big, &fault), CUDA_OUTCOME_ok); /* and goes where it is in the way */
    assert_int_equal(blocks, 1);
    assert_int_equal(cuda_take(&device, 11 * (size_t)MIB, "keys", &more, &fault), CUDA_OUTCOME_out_of_memory);
    assert_non_null(strstr(fault.text, "keys"));
    assert_int_equal(cuda_take(&device, 9 * (size_t)MIB, "keys", &more, &fault), CUDA_OUTCOME_ok); /* less than a chunk is left */
    cuda_give(&device, &big);
    assert_int_equal(cuda_take(&device, 60 * (size_t)MIB, "weights", &big, &fault), CUDA_OUTCOME_ok);
    assert_false(cuda_pool_give(&device.pool, big.at + 512));
    cuda_memory_limit(&device, device.pool.stats.held);
    assert_int_equal(cuda_take(&device, 20 * (size_t)MIB, "weights", &small, &fault), CUDA_OUTCOME_out_of_memory);
    assert_int_equal(device.pool.stats.misuses, 1);
    cuda_pool_close(&device.pool);
    assert_int_equal(blocks, 0);
}

/* ---- copies */

static void urgent_copies_go_ahead_between_pieces(void **state)
{
    static char bytes[1000];
    int first, second, third, before;
    struct cuda_transfer t;
    (void)state;
    use_card(MIB);
    assert_int_equal(cuda_transfer_open(&device, 100, &t, NULL), CUDA_OUTCOME_ok);
    cuda_transfer_ask(&t, &(struct cuda_request){.to = 10000, .from = bytes, .bytes = 250, .is_pinned = true, .urgency = 1, .ready = &first}, NULL);
    cuda_transfer_ask(&t, &(struct cuda_request){.to = 20000, .from = bytes, .bytes = 100, .is_pinned = true, .urgency = 1, .ready = &second}, NULL);
    cuda_transfer_ask(&t, &(struct cuda_request){.to = 30000, .from = bytes, .bytes = 150, .is_pinned = true, .urgency = 0, .after = &before, .ready = &third}, NULL);
    assert_int_equal(cuda_transfer_issue(&t, &third, NULL), CUDA_OUTCOME_ok);
    assert_int_equal(n_notes, 4); /* wait, two pieces, ready: nothing of the others */
    assert_true(notes[0].kind == 'w' && notes[0].event == &before && notes[1].to == 30000 && notes[2].to == 30100 && notes[2].bytes == 50 && notes[3].event == &third);
    assert_int_equal(cuda_transfer_issue(&t, NULL, NULL), CUDA_OUTCOME_ok);
    static const uint64_t order[] = {10000, 10100, 10200, 0, 20000, 0};
    assert_int_equal(n_notes, 10);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(notes[4 + i].to, order[i]);
    assert_int_equal(t.stats.direct_bytes, 500);
    assert_int_equal(t.stats.staged_bytes, 0);
    cuda_transfer_close(&t);
    assert_int_equal(things, 0);
}

static void pageable_memory_goes_through_the_ring(void **state)
{
    static char bytes[1000];
    struct cuda_transfer t;
    (void)state;
    use_card(MIB);
    assert_int_equal(cuda_transfer_open(&device, 100, &t, NULL), CUDA_OUTCOME_ok);
    for (int i = 0; i < CUDA_TRANSFER_WAITING + 4; i++) /* more than can wait: the oldest are issued */
        assert_int_equal(cuda_transfer_ask(&t, &(struct cuda_request){.to = 1, .from = bytes, .bytes = 130}, NULL), CUDA_OUTCOME_ok);
    assert_int_equal(cuda_transfer_finish(&t, NULL), CUDA_OUTCOME_ok);
    assert_int_equal(t.stats.requests, CUDA_TRANSFER_WAITING + 4);
    assert_int_equal(t.stats.pieces, 2 * (CUDA_TRANSFER_WAITING + 4));
    assert_int_equal(t.stats.staged_bytes, 130 * (CUDA_TRANSFER_WAITING + 4));
    cuda_transfer_close(&t);
    assert_int_equal(things, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_cut_from_chunks_and_merge), cmocka_unit_test(blocks_never_overlap), cmocka_unit_test(out_of_memory_is_said_and_survived),
        cmocka_unit_test(blocks_lie_apart_where_bounds_are_checked),
        cmocka_unit_test(urgent_copies_go_ahead_between_pieces), cmocka_unit_test(pageable_memory_goes_through_the_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
