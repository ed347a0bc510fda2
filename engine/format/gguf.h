/* SPDX-License-Identifier: Apache-2.0
 *
 * GGUF model files, versions 2 and 3, little-endian.
 *
 *   file    = header, keys, tensor infos, padding, data
 *   header  = "GGUF", u32 version, u64 number of tensors, u64 number of keys
 *   key     = string name, u32 type, value        string = u64 length, bytes
 *   info    = string name, u32 dimensions, u64 dimension…, u32 type, u64 offset from the start of data
 *
 * Every byte is read through one bounded cursor, in one pass, and every rule that a file can break has a row in
 * gguf_rules.def: an error names the file, the offset, the rule and what was found, and never repeats bytes of the file
 * as they are. What is kept in memory is an index of offsets, so no allocation is larger than the bytes left in the file
 * justify. Lookups decode again, bounded again: a file that changes after the pass gives "absent", never a wild read.
 *
 * Ownership: strings, arrays and tensor data point into the file's bytes and live until tern_gguf_close.
 * Threads: one open file may be read by many.
 * Source: the GGUF specification of the ggml project.
 */
#ifndef TERN_GGUF_H
#define TERN_GGUF_H

#include "core/error.h"
#include "format/quants.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tern_gguf_type {
    TERN_GGUF_U8, TERN_GGUF_I8, TERN_GGUF_U16, TERN_GGUF_I16, TERN_GGUF_U32, TERN_GGUF_I32, TERN_GGUF_F32,
    TERN_GGUF_BOOL, TERN_GGUF_STRING, TERN_GGUF_ARRAY, TERN_GGUF_U64, TERN_GGUF_I64, TERN_GGUF_F64,
    TERN_GGUF_TYPES
};

struct tern_gguf_string {
    const char *bytes; /* not terminated */
    size_t length;
};

/* One key. Which member of the union holds depends on `type`: u for unsigned and BOOL, i for signed, f for floats. */
struct tern_gguf_key {
    struct tern_gguf_string name;
    enum tern_gguf_type type;
    union {
        uint64_t u;
        int64_t i;
        double f;
        struct tern_gguf_string string;
        struct {
            enum tern_gguf_type type; /* never ARRAY */
            uint64_t n;
            const uint8_t *bytes; /* n values, or n strings one after another */
            size_t size;          /* bytes of all of them */
        } array;
    };
    uint64_t offset; /* of the key in the file */
};

struct tern_gguf_tensor {
    struct tern_gguf_string name;
    uint32_t n_dims;
    uint64_t dims[4]; /* dims[0] runs fastest; unused ones are 1 */
    const struct tern_type_row *type;
    const uint8_t *bytes;
    size_t size;     /* bytes */
    uint64_t offset; /* of the info in the file */
};

struct tern_gguf;

/* How to get at a file's bytes. Zeroed options mean the defaults. */
struct tern_gguf_options {
    size_t map_from; /* files of at least this many bytes are mapped, smaller ones read; 0: 64 MiB; 1: always; SIZE_MAX: never */
    bool no_cache;   /* neither use nor fill the cache of parsed headers */
};

/* Opens and checks a file. On failure *out is NULL and err says what, where and which rule. */
enum tern_status tern_gguf_open(const char *path, const struct tern_gguf_options *options, struct tern_gguf **out,
                                struct tern_error *err);
/* The same over bytes in memory, which must outlive the result. `name` is used in errors. */
enum tern_status tern_gguf_parse(const void *bytes, size_t size, const char *name, struct tern_gguf **out,
                                 struct tern_error *err);
void tern_gguf_close(struct tern_gguf *gguf);

uint64_t tern_gguf_n_keys(const struct tern_gguf *gguf);
uint64_t tern_gguf_n_tensors(const struct tern_gguf *gguf);
bool tern_gguf_key(const struct tern_gguf *gguf, uint64_t i, struct tern_gguf_key *out);
bool tern_gguf_tensor(const struct tern_gguf *gguf, uint64_t i, struct tern_gguf_tensor *out);
bool tern_gguf_find_key(const struct tern_gguf *gguf, const char *name, struct tern_gguf_key *out);
bool tern_gguf_find_tensor(const struct tern_gguf *gguf, const char *name, struct tern_gguf_tensor *out);
/* String i of an array of strings, walking from its start; false past the end. */
bool tern_gguf_array_string(const struct tern_gguf_key *key, uint64_t i, struct tern_gguf_string *out);

uint32_t tern_gguf_version(const struct tern_gguf *gguf);
uint64_t tern_gguf_data_offset(const struct tern_gguf *gguf);
size_t tern_gguf_size(const struct tern_gguf *gguf); /* bytes of the file */
const uint8_t *tern_gguf_bytes(const struct tern_gguf *gguf);
const char *tern_gguf_name(const struct tern_gguf *gguf); /* the path it was opened by */
bool tern_gguf_is_mapped(const struct tern_gguf *gguf);
/* Says that the bytes are not needed for now: a mapped file's pages leave the process's memory, and come back from the file at the next touch. */
void tern_gguf_rest(const struct tern_gguf *gguf);
bool tern_gguf_is_cached(const struct tern_gguf *gguf); /* the header came from the cache */
const char *tern_gguf_type_name(enum tern_gguf_type type);

/* The cache of parsed headers, keyed by device, inode, size and mtime: forgets everything not in use. */
void tern_gguf_cache_clear(void);

/* Copies n bytes for a message: printable ASCII as is, all else as \xNN, cut with "…" to fit `size`. Returns `out`. */
char *tern_gguf_escape(char *out, size_t size, const char *bytes, size_t n);

#endif
