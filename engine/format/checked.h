/* SPDX-License-Identifier: Apache-2.0
 *
 * Checked arithmetic: the only way a size is formed from numbers that a file holds.
 * Each function stores the result and returns true, or returns false and leaves `out` alone when the exact result does
 * not fit. No function asserts, and none has an intermediate value that could wrap.
 */
#ifndef TERN_CHECKED_H
#define TERN_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool tern_checked_add(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool tern_checked_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* The next multiple of `alignment`, a power of two, at or above `value`. */
static inline bool tern_checked_align(uint64_t value, uint64_t alignment, uint64_t *out)
{
    uint64_t raised;
    if (!tern_checked_add(value, alignment - 1, &raised))
        return false;
    *out = raised & ~(alignment - 1);
    return true;
}

/* A size that memory can be asked for: fits size_t and stays below PTRDIFF_MAX, the most an object may have. */
static inline bool tern_checked_size(uint64_t value, size_t *out)
{
    if (value > PTRDIFF_MAX)
        return false;
    *out = (size_t)value;
    return true;
}

/* n * size + extra as a size of memory. */
static inline bool tern_checked_bytes(uint64_t n, uint64_t size, uint64_t extra, size_t *out)
{
    uint64_t product, sum;
    return tern_checked_mul(n, size, &product) && tern_checked_add(product, extra, &sum) && tern_checked_size(sum, out);
}

#endif
