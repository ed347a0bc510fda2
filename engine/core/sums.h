/* SPDX-License-Identifier: Apache-2.0
 * The one order in which the engine sums floats, so that every backend and thread count gives the same bits: 16 partial sums, element i
 * in sum i mod 16, each in order of i; then halving: p[j] += p[j + 8], p[j] += p[j + 4], p[j] += p[j + 2], p[0] + p[1]. */
#ifndef TERN_CORE_SUMS_H
#define TERN_CORE_SUMS_H

#include <stddef.h>

enum { TERN_PARTIALS = 16 };

static inline float tern_sum_tree(float partial[TERN_PARTIALS])
{
    for (size_t half = TERN_PARTIALS / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++)
            partial[j] += partial[j + half];
    return partial[0];
}

#endif
