/* SPDX-License-Identifier: Apache-2.0
 * AVX-VNNI: vpdpbusd on 256-bit vectors, for CPUs that have it without AVX-512. */
#include "simd/x86_256.h"

/* An asm statement for the reason given in x86_512_put.h. */
static inline __attribute__((always_inline)) __m256i dot(__m256i a, __m256i w, __m256i x)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(a) : "x"(w), "x"(x));
    return a;
}

#define ISA avxvnni
#define A __m256i
#define A_ZERO _mm256_setzero_si256()
#define A_DOT(a, w, x) dot(a, w, x)
#define A_DOT_U8 A_DOT
#define A_QUADS 0
#define S_ADD(s, a) ((void)(s), (a))
#define TILE_R 1
#define TILE_C 4
#define TILE_FIELDS 1

#include "simd/product.h"

void tern_avxvnni_overlay(struct tern_kernels *t)
{
    overlay_products(t);
}
