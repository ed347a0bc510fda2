/* SPDX-License-Identifier: Apache-2.0
 *
 * How a broken rule is told, and the bounded cursor every byte of a header is read through.
 */
#ifndef TERN_GGUF_CURSOR_H
#define TERN_GGUF_CURSOR_H

#include "format/gguf.h"

enum tern_gguf_rule {
#define RULE(name, text, must) TERN_GGUF_RULE_##name,
#include "format/gguf_rules.def"
#undef RULE
};

/* Tells that a file breaks `rule` at `offset`, in the words of `found`; TERN_INVALID, so that callers return it. */
__attribute__((format(printf, 5, 6))) enum tern_status tern_gguf_refuse(struct tern_error *err, const char *file, enum tern_gguf_rule rule, uint64_t offset,
                                                                        const char *found, ...);
/* Where a header counts its tensors and its keys: the place of what is missing. */
enum { TERN_GGUF_TENSORS_AT = 8, TERN_GGUF_KEYS_AT = 16 };

/* [at, size) of `bytes` is what is left. The first failure fills `err` (may be NULL) and later ones leave it. */
struct tern_gguf_cursor {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t at;
    const char *name;
    struct tern_error *err;
};

static inline uint64_t tern_gguf_left(const struct tern_gguf_cursor *c)
{
    return c->size - c->at;
}

/* The same of the bytes at hand; always false, so that callers return it. */
__attribute__((format(printf, 4, 5))) bool tern_gguf_broken(struct tern_gguf_cursor *c, enum tern_gguf_rule rule, uint64_t offset,
                                                            const char *found, ...);

bool tern_gguf_read_u32(struct tern_gguf_cursor *c, uint32_t *out);
bool tern_gguf_read_u64(struct tern_gguf_cursor *c, uint64_t *out);
bool tern_gguf_read_key(struct tern_gguf_cursor *c, struct tern_gguf_key *out);

/* What a tensor's info is checked against. */
struct tern_gguf_data {
    uint64_t alignment;
    uint64_t start; /* offset of the data in the file; UINT64_MAX while unknown: offsets are then not checked */
};
/* On success out->bytes is NULL while data.start is unknown; *offset is the tensor's offset within the data. */
bool tern_gguf_read_tensor(struct tern_gguf_cursor *c, struct tern_gguf_data data, struct tern_gguf_tensor *out, uint64_t *offset);

#endif
