/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_inner.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

enum { VERSION = 1, MAX_GENERATIONS = 4096, MAX_SAMPLES = 4 * 1024 * 1024 };

/* Layout: version u8, n_generations u32, n of each generation u32, deflated bytes; all little-endian. */
static void put_u32(unsigned char *to, size_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(v >> (8 * i));
}

static size_t get_u32(const unsigned char *from)
{
    return (size_t)from[0] | (size_t)from[1] << 8 | (size_t)from[2] << 16 | (size_t)from[3] << 24;
}

static size_t count(const json_t *generations)
{
    size_t n = 0, g;
    const json_t *samples;
    json_array_foreach(generations, g, samples) n += json_array_size(samples);
    return n;
}

/* Byte k of sample i goes to place k * n + i. */
static void shuffle(const json_t *generations, unsigned char *planes, size_t n)
{
    size_t g, i, at = 0;
    const json_t *samples, *sample;
    json_array_foreach(generations, g, samples) json_array_foreach(samples, i, sample) {
        double v = json_number_value(sample);
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        for (size_t k = 0; k < 8; k++)
            planes[k * n + at] = (unsigned char)(bits >> (8 * (7 - k)));
        at++;
    }
}

bool store_samples_pack(const json_t *generations, unsigned char **bytes, size_t *n_bytes, size_t *n_samples)
{
    size_t n_generations = json_array_size(generations), n = count(generations), head = 5 + 4 * n_generations, g;
    *n_samples = n;
    if (n_generations > MAX_GENERATIONS || n > MAX_SAMPLES)
        return false;
    uLongf packed = compressBound(8 * n);
    unsigned char *planes = malloc(8 * n + 1), *out = malloc(head + packed);
    bool ok = planes && out;
    if (ok) {
        shuffle(generations, planes, n);
        ok = compress2(out + head, &packed, planes, 8 * n, Z_BEST_COMPRESSION) == Z_OK;
        out[0] = VERSION;
        put_u32(out + 1, n_generations);
        const json_t *samples;
        json_array_foreach(generations, g, samples) put_u32(out + 5 + 4 * g, json_array_size(samples));
    }
    free(planes);
    *bytes = ok ? out : NULL;
    *n_bytes = head + packed;
    if (!ok)
        free(out);
    return ok;
}

/* The number of samples that the head announces; false when the head is not whole. */
static bool read_head(const unsigned char *bytes, size_t n_bytes, size_t *head, size_t *n)
{
    if (n_bytes < 5 || bytes[0] != VERSION || get_u32(bytes + 1) > MAX_GENERATIONS)
        return false;
    size_t generations = get_u32(bytes + 1);
    *head = 5 + 4 * generations;
    *n = 0;
    if (n_bytes < *head)
        return false;
    for (size_t g = 0; g < generations; g++) {
        *n += get_u32(bytes + 5 + 4 * g);
        if (*n > MAX_SAMPLES)
            return false;
    }
    return true;
}

static void unshuffle(const unsigned char *planes, double *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        for (size_t k = 0; k < 8; k++)
            bits = bits << 8 | planes[k * n + i];
        memcpy(&samples[i], &bits, sizeof bits);
    }
}

bool store_samples_unpack(const unsigned char *bytes, size_t n_bytes, double **samples, size_t *n_samples)
{
    size_t head, n;
    *samples = NULL;
    if (!read_head(bytes, n_bytes, &head, &n))
        return false;
    uLongf size = 8 * n;
    unsigned char *planes = malloc(8 * n + 1);
    *samples = malloc(8 * n + 1);
    bool ok = planes && *samples && uncompress(planes, &size, bytes + head, n_bytes - head) == Z_OK && size == 8 * n;
    if (ok)
        unshuffle(planes, *samples, n);
    free(planes);
    if (!ok) {
        free(*samples);
        *samples = NULL;
    }
    *n_samples = ok ? n : 0;
    return ok;
}
