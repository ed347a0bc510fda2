/* SPDX-License-Identifier: Apache-2.0
 *
 * One random seed for a test program: TERNMARK_TEST_SEED or a fixed one; printed, so that a failure can be repeated.
 */
#ifndef SEED_H
#define SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint64_t seed_of_test(const char *name)
{
    const char *text = getenv("TERNMARK_TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 20261123;
    printf("%s: TERNMARK_TEST_SEED=%llu\n", name, (unsigned long long)seed);
    return seed;
}

#endif
