/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames between the harness and a worker: a header (magic, length, the worker's nonce), then JSON text of that length.
 * What a worker sends is hostile: a length is compared with FRAME_MAX before a byte of memory is asked for, the nonce keeps
 * a suite that writes to the pipe by accident or by guess from passing for its worker, and JSON is read strictly.
 */
#ifndef MEASURE_FRAME_H
#define MEASURE_FRAME_H

#include "fault.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { FRAME_MAX = 4 << 20 };  /* bytes of JSON in one frame */

/* Writes a frame; false when it is too long or the other end is gone (SIGPIPE must be ignored by the caller's process). */
bool frame_write(int fd, uint64_t nonce, const json_t *body);

/*
 * Reads a frame: a new reference, or NULL with `fault` (EXIT_CODE_FAILED: closed, too slow, not a frame of this worker;
 * EXIT_CODE_INTERRUPTED: the user pressed Ctrl-C). `deadline_ns` is a clock_now_ns() reading, 0 waits for ever.
 */
json_t *frame_read(int fd, uint64_t nonce, uint64_t deadline_ns, struct fault *fault);

#endif
