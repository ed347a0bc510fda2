/* SPDX-License-Identifier: Apache-2.0 */
#include "memory/run.h"

enum { RECORD_BLOCK = 1 << 16 };

static unsigned words_of(unsigned n_blocks)
{
    return (n_blocks + 63) / 64;
}

/* An empty record of `words` words; null when the system gives no more. */
static struct tern_run *take_record(struct tern_records *records, unsigned words)
{
    const size_t bytes = (sizeof(struct tern_run) + words * sizeof(uint64_t) + 15) & ~(size_t)15;
    struct tern_run *run;
    tern_lock(&records->lock);
    if ((run = records->spare[words])) {
        records->spare[words] = run->next;
    } else {
        if (records->end - records->at < bytes) {
            void **block = tern_space_map(RECORD_BLOCK);
            if (block) {
                *block = records->block;
                records->block = block;
                records->at = (uintptr_t)block + 64;
                records->end = (uintptr_t)block + RECORD_BLOCK;
                records->bytes += RECORD_BLOCK;
            }
        }
        if (records->end - records->at >= bytes) {
            run = (struct tern_run *)records->at;
            records->at += bytes;
        }
    }
    tern_unlock(&records->lock);
    if (run) {
        *run = (struct tern_run){0};
        for (unsigned i = 0; i < words; i++)
            run->back[i] = 0;
    }
    return run;
}

static void give_record(struct tern_records *records, struct tern_run *run)
{
    tern_lock(&records->lock);
    const unsigned words = words_of(run->n);
    run->next = records->spare[words];
    records->spare[words] = run;
    tern_unlock(&records->lock);
}

void tern_records_clear(struct tern_records *records)
{
    for (void **block = records->block; block;) {
        void **next = *block;
        tern_space_unmap(block, RECORD_BLOCK);
        block = next;
    }
    *records = (struct tern_records){0};
}

static void list_in(struct tern_centre *centre, struct tern_run *run)
{
    run->prev = NULL;
    run->next = centre->list;
    if (run->next)
        run->next->prev = run;
    centre->list = run;
    run->is_listed = 1;
}

static void list_out(struct tern_centre *centre, struct tern_run *run)
{
    if (run->next)
        run->next->prev = run->prev;
    if (run->prev)
        run->prev->next = run->next;
    else
        centre->list = run->next;
    run->is_listed = 0;
}

static struct tern_run *make_run(struct tern_store *store, struct tern_centre *centre, unsigned class, unsigned tag)
{
    const struct tern_class *row = &tern_classes.at[class];
    struct tern_run *run = take_record(&store->records, words_of(row->blocks));
    const uint32_t first = run ? tern_buddy_take(&store->buddy, row->order) : 0;
    if (!first) {
        if (run) {
            run->n = row->blocks;
            give_record(&store->records, run);
        }
        return NULL;
    }
    *run = (struct tern_run){.first = first, .n = row->blocks, .turn = (uint16_t)((first * 0x9e3779b1u >> 16) % row->blocks), .class = (uint8_t)class};
    const uint32_t key = class << TERN_KEY_CLASS | tag << TERN_KEY_TAG | store->key;
    for (uint32_t page = first; page < first + (1u << row->order); page++) {
        tern_set_key(page, key);
        tern_space.page[page].run = run;
    }
    centre->n_runs++;
    list_in(centre, run);
    return run;
}

static void unmake_run(struct tern_store *store, struct tern_centre *centre, struct tern_run *run)
{
    const unsigned order = tern_classes.at[run->class].order;
    list_out(centre, run);
    for (uint32_t page = run->first; page < run->first + (1u << order); page++)
        tern_set_key(page, 0);
    tern_buddy_give(&store->buddy, run->first, order);
    give_record(&store->records, run);
    centre->n_runs--;
}

/* Blocks that came back, the lowest addresses first. */
static unsigned take_back(struct tern_run *run, char *base, size_t bytes, void **block, unsigned k)
{
    unsigned got = 0;
    for (unsigned word = 0; got < k && run->n_free; word++) {
        uint64_t bits = run->back[word];
        for (; bits && got < k; bits &= bits - 1, run->n_free--)
            block[got++] = base + (word * 64 + (unsigned)__builtin_ctzll(bits)) * bytes;
        run->back[word] = bits;
    }
    return got;
}

unsigned tern_run_take(struct tern_store *store, struct tern_centre *centre, unsigned class, unsigned tag, void **block, unsigned k)
{
    const size_t bytes = tern_classes.at[class].bytes;
    unsigned got = 0;
    tern_lock(&centre->lock);
    while (got < k) {
        struct tern_run *run = centre->list;
        if (!run && !(run = make_run(store, centre, class, tag)))
            break;
        char *base = tern_space_address(run->first);
        got += take_back(run, base, bytes, block + got, k - got);
        for (; got < k && run->cut < run->n; run->cut++)
            block[got++] = base + (size_t)(run->turn + run->cut) % run->n * bytes;
        if (!run->n_free && run->cut == run->n)
            list_out(centre, run);
    }
    centre->out += got;
    tern_unlock(&centre->lock);
    return got;
}

/* Number of the block that starts at this address; the run's number of blocks when none does. */
static unsigned index_of(const struct tern_run *run, const void *block)
{
    const struct tern_class *row = &tern_classes.at[run->class];
    const uint32_t offset = (uint32_t)((uintptr_t)block - (uintptr_t)tern_space_address(run->first));
    const unsigned index = (unsigned)(offset / TERN_CLASS_GRAIN * row->inverse >> 32);
    const unsigned order = index < run->turn ? index + run->n - run->turn : index - run->turn; /* in which it was handed out */
    return index < run->n && order < run->cut && index * row->bytes == offset ? index : run->n;
}

enum tern_block_state tern_run_state(const struct tern_run *run, const void *block)
{
    const unsigned i = index_of(run, block);
    if (i == run->n)
        return TERN_BLOCK_NONE;
    return run->back[i / 64] >> (i % 64) & 1 ? TERN_BLOCK_BACK : TERN_BLOCK_LIVE;
}

static void give_one(struct tern_store *store, struct tern_centre *centre, struct tern_run *run, unsigned i)
{
    run->back[i / 64] |= 1ull << (i % 64);
    run->n_free++;
    centre->out--;
    if (!run->is_listed)
        list_in(centre, run);
    else if (run->n_free == run->cut && centre->list->next)
        unmake_run(store, centre, run);
}

unsigned tern_run_give(struct tern_store *store, struct tern_centre *centre, void **block, unsigned k,
                       void (*wrong)(void *context, void *block, enum tern_block_state state), void *context)
{
    unsigned right = 0;
    tern_lock(&centre->lock);
    for (unsigned i = 0; i < k; i++) {
        struct tern_run *run = tern_space.page[tern_space_page(block[i])].run;
        const enum tern_block_state state = tern_run_state(run, block[i]);
        if (state == TERN_BLOCK_LIVE) {
            give_one(store, centre, run, index_of(run, block[i]));
            right++;
        } else {
            wrong(context, block[i], state);
        }
    }
    tern_unlock(&centre->lock);
    return right;
}

void tern_run_trim(struct tern_store *store, struct tern_centre *centre)
{
    tern_lock(&centre->lock);
    for (struct tern_run *run = centre->list, *next; run; run = next) {
        next = run->next;
        if (run->n_free == run->cut)
            unmake_run(store, centre, run);
    }
    tern_unlock(&centre->lock);
}
