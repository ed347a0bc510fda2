/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which cells are measured: random, from a seed, the same for the same seed on every machine. SplitMix64 (Steele, Lea
 * and Flood 2014) feeding a Fisher-Yates shuffle.
 */
#ifndef PLAN_ORDER_H
#define PLAN_ORDER_H

#include <stddef.h>
#include <stdint.h>

/* The next number of the generator whose state is `*state`. */
uint64_t order_next(uint64_t *state);

/* A number in [0, n), without bias. n > 0. */
uint64_t order_below(uint64_t *state, uint64_t n);

/* Shuffles the first n entries of `index`. */
void order_shuffle(uint64_t *state, size_t *index, size_t n);

#endif
