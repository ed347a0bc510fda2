/* SPDX-License-Identifier: Apache-2.0 */
#include "core/random.h"

#include <endian.h>
#include <math.h>
#include <string.h>

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

/* Eight trits at once, a byte each: the lowest bit is the sign, and a trit is not zero where the seven above it are below the limit. */
void tern_random_trits(uint64_t start, double density, int8_t *out, size_t n)
{
    static const uint64_t each = 0x0101010101010101u;
    const uint64_t limit = (uint64_t)lrint(density * 128);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t bits = tern_random_next(&start);
        uint64_t zero = ((bits >> 1 & 0x7f * each) + (128 - limit) * each) >> 7 & each; /* a sum has bit 7 from the limit on */
        uint64_t trits = ((~bits & each) * 0xfe | each) & (each - zero) * 0xff;
        trits = htole64(trits);
        memcpy(out + i, &trits, n - i < 8 ? n - i : 8);
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
