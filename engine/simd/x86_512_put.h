/* SPDX-License-Identifier: Apache-2.0
 * What the AVX-512 kernels outside simd/product.h share: the product with VNNI, and sums that become outputs. */
#include "core/kernels.h"

#include <immintrin.h>

/* As an asm statement, because gcc (12 at least) copies and spills accumulators of the intrinsic: half the speed with sixteen of them. */
static inline __attribute__((always_inline)) __m512i dot_u8(__m512i a, __m512i w, __m512i x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(a) : "v"(w), "v"(x));
    return a;
}

/* Sums of 16 rows from row n, of which some may lie beyond the last, to column b. */
static inline __attribute__((always_inline)) void put_group(const struct tern_product *p, size_t n, size_t b, __m512i s)
{
    if (n >= p->n)
        return;
    __mmask16 mask = (__mmask16)(0xffffu >> (p->n - n < 16 ? 16 - (p->n - n) : 0));
    char *y = (char *)p->y + (b * p->n + n) * 4;
    s = _mm512_sub_epi32(s, _mm512_set1_epi32(p->x_sum[b]));
    if (p->scale)
        _mm512_mask_storeu_ps(y, mask, _mm512_mul_ps(_mm512_cvtepi32_ps(s), _mm512_set1_ps(p->scale[b] * p->weight_scale)));
    else
        _mm512_mask_storeu_epi32(y, mask, s);
}
