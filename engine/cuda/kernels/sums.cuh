/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of floats in the engine's one order (core/sums.h: 16 partial sums, then halving), the largest of a block's, and the engine's exp.
 * Products and sums are separate operations, so every value has the CPU's bits.
 */
#ifndef CUDA_SUMS_CUH
#define CUDA_SUMS_CUH

#include "device.cuh"

/* partial sum of lane j < 16 of sixteen lanes -> the tree's sum in lane 0. */
__device__ __forceinline__ float tree16(float p) {
    const unsigned all = 0xFFFFFFFFu;
#pragma unroll
    for (int half = 8; half; half /= 2) p = __fadd_rn(p, __shfl_down_sync(all, p, half, 16));
    return p;
}

/* The sum of N partial sums, by halving. */
template <int N> __device__ __forceinline__ float halves(const float (&p)[N]) {
    float q[N / 2];
#pragma unroll
    for (int i = 0; i < N / 2; i++) q[i] = __fadd_rn(p[i], p[i + N / 2]);
    return halves(q);
}
template <> __device__ __forceinline__ float halves<1>(const float (&p)[1]) { return p[0]; }

/* The sum of WARPS * 32 numbers by halving, over warps, then over lanes, in every lane of a warp. */
template <int WARPS> __device__ __forceinline__ float lanes_sum(const float *partial) {
    float w[WARPS];
#pragma unroll
    for (int i = 0; i < WARPS; i++) w[i] = partial[i * 32 + (threadIdx.x & 31)];
    float x = halves(w);
#pragma unroll
    for (int half = 16; half; half /= 2) x = __fadd_rn(x, __shfl_xor_sync(~0u, x, half));
    return x;
}

/* The sum of a block's partial sums, one a thread, by halving, in every thread: over warps, then over lanes. `partial`: shared, one a thread. */
template <int WARPS> __device__ __forceinline__ float block_sum(float mine, float *partial) {
    partial[threadIdx.x] = mine;
    __syncthreads();
    return lanes_sum<WARPS>(partial);
}

/* Unsigned numbers in the order of floats. */
__device__ __forceinline__ unsigned float_order(float v) {
    const unsigned bits = (unsigned)__float_as_int(v);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float float_of_order(unsigned order) { return __int_as_float((int)(order >> 31 ? order & 0x7FFFFFFFu : ~order)); }

/* The largest of a block's numbers, in every thread. `maxima`: shared, one a warp. */
template <int WARPS> __device__ __forceinline__ float block_max(float a, unsigned *maxima) {
    const unsigned most = __reduce_max_sync(~0u, float_order(a));
    if ((threadIdx.x & 31) == 0) maxima[threadIdx.x >> 5] = most;
    __syncthreads();
    unsigned all = maxima[0];
#pragma unroll
    for (int i = 1; i < WARPS; i++) all = maxima[i] > all ? maxima[i] : all;
    return float_of_order(all);
}

/* round_half_even(v), clamped to int8; no number gives the least. The sum's last bits are the integer: conversions have a sixteenth of an addition's rate. */
__device__ __forceinline__ int8_t to_int8(float v) { return (int8_t)__float_as_int(__fadd_rn(fminf(fmaxf(v, -128.0f), 127.0f), 12582912.0f)); }

/* The engine's exp (simd/scalar_vector.c), operation by operation. */
__device__ __forceinline__ float exp_same(float x) {
    const float magic = 12582912.0f;
    const float t = __fadd_rn(__fmul_rn(x, 1.44269504f), magic), n = __fsub_rn(t, magic);
    const float r = __fsub_rn(__fsub_rn(x, __fmul_rn(n, 0.693359375f)), __fmul_rn(n, -2.12194440e-4f));
    float p = __fadd_rn(__fmul_rn(r, 1.0f / 720), 1.0f / 120);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f / 24);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f / 6);
    p = __fadd_rn(__fmul_rn(p, r), 0.5f);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f);
    const float scale = __int_as_float((int)((unsigned)__float_as_int(t) << 23) + 0x3f800000);
    return x > -87.0f ? __fmul_rn(p, scale) : 0.0f;
}

#endif
