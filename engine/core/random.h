/* SPDX-License-Identifier: Apache-2.0
 * Seeded inputs: the same numbers on every machine, and any row without the rows before it. */
#ifndef TERN_CORE_RANDOM_H
#define TERN_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* A stream of 64-bit numbers; the state is advanced. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators"
 * (OOPSLA 2014), the mixer of SplitMix64. */
uint64_t tern_random_next(uint64_t *state);

/* The start of stream `index` of kind `tag` under a seed; streams do not overlap in practice. */
uint64_t tern_random_start(uint64_t seed, uint32_t tag, uint64_t index);

/* n trits in {-1, 0, +1}; a trit is not zero with probability round(128 density)/128, then either sign equally. */
void tern_random_trits(uint64_t start, double density, int8_t *out, size_t n);

/* n floats, uniform in [-amplitude, amplitude) in steps of amplitude / 2^23. */
void tern_random_floats(uint64_t start, float amplitude, float *out, size_t n);

/* n int8 in [-127, 127]. */
void tern_random_int8(uint64_t start, int8_t *out, size_t n);

#endif
