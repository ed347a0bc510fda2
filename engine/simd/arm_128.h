/* SPDX-License-Identifier: Apache-2.0
 * 128-bit vectors of AArch64 for simd/product.h and simd/quantize.h: what the NEON backends have in common. */
#include <arm_neon.h>
#include <stdint.h>

static inline int32_t load_four(const void *p)
{
    int32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

#define V uint8x16_t
#define V_BYTES 16
#define V_LOAD(p) vld1q_u8(p)
#define V_FIELD(v, f) vandq_u8((f) ? vshrq_n_u8(v, (f) ? 2 * (f) : 1) : (v), vdupq_n_u8(3))
#define V_TRIPLE(v) vaddq_u8(v, vaddq_u8(v, v))
#define V_X4(p) vreinterpretq_u8_s32(vdupq_n_s32(load_four(p)))
#define S int32x4_t
#define S_ZERO vdupq_n_s32(0)
#define S_SUM(a, b) vaddq_s32(a, b)
#define OPAQUE(v) __asm__ volatile("" : "+w"(v))
#define S_OUT(s, x_sum, out) vst1q_s32(out, vsubq_s32(s, vdupq_n_s32(x_sum)))
#define S_SCALE(s, x_sum, factor, out) vst1q_f32(out, vmulq_f32(vcvtq_f32_s32(vsubq_s32(s, vdupq_n_s32(x_sum))), vdupq_n_f32(factor)))

/* 3 v / 256 is 1 from 86 on and 2 from 171 on; a compare gives -1 where true. */
static inline uint8x16_t V_DIGIT(uint8x16_t v)
{
    return vsubq_u8(vsubq_u8(vdupq_n_u8(0), vcgeq_u8(v, vdupq_n_u8(86))), vcgeq_u8(v, vdupq_n_u8(171)));
}

#define F float32x4x4_t
#define F_ZERO ((float32x4x4_t){ { vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0) } })
#define F_LOAD(p) ((float32x4x4_t){ { vld1q_f32(p), vld1q_f32((p) + 4), vld1q_f32((p) + 8), vld1q_f32((p) + 12) } })

/* The maximum of numbers: a NaN does not count. */
static inline float32x4x4_t F_LARGER(float32x4x4_t m, float32x4x4_t v)
{
    for (int i = 0; i < 4; i++)
        m.val[i] = vmaxnmq_f32(vabsq_f32(v.val[i]), m.val[i]);
    return m;
}

static inline float F_LARGEST(float32x4x4_t m)
{
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(m.val[0], m.val[1]), vmaxq_f32(m.val[2], m.val[3])));
}

/* Conversion takes a NaN to 0; here it is to be -128, as on x86. */
static inline int32x4_t to_int(float32x4_t v, float factor)
{
    float32x4_t scaled = vmulq_n_f32(v, factor);
    return vbslq_s32(vceqq_f32(scaled, scaled), vcvtnq_s32_f32(scaled), vdupq_n_s32(-128));
}

static inline void F_TO_INT8(float32x4x4_t v, float factor, int8_t *q)
{
    int16x8_t low = vcombine_s16(vqmovn_s32(to_int(v.val[0], factor)), vqmovn_s32(to_int(v.val[1], factor)));
    int16x8_t high = vcombine_s16(vqmovn_s32(to_int(v.val[2], factor)), vqmovn_s32(to_int(v.val[3], factor)));
    vst1q_s8(q, vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
}

#define N int32_t
#define N_ZERO 0
#define N_ADD(n, q) ((n) += vaddlvq_s8(vld1q_s8(q)))
#define N_TOTAL(n) (n)
