/* SPDX-License-Identifier: Apache-2.0 */
#include "format/gguf_write.h"

#include "format/checked.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void fail(struct tern_gguf_writer *w, enum tern_status status, const char *text)
{
    if (w->failure.status == TERN_OK)
        tern_error_set(&w->failure, status, "writing a model file: %s", text);
}

/* Appends to one of the header's parts. */
static void append(struct tern_gguf_writer *w, uint8_t **part, size_t *size, const void *bytes, size_t n)
{
    size_t bigger;
    if (w->failure.status != TERN_OK)
        return;
    uint8_t *grown = tern_checked_bytes(*size, 1, n, &bigger) ? realloc(*part, bigger ? bigger : 1) : NULL;
    if (!grown) {
        fail(w, TERN_NO_MEMORY, "no memory for the header");
        return;
    }
    if (n)
        memcpy(grown + *size, bytes, n);
    *part = grown;
    *size = bigger;
}

static void put_number(struct tern_gguf_writer *w, uint8_t **part, size_t *size, uint64_t value, size_t n)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    append(w, part, size, bytes, n);
}

static void put_text(struct tern_gguf_writer *w, uint8_t **part, size_t *size, const char *text)
{
    put_number(w, part, size, strlen(text), 8);
    append(w, part, size, text, strlen(text));
}

static void key_number(struct tern_gguf_writer *w, uint64_t value, size_t n)
{
    put_number(w, &w->keys, &w->keys_size, value, n);
}

static void key_start(struct tern_gguf_writer *w, const char *name, enum tern_gguf_type type)
{
    put_text(w, &w->keys, &w->keys_size, name);
    key_number(w, (uint64_t)type, 4);
    w->n_keys++;
}

void tern_gguf_writer_init(struct tern_gguf_writer *w, FILE *file)
{
    *w = (struct tern_gguf_writer){.file = file};
    tern_sha256_init(&w->hash);
}

void tern_gguf_write_u32(struct tern_gguf_writer *w, const char *name, uint32_t value)
{
    key_start(w, name, TERN_GGUF_U32);
    key_number(w, value, 4);
}

void tern_gguf_write_f32(struct tern_gguf_writer *w, const char *name, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    key_start(w, name, TERN_GGUF_F32);
    key_number(w, bits, 4);
}

void tern_gguf_write_string(struct tern_gguf_writer *w, const char *name, const char *value)
{
    key_start(w, name, TERN_GGUF_STRING);
    put_text(w, &w->keys, &w->keys_size, value);
}

void tern_gguf_write_array(struct tern_gguf_writer *w, const char *name, enum tern_gguf_type type, uint64_t n, const void *bytes)
{
    static const uint8_t sizes[TERN_GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    size_t size;
    key_start(w, name, TERN_GGUF_ARRAY);
    key_number(w, (uint64_t)type, 4);
    key_number(w, n, 8);
    if (tern_checked_bytes(n, sizes[type], 0, &size))
        append(w, &w->keys, &w->keys_size, bytes, size);
    else
        fail(w, TERN_INVALID, "an array too large");
}

void tern_gguf_write_strings(struct tern_gguf_writer *w, const char *name, uint64_t n, const char *const *values)
{
    key_start(w, name, TERN_GGUF_ARRAY);
    key_number(w, TERN_GGUF_STRING, 4);
    key_number(w, n, 8);
    for (uint64_t i = 0; i < n; i++)
        put_text(w, &w->keys, &w->keys_size, values[i]);
}

void tern_gguf_write_tensor(struct tern_gguf_writer *w, const char *name, enum tern_type type, uint32_t n_dims, const uint64_t *dims)
{
    uint64_t rows = 1, bytes, end;
    const struct tern_type_row *row = tern_type_find(type);
    for (uint32_t d = 1; d < n_dims; d++)
        if (!tern_checked_mul(rows, dims[d], &rows))
            rows = UINT64_MAX;
    if (!row || !tern_type_bytes(row, dims[0], rows, &bytes) || !tern_checked_add(w->offset, bytes, &end) ||
        !tern_checked_align(end, TERN_GGUF_WRITE_ALIGNMENT, &end)) {
        fail(w, TERN_INVALID, "a tensor whose columns are no whole number of blocks, or which is too large");
        return;
    }
    put_text(w, &w->infos, &w->infos_size, name);
    put_number(w, &w->infos, &w->infos_size, n_dims, 4);
    for (uint32_t d = 0; d < n_dims; d++)
        put_number(w, &w->infos, &w->infos_size, dims[d], 8);
    put_number(w, &w->infos, &w->infos_size, type, 4);
    put_number(w, &w->infos, &w->infos_size, w->offset, 8);
    size_t held = w->n_tensors * sizeof *w->sizes;
    append(w, (uint8_t **)(void *)&w->sizes, &held, &bytes, sizeof bytes);
    w->n_tensors++;
    w->offset = end;
}

static void emit(struct tern_gguf_writer *w, const void *bytes, size_t n)
{
    if (w->failure.status != TERN_OK || n == 0)
        return;
    if (fwrite(bytes, 1, n, w->file) != n) {
        tern_error_set(&w->failure, TERN_IO, "writing a model file: %s", strerror(errno));
        return;
    }
    tern_sha256_add(&w->hash, bytes, n);
    w->written += n;
}

static void pad(struct tern_gguf_writer *w)
{
    static const uint8_t zeros[TERN_GGUF_WRITE_ALIGNMENT];
    emit(w, zeros, -w->written % TERN_GGUF_WRITE_ALIGNMENT);
}

static void emit_header(struct tern_gguf_writer *w)
{
    uint8_t *start = NULL;
    size_t size = 0;
    w->has_header = true;
    append(w, &start, &size, "GGUF\3\0\0\0", 8);
    put_number(w, &start, &size, w->n_tensors, 8);
    put_number(w, &start, &size, w->n_keys, 8);
    emit(w, start, size);
    emit(w, w->keys, w->keys_size);
    emit(w, w->infos, w->infos_size);
    pad(w);
    free(start);
    w->current_left = w->n_tensors && w->failure.status == TERN_OK ? w->sizes[0] : 0;
}

void tern_gguf_write_data(struct tern_gguf_writer *w, const void *bytes, size_t n)
{
    if (!w->has_header)
        emit_header(w);
    if (w->failure.status != TERN_OK)
        return;
    if (n > w->current_left) {
        fail(w, TERN_INVALID, "more data than the tensor has");
        return;
    }
    emit(w, bytes, n);
    w->current_left -= n;
    if (w->current_left == 0) {
        pad(w);
        w->current++;
        w->current_left = w->current < w->n_tensors ? w->sizes[w->current] : 0;
    }
}

enum tern_status tern_gguf_writer_end(struct tern_gguf_writer *w, char sha256[65], struct tern_error *err)
{
    if (!w->has_header)
        emit_header(w);
    if (w->current < w->n_tensors)
        fail(w, TERN_INVALID, "a tensor's data is missing");
    if (w->failure.status == TERN_OK && fflush(w->file) != 0)
        tern_error_set(&w->failure, TERN_IO, "writing a model file: %s", strerror(errno));
    char text[65];
    tern_sha256_end(&w->hash, text);
    if (sha256)
        memcpy(sha256, text, sizeof text);
    if (w->failure.status != TERN_OK && err)
        *err = w->failure;
    free(w->keys);
    free(w->infos);
    free(w->sizes);
    return w->failure.status;
}
