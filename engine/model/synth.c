/* SPDX-License-Identifier: Apache-2.0 */
#include "model/synth.h"

#include "core/random.h"
#include "core/threads.h"
#include "format/gguf_write.h"
#include "model/config.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAG_TRITS = 0x51, TAG_NORMS, TAG_SIGNS, TAG_EMBEDDING, TAG_OUTPUT, CHUNK_ROWS = 64 };

static const struct tern_synth shapes[] = {
#define SHAPE(name, width, layers, ffn, heads, kv_heads, vocabulary, context, embedding) \
    {#name, width, layers, ffn, heads, kv_heads, vocabulary, context, "bitnet-b1.58", TERN_TYPE_I2_S, TERN_TYPE_##embedding, false, 1},
#include "model/synth.def"
#undef SHAPE
};

const char *const *tern_synth_names(void)
{
    static const char *const names[] = {
#define SHAPE(name, width, layers, ffn, heads, kv_heads, vocabulary, context, embedding) #name,
#include "model/synth.def"
#undef SHAPE
        NULL};
    return names;
}

bool tern_synth_named(const char *name, struct tern_synth *out)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            *out = shapes[i];
            return true;
        }
    }
    return false;
}

/* Share of weights that are not zero, and what a role's product should have as its standard deviation for inputs of 1: 1, but
 * more where the result is added to the hidden state. */
static const double density = 0.667;

static double gain_of(enum tern_role role)
{
    return role == TERN_ROLE_attn_output || role == TERN_ROLE_ffn_down ? 1.5 : 1;
}

struct job {
    const struct tern_synth *synth;
    struct tern_config config;
    struct tern_gguf_writer *writer;
    uint64_t stream; /* counts tensors, so that each has its own numbers */
    uint8_t *packed; /* CHUNK_ROWS rows, packed */
    void *plain;     /* CHUNK_ROWS rows of trits or floats */
    struct tern_error *err;
};

static void write_keys(struct tern_gguf_writer *w, const struct tern_synth *s)
{
    char name[96];
    const struct { const char *key; uint32_t value; } numbers[] = {
        {"vocab_size", s->vocabulary},       {"context_length", s->context},
        {"embedding_length", s->width},      {"block_count", s->n_layers},
        {"feed_forward_length", s->ffn},     {"rope.dimension_count", s->width / s->n_heads},
        {"attention.head_count", s->n_heads}, {"attention.head_count_kv", s->n_kv_heads},
    };
    tern_gguf_write_string(w, "general.architecture", s->architecture);
    tern_gguf_write_string(w, "general.name", s->name);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(name, sizeof name, "%s.%s", s->architecture, numbers[i].key);
        tern_gguf_write_u32(w, name, numbers[i].value);
    }
    snprintf(name, sizeof name, "%s.attention.layer_norm_rms_epsilon", s->architecture);
    tern_gguf_write_f32(w, name, 1e-5f);
    snprintf(name, sizeof name, "%s.rope.freq_base", s->architecture);
    tern_gguf_write_f32(w, name, 500000.0f);
}

static void declare(struct job *j)
{
    const struct tern_synth *s = j->synth;
    char name[64];
    tern_gguf_write_tensor(j->writer, "token_embd.weight", s->embedding, 2, (uint64_t[]){s->width, s->vocabulary});
    for (uint32_t layer = 0; layer < s->n_layers; layer++) {
        for (enum tern_role r = 0; r < TERN_N_ROLES; r++) {
            uint64_t outputs, inputs;
            bool is_matrix = tern_role(r)->is_matrix;
            tern_role_shape(&j->config, r, &outputs, &inputs);
            snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)layer, tern_role(r)->name);
            tern_gguf_write_tensor(j->writer, name, is_matrix ? s->weights : TERN_TYPE_F32, is_matrix ? 2 : 1, (uint64_t[]){inputs, outputs});
        }
    }
    tern_gguf_write_tensor(j->writer, "output_norm.weight", TERN_TYPE_F32, 1, (uint64_t[]){s->width});
    if (s->is_untied)
        tern_gguf_write_tensor(j->writer, "output.weight", s->embedding, 2, (uint64_t[]){s->width, s->vocabulary});
}

/* Norm weights between 0.5 and 1.5, one in eight of them negative, as trained ones can be. */
static void write_norm(struct job *j, uint64_t n)
{
    float *x = j->plain, *signs = x + n;
    tern_random_floats(tern_random_start(j->synth->seed, TAG_NORMS, j->stream), 0.5f, x, n);
    tern_random_floats(tern_random_start(j->synth->seed, TAG_SIGNS, j->stream), 1, signs, n);
    for (uint64_t i = 0; i < n; i++)
        x[i] = (1 + x[i]) * (signs[i] < -0.75f ? -1.0f : 1.0f);
    tern_floats_pack(TERN_TYPE_F32, x, n, j->packed);
    tern_gguf_write_data(j->writer, j->packed, n * sizeof(float));
}

static size_t row_bytes(enum tern_type type, uint64_t columns)
{
    const struct tern_type_row *row = tern_type_find(type);
    return columns / row->weights * row->bytes;
}

/* The fewest rows that are a whole number of the type's blocks: 1, or 2 where two rows share one. */
static uint64_t rows_together(enum tern_type type, uint64_t columns)
{
    uint64_t rows = 1;
    while (rows < CHUNK_ROWS && rows * columns % tern_type_find(type)->weights)
        rows *= 2;
    return rows;
}

/* Rows in chunks: each row has its own numbers, so threads change nothing. I2_S's scale goes behind the last row. */
static void write_trits(struct job *j, uint64_t rows, uint64_t columns, float scale)
{
    const struct tern_synth *s = j->synth;
    uint64_t together = rows_together(s->weights, columns);
    size_t bytes = together * columns / tern_type_find(s->weights)->weights * tern_type_find(s->weights)->bytes;
    int8_t *trits = j->plain;
    uint8_t tail[32] = {0};
    tern_threads_used_openmp();
    for (uint64_t first = 0; first < rows; first += CHUNK_ROWS) {
        uint64_t n = rows - first < CHUNK_ROWS ? rows - first : CHUNK_ROWS;
#pragma omp parallel for schedule(static)
        for (uint64_t r = 0; r < n; r += together) {
            for (uint64_t k = r; k < r + together; k++)
                tern_random_trits(tern_random_start(s->seed, TAG_TRITS, j->stream << 24 | (first + k)), density, trits + k * columns, columns);
            /* packing writes a tail behind the codes, so each piece has room for one */
            tern_trits_pack(s->weights, trits + r * columns, scale, together, columns, j->packed + r / together * (bytes + 32));
        }
        for (uint64_t r = 0; r < n; r += together)
            tern_gguf_write_data(j->writer, j->packed + r / together * (bytes + 32), bytes);
    }
    if (s->weights == TERN_TYPE_I2_S) {
        tern_floats_pack(TERN_TYPE_F32, &scale, 1, tail);
        tern_gguf_write_data(j->writer, tail, sizeof tail);
    }
}

static void write_floats(struct job *j, uint32_t tag, uint64_t rows, uint64_t columns)
{
    const struct tern_synth *s = j->synth;
    size_t bytes = row_bytes(s->embedding, columns);
    float *x = j->plain;
    tern_threads_used_openmp();
    for (uint64_t first = 0; first < rows; first += CHUNK_ROWS) {
        uint64_t n = rows - first < CHUNK_ROWS ? rows - first : CHUNK_ROWS;
#pragma omp parallel for schedule(static)
        for (uint64_t r = 0; r < n; r++) {
            tern_random_floats(tern_random_start(s->seed, tag, first + r), 0.4375f, x + r * columns, columns); /* deviation 1/4 */
            tern_floats_pack(s->embedding, x + r * columns, columns, j->packed + r * bytes);
        }
        tern_gguf_write_data(j->writer, j->packed, n * bytes);
    }
}

static void write_all(struct job *j)
{
    const struct tern_synth *s = j->synth;
    write_keys(j->writer, s);
    declare(j);
    write_floats(j, TAG_EMBEDDING, s->vocabulary, s->width);
    for (uint32_t layer = 0; layer < s->n_layers; layer++) {
        for (enum tern_role r = 0; r < TERN_N_ROLES; r++, j->stream++) {
            uint64_t outputs, inputs;
            tern_role_shape(&j->config, r, &outputs, &inputs);
            if (tern_role(r)->is_matrix)
                write_trits(j, outputs, inputs, (float)(gain_of(r) / sqrt((double)inputs * density)));
            else
                write_norm(j, outputs);
        }
    }
    write_norm(j, s->width);
    if (s->is_untied)
        write_floats(j, TAG_OUTPUT, s->vocabulary, s->width);
}

enum tern_status tern_synth_write(const struct tern_synth *s, FILE *file, char sha256[65], struct tern_error *err)
{
    struct tern_gguf_writer writer;
    struct job j = {.synth = s, .writer = &writer, .err = err};
    j.config = (struct tern_config){.width = s->width, .ffn = s->ffn, .n_heads = s->n_heads, .n_kv_heads = s->n_kv_heads,
                                    .head_size = s->width / s->n_heads};
    if (!tern_type_is_ternary(s->weights) || tern_type_is_ternary(s->embedding))
        return tern_error_set(err, TERN_INVALID, "a synthetic model has ternary layers and an embedding that is not");
    size_t widest = (size_t)(s->ffn > s->width ? s->ffn : s->width);
    j.packed = malloc(CHUNK_ROWS * (widest * sizeof(float) + 32));
    j.plain = malloc(CHUNK_ROWS * widest * sizeof(float));
    if (!j.packed || !j.plain) {
        free(j.packed);
        free(j.plain);
        return tern_error_memory(err, "a synthetic model", CHUNK_ROWS * widest * 2 * sizeof(float));
    }
    tern_gguf_writer_init(&writer, file);
    write_all(&j);
    free(j.packed);
    free(j.plain);
    return tern_gguf_writer_end(&writer, sha256, err);
}

static enum tern_status save_hash(const char *path, const char *sha256, struct tern_error *err)
{
    const char *slash = strrchr(path, '/');
    char *beside = NULL;
    if (asprintf(&beside, "%s.sha256", path) < 0)
        return tern_error_memory(err, "a path", strlen(path) + 8);
    FILE *file = fopen(beside, "w");
    bool ok = file && fprintf(file, "%s  %s\n", sha256, slash ? slash + 1 : path) > 0;
    ok = file && fclose(file) == 0 && ok;
    free(beside);
    return ok ? TERN_OK : tern_error_set(err, TERN_IO, "%s.sha256: cannot be written: %s", path, strerror(errno));
}

/* Whether this is what a process that is no more called its unfinished file of that name. */
static bool is_left(const char *entry, const char *name)
{
    const size_t n = strlen(name);
    long writer;
    int end = 0;
    return !strncmp(entry, name, n) && sscanf(entry + n, ".%ld.tmp%n", &writer, &end) == 1 && end && !entry[n + (size_t)end] && writer > 0 &&
           kill((pid_t)writer, 0) && errno == ESRCH;
}

/* Removes what killed writers have left beside the path. That it cannot is no error: nothing depends on it. */
static void remove_left(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(name - path)) : strdup(".");
    DIR *entries = folder ? opendir(folder) : NULL;
    for (const struct dirent *entry; entries && (entry = readdir(entries));)
        if (is_left(entry->d_name, name))
            unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
    free(folder);
}

enum tern_status tern_synth_save(const struct tern_synth *s, const char *path, struct tern_error *err)
{
    char sha256[65], *temporary = NULL;
    if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return tern_error_memory(err, "a path", strlen(path) + 32);
    remove_left(path);
    enum tern_status status;
    FILE *file = fopen(temporary, "wb");
    if (!file) {
        status = tern_error_set(err, TERN_IO, "%s: cannot be written: %s", path, strerror(errno));
        free(temporary);
        return status;
    }
    status = tern_synth_write(s, file, sha256, err);
    if (fclose(file) != 0 && status == TERN_OK)
        status = tern_error_set(err, TERN_IO, "%s: cannot be written: %s", path, strerror(errno));
    if (status == TERN_OK && rename(temporary, path) != 0)
        status = tern_error_set(err, TERN_IO, "%s: cannot take its name: %s", path, strerror(errno));
    if (status != TERN_OK)
        unlink(temporary);
    free(temporary);
    return status == TERN_OK ? save_hash(path, sha256, err) : status;
}

/* Raised when the generator changes, so that an older file is not taken for a new one. */
enum { GENERATOR = 1 };

/* The folder, made where it is not there. */
static char *models_folder(void)
{
    const char *own = getenv("TERN_MODELS"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *folder = NULL;
    int n = own && *own       ? asprintf(&folder, "%s", own)
            : cache && *cache ? asprintf(&folder, "%s/ternmark", cache)
            : home && *home   ? asprintf(&folder, "%s/.cache/ternmark", home)
                              : asprintf(&folder, "/tmp/ternmark-models-%ld", (long)getuid());
    if (n < 0)
        return NULL;
    for (char *at = folder + 1; *at; at++) {
        if (*at == '/') {
            *at = 0;
            mkdir(folder, 0777);
            *at = '/';
        }
    }
    mkdir(folder, 0777);
    return folder;
}

enum tern_status tern_synth_file(const char *model, char **path, struct tern_error *err)
{
    struct tern_synth synth;
    *path = NULL;
    if (strpbrk(model, "/."))
        return (*path = strdup(model)) ? TERN_OK : tern_error_memory(err, "a path", strlen(model));
    if (!tern_synth_named(model, &synth))
        return tern_error_set(err, TERN_INVALID, "no synthetic model is named \"%s\"", model);
    char *folder = models_folder();
    if (!folder || asprintf(path, "%s/%s-%d.gguf", folder, model, GENERATOR) < 0) {
        free(folder);
        *path = NULL;
        return tern_error_memory(err, "a path", 64);
    }
    free(folder);
    enum tern_status status = access(*path, R_OK) == 0 ? TERN_OK : tern_synth_save(&synth, *path, err);
    if (status != TERN_OK) {
        free(*path);
        *path = NULL;
    }
    return status;
}
