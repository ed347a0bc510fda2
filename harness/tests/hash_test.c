/* SPDX-License-Identifier: Apache-2.0 */
#include "hash.h"

#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* FIPS 180-2, appendix B, and the empty message. */
static void known_answers(void **state)
{
    (void)state;
    static const struct {
        const char *in, *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char hex[HASH_HEX];
        hash_sha256(rows[i].in, strlen(rows[i].in), hex);
        assert_string_equal(hex, rows[i].hex);
    }
}

static void a_million_a_in_pieces_and_as_file(void **state)
{
    (void)state;
    static const char expected[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    char path[] = "/tmp/hash_test.XXXXXX", hex[HASH_HEX], block[1000];
    int fd = mkstemp(path);
    struct hash hash;
    memset(block, 'a', sizeof block);
    hash_init(&hash);
    for (int i = 0; i < 1000; i++) {
        hash_add(&hash, block, sizeof block);
        assert_int_equal(write(fd, block, sizeof block), sizeof block);
    }
    hash_end(&hash, hex);
    assert_string_equal(hex, expected);
    close(fd);
    struct fault fault = {0};
    assert_true(hash_file(path, hex, &fault));
    assert_string_equal(hex, expected);
    unlink(path);
    assert_false(hash_file(path, hex, &fault));
    assert_int_equal(fault.code, EXIT_CODE_USAGE);
    assert_false(hash_file("/tmp", hex, &fault));
}

static void text_shows_what_is_there(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain", "plain"},
        {"tab\tnl\n", "tab\\x09nl\\x0a"},
        {"\x1b[31mred", "\\x1b[31mred"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b" "31m", "\\u{9b}31m"},
        {"\xe2\x80\xae" "evil", "\\u{202e}evil"},
        {"\xe2\x81\xa6", "\\u{2066}"},
        {"\xef\xbb\xbf", "\\u{feff}"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc0\x80", "\\xc0\\x80"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char buffer[64];
        assert_string_equal(text_escape(rows[i].in, buffer, sizeof buffer), rows[i].out);
    }
    char small[6];
    assert_string_equal(text_escape("ab\x1b", small, sizeof small), "ab");
    assert_string_equal(text_escape("abcdefgh", small, sizeof small), "abcde");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(a_million_a_in_pieces_and_as_file),
        cmocka_unit_test(text_shows_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
