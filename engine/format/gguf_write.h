/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing GGUF files (version 3): first keys, then the tensors' infos, then their data in the same order.
 *
 *   tern_gguf_writer_init(&w, file);
 *   tern_gguf_write_string(&w, "general.architecture", "bitnet-b1.58");  …
 *   tern_gguf_write_tensor(&w, "output_norm.weight", type, 1, dims);      …
 *   tern_gguf_write_data(&w, bytes, n);                                   … once or more a tensor
 *   status = tern_gguf_writer_end(&w, err);
 *
 * Failures stick: the first is told by tern_gguf_writer_end, and everything after it does nothing. A SHA-256 of all bytes
 * is kept on the way. Ownership: `file` stays the caller's. Threads: one writer, one thread.
 */
#ifndef TERN_GGUF_WRITE_H
#define TERN_GGUF_WRITE_H

#include "format/gguf.h"
#include "format/sha256.h"

#include <stdio.h>

struct tern_gguf_writer {
    FILE *file;
    struct tern_sha256 hash;
    struct tern_error failure; /* status 0: none */
    uint64_t written;
    uint8_t *keys, *infos; /* the two parts of the header, until data begins */
    size_t keys_size, infos_size;
    uint64_t n_keys, n_tensors;
    uint64_t *sizes; /* bytes of each tensor */
    uint64_t offset; /* of the next tensor within the data */
    uint64_t current, current_left; /* tensor whose data comes next, bytes it still lacks */
    bool has_header;
};

enum { TERN_GGUF_WRITE_ALIGNMENT = 32 };

void tern_gguf_writer_init(struct tern_gguf_writer *w, FILE *file);
void tern_gguf_write_u32(struct tern_gguf_writer *w, const char *name, uint32_t value);
void tern_gguf_write_f32(struct tern_gguf_writer *w, const char *name, float value);
void tern_gguf_write_string(struct tern_gguf_writer *w, const char *name, const char *value);
/* An array of numbers; `bytes` are n little-endian values. */
void tern_gguf_write_array(struct tern_gguf_writer *w, const char *name, enum tern_gguf_type type, uint64_t n, const void *bytes);
void tern_gguf_write_strings(struct tern_gguf_writer *w, const char *name, uint64_t n, const char *const *values);
void tern_gguf_write_tensor(struct tern_gguf_writer *w, const char *name, enum tern_type type, uint32_t n_dims, const uint64_t *dims);
/* The next n bytes of data; padding between tensors is added here. */
void tern_gguf_write_data(struct tern_gguf_writer *w, const void *bytes, size_t n);
/* Ends the file and frees. `sha256` (may be NULL) gets the hash of all bytes. */
enum tern_status tern_gguf_writer_end(struct tern_gguf_writer *w, char sha256[65], struct tern_error *err);

#endif
