/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/yardstick.h"

enum { CHAIN = 4096 };

#define EXPORTED __attribute__((visibility("default"), noinline, used))

EXPORTED void yardstick_compute(void *state, uint64_t n)
{
    uint64_t *words = state, x = words[1] | 1;
    for (uint64_t i = 0; i < n; i++)
        for (int k = 0; k < CHAIN; k++)
            x = x * 0x5851f42d4c957f2du + 0x14057b7ef767814fu;
    words[1] = x;
}

EXPORTED void yardstick_read(void *state, uint64_t n)
{
    uint64_t *words = state, a = 0, b = 0, c = 0, d = 0;
    uint64_t length = words[0] & ~(uint64_t)3;
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t k = 0; k < length; k += 4) {
            a += words[k];
            b += words[k + 1];
            c += words[k + 2];
            d += words[k + 3];
        }
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d) : : "memory");
    }
}
