/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512 with VNNI and VBMI: weights of 1.6 bits by two look-ups a line (format/table3.h), 13 instructions for 320 weights where base 3 takes
 * 20. Fields stay where they are, as in row_2bit of product.h: a sum of field f is 4^f times what it should be until the end.
 */
#include "simd/avx512vnni_kernels.h"
#include "core/cpu.h"
#include "format/table3.h"
#include "simd/x86_512.h"
#include "simd/x86_512_put.h"

/* Bytes of prefetch, to L2 and to L1. From memory on 2 threads of an Intel Xeon with AMX, 4096x14336, 2026-11-26: 152 GOP/s without (a hardware
 * prefetcher stops at each page), 187 with 1024 to L1, 243 with 4096 to L1, 272 with these two. */
enum { AHEAD_L2 = 8192, AHEAD_L1 = 1024 };

#define INLINE static inline __attribute__((always_inline, target("avx512vbmi")))

static uint8_t low[64], fix[64];

/* (a ^ b) & mask */
INLINE __m512i differ(__m512i a, __m512i b, __m512i mask)
{
    return _mm512_ternarylogic_epi32(a, b, mask, 0x28);
}

struct tables {
    __m512i low, fix, mask0, mask1, mask2, mask3;
};

/* One line into the sums of its group: a[3] takes fields 3 and 4, which are at the same place. */
INLINE void line(const uint8_t *w, __m512i a[4], const __m512i x[5], struct tables t)
{
    __m512i v = V_LOAD(w), e = _mm512_permutexvar_epi8(_mm512_subs_epu8(v, t.mask3), t.fix), u = _mm512_permutexvar_epi8(v, t.low);
    __builtin_prefetch(w + AHEAD_L2, 0, 2);
    __builtin_prefetch(w + AHEAD_L1);
    a[0] = dot_u8(a[0], differ(u, e, t.mask0), x[0]);
    a[1] = dot_u8(a[1], differ(u, e, t.mask1), x[1]);
    a[2] = dot_u8(a[2], differ(u, e, t.mask2), x[2]);
    a[3] = dot_u8(a[3], _mm512_and_si512(u, t.mask3), x[3]);
    a[3] = dot_u8(a[3], differ(v, e, t.mask3), x[4]);
}

INLINE void panel_column(const struct tern_product *p, size_t panel, size_t b, struct tables t)
{
    const uint8_t *w = p->w + panel * p->panel_bytes;
    const int8_t *x = p->x + b * p->x_stride;
    __m512i a[TERN_GROUPS][4];
    for (int g = 0; g < TERN_GROUPS; g++)
        for (int f = 0; f < 4; f++)
            a[g][f] = S_ZERO;
    for (size_t step = 0; step < p->steps; step++, w += TERN_STEP, x += 20) {
        const __m512i four[5] = { V_X4(x), V_X4(x + 4), V_X4(x + 8), V_X4(x + 12), V_X4(x + 16) };
        line(w, a[0], four, t);
        line(w + TERN_LINE, a[1], four, t);
        line(w + 2 * TERN_LINE, a[2], four, t);
        line(w + 3 * TERN_LINE, a[3], four, t);
    }
    for (size_t g = 0; g < TERN_GROUPS; g++) {
        __m512i s = _mm512_add_epi32(a[g][0], _mm512_srai_epi32(a[g][1], 2));
        s = _mm512_add_epi32(s, _mm512_add_epi32(_mm512_srai_epi32(a[g][2], 4), _mm512_srai_epi32(a[g][3], 6)));
        put_group(p, panel * TERN_PANEL + g * TERN_GROUP, b, s);
    }
}

/* Columns one after the other: the panel stays in the nearest cache. */
__attribute__((target("avx512vbmi"))) static void matmul_table3_i8_avx512vbmi(const struct tern_product *p, size_t from, size_t to)
{
    const struct tables t = {
        _mm512_loadu_si512(low), _mm512_loadu_si512(fix), _mm512_set1_epi8(3), _mm512_set1_epi8(12), _mm512_set1_epi8(48), _mm512_set1_epi8((char)192),
    };
    for (size_t panel = from; panel < to; panel++)
        for (size_t b = 0; b < p->batch; b++)
            panel_column(p, panel, b, t);
}

void tern_avx512vnni_table_overlay(struct tern_kernels *t)
{
    static const struct tern_product_kernel kernel = { "matmul_table3_i8_avx512vbmi", matmul_table3_i8_avx512vbmi };
    if (!tern_cpu_has("avx512vbmi"))
        return;
    tern_table3_tables(low, fix);
    for (int class = 0; class < TERN_CLASSES; class++)
        t->product[TERN_STORAGE_TABLE3][class] = kernel;
}
