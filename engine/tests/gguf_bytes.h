/* SPDX-License-Identifier: Apache-2.0
 *
 * Model files written byte by byte, from a recipe whose every field can be made wrong: the malformed inputs of the tests
 * and the seeds of the fuzzer.
 */
#ifndef TEST_GGUF_BYTES_H
#define TEST_GGUF_BYTES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *at;
    size_t n, room;
};

static inline void put(struct bytes *b, const void *from, size_t n)
{
    if (b->n + n > b->room) {
        b->room = (b->n + n) * 2;
        b->at = realloc(b->at, b->room);
        if (!b->at)
            abort();
    }
    if (n)
        memcpy(b->at + b->n, from, n);
    b->n += n;
}

static inline void put_number(struct bytes *b, uint64_t value, size_t n)
{
    uint8_t raw[8];
    for (size_t i = 0; i < n; i++)
        raw[i] = (uint8_t)(value >> (8 * i));
    put(b, raw, n);
}

static inline void put_text(struct bytes *b, const char *text)
{
    put_number(b, strlen(text), 8);
    put(b, text, strlen(text));
}

enum { RECIPE_TENSORS = 3, COUNTED = -7 };

struct recipe_tensor {
    const char *name;
    uint64_t name_length; /* COUNTED: of `name` */
    uint64_t n_dims, dims[8], type, offset;
};

struct recipe {
    uint64_t magic, version, n_tensors, n_keys;
    const char *key; /* bytes of one key more, as they are */
    size_t key_size;
    struct recipe_tensor tensors[RECIPE_TENSORS];
    uint64_t alignment; /* of the start of data */
    uint64_t data;      /* bytes of data */
};

/* A right file: three keys, tensors F32 [32], I2_S [128 x 2] and TQ2_0 [256]. */
static const struct recipe recipe_right = {
    .magic = 0x46554747, .version = 3, .n_tensors = RECIPE_TENSORS, .n_keys = 3,
    .tensors = {{"norm.weight", (uint64_t)COUNTED, 1, {32, 1, 1, 1, 1, 1, 1, 1}, 0, 0},
                {"codes.weight", (uint64_t)COUNTED, 2, {128, 2, 1, 1, 1, 1, 1, 1}, 36, 128},
                {"blocks.weight", (uint64_t)COUNTED, 1, {256, 1, 1, 1, 1, 1, 1, 1}, 35, 224}},
    .alignment = 32, .data = 224 + 66,
};

static inline void recipe_write(const struct recipe *r, struct bytes *b)
{
    put_number(b, r->magic, 4);
    put_number(b, r->version, 4);
    put_number(b, r->n_tensors, 8);
    put_number(b, r->n_keys + (r->key != NULL), 8);
    put_text(b, "general.architecture");
    put_number(b, 8, 4);
    put_text(b, "bitnet");
    put_text(b, "counts");
    put_number(b, 9, 4);
    put_number(b, 5, 4);
    put_number(b, 3, 8);
    put(b, "\1\0\0\0\2\0\0\0\377\377\377\377", 12);
    put_text(b, "tokens");
    put_number(b, 9, 4);
    put_number(b, 8, 4);
    put_number(b, 2, 8);
    put_text(b, "one");
    put_text(b, "");
    put(b, r->key, r->key_size);
    for (int i = 0; i < RECIPE_TENSORS; i++) {
        const struct recipe_tensor *t = &r->tensors[i];
        put_number(b, t->name_length == (uint64_t)COUNTED ? strlen(t->name) : t->name_length, 8);
        put(b, t->name, t->name_length == (uint64_t)COUNTED || t->name_length > 64 ? strlen(t->name) : t->name_length);
        put_number(b, t->n_dims, 4);
        for (uint64_t d = 0; d < (t->n_dims > 8 ? 8 : t->n_dims); d++)
            put_number(b, t->dims[d], 8);
        put_number(b, t->type, 4);
        put_number(b, t->offset, 8);
    }
    while (b->n % r->alignment)
        put(b, "", 1);
    for (uint64_t i = 0; i < r->data; i++)
        put_number(b, 0x55, 1); /* code 1 in every field: zeros */
}

#endif
