/* SPDX-License-Identifier: Apache-2.0
 *
 * Open files: their bytes (mapped, read or lent), the cache of headers, lookups.
 */
#include "format/gguf.h"

#include "core/memory.h"
#include "format/checked.h"
#include "format/gguf_index.h"
#include "memory/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAP_FROM_DEFAULT = 64 << 20, CACHE_ENTRIES = 16, READ_ALIGNMENT = 64 };

enum ownership { LENT, READ, MAPPED };

struct tern_gguf {
    char *name;
    const uint8_t *bytes;
    size_t size;
    enum ownership ownership;
    bool is_cached;
    struct tern_gguf_index *index;
};

/* ---- the cache of headers */

struct identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec mtime;
};

static struct {
    pthread_mutex_t lock;
    uint64_t clock;
    struct {
        struct identity of;
        uint64_t used; /* 0: empty */
        struct tern_gguf_index *index;
    } entries[CACHE_ENTRIES];
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool same_file(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
           a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static struct tern_gguf_index *cache_get(const struct identity *of)
{
    struct tern_gguf_index *found = NULL;
    pthread_mutex_lock(&cache.lock);
    for (int i = 0; i < CACHE_ENTRIES && !found; i++) {
        if (cache.entries[i].used && same_file(&cache.entries[i].of, of)) {
            cache.entries[i].used = ++cache.clock;
            found = tern_gguf_index_hold(cache.entries[i].index);
        }
    }
    pthread_mutex_unlock(&cache.lock);
    return found;
}

/* Takes the place of the entry used longest ago. */
static void cache_put(const struct identity *of, struct tern_gguf_index *index)
{
    int oldest = 0;
    pthread_mutex_lock(&cache.lock);
    for (int i = 1; i < CACHE_ENTRIES; i++)
        if (cache.entries[i].used < cache.entries[oldest].used)
            oldest = i;
    tern_gguf_index_release(cache.entries[oldest].index);
    cache.entries[oldest].of = *of;
    cache.entries[oldest].used = ++cache.clock;
    cache.entries[oldest].index = tern_gguf_index_hold(index);
    pthread_mutex_unlock(&cache.lock);
}

void tern_gguf_cache_clear(void)
{
    pthread_mutex_lock(&cache.lock);
    for (int i = 0; i < CACHE_ENTRIES; i++) {
        tern_gguf_index_release(cache.entries[i].index);
        memset(&cache.entries[i], 0, sizeof cache.entries[i]);
    }
    pthread_mutex_unlock(&cache.lock);
}

/* ---- bytes */

static bool failed(struct tern_gguf *g, struct tern_error *err, const char *what)
{
    char reason[128];
    const char *text = strerror_r(errno, reason, sizeof reason);
    tern_error_set(err, errno == ENOMEM ? TERN_NO_MEMORY : TERN_IO, "%s: %s: %s", g->name, what, text);
    return false;
}

/* The first bytes decide whether it is worth getting the rest, whatever size the file claims. */
static bool check_start(struct tern_gguf *g, int fd, struct tern_error *err)
{
    uint8_t start[8];
    ssize_t n;
    do
        n = pread(fd, start, sizeof start, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failed(g, err, "cannot be read");
    struct tern_gguf_cursor c = {start, (uint64_t)n, 0, g->name, err};
    uint32_t magic;
    if (!tern_gguf_read_u32(&c, &magic))
        return false;
    if (memcmp(start, "GGUF", 4) != 0)
        return tern_gguf_broken(&c, TERN_GGUF_RULE_MAGIC, 0, "the bytes are %02x %02x %02x %02x", start[0], start[1], start[2], start[3]);
    return true;
}

static bool read_all(struct tern_gguf *g, int fd, struct tern_error *err)
{
    uint64_t rounded;
    size_t bytes;
    if (!tern_checked_align(g->size ? g->size : 1, READ_ALIGNMENT, &rounded) || !tern_checked_size(rounded, &bytes)) {
        errno = EFBIG;
        return failed(g, err, "cannot be read");
    }
    uint8_t *into = tern_pool_take(NULL, bytes, READ_ALIGNMENT, TERN_TAG_FILE, NULL);
    if (!into) {
        errno = ENOMEM;
        return failed(g, err, "no memory for its bytes");
    }
    g->bytes = into;
    g->ownership = READ;
    for (size_t at = 0; at < g->size;) {
        ssize_t n = pread(fd, into + at, g->size - at, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(g, err, "cannot be read");
        if (n == 0) {
            tern_error_set(err, TERN_INVALID, "%s: offset %zu: the file became shorter while it was read", g->name, at);
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

static bool map_all(struct tern_gguf *g, int fd, struct tern_error *err)
{
    void *at = mmap(NULL, g->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return failed(g, err, "cannot be mapped");
    g->bytes = at;
    g->ownership = MAPPED;
    return true;
}

static bool get_bytes(struct tern_gguf *g, int fd, const struct stat *info, const struct tern_gguf_options *options, struct tern_error *err)
{
    size_t map_from = options && options->map_from ? options->map_from : MAP_FROM_DEFAULT;
    if (!S_ISREG(info->st_mode)) {
        tern_error_set(err, TERN_IO, "%s: is a %s, not a regular file", g->name,
                       S_ISDIR(info->st_mode) ? "directory" : S_ISFIFO(info->st_mode) ? "FIFO" : "device");
        return false;
    }
    if (!tern_checked_size((uint64_t)info->st_size, &g->size)) {
        tern_error_set(err, TERN_IO, "%s: its size does not fit this machine's memory", g->name);
        return false;
    }
    if (!check_start(g, fd, err))
        return false;
    return g->size && g->size >= map_from ? map_all(g, fd, err) : read_all(g, fd, err);
}

static bool get_index(struct tern_gguf *g, const struct identity *of, bool use_cache, struct tern_error *err)
{
    if (use_cache)
        g->index = cache_get(of);
    g->is_cached = g->index != NULL;
    if (g->index)
        return true;
    struct tern_gguf_cursor c = {g->bytes, g->size, 0, g->name, err};
    g->index = tern_gguf_index_read(&c);
    if (g->index && use_cache)
        cache_put(of, g->index);
    return g->index != NULL;
}

static struct tern_gguf *new_file(const char *name, struct tern_error *err)
{
    struct tern_gguf *g = tern_array_open(1, sizeof *g);
    size_t n = strlen(name);
    if (g)
        g->name = tern_array_open(1, n * 4 + sizeof "…");
    if (!g || !g->name) {
        tern_array_close(g);
        tern_error_set(err, TERN_NO_MEMORY, "no memory to open a model file");
        return NULL;
    }
    tern_gguf_escape(g->name, n * 4 + sizeof "…", name, n);
    return g;
}

enum tern_status tern_gguf_open(const char *path, const struct tern_gguf_options *options, struct tern_gguf **out, struct tern_error *err)
{
    struct tern_error local = {0};
    struct stat info;
    err = err ? err : &local;
    *out = NULL;
    struct tern_gguf *g = new_file(path, err);
    if (!g)
        return err->status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &info) != 0) {
        failed(g, err, "cannot be opened");
        goto out;
    }
    struct identity of = {info.st_dev, info.st_ino, info.st_size, info.st_mtim};
    if (!get_bytes(g, fd, &info, options, err) || !get_index(g, &of, !options || !options->no_cache, err))
        goto out;
    *out = g;
    g = NULL;
out:
    if (fd >= 0)
        close(fd);
    tern_gguf_close(g);
    return *out ? TERN_OK : err->status;
}

enum tern_status tern_gguf_parse(const void *bytes, size_t size, const char *name, struct tern_gguf **out, struct tern_error *err)
{
    struct tern_error local = {0};
    err = err ? err : &local;
    *out = NULL;
    struct tern_gguf *g = new_file(name, err);
    if (!g)
        return err->status;
    g->bytes = bytes;
    g->size = size;
    if (get_index(g, NULL, false, err)) {
        *out = g;
        return TERN_OK;
    }
    tern_gguf_close(g);
    return err->status;
}

void tern_gguf_close(struct tern_gguf *g)
{
    if (!g)
        return;
    tern_gguf_index_release(g->index);
    if (g->ownership == MAPPED)
        munmap((void *)(uintptr_t)g->bytes, g->size);
    else if (g->ownership == READ)
        tern_array_close((void *)(uintptr_t)g->bytes);
    tern_array_close(g->name);
    tern_array_close(g);
}

/* ---- lookups */

bool tern_gguf_key(const struct tern_gguf *g, uint64_t i, struct tern_gguf_key *out)
{
    if (i >= g->index->keys.n || g->index->keys.offsets[i] > g->size)
        return false;
    struct tern_gguf_cursor c = {g->bytes, g->size, g->index->keys.offsets[i], g->name, NULL};
    return tern_gguf_read_key(&c, out);
}

bool tern_gguf_tensor(const struct tern_gguf *g, uint64_t i, struct tern_gguf_tensor *out)
{
    uint64_t offset;
    if (i >= g->index->tensors.n || g->index->tensors.offsets[i] > g->size || g->index->data.start > g->size)
        return false;
    struct tern_gguf_cursor c = {g->bytes, g->size, g->index->tensors.offsets[i], g->name, NULL};
    return tern_gguf_read_tensor(&c, g->index->data, out, &offset);
}

bool tern_gguf_find_key(const struct tern_gguf *g, const char *name, struct tern_gguf_key *out)
{
    struct tern_gguf_string wanted = {name, strlen(name)};
    return tern_gguf_key(g, tern_gguf_index_find(g->index, &g->index->keys, g->bytes, g->size, wanted), out);
}

bool tern_gguf_find_tensor(const struct tern_gguf *g, const char *name, struct tern_gguf_tensor *out)
{
    struct tern_gguf_string wanted = {name, strlen(name)};
    return tern_gguf_tensor(g, tern_gguf_index_find(g->index, &g->index->tensors, g->bytes, g->size, wanted), out);
}

bool tern_gguf_array_string(const struct tern_gguf_key *key, uint64_t i, struct tern_gguf_string *out)
{
    if (key->type != TERN_GGUF_ARRAY || key->array.type != TERN_GGUF_STRING || i >= key->array.n)
        return false;
    struct tern_gguf_cursor c = {key->array.bytes, key->array.size, 0, "", NULL};
    for (uint64_t k = 0; k <= i; k++) {
        uint64_t length;
        if (!tern_gguf_read_u64(&c, &length) || length > tern_gguf_left(&c))
            return false;
        *out = (struct tern_gguf_string){(const char *)c.bytes + c.at, (size_t)length};
        c.at += length;
    }
    return true;
}

uint64_t tern_gguf_n_keys(const struct tern_gguf *g) { return g->index->keys.n; }
uint64_t tern_gguf_n_tensors(const struct tern_gguf *g) { return g->index->tensors.n; }
uint32_t tern_gguf_version(const struct tern_gguf *g) { return g->index->version; }
uint64_t tern_gguf_data_offset(const struct tern_gguf *g) { return g->index->data.start; }
size_t tern_gguf_size(const struct tern_gguf *g) { return g->size; }
const uint8_t *tern_gguf_bytes(const struct tern_gguf *g) { return g->bytes; }
const char *tern_gguf_name(const struct tern_gguf *g) { return g->name; }
bool tern_gguf_is_mapped(const struct tern_gguf *g) { return g->ownership == MAPPED; }

void tern_gguf_rest(const struct tern_gguf *g)
{
    if (g->ownership == MAPPED)
        madvise((void *)(uintptr_t)g->bytes, g->size, MADV_DONTNEED); /* read-only and private: nothing can be lost */
}

bool tern_gguf_is_cached(const struct tern_gguf *g) { return g->is_cached; }
