/* SPDX-License-Identifier: Apache-2.0
 *
 * Replays the fuzzer's corpus through its target; of the files it began with also every prefix and flipped bit near the start.
 * What the fuzzer once found stays found, without the fuzzer.
 */
#include "fuzz_gguf.c"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SIZE_MOST = 1 << 16, HEADER = 400 };

/* The bytes end where the block does, so that a sanitizer sees the first one too many. */
static void feed(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void feed_changed(uint8_t *bytes, size_t n)
{
    size_t header = n < HEADER ? n : HEADER;
    feed(bytes, n);
    for (size_t i = 0; i < header; i++) {
        feed(bytes, i);
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1 << bit);
            feed(bytes, n);
            bytes[i] ^= (uint8_t)(1 << bit);
        }
    }
}

static void test_corpus(void **state)
{
    (void)state;
    static const char folder[] = "engine/tests/corpus/gguf";
    static uint8_t bytes[SIZE_MOST];
    size_t files = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        fail_msg("%s: not there; run this from the root of the repository", folder);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = *entry->d_name == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        size_t n = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        if (strlen(entry->d_name) == 40) /* found by the fuzzer, which names a file by its hash */
            feed(bytes, n);
        else
            feed_changed(bytes, n);
        files++;
    }
    closedir(dir);
    assert_true(files >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
