/* SPDX-License-Identifier: Apache-2.0
 * The one order in which the engine sums floats, so that every backend and thread count gives the same bits: P partial sums, element i
 * in sum i mod P, each in order of i; then halving: p[j] += p[j + P/2] for j < P/2, and so on down to p[0] + p[1]. P is 16, but for the squares
 * of a norm, whose sum all else waits for: 512 short chains run side by side in a vector unit's pipeline, and one a thread on a card. A softmax
 * halves every 64 numbers to 16 before it adds them to its partial sums: a card's blocks share the positions 64 at a time. */
#ifndef TERN_CORE_SUMS_H
#define TERN_CORE_SUMS_H

#include <stddef.h>

enum { TERN_PARTIALS = 16, TERN_NORM_PARTIALS = 512, TERN_SOFTMAX_PANEL = 64 };

/* n sums to `to`, both powers of two. */
static inline void tern_sum_halve(float *partial, size_t n, size_t to)
{
    for (size_t half = n / 2; half >= to; half /= 2)
        for (size_t j = 0; j < half; j++)
            partial[j] += partial[j + half];
}

static inline float tern_sum_tree(float partial[TERN_PARTIALS])
{
    tern_sum_halve(partial, TERN_PARTIALS, 1);
    return partial[0];
}

#endif
