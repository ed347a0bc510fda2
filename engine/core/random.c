/* SPDX-License-Identifier: Apache-2.0 */
#include "core/random.h"

#include <math.h>

uint64_t tern_random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t tern_random_start(uint64_t seed, uint32_t tag, uint64_t index)
{
    uint64_t state = seed ^ (uint64_t)tag << 32;
    state = tern_random_next(&state) + index;
    return tern_random_next(&state);
}

void tern_random_trits(uint64_t start, double density, int8_t *out, size_t n)
{
    uint32_t limit = (uint32_t)lrint(density * 128);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t bits = tern_random_next(&start);
        for (size_t j = i; j < i + 8 && j < n; j++, bits >>= 8)
            out[j] = (int8_t)((bits >> 1 & 127) < limit ? (int)(bits & 1) * 2 - 1 : 0);
    }
}

void tern_random_floats(uint64_t start, float amplitude, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)((int32_t)(tern_random_next(&start) >> 40) - (1 << 23)) * (amplitude / (float)(1 << 23));
}

void tern_random_int8(uint64_t start, int8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (int8_t)((int)(tern_random_next(&start) >> 33) % 255 - 127);
}
