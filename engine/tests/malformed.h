/* SPDX-License-Identifier: Apache-2.0
 *
 * What refusing each of the project's 48 malformed inputs costs. The heap's bound, 2 x the file + 8 MiB, is asserted: allocations are counted (heap.h).
 * Processor time is printed beside it, to be held against 100 ms by who reads it (ci/model-use).
 */
#ifndef TEST_MALFORMED_H
#define TEST_MALFORMED_H

#include "heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MALFORMED_CASES = 48 };

static struct malformed {
    int inputs;
    double ms;
    size_t heap;
} malformed[MALFORMED_CASES + 1]; /* the most of each case; 0: not on the list */

struct refusal {
    double start_ms;
    size_t live;
};

/* Processor time of this process: what others do on the machine is not the reader's. */
static double malformed_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static struct refusal refusal_begin(void)
{
    heap.peak = heap.live;
    return (struct refusal){malformed_clock_ms(), heap.live};
}

/* Of a file of `bytes`. */
static void refusal_end(struct refusal r, int number, const char *what, size_t bytes)
{
    struct malformed *m = &malformed[number];
    const double ms = malformed_clock_ms() - r.start_ms;
    const size_t peak = heap.peak - r.live;
    if (peak > 2 * bytes + (8u << 20) || heap.live != r.live)
        fail_msg("case %d, %s: heap peak %zu for a file of %zu bytes, %zu left", number, what, peak, bytes, heap.live - r.live);
    m->inputs++;
    m->ms = ms > m->ms ? ms : m->ms;
    m->heap = peak > m->heap ? peak : m->heap;
}

/* No raw byte of the file is repeated on a terminal. */
static bool is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static int malformed_print(void **state)
{
    (void)state;
    for (int i = 1; i <= MALFORMED_CASES; i++)
        if (malformed[i].inputs)
            print_message("malformed %2d: %4d inputs, at most %7.3f ms and %8zu bytes of heap\n", i, malformed[i].inputs, malformed[i].ms, malformed[i].heap);
    return 0;
}

#endif
