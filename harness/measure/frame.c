/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/frame.h"

#include "measure/clock.h"
#include "measure/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static const uint32_t frame_magic = 0x4d4e5254;  /* "TRNM" */

struct frame_header {
    uint32_t magic;
    uint32_t length;
    uint64_t nonce;
};

static bool write_all(int fd, const void *data, size_t n)
{
    const char *at = data;
    while (n) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

bool frame_write(int fd, uint64_t nonce, const json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return false;
    size_t n = 0;
    while (text[n])
        n++;
    struct frame_header header = {frame_magic, (uint32_t)n, nonce};
    bool ok = n <= FRAME_MAX && write_all(fd, &header, sizeof header) && write_all(fd, text, n);
    free(text);
    return ok;
}

/* Waits until `fd` can be read; says why not otherwise. */
static bool wait_readable(int fd, uint64_t deadline_ns, struct fault *fault)
{
    for (;;) {
        if (interrupt_asked())
            return fault_set(fault, EXIT_CODE_INTERRUPTED, "interrupted");
        int wait_ms = deadline_ns ? 500 : -1;
        if (deadline_ns) {
            uint64_t now = clock_now_ns();
            if (now >= deadline_ns)
                return fault_set(fault, EXIT_CODE_FAILED, "no answer within the time limit");
            uint64_t left_ms = (deadline_ns - now) / 1000000 + 1;
            wait_ms = left_ms < 500 ? (int)left_ms : 500;
        }
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        int ready = poll(&watched, 1, wait_ms);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return fault_set(fault, EXIT_CODE_FAILED, "the result pipe cannot be read");
    }
}

static bool read_all(int fd, void *data, size_t n, uint64_t deadline_ns, struct fault *fault)
{
    char *at = data;
    while (n) {
        if (!wait_readable(fd, deadline_ns, fault))
            return false;
        ssize_t done = read(fd, at, n);
        if (done < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (done <= 0)
            return fault_set(fault, EXIT_CODE_FAILED, "closed its result pipe");
        at += done;
        n -= (size_t)done;
    }
    return true;
}

json_t *frame_read(int fd, uint64_t nonce, uint64_t deadline_ns, struct fault *fault)
{
    struct frame_header header;
    if (!read_all(fd, &header, sizeof header, deadline_ns, fault))
        return NULL;
    if (header.magic != frame_magic || header.nonce != nonce || header.length > FRAME_MAX) {
        fault_set(fault, EXIT_CODE_FAILED, "wrote to the result pipe something that is not a result");
        return NULL;
    }
    char *text = malloc(header.length + 1u);
    json_t *body = NULL;
    if (text && read_all(fd, text, header.length, deadline_ns, fault)) {
        json_error_t error;
        body = json_loadb(text, header.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        if (!body)
            fault_set(fault, EXIT_CODE_FAILED, "wrote to the result pipe something that is not JSON");
    } else if (!text)
        fault_set(fault, EXIT_CODE_USAGE, "out of memory");
    free(text);
    return body;
}
