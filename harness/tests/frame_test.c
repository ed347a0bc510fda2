/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/clock.h"
#include "measure/frame.h"

#include "seed.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { NONCE = 12345 };

/* Reads one frame from `n` bytes, with the pipe closed behind them. */
static json_t *read_bytes(const void *bytes, size_t n, struct fault *fault)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, n), n);
    close(ends[1]);
    *fault = (struct fault){0};
    json_t *body = frame_read(ends[0], NONCE, clock_now_ns() + 2000000000u, fault);
    close(ends[0]);
    return body;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    int ends[2];
    struct fault fault = {0};
    assert_int_equal(pipe(ends), 0);
    json_t *sent = json_pack("{s:i,s:[s,f]}", "a", 1, "b", "text", 0.1);
    assert_true(frame_write(ends[1], NONCE, sent));
    json_t *got = frame_read(ends[0], NONCE, 0, &fault);
    assert_true(json_equal(sent, got));
    json_decref(sent);
    json_decref(got);
    close(ends[0]);
    close(ends[1]);
}

struct header {
    uint32_t magic, length;
    uint64_t nonce;
};

static void forged_frames_are_refused(void **state)
{
    (void)state;
    static const struct row {
        struct header header;
        const char *body;
        const char *says;
    } rows[] = {
        {{0x4d4e5254, 2, NONCE + 1}, "{}", "not a result"},             /* a guess at the nonce */
        {{0x4d4e5255, 2, NONCE}, "{}", "not a result"},                 /* another magic */
        {{0x4d4e5254, UINT32_MAX, NONCE}, "{}", "not a result"},        /* a length that asks for 4 GiB */
        {{0x4d4e5254, FRAME_MAX + 1, NONCE}, "{}", "not a result"},
        {{0x4d4e5254, 200, NONCE}, "{}", "closed"},                     /* shorter than it says */
        {{0x4d4e5254, 2, NONCE}, "{]", "not JSON"},
        {{0x4d4e5254, 0, NONCE}, "", "not JSON"},
        {{0x4d4e5254, 13, NONCE}, "{\"a\":1,\"a\":2}", "not JSON"},     /* a duplicate key */
        {{0x4d4e5254, 3, NONCE}, "NaN", "not JSON"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char bytes[256];
        struct fault fault;
        size_t n = strlen(rows[i].body);
        memcpy(bytes, &rows[i].header, sizeof(struct header));
        memcpy(bytes + sizeof(struct header), rows[i].body, n);
        assert_null(read_bytes(bytes, sizeof(struct header) + n, &fault));
        assert_int_equal(fault.code, EXIT_CODE_FAILED);
        assert_non_null(strstr(fault.text, rows[i].says));
    }
}

static void random_bytes_never_pass(void **state)
{
    (void)state;
    uint64_t random = seed_of_test("frame_test");
    for (int i = 0; i < 2000; i++) {
        unsigned char bytes[64];
        struct fault fault;
        for (size_t k = 0; k < sizeof bytes; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            bytes[k] = (unsigned char)(random >> 56);
        }
        assert_null(read_bytes(bytes, sizeof bytes, &fault));
        assert_true(fault.text[0] != 0);
    }
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    int ends[2];
    char bytes[256];
    assert_int_equal(pipe(ends), 0);
    json_t *body = json_pack("{s:s}", "key", "value");
    assert_true(frame_write(ends[1], NONCE, body));
    ssize_t n = read(ends[0], bytes, sizeof bytes);
    close(ends[0]);
    close(ends[1]);
    for (ssize_t cut = 0; cut < n; cut++) {
        struct fault fault;
        assert_null(read_bytes(bytes, (size_t)cut, &fault));
        assert_non_null(strstr(fault.text, "closed"));
    }
    struct fault fault;
    json_t *whole = read_bytes(bytes, (size_t)n, &fault);
    assert_true(json_equal(whole, body));
    json_decref(whole);
    json_decref(body);
}

static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    int ends[2];
    struct fault fault = {0};
    assert_int_equal(pipe(ends), 0);
    uint64_t begun = clock_now_ns();
    assert_null(frame_read(ends[0], NONCE, begun + 50000000u, &fault));
    double waited = clock_delta_ns(begun, clock_now_ns());
    assert_non_null(strstr(fault.text, "time limit"));
    assert_true(waited > 45e6 && waited < 2e9);
    close(ends[0]);
    close(ends[1]);
}

static void too_much_is_not_sent(void **state)
{
    (void)state;
    int null = open("/dev/null", O_WRONLY);
    char *text = malloc(FRAME_MAX + 2);
    memset(text, 'x', FRAME_MAX + 1);
    text[FRAME_MAX + 1] = 0;
    json_t *body = json_string(text);
    assert_false(frame_write(null, NONCE, body));
    json_decref(body);
    free(text);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(forged_frames_are_refused), cmocka_unit_test(random_bytes_never_pass),
        cmocka_unit_test(every_truncation_is_noticed), cmocka_unit_test(silence_ends_at_the_deadline), cmocka_unit_test(too_much_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
