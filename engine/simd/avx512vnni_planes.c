/* SPDX-License-Identifier: Apache-2.0
 *
 * AVX-512 with VNNI and BMI2: bit planes (core/kernels.h). The words of the first plane are masks as they stand; those of the minus signs are made by
 * depositing the next bits of the second plane under them (pdep). Two masked moves then give codes 0, 1, 2 for 64 weights. What it saves is memory,
 * 1.05 bits a weight where one in twenty is not zero; it costs twice the time of two-bit weights even from memory (Intel Xeon with AMX, 4096x14336,
 * density 0.05, 2 threads on one core, 2026-11-26: 110 against 200 GOP/s), so no shape chooses it by itself.
 */
#include "simd/avx512vnni_kernels.h"
#include "core/cpu.h"
#include "simd/x86_512.h"
#include "simd/x86_512_put.h"

enum { COLUMNS = 4, AHEAD = 2048 };

#define INLINE static inline __attribute__((always_inline, target("bmi2,popcnt")))

#define UNROLL _Pragma("GCC unroll 4")

struct signs {
    const uint8_t *words;
    uint64_t at; /* in bits */
};

INLINE uint64_t load_word(const uint8_t *p)
{
    uint64_t word;
    __builtin_memcpy(&word, p, sizeof word);
    return word;
}

/* The next `count` bits, and others above them. From a byte on 57 bits are in reach; only words denser than that need the second load. */
INLINE uint64_t next_signs(struct signs *s, unsigned count)
{
    const uint8_t *p = s->words + (s->at >> 3);
    unsigned shift = (unsigned)s->at & 7;
    uint64_t bits = load_word(p) >> shift;
    if (__builtin_expect(count > 57, 0))
        bits |= (uint64_t)p[8] << 1 << (63 - shift);
    s->at += count;
    return bits;
}

INLINE __m512i next_codes(const uint8_t *word_at, struct signs *s, __m512i ones, __m512i twos)
{
    uint64_t word = load_word(word_at), minus = _pdep_u64(next_signs(s, (unsigned)__builtin_popcountll(word)), word);
    __m512i codes = _mm512_mask_mov_epi8(ones, word, twos);
    return _mm512_maskz_mov_epi8(~minus, codes);
}

INLINE void panel_columns(const struct tern_product *p, size_t panel, size_t b, const int C)
{
    const uint8_t *w = p->w + panel * p->panel_bytes;
    const int8_t *x = p->x + b * p->x_stride;
    struct signs signs = { .words = w + p->steps * TERN_PLANE_STEP };
    const __m512i ones = _mm512_set1_epi8(1), twos = _mm512_set1_epi8(2);
    __m512i a[TERN_GROUPS][COLUMNS];
    UNROLL for (int g = 0; g < TERN_GROUPS; g++)
        UNROLL for (int c = 0; c < C; c++)
            a[g][c] = S_ZERO;
    for (size_t step = 0; step < p->steps; step++, w += TERN_PLANE_STEP, x += 4) {
        __builtin_prefetch(w + AHEAD);
        __builtin_prefetch(signs.words + signs.at / 8 + AHEAD);
        UNROLL for (int g = 0; g < TERN_GROUPS; g++) {
            __m512i codes = next_codes(w + 8 * g, &signs, ones, twos);
            UNROLL for (int c = 0; c < C; c++)
                a[g][c] = dot_u8(a[g][c], codes, V_X4(x + (size_t)c * p->x_stride));
        }
    }
    UNROLL for (size_t g = 0; g < TERN_GROUPS; g++)
        UNROLL for (int c = 0; c < C; c++)
            put_group(p, panel * TERN_PANEL + g * TERN_GROUP, b + (size_t)c, a[g][c]);
}

__attribute__((target("bmi2,popcnt"))) static void matmul_planes_i8_avx512vnni(const struct tern_product *p, size_t from, size_t to)
{
    for (size_t panel = from; panel < to; panel++) {
        size_t b = 0;
        for (; b + COLUMNS <= p->batch; b += COLUMNS)
            panel_columns(p, panel, b, COLUMNS);
        for (; b < p->batch; b++)
            panel_columns(p, panel, b, 1);
    }
}

void tern_avx512vnni_planes_overlay(struct tern_kernels *t)
{
    static const struct tern_product_kernel kernel = { "matmul_planes_i8_avx512vnni", matmul_planes_i8_avx512vnni };
    for (int class = 0; class < TERN_CLASSES && tern_cpu_has("bmi2"); class++)
        t->product[TERN_STORAGE_PLANES][class] = kernel;
}
