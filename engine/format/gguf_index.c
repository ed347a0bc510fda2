/* SPDX-License-Identifier: Apache-2.0 */
#include "format/gguf_index.h"

#include "core/memory.h"
#include "format/checked.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { KEY_BYTES_MIN = 14, TENSOR_BYTES_MIN = 32, ALIGNMENT_MAX = 65536, ALIGNMENT_DEFAULT = 32 };

static uint64_t hash_name(uint64_t seed, struct tern_gguf_string name)
{
    uint64_t h = seed ^ name.length;
    for (size_t i = 0; i < name.length; i++) {
        h = (h ^ (unsigned char)name.bytes[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

/* The name whose length field is at `offset`; checked again, because a mapped file may change. */
static bool name_at(const uint8_t *bytes, uint64_t size, uint64_t offset, struct tern_gguf_string *name)
{
    uint64_t length = 0;
    if (offset > size || size - offset < 8)
        return false;
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)bytes[offset + (uint64_t)i] << (8 * i);
    if (length > size - offset - 8)
        return false;
    *name = (struct tern_gguf_string){(const char *)bytes + offset + 8, (size_t)length};
    return true;
}

/* The slot that holds `name`, or the free one where it belongs. The set is never full: n_slots > n. */
static uint32_t *slot_of(const struct tern_gguf_names *names, uint64_t seed, const uint8_t *bytes, uint64_t size,
                         struct tern_gguf_string name)
{
    uint64_t slot = (uint64_t)(((unsigned __int128)(hash_name(seed, name) << 32) * names->n_slots) >> 64);
    for (;; slot = slot + 1 == names->n_slots ? 0 : slot + 1) {
        struct tern_gguf_string other;
        if (names->slots[slot] == 0)
            return &names->slots[slot];
        if (name_at(bytes, size, names->offsets[names->slots[slot] - 1], &other) && other.length == name.length &&
            memcmp(other.bytes, name.bytes, name.length) == 0)
            return &names->slots[slot];
    }
}

uint64_t tern_gguf_index_find(const struct tern_gguf_index *index, const struct tern_gguf_names *names, const uint8_t *bytes,
                              uint64_t size, struct tern_gguf_string name)
{
    return (uint64_t)*slot_of(names, index->seed, bytes, size, name) - 1; /* a free slot: 0 - 1 */
}

/* Enters name number i, which starts at `offset`; false when it is there already. */
static bool names_add(struct tern_gguf_index *index, struct tern_gguf_names *names, const struct tern_gguf_cursor *c, uint64_t i,
                      uint64_t offset, struct tern_gguf_string name)
{
    uint32_t *slot = slot_of(names, index->seed, c->bytes, c->size, name);
    if (*slot)
        return false;
    *slot = (uint32_t)i + 1;
    names->offsets[i] = offset;
    return true;
}

static bool names_alloc(struct tern_gguf_cursor *c, struct tern_gguf_names *names, uint64_t n)
{
    size_t offsets, slots;
    names->n = n;
    names->n_slots = n + n / 4 + 1;
    if (tern_checked_bytes(n, sizeof *names->offsets, sizeof *names->offsets, &offsets) &&
        tern_checked_bytes(names->n_slots, sizeof *names->slots, 0, &slots)) {
        names->offsets = tern_array_open(1, offsets);
        names->slots = tern_array_open(1, slots);
    }
    if (names->offsets && names->slots)
        return true;
    tern_error_set(c->err, TERN_NO_MEMORY, "%s: no memory for an index of %" PRIu64 " names", c->name, n);
    return false;
}

static bool is_alignment(const struct tern_gguf_key *key)
{
    static const char name[] = "general.alignment";
    return key->name.length == sizeof name - 1 && memcmp(key->name.bytes, name, sizeof name - 1) == 0;
}

static bool take_alignment(struct tern_gguf_cursor *c, struct tern_gguf_index *index, const struct tern_gguf_key *key)
{
    uint64_t a = key->u;
    if (key->type != TERN_GGUF_U32)
        return tern_gguf_broken(c, TERN_GGUF_RULE_ALIGNMENT, key->offset, "type %s", tern_gguf_type_name(key->type));
    if (a == 0 || a > ALIGNMENT_MAX || (a & (a - 1)))
        return tern_gguf_broken(c, TERN_GGUF_RULE_ALIGNMENT, key->offset, "value %" PRIu64, a);
    index->data.alignment = a;
    return true;
}

static bool read_keys(struct tern_gguf_cursor *c, struct tern_gguf_index *index)
{
    struct tern_gguf_key key;
    for (uint64_t i = 0; i < index->keys.n; i++) {
        if (!tern_gguf_read_key(c, &key))
            return false;
        if (!names_add(index, &index->keys, c, i, key.offset, key.name))
            return tern_gguf_broken(c, TERN_GGUF_RULE_KEY_UNIQUE, key.offset, "key %" PRIu64 " came before", i);
        if (is_alignment(&key) && !take_alignment(c, index, &key))
            return false;
    }
    return true;
}

/* Reads all infos; offsets ascend, so only the end of the last tensor is left to compare with the file. */
static bool read_tensors(struct tern_gguf_cursor *c, struct tern_gguf_index *index)
{
    struct tern_gguf_tensor t = {0};
    uint64_t offset = 0, end = 0;
    struct tern_gguf_data unknown = {index->data.alignment, UINT64_MAX};
    for (uint64_t i = 0; i < index->tensors.n; i++) {
        if (!tern_gguf_read_tensor(c, unknown, &t, &offset))
            return false;
        if (!names_add(index, &index->tensors, c, i, t.offset, t.name))
            return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_UNIQUE, t.offset, "tensor %" PRIu64 " came before", i);
        if (offset < end)
            return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_ORDER, c->at - 8, "offset %" PRIu64 ", the tensor before ends at %" PRIu64,
                                    offset, end);
        if (!tern_checked_add(offset, t.size, &end) || end > INT64_MAX)
            return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_RANGE, c->at - 8, "offset %" PRIu64 " + %zu bytes", offset, t.size);
    }
    uint64_t start;
    if (!tern_checked_align(c->at, index->data.alignment, &start))
        return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_RANGE, c->at, "data start cannot be counted");
    uint64_t available = start < c->size ? c->size - start : 0;
    if (end > available)
        return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_RANGE, c->at - 8, "the last tensor ends at %" PRIu64 ", data has %" PRIu64 " bytes",
                                end, available);
    index->data.start = start < c->size ? start : c->size;
    return true;
}

static bool read_start(struct tern_gguf_cursor *c, struct tern_gguf_index *index, uint64_t *n_tensors, uint64_t *n_keys)
{
    uint32_t magic;
    if (!tern_gguf_read_u32(c, &magic))
        return false;
    if (magic != 0x46554747) /* "GGUF" */
        return tern_gguf_broken(c, TERN_GGUF_RULE_MAGIC, 0, "the bytes are %02x %02x %02x %02x", c->bytes[0], c->bytes[1], c->bytes[2],
                                c->bytes[3]);
    if (!tern_gguf_read_u32(c, &index->version))
        return false;
    if (index->version != 2 && index->version != 3)
        return tern_gguf_broken(c, TERN_GGUF_RULE_VERSION, 4, "version %" PRIu32 "%s", index->version,
                                index->version & 0xffff ? "" : ", a big-endian file");
    if (!tern_gguf_read_u64(c, n_tensors) || !tern_gguf_read_u64(c, n_keys))
        return false;
    uint64_t left = tern_gguf_left(c);
    if (*n_tensors > left / TENSOR_BYTES_MIN || *n_tensors >= UINT32_MAX)
        return tern_gguf_broken(c, TERN_GGUF_RULE_TENSOR_COUNT, 8, "%" PRIu64 " tensors, %" PRIu64 " bytes left", *n_tensors, left);
    if (*n_keys > left / KEY_BYTES_MIN || *n_keys >= UINT32_MAX)
        return tern_gguf_broken(c, TERN_GGUF_RULE_KEY_COUNT, 16, "%" PRIu64 " keys, %" PRIu64 " bytes left", *n_keys, left);
    return true;
}

struct tern_gguf_index *tern_gguf_index_read(struct tern_gguf_cursor *c)
{
    uint64_t n_tensors, n_keys;
    struct tern_gguf_index *index = tern_array_open(1, sizeof *index);
    if (!index) {
        tern_error_set(c->err, TERN_NO_MEMORY, "%s: no memory for its header", c->name);
        return NULL;
    }
    atomic_init(&index->references, 1);
    index->data = (struct tern_gguf_data){ALIGNMENT_DEFAULT, UINT64_MAX};
    if (getrandom(&index->seed, sizeof index->seed, GRND_NONBLOCK) != (ssize_t)sizeof index->seed)
        index->seed = (uint64_t)(uintptr_t)index * 0x9e3779b97f4a7c15u;
    if (read_start(c, index, &n_tensors, &n_keys) && names_alloc(c, &index->keys, n_keys) && read_keys(c, index) &&
        names_alloc(c, &index->tensors, n_tensors) && read_tensors(c, index))
        return index;
    tern_gguf_index_release(index);
    return NULL;
}

struct tern_gguf_index *tern_gguf_index_hold(struct tern_gguf_index *index)
{
    atomic_fetch_add(&index->references, 1);
    return index;
}

void tern_gguf_index_release(struct tern_gguf_index *index)
{
    if (!index || atomic_fetch_sub(&index->references, 1) != 1)
        return;
    tern_array_close(index->keys.offsets);
    tern_array_close(index->keys.slots);
    tern_array_close(index->tensors.offsets);
    tern_array_close(index->tensors.slots);
    tern_array_close(index);
}
