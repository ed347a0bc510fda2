/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/order.h"

uint64_t order_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t order_below(uint64_t *state, uint64_t n)
{
    uint64_t biased = -n % n;  /* 2^64 mod n: numbers below it would favour small results */
    uint64_t value;
    do
        value = order_next(state);
    while (value < biased);
    return value % n;
}

void order_shuffle(uint64_t *state, size_t *index, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)order_below(state, i), kept = index[i - 1];
        index[i - 1] = index[k];
        index[k] = kept;
    }
}
