/* SPDX-License-Identifier: Apache-2.0
 *
 * The GGUF reader and writer: what is right comes back, and every malformed input is refused by name, within its share of the heap. The numbers are those of the project's list of 48 malformed inputs; 28, 39, 40 and 42 to 46 are
 * about what a model means and are in config_test.c.
 */
#include "malformed.h"

#include "format/gguf_write.h"
#include "gguf_bytes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY(literal) literal, sizeof(literal) - 1
#define N64(low) low "\0\0\0\0\0\0\0"
#define U8V "\0\0\0\0" "\7"

struct row {
    int number;
    const char *what;
    const char *rule; /* part of the error; "": any */
    struct { size_t field; uint64_t value; } sets[4];
    int n_sets;
    const char *key;
    size_t key_size;
};

static const struct row rows[] = {
    {3, "magic FUGG", "magic", {{offsetof(struct recipe, magic), 0x47475546}}, 1, NULL, 0},
    {3, "magic GGJT", "magic", {{offsetof(struct recipe, magic), 0x744a4747}}, 1, NULL, 0},
    {3, "magic of escape bytes", "magic", {{offsetof(struct recipe, magic), 0x4a325b1b}}, 1, NULL, 0},
    {4, "version 0", "version", {{offsetof(struct recipe, version), 0}}, 1, NULL, 0},
    {4, "version 1", "version", {{offsetof(struct recipe, version), 1}}, 1, NULL, 0},
    {4, "version 4", "version", {{offsetof(struct recipe, version), 4}}, 1, NULL, 0},
    {4, "version 0x03000000", "version", {{offsetof(struct recipe, version), 0x03000000}}, 1, NULL, 0},
    {5, "1ull << 63 tensors", "tensor-count", {{offsetof(struct recipe, n_tensors), 1ull << 63}}, 1, NULL, 0},
    {5, "UINT64_MAX tensors", "tensor-count", {{offsetof(struct recipe, n_tensors), UINT64_MAX}}, 1, NULL, 0},
    {5, "1ull << 32 tensors", "tensor-count", {{offsetof(struct recipe, n_tensors), 1ull << 32}}, 1, NULL, 0},
    {6, "UINT64_MAX keys", "key-count", {{offsetof(struct recipe, n_keys), UINT64_MAX}}, 1, NULL, 0},
    {6, "1ull << 60 keys", "key-count", {{offsetof(struct recipe, n_keys), 1ull << 60}}, 1, NULL, 0},
    {6, "SIZE_MAX / 48 + 1 keys", "key-count", {{offsetof(struct recipe, n_keys), SIZE_MAX / 48 + 1}}, 1, NULL, 0},
    {7, "more keys than the file has", "", {{offsetof(struct recipe, n_keys), 9}}, 1, NULL, 0},
    {8, "key length -1", "key-name", {{0, 0}}, 0, KEY("\377\377\377\377\377\377\377\377" "x" U8V)},
    {8, "key length 2^63 - 1", "key-name", {{0, 0}}, 0, KEY("\377\377\377\377\377\377\377\177" "x" U8V)},
    {8, "key length 2^40", "key-name", {{0, 0}}, 0, KEY("\0\0\0\0\0\1\0\0" "x" U8V)},
    {8, "key length 0", "key-name", {{0, 0}}, 0, KEY(N64("\0") "x" U8V)},
    {8, "key length 65536", "key-name", {{0, 0}}, 0, KEY("\0\0\1\0\0\0\0\0" "x" U8V)},
    {9, "key twice", "key-unique", {{0, 0}}, 0, KEY(N64("\6") "tokens" U8V)},
    {10, "key with a null", "key-name", {{0, 0}}, 0, KEY(N64("\3") "a\0b" U8V)},
    {10, "key with an escape", "key-name", {{0, 0}}, 0, KEY(N64("\3") "a\033b" U8V)},
    {10, "key that is no UTF-8", "key-name", {{0, 0}}, 0, KEY(N64("\3") "a\300b" U8V)},
    {10, "key with a surrogate", "key-name", {{0, 0}}, 0, KEY(N64("\3") "\355\240\200" U8V)},
    {10, "key cut within a character", "key-name", {{0, 0}}, 0, KEY(N64("\2") "\342\202" U8V)},
    {11, "value type 13", "value-type", {{0, 0}}, 0, KEY(N64("\1") "k" "\15\0\0\0" "\0\0\0\0\0\0\0\0")},
    {11, "value type 0xFFFFFFFF", "value-type", {{0, 0}}, 0, KEY(N64("\1") "k" "\377\377\377\377" "\0\0\0\0\0\0\0\0")},
    {11, "boolean 2", "boolean", {{0, 0}}, 0, KEY(N64("\1") "k" "\7\0\0\0" "\2")},
    {13, "string longer than the file", "string-length", {{0, 0}}, 0, KEY(N64("\1") "k" "\10\0\0\0" "\377\377\0\0\0\0\0\0" "x")},
    {13, "string of -1", "string-length", {{0, 0}}, 0, KEY(N64("\1") "k" "\10\0\0\0" "\377\377\377\377\377\377\377\377" "x")},
    {14, "product wraps to 0", "tensor-size", {{offsetof(struct recipe, tensors[0].n_dims), 2}, {offsetof(struct recipe, tensors[0].dims[0]), 1ull << 32}, {offsetof(struct recipe, tensors[0].dims[1]), 1ull << 32}}, 3, NULL, 0},
    {14, "product wraps to negative", "tensor-size", {{offsetof(struct recipe, tensors[0].n_dims), 2}, {offsetof(struct recipe, tensors[0].dims[0]), 1ull << 32}, {offsetof(struct recipe, tensors[0].dims[1]), 1ull << 31}}, 3, NULL, 0},
    {14, "product wraps to 16", "tensor-size", {{offsetof(struct recipe, tensors[0].n_dims), 2}, {offsetof(struct recipe, tensors[0].dims[0]), (1ull << 60) + 1}, {offsetof(struct recipe, tensors[0].dims[1]), 16}}, 3, NULL, 0},
    {15, "dimension 2^63 - 3", "tensor-size", {{offsetof(struct recipe, tensors[0].dims[0]), (1ull << 63) - 3}}, 1, NULL, 0},
    {16, "0 dimensions", "dimensions", {{offsetof(struct recipe, tensors[0].n_dims), 0}}, 1, NULL, 0},
    {16, "5 dimensions", "dimensions", {{offsetof(struct recipe, tensors[0].n_dims), 5}}, 1, NULL, 0},
    {16, "8 dimensions", "dimensions", {{offsetof(struct recipe, tensors[0].n_dims), 8}}, 1, NULL, 0},
    {16, "0xffffffff dimensions", "dimensions", {{offsetof(struct recipe, tensors[0].n_dims), 0xffffffff}}, 1, NULL, 0},
    {17, "dimension 0", "dimensions", {{offsetof(struct recipe, tensors[0].dims[0]), 0}}, 1, NULL, 0},
    {17, "second dimension 0", "dimensions", {{offsetof(struct recipe, tensors[1].dims[1]), 0}}, 1, NULL, 0},
    {18, "dimension -1", "tensor-size", {{offsetof(struct recipe, tensors[0].dims[0]), UINT64_MAX}}, 1, NULL, 0},
    {19, "columns not a multiple of the block", "block", {{offsetof(struct recipe, tensors[2].dims[0]), 255}}, 1, NULL, 0},
    {19, "I2_S weights not a multiple of 128", "block", {{offsetof(struct recipe, tensors[1].dims[0]), 62}}, 1, NULL, 0},
    {20, "bytes wrap where elements fit", "tensor-size", {{offsetof(struct recipe, tensors[0].n_dims), 2}, {offsetof(struct recipe, tensors[0].dims[0]), 1ull << 31}, {offsetof(struct recipe, tensors[0].dims[1]), 1ull << 31}}, 3, NULL, 0},
    {21, "sum of two tensors wraps", "tensor-range", {{offsetof(struct recipe, tensors[0].dims[0]), (1ull << 60)}, {offsetof(struct recipe, tensors[1].offset), 1ull << 62}, {offsetof(struct recipe, tensors[2].dims[0]), 1ull << 62}, {offsetof(struct recipe, tensors[2].offset), UINT64_MAX - 31}}, 4, NULL, 0},
    {22, "sum fits, with the header it wraps", "tensor-range", {{offsetof(struct recipe, tensors[2].offset), INT64_MAX - 95}}, 1, NULL, 0},
    {23, "array length times size wraps", "array-length", {{0, 0}}, 0, KEY(N64("\1") "k" "\11\0\0\0" "\5\0\0\0" "\0\0\0\0\0\0\0\100")},
    {24, "array of 2^40 bytes", "array-length", {{0, 0}}, 0, KEY(N64("\1") "k" "\11\0\0\0" "\0\0\0\0" "\0\0\0\0\0\1\0\0")},
    {26, "third string of an array overruns", "string-length", {{0, 0}}, 0, KEY(N64("\1") "k" "\11\0\0\0" "\10\0\0\0" N64("\3") N64("\1") "a" N64("\1") "b" "\0\0\0\1\0\0\0\0")},
    {27, "array of an unknown type", "array-type", {{0, 0}}, 0, KEY(N64("\1") "k" "\11\0\0\0" "\15\0\0\0" N64("\1") "a")},
    {29, "tensor name of 64 bytes", "tensor-name", {{offsetof(struct recipe, tensors[0].name_length), 64}}, 1, NULL, 0},
    {29, "tensor name of 2^40 bytes", "tensor-name", {{offsetof(struct recipe, tensors[0].name_length), 1ull << 40}}, 1, NULL, 0},
    {29, "tensor name of 0 bytes", "tensor-name", {{offsetof(struct recipe, tensors[0].name_length), 0}}, 1, NULL, 0},
    {31, "tensor type -1", "tensor-type", {{offsetof(struct recipe, tensors[0].type), 0xffffffff}}, 1, NULL, 0},
    {31, "tensor type 255", "tensor-type", {{offsetof(struct recipe, tensors[0].type), 255}}, 1, NULL, 0},
    {31, "removed tensor type", "Q4_2, removed", {{offsetof(struct recipe, tensors[0].type), 4}}, 1, NULL, 0},
    {32, "offset not aligned", "offset-aligned", {{offsetof(struct recipe, tensors[1].offset), 129}}, 1, NULL, 0},
    {33, "offset beyond the file", "tensor-range", {{offsetof(struct recipe, tensors[2].offset), 1ull << 20}}, 1, NULL, 0},
    {34, "tensors overlap", "tensor-order", {{offsetof(struct recipe, tensors[1].offset), 96}}, 1, NULL, 0},
    {35, "tensors out of order", "tensor-order", {{offsetof(struct recipe, tensors[1].offset), 224}, {offsetof(struct recipe, tensors[2].offset), 128}}, 2, NULL, 0},
    {36, "last tensor a byte short", "tensor-range", {{offsetof(struct recipe, data), 224 + 65}}, 1, NULL, 0},
    {37, "I2_S without its scale", "tensor-order", {{offsetof(struct recipe, tensors[1].dims[1]), 3}}, 1, NULL, 0},
    {37, "I2_S last, without its scale", "tensor-range", {{offsetof(struct recipe, tensors[2].type), 36}, {offsetof(struct recipe, tensors[2].dims[0]), 128}, {offsetof(struct recipe, data), 224 + 32}}, 3, NULL, 0},
    {38, "TL2 of 128 columns", "TL2", {{offsetof(struct recipe, tensors[1].type), 39}}, 1, NULL, 0},
    {41, "alignment 0", "alignment", {{0, 0}}, 0, KEY(N64("\21") "general.alignment" "\4\0\0\0" "\0\0\0\0")},
    {41, "alignment 3", "alignment", {{0, 0}}, 0, KEY(N64("\21") "general.alignment" "\4\0\0\0" "\3\0\0\0")},
    {41, "alignment 2^31", "alignment", {{0, 0}}, 0, KEY(N64("\21") "general.alignment" "\4\0\0\0" "\0\0\0\200")},
    {41, "alignment 2^30", "alignment", {{0, 0}}, 0, KEY(N64("\21") "general.alignment" "\4\0\0\0" "\0\0\0\100")},
    {41, "alignment of type u64", "alignment", {{0, 0}}, 0, KEY(N64("\21") "general.alignment" "\12\0\0\0" N64("\40"))},
};

/* The input is refused: a sentence with the offset and the rule, no raw byte, within its share of the heap. */
static void expect_refused(int number, const char *what, const void *bytes, size_t n, const char *rule)
{
    struct tern_gguf *gguf = NULL;
    struct tern_error err = {0};
    const struct refusal r = refusal_begin();
    enum tern_status status = tern_gguf_parse(bytes, n, "file", &gguf, &err);
    refusal_end(r, number, what, n);
    if (status == TERN_OK || gguf || !strstr(err.text, rule) || !strstr(err.text, "offset ") || !strstr(err.text, "(rule "))
        fail_msg("case %d, %s: status %d, \"%s\", wanted \"%s\"", number, what, (int)status, err.text, rule);
    if (!is_printable(err.text))
        fail_msg("case %d, %s: raw bytes in the error", number, what);
}

static void test_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct recipe r = recipe_right;
        struct bytes b = {0};
        for (int k = 0; k < rows[i].n_sets; k++)
            memcpy((char *)&r + rows[i].sets[k].field, &rows[i].sets[k].value, sizeof(uint64_t));
        if (rows[i].n_sets && rows[i].sets[0].field == offsetof(struct recipe, tensors[0].name_length) && rows[i].sets[0].value == 64)
            r.tensors[0].name = "0123456789012345678901234567890123456789012345678901234567890123";
        r.key = rows[i].key;
        r.key_size = rows[i].key_size;
        recipe_write(&r, &b);
        expect_refused(rows[i].number, rows[i].what, b.at, b.n, rows[i].rule);
        free(b.at);
    }
}

/* Cases 1 and 2: nothing, and every beginning of a right file. */
static void test_truncated(void **state)
{
    (void)state;
    struct bytes b = {0};
    recipe_write(&recipe_right, &b);
    for (size_t n = 0; n < b.n; n++)
        expect_refused(n ? 2 : 1, "a file cut short", b.at, n, "");
    free(b.at);
}

/* Case 12: 100,000 keys of one byte; and as many different ones, which are right. */
static void test_many_keys(void **state)
{
    (void)state;
    for (int distinct = 0; distinct < 2; distinct++) {
        struct bytes b = {0};
        put(&b, "GGUF\3\0\0\0", 8);
        put_number(&b, 0, 8);
        put_number(&b, 100000, 8);
        for (int i = 0; i < 100000; i++) {
            char name[16];
            snprintf(name, sizeof name, distinct ? "%d" : "k", i);
            put_text(&b, name);
            put(&b, U8V, 5);
        }
        struct tern_gguf *gguf;
        struct tern_error err;
        struct tern_gguf_key key;
        if (!distinct) {
            expect_refused(12, "100,000 times one key", b.at, b.n, "key-unique");
        } else {
            assert_int_equal(tern_gguf_parse(b.at, b.n, "file", &gguf, &err), TERN_OK);
            assert_true(tern_gguf_find_key(gguf, "99999", &key) && key.u == 7);
            assert_false(tern_gguf_find_key(gguf, "100000", &key));
            tern_gguf_close(gguf);
        }
        free(b.at);
    }
}

/* Case 25: arrays in arrays, 10,000 deep. */
static void test_nested_arrays(void **state)
{
    (void)state;
    struct bytes key = {0}, b = {0};
    put_text(&key, "k");
    put_number(&key, 9, 4);
    for (int i = 0; i < 10000; i++) {
        put_number(&key, 9, 4);
        put_number(&key, 1, 8);
    }
    struct recipe r = recipe_right;
    r.key = (const char *)key.at;
    r.key_size = key.n;
    recipe_write(&r, &b);
    expect_refused(25, "arrays in arrays", b.at, b.n, "array-type");
    free(key.at);
    free(b.at);
}

/* Cases 29 and 30: a null in a tensor's name, a name that comes twice. */
static void test_tensor_names(void **state)
{
    (void)state;
    struct recipe r = recipe_right;
    struct bytes b = {0};
    r.tensors[0].name = "a\0b";
    r.tensors[0].name_length = 3;
    recipe_write(&r, &b);
    expect_refused(29, "tensor name with a null", b.at, b.n, "tensor-name");
    b.n = 0;
    r = recipe_right;
    r.tensors[1].name = r.tensors[0].name;
    recipe_write(&r, &b);
    expect_refused(30, "tensor name twice", b.at, b.n, "tensor-unique");
    free(b.at);
}

/* ---- files */

static char folder[] = "/tmp/ternmark-gguf-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *path, const struct bytes *b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->at, 1, b->n, f), b->n);
    assert_int_equal(fclose(f), 0);
}

static void expect_no_file(const char *path, const char *part)
{
    struct tern_gguf *gguf;
    struct tern_error err = {0};
    const struct refusal r = refusal_begin();
    enum tern_status status = tern_gguf_open(path, NULL, &gguf, &err);
    refusal_end(r, 47, path, 0);
    if (status == TERN_OK || gguf || !strstr(err.text, part))
        fail_msg("%s: status %d, \"%s\", wanted \"%s\"", path, (int)status, err.text, part);
    assert_true(is_printable(err.text));
}

/* Case 47. */
static void test_not_files(void **state)
{
    (void)state;
    expect_no_file(folder, "directory");
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    expect_no_file(in_folder("fifo"), "FIFO");
    expect_no_file("/dev/zero", "device");
    assert_int_equal(symlink("loop", in_folder("loop")), 0);
    expect_no_file(in_folder("loop"), "cannot be opened");
    expect_no_file(in_folder("absent"), "cannot be opened");
    expect_no_file(in_folder("esc\033[2Jape"), "\\x1b");
    int fd = open(in_folder("sparse"), O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    off_t size = INT64_MAX; /* 8 EiB less a byte, or as much of it as this file system takes */
    while (ftruncate(fd, size) != 0)
        size /= 2;
    close(fd);
    expect_no_file(in_folder("sparse"), "magic");
    if (getuid() != 0) {
        assert_int_equal(chmod(in_folder("sparse"), 0), 0);
        expect_no_file(in_folder("sparse"), "cannot be opened");
    }
}

/* Case 48: the file is cut after it was mapped; the reader dies of SIGBUS, which is why a model is loaded in a child. */
static void test_cut_while_mapped(void **state)
{
    (void)state;
    struct bytes b = {0};
    struct recipe r = recipe_right;
    r.data = 1 << 20;
    recipe_write(&r, &b);
    const char *path = in_folder("cut");
    write_file(path, &b);
    pid_t child = fork();
    if (child == 0) {
        struct tern_gguf *gguf;
        signal(SIGBUS, SIG_DFL);
        if (tern_gguf_open(path, &(struct tern_gguf_options){.map_from = 1}, &gguf, NULL) != TERN_OK || truncate(path, 0) != 0)
            _exit(1);
        volatile uint8_t byte = tern_gguf_bytes(gguf)[b.n - 1];
        _exit(byte ? 2 : 3);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(HEAP_IS_COUNTED ? WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS : status != 0);
    free(b.at);
}

static void test_map_read_and_cache(void **state)
{
    (void)state;
    struct bytes b = {0};
    struct recipe r = recipe_right;
    recipe_write(&r, &b);
    const char *path = in_folder("right");
    write_file(path, &b);
    struct tern_gguf *gguf;
    struct tern_error err;
    static const struct { size_t map_from; bool no_cache, mapped, cached; } opens[] = {
        {0, true, false, false},         {0, false, false, false}, {1, false, true, true},
        {SIZE_MAX, false, false, true}, {1, true, true, false},
    };
    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
        struct tern_gguf_options options = {opens[i].map_from, opens[i].no_cache};
        assert_int_equal(tern_gguf_open(path, &options, &gguf, &err), TERN_OK);
        assert_int_equal(tern_gguf_is_mapped(gguf), opens[i].mapped);
        uint8_t first = tern_gguf_bytes(gguf)[0];
        tern_gguf_rest(gguf); /* pages that went come back from the file */
        assert_int_equal(tern_gguf_bytes(gguf)[0], first);
        assert_int_equal(tern_gguf_is_cached(gguf), opens[i].cached);
        assert_int_equal(tern_gguf_size(gguf), b.n);
        assert_memory_equal(tern_gguf_bytes(gguf), b.at, b.n);
        tern_gguf_close(gguf);
    }
    struct timespec times[2] = {{1, 0}, {1, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(tern_gguf_open(path, NULL, &gguf, &err), TERN_OK);
    assert_false(tern_gguf_is_cached(gguf)); /* another mtime is another file */
    tern_gguf_cache_clear();
    tern_gguf_close(gguf);
    free(b.at);
}

/* Every allocation fails in turn, once and for ever: a named error, nothing left behind. */
static void test_no_memory(void **state)
{
    (void)state;
    if (!HEAP_IS_COUNTED)
        skip();
    struct bytes b = {0};
    recipe_write(&recipe_right, &b);
    write_file(in_folder("memory"), &b);
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (long n = 0;; n++) {
            struct tern_gguf *gguf;
            struct tern_error err = {0};
            size_t before = heap.live;
            heap.for_ever = for_ever;
            heap.failed = 0;
            heap.until_failure = n;
            enum tern_status status = tern_gguf_open(in_folder("memory"), NULL, &gguf, &err);
            heap.until_failure = -1;
            tern_gguf_close(gguf);
            tern_gguf_cache_clear();
            assert_int_equal(heap.live, before);
            assert_int_equal(status, heap.failed ? TERN_NO_MEMORY : TERN_OK);
            assert_true(!heap.failed || strstr(err.text, "memory"));
            if (!heap.failed)
                break;
            assert_true(n < 100);
        }
    }
    free(b.at);
}

/* ---- what is right */

static void test_right(void **state)
{
    (void)state;
    for (uint64_t version = 2; version < 4; version++) {
        struct bytes b = {0};
        struct recipe r = recipe_right;
        r.version = version;
        recipe_write(&r, &b);
        struct tern_gguf *gguf;
        struct tern_gguf_key key;
        struct tern_gguf_tensor t;
        struct tern_gguf_string s;
        assert_int_equal(tern_gguf_parse(b.at, b.n, "file", &gguf, NULL), TERN_OK);
        assert_int_equal(tern_gguf_version(gguf), version);
        assert_int_equal(tern_gguf_n_keys(gguf), 3);
        assert_true(tern_gguf_find_key(gguf, "general.architecture", &key) && key.type == TERN_GGUF_STRING);
        assert_memory_equal(key.string.bytes, "bitnet", 6);
        assert_true(tern_gguf_find_key(gguf, "counts", &key) && key.array.n == 3 && key.array.type == TERN_GGUF_I32);
        assert_true(tern_gguf_find_key(gguf, "tokens", &key) && tern_gguf_array_string(&key, 0, &s) && s.length == 3);
        assert_true(tern_gguf_array_string(&key, 1, &s) && s.length == 0 && !tern_gguf_array_string(&key, 2, &s));
        assert_true(tern_gguf_find_tensor(gguf, "codes.weight", &t));
        assert_int_equal(t.type->id, TERN_TYPE_I2_S);
        assert_int_equal(t.size, 128 * 2 / 4 + 32);
        assert_ptr_equal(t.bytes, b.at + tern_gguf_data_offset(gguf) + 128);
        assert_false(tern_gguf_find_tensor(gguf, "absent", &t) || tern_gguf_tensor(gguf, 3, &t));
        tern_gguf_close(gguf);
        free(b.at);
    }
}

static void test_write(void **state)
{
    (void)state;
    char *bytes, sha256[65], again[65];
    size_t n;
    FILE *file = open_memstream(&bytes, &n);
    struct tern_gguf_writer w;
    const char *tokens[] = {"a", "bc"};
    const uint64_t dims[] = {128, 2};
    uint8_t data[96] = {1, 2, 3};
    tern_gguf_writer_init(&w, file);
    tern_gguf_write_string(&w, "s", "text");
    tern_gguf_write_u32(&w, "u", 77);
    tern_gguf_write_f32(&w, "f", 0.5f);
    tern_gguf_write_strings(&w, "t", 2, tokens);
    tern_gguf_write_array(&w, "i", TERN_GGUF_I32, 2, "\1\0\0\0\2\0\0\0");
    tern_gguf_write_tensor(&w, "codes", TERN_TYPE_I2_S, 2, dims);
    tern_gguf_write_tensor(&w, "half", TERN_TYPE_F16, 1, dims);
    tern_gguf_write_data(&w, data, 40);
    tern_gguf_write_data(&w, data + 40, 56);
    tern_gguf_write_data(&w, (uint8_t[256]){9}, 256);
    assert_int_equal(tern_gguf_writer_end(&w, sha256, NULL), TERN_OK);
    fclose(file);
    struct tern_gguf *gguf;
    struct tern_gguf_key key;
    struct tern_gguf_tensor t;
    struct tern_error err;
    if (tern_gguf_parse(bytes, n, "written", &gguf, &err) != TERN_OK)
        fail_msg("%s", err.text);
    assert_true(tern_gguf_find_key(gguf, "u", &key) && key.u == 77);
    assert_true(tern_gguf_find_key(gguf, "f", &key) && key.f == 0.5);
    assert_true(tern_gguf_find_tensor(gguf, "codes", &t) && t.size == 96 && memcmp(t.bytes, data, 96) == 0);
    assert_true(tern_gguf_find_tensor(gguf, "half", &t) && t.bytes[0] == 9);
    struct tern_sha256 hash;
    tern_sha256_init(&hash);
    tern_sha256_add(&hash, bytes, n);
    tern_sha256_end(&hash, again);
    assert_string_equal(sha256, again);
    tern_gguf_close(gguf);
    free(bytes);
}

static void test_write_failures(void **state)
{
    (void)state;
    struct tern_gguf_writer w;
    struct tern_error err;
    const uint64_t odd[] = {100};
    FILE *full = fopen("/dev/full", "wb");
    tern_gguf_writer_init(&w, full);
    assert_int_equal(tern_gguf_writer_end(&w, NULL, &err), TERN_IO);
    tern_gguf_writer_init(&w, full);
    tern_gguf_write_tensor(&w, "odd", TERN_TYPE_I2_S, 1, odd);
    assert_int_equal(tern_gguf_writer_end(&w, NULL, &err), TERN_INVALID);
    fclose(full);
    FILE *null = fopen("/dev/null", "wb");
    tern_gguf_writer_init(&w, null);
    tern_gguf_write_tensor(&w, "x", TERN_TYPE_F32, 1, odd);
    assert_int_equal(tern_gguf_writer_end(&w, NULL, &err), TERN_INVALID);
    assert_non_null(strstr(err.text, "missing"));
    fclose(null);
}

/* FIPS 180-4's examples. */
static void test_sha256(void **state)
{
    (void)state;
    static const struct { const char *text, *hash; int repeat; } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 1},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 1},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", 1},
        {"aaaaaaaaaa", "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0", 100000},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct tern_sha256 hash;
        char text[65];
        tern_sha256_init(&hash);
        for (int k = 0; k < known[i].repeat; k++)
            tern_sha256_add(&hash, known[i].text, strlen(known[i].text));
        tern_sha256_end(&hash, text);
        assert_string_equal(text, known[i].hash);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    malformed_print(state);
    static const char *const names[] = {"fifo", "loop", "sparse", "cut", "right", "memory"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),         cmocka_unit_test(test_malformed),      cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_many_keys),     cmocka_unit_test(test_nested_arrays),  cmocka_unit_test(test_tensor_names),
        cmocka_unit_test(test_not_files),     cmocka_unit_test(test_cut_while_mapped), cmocka_unit_test(test_map_read_and_cache),
        cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_write),          cmocka_unit_test(test_write_failures),
        cmocka_unit_test(test_sha256),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
